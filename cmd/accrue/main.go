// Command accrue is the loyalty-points engine, its tools and its demonstration in one binary.
//
// The package only wires: flags and environment to configurations, packages to each other, results to text. It holds
// no rules. [Main] is the whole program as a value, so that tests start the real thing.
//
// Reading the source: main.go (a run), interrupt.go (its end), cli.go (the commands), failure.go (exit codes), output.go
// (tables and JSON), cluster.go (how Kafka is reached), engine.go (the parts of a running instance); then a file for each
// command.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	// Programs name timezones, and not every machine has the database of them.
	_ "time/tzdata"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/term"
)

func main() {
	os.Exit(process())
}

// Main is one run of the program.
type Main struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Terminal says that a person watches Stderr: progress bars are drawn then.
	Terminal bool
	// Ready, when not nil, is told once where a command that stays up can be reached.
	Ready func(Addresses)
	// Kafka goes to every Kafka client besides what the flags say; for tests.
	Kafka []kgo.Opt

	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
	// orderly is set by [Main.endsInOrder].
	orderly atomic.Bool
}

// Addresses is where a running instance can be reached. What it does not have is empty.
type Addresses struct {
	API      string `json:"api"`
	Brokers  string `json:"brokers,omitempty"`
	Registry string `json:"registry,omitempty"`
}

// up is what a command that stays up prints as JSON; the demonstration's has the same fields among others.
type up struct {
	Version   string    `json:"version"`
	Addresses Addresses `json:"addresses"`
	Dir       string    `json:"dir"`
}

// NewMain returns a run on the process's own input and outputs.
func NewMain() *Main {
	return &Main{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Terminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
}

// Run executes the command that args name and returns the process's exit code. It returns when the command is done, ctx
// is, or Close was called. One run at a time.
func (m *Main) Run(ctx context.Context, args []string) int {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	m.mu.Lock()
	m.cancel, m.done = cancel, done
	m.orderly.Store(false)
	m.mu.Unlock()
	defer close(done)
	defer cancel()
	ended := make(chan int, 1)
	go func() { ended <- m.execute(ctx, args) }()
	return m.await(ctx, ended, wantsJSON(args))
}

// Close ends a run and waits until it has. It is safe to call at any time, from any goroutine but Run's.
func (m *Main) Close() {
	m.mu.Lock()
	cancel, done := m.cancel, m.done
	m.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// ready tells whoever asked that the command can be reached.
func (m *Main) ready(a Addresses) {
	if m.Ready != nil {
		m.Ready(a)
	}
}

// report prints err and returns the exit code it means.
func (m *Main) report(err error, asJSON bool) int {
	if err == nil {
		return 0
	}
	f := failureOf(err)
	if !f.silent {
		f.print(m.Stderr, asJSON)
	}
	return f.code
}

// wentAway reports whether the reader of our output has closed it, as `head` does: no error worth a message.
func wentAway(err error) bool { return errors.Is(err, syscall.EPIPE) }

// note prints a line for people.
func (m *Main) note(format string, args ...any) { fmt.Fprintln(m.Stderr, textf(format, args...)) }
