package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// childArg makes this binary one of its own children, so that the CPU of each side is a process's own.
const childArg = "child"

func child(args []string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var err error
	switch args[0] {
	case "echo":
		workers, _ := strconv.Atoi(args[5])
		err = echo(ctx, args[1], args[2], args[3], args[4], workers)
	case "bare":
		err = bare(ctx, args[1], args[2])
	default:
		err = fmt.Errorf("unknown child %q", args[0])
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "bench child:", err)
		os.Exit(1)
	}
}

// echo is the limit: it copies records from one topic to another exactly once, and looks at nothing.
func echo(ctx context.Context, broker, from, to, group string, workers int) error {
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for i := range workers {
		wg.Go(func() { errs <- echoWorker(ctx, broker, from, to, group, fmt.Sprintf("%s-%d", group, i)) })
	}
	wg.Wait()
	return <-errs
}

func echoWorker(ctx context.Context, broker, from, to, group, id string) error {
	s, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(broker), kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Second),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(from), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.Balancers(kgo.RangeBalancer()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(100_000), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.RetryBackoffFn(func(n int) time.Duration { return min(time.Duration(1<<n)*time.Millisecond, 250*time.Millisecond) }),
	)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		fetches := s.PollRecords(ctx, 20_000)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s.Produce(ctx, &kgo.Record{Topic: to, Partition: r.Partition, Key: r.Key, Value: r.Value}, nil)
		})
		if _, err := s.End(context.WithoutCancel(ctx), kgo.TryCommit); err != nil {
			return err
		}
	}
}
