package kafkatest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
)

// containerProgram holds testcontainers-go. It is a program of its own for two
// reasons: the tests of other packages need not compile and link a Docker
// client, and the container is removed when the program's standard input ends,
// so also when the test is killed.
const containerProgram = "github.com/accrue-loyalty/accrue/internal/kafkatest/container"

// kafkaImage is the image of the container lane.
func kafkaImage() string {
	if image := os.Getenv("KAFKA_IMAGE"); image != "" {
		return image
	}
	return "apache/kafka:" + KafkaVersion
}

func startContainer(ctx context.Context, image string) (*Process, error) {
	dir, err := os.MkdirTemp("", "accrue-container-")
	if err != nil {
		return nil, err
	}
	exe := dir + "/container"
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", exe, containerProgram).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s: %w\n%s", containerProgram, err, out)
	}
	cmd := exec.Command(exe, image)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p, err := spawn(cmd, dir, endsByItself)
	if err != nil {
		return nil, err
	}
	p.ask = stdin.Close
	if err := p.await(ctx, func() bool {
		all, _ := os.ReadFile(p.log)
		_, rest, found := bytes.Cut(all, []byte("bootstrap="))
		addr, _, whole := bytes.Cut(rest, []byte("\n"))
		p.Addr = string(addr)
		return found && whole
	}); err != nil {
		return nil, fmt.Errorf("starting a container of %s: %w", image, err)
	}
	return p, nil
}
