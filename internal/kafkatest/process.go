package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is what a service gets to end by itself before it is killed.
const stopTimeout = 20 * time.Second

// Process is a broker or registry that runs as a child of this process, and
// ends with it even when it is killed (on Linux).
type Process struct {
	// Addr is host:port of a broker, and the base URL of a registry.
	Addr string

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	dir  string        // removed on Stop
	log  string        // the file in dir that holds the output
	ask  func() error  // how to ask it to end
}

// Stop ends the process and removes its folder.
func (p *Process) Stop() error {
	_ = p.ask()
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return os.RemoveAll(p.dir)
}

// spawn starts cmd with its output in dir/out.log, and takes dir over. prepare may set how cmd ends
// when this process does, and returns what to do when cmd has ended.
func spawn(cmd *exec.Cmd, dir string, prepare func(*exec.Cmd) (release func())) (*Process, error) {
	p := &Process{dir: dir, log: filepath.Join(dir, "out.log"), cmd: cmd, done: make(chan struct{})}
	p.ask = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		defer func() { _ = out.Close() }()
		defer prepare(cmd)()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

// await polls ready until it says yes. On failure the process is stopped and
// the error carries the end of its log.
func (p *Process) await(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var err error
	for err == nil {
		select {
		case <-p.done:
			err = errors.New("it ended while starting")
		case <-ctx.Done():
			err = fmt.Errorf("it was not ready in time: %w", ctx.Err())
		case <-tick.C:
			if ready() {
				return nil
			}
		}
	}
	tail := p.tail()
	return errors.Join(fmt.Errorf("%w; the end of its log:\n%s", err, tail), p.Stop())
}

const tailLinesMax = 25

func (p *Process) tail() string {
	all, _ := os.ReadFile(p.log)
	lines := strings.Split(strings.TrimRight(string(all), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLinesMax):], "\n")
}

// logged returns a condition for await: the log holds text.
func (p *Process) logged(text string) func() bool {
	return func() bool {
		all, err := os.ReadFile(p.log)
		return err == nil && bytes.Contains(all, []byte(text))
	}
}

// endsByItself is a prepare for programs that notice our end themselves.
func endsByItself(*exec.Cmd) (release func()) { return func() {} }

// freePorts returns n ports of 127.0.0.1 that were free a moment ago.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = ln.Close() }()
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// cacheDir is where the scripts put jars: $ACCRUE_CACHE, or accrue in the
// user's cache folder. scripts/lib.sh says the same.
func cacheDir() string {
	if d := os.Getenv("ACCRUE_CACHE"); d != "" {
		return d
	}
	if d := os.Getenv("XDG_CACHE_HOME"); d != "" {
		return filepath.Join(d, "accrue")
	}
	return filepath.Join(os.Getenv("HOME"), ".cache", "accrue")
}
