package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// anotherAfter is how long after a signal another one counts: timeout(1) and some supervisors send the first one to the
// process and to its group.
const anotherAfter = 500 * time.Millisecond

// process runs the command that the process's arguments name. The first SIGINT, SIGTERM or, as when a terminal is closed,
// SIGHUP asks it to end, a second one ends the process as if signals were not caught. Under nohup(1) it stays.
func process() int {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	context.AfterFunc(ctx, func() {
		time.Sleep(anotherAfter)
		stop()
	})
	return NewMain().Run(ctx, os.Args[1:])
}

// deafMax is how long an interrupted command that has nothing to put in order may take to return.
const deafMax = time.Second

// await returns the exit code that comes from ended. A command that the system holds, because it opens a pipe that nobody
// writes or reads a disk that does not answer, cannot hear that it is to end: it is left behind.
func (m *Main) await(ctx context.Context, ended <-chan int, asJSON bool) int {
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
	}
	late := time.NewTimer(deafMax)
	defer late.Stop()
	select {
	case code := <-ended:
		return code
	case <-late.C:
	}
	if m.orderly.Load() {
		return <-ended
	}
	return m.report(interrupted(), asJSON)
}

// endsInOrder says that the command has things to put in order at its end, from now on: it is waited for as long as that
// takes.
func (m *Main) endsInOrder() { m.orderly.Store(true) }

func interrupted() error {
	return &failure{code: exitNotDone, err: errors.New("interrupted before it was done")}
}

// hearing returns r as a reader that gives up when ctx is done, which reading a terminal or a pipe does not. Nothing is
// read before the first Read: what a command does not want belongs to the next one.
func hearing(ctx context.Context, r io.Reader) io.Reader { return &hearingReader{ctx: ctx, from: r} }

type hearingReader struct {
	ctx   context.Context
	from  io.Reader
	start sync.Once
	pipe  *io.PipeReader
}

// Read implements [io.Reader].
func (h *hearingReader) Read(p []byte) (int, error) {
	h.start.Do(func() {
		r, w := io.Pipe()
		h.pipe = r
		context.AfterFunc(h.ctx, func() { _ = w.CloseWithError(h.ctx.Err()) })
		go func() {
			_, err := io.Copy(w, h.from)
			_ = w.CloseWithError(err) // it never fails, and nil is the end
		}()
	})
	return h.pipe.Read(p)
}
