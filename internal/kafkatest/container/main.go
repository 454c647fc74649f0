// Container runs one Kafka broker in a container until its standard input
// ends. It prints bootstrap=host:port when clients can connect. Package
// kafkatest runs it; by hand:
//
//	go run ./internal/kafkatest/container apache/kafka:4.3.1   # ends with Ctrl-D
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

const stopTimeout = 30 * time.Second

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: container IMAGE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(image string) error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	// An interrupt reaches the whole process group: the tests end of it, then
	// our standard input does, and there is a container to remove before us.
	signal.Ignore(os.Interrupt)
	k, err := start(ctx, image)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = k.stop(ctx)
	}()
	if err != nil {
		return err
	}
	fmt.Printf("bootstrap=%s\n", k.bootstrap)
	<-ended
	return nil
}
