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
}

// spent is what a process used in its whole life.
type spent struct {
	cpu time.Duration
	// peak is the largest resident set in MiB.
	peak float64
}

func start(name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), log: &bytes.Buffer{}}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	return p, p.cmd.Start()
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

// startAccrue starts `accrue run` without a ticking clock: all events lie in the past.
func (b *bench) startAccrue(prefix, dir string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	args := []string{"run", "--brokers", b.broker, "--prefix", prefix, "--dir", filepath.Join(b.dir, dir),
		"--listen", addr, "--workers", fmt.Sprint(b.workers), "--tick", "0s"}
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
	return fmt.Errorf("not ready: %w\n%s", ctx.Err(), p.log)
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = p.cmd.Wait()
	return nil
}

// stop ends the process in order and says what it used.
func (p *process) stop() (spent, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return spent{}, fmt.Errorf("%w\n%s", err, p.log)
	}
	if err := p.cmd.Wait(); err != nil {
		return spent{}, fmt.Errorf("%w\n%s", err, p.log)
	}
	s := p.cmd.ProcessState
	usage, _ := s.SysUsage().(*syscall.Rusage)
	return spent{s.UserTime() + s.SystemTime(), float64(usage.Maxrss) / 1024}, nil
}
