package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is one side under measure.
type process struct {
	cmd *exec.Cmd
	log *bytes.Buffer
	url string
	// ended is closed once the process is gone; failed is what its end was then.
	ended  chan struct{}
	failed error
}

// spent is what a process used in its whole life.
type spent struct {
	cpu time.Duration
	// peak is the largest resident set in MiB.
	peak float64
}

func start(name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), log: &bytes.Buffer{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.failed = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// alive is a context that ends with the process, so that nobody waits for what a dead one will never do.
func (p *process) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.ended:
			cancel(fmt.Errorf("the process ended: %v\n%s", p.failed, p.log))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

func startEcho(broker, from, to, group string, workers int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(self, childArg, "echo", broker, from, to, group, fmt.Sprint(workers))
}

func startBare(addr, body string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(self, childArg, "bare", addr, body)
}

// noTick has the clock stand still: nearly all events lie in the past.
const noTick = "0s"

// startAccrue starts `accrue run` with a clock that ticks so often.
func (b *bench) startAccrue(prefix, dir, tick string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	args := []string{"run", "--brokers", b.broker, "--prefix", prefix, "--dir", filepath.Join(b.dir, dir),
		"--listen", addr, "--workers", fmt.Sprint(b.workers), "--tick", tick}
	if b.profile != "" {
		args = append(args, "--cpu-profile", filepath.Join(b.profile, dir+".prof"))
	}
	p, err := start(b.binary, args...)
	if err != nil {
		return nil, err
	}
	p.url = "http://" + addr
	return p, nil
}

// ready waits until the API answers as the owner of its partitions.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := p.alive(ctx)
	defer cancel()
	for ctx.Err() == nil {
		resp, err := http.Get(p.url + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("not ready: %w", context.Cause(ctx))
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.ended
	return nil
}

// stop ends the process in order and says what it used.
func (p *process) stop() (spent, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return spent{}, fmt.Errorf("%w\n%s", err, p.log)
	}
	if <-p.ended; p.failed != nil {
		return spent{}, fmt.Errorf("%w\n%s", p.failed, p.log)
	}
	s := p.cmd.ProcessState
	usage, _ := s.SysUsage().(*syscall.Rusage)
	return spent{s.UserTime() + s.SystemTime(), float64(usage.Maxrss) / 1024}, nil
}
