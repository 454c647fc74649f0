package intake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/accrue-loyalty/accrue/events"
)

const (
	// lineBytesMax is beyond the longest event that can be valid: an order of 10,000 lines with the longest ids.
	lineBytesMax = 32 << 20
	// chunkLines is how many lines are decoded at a time: enough to make handing them over cheap.
	chunkLines = 256
)

// Line is one line of a file of events.
type Line struct {
	// Number counts from 1.
	Number int64
	// Text is the line without its end. It is valid until the callback returns.
	Text []byte
	// Event is nil when Err is set.
	Event events.Event
	Err   error
}

// chunk is a run of lines on its way through a decoder. done is closed when Event and Err are filled in.
type chunk struct {
	lines []Line
	done  chan struct{}
	err   error // of reading, after the lines
}

// ReadLines calls fn with every line of r that is not blank, in order. A line that holds no valid event has Err set;
// going on or giving up is fn's choice: an error of fn ends the reading and is returned. Errors of reading name the file.
// Lines are decoded on all processors while fn runs. A read of r may be under way still when fn's error or ctx has ended it:
// whoever writes to a pipe may take long.
func ReadLines(ctx context.Context, file string, r io.Reader, fn func(*Line) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers := runtime.GOMAXPROCS(0)
	work := make(chan *chunk, workers)
	ordered := make(chan *chunk, 4*workers)
	go func() {
		defer close(work)
		defer close(ordered)
		cut(file, r, func(c *chunk) bool {
			for _, queue := range []chan *chunk{ordered, work} {
				select {
				case queue <- c:
				case <-ctx.Done():
					return false
				}
			}
			return true
		})
	}()
	for range workers {
		go func() {
			for c := range work {
				for i := range c.lines {
					l := &c.lines[i]
					l.Event, l.Err = decodeLine(l.Text)
				}
				close(c.done)
			}
		}()
	}
	for {
		var c *chunk
		select {
		case c = <-ordered:
		case <-ctx.Done():
		}
		if c == nil {
			return ctx.Err()
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		for i := range c.lines {
			if err := fn(&c.lines[i]); err != nil {
				return err
			}
		}
		if c.err != nil {
			return c.err
		}
	}
}

// decodeLine reads the event of one line. Of an event that goes on in the next one the JSON is broken in each.
func decodeLine(text []byte) (events.Event, error) {
	e, err := events.DecodeJSON(text)
	if errors.Is(err, events.ErrNotJSON) {
		return nil, fmt.Errorf("%w; each line must hold one whole event", err)
	}
	return e, err
}

// cut reads r to its end, or until emit takes no more, and emits its lines in chunks. Lines that are there don't wait for
// others that a pipe may bring later.
func cut(file string, r io.Reader, emit func(*chunk) bool) {
	in := bufio.NewReaderSize(r, 256<<10)
	if err := skipMark(in); err != nil {
		emit(&chunk{done: make(chan struct{}), err: fmt.Errorf("%s %w", file, err)})
		return
	}
	ready := func() bool {
		held, _ := in.Peek(in.Buffered()) // which cannot fail
		return bytes.IndexByte(held, '\n') >= 0
	}
	number := int64(0)
	for {
		c := &chunk{done: make(chan struct{})}
		var end error
		for end == nil && (len(c.lines) == 0 || len(c.lines) < chunkLines && ready()) {
			var text []byte
			text, end = readLine(in)
			if end != nil && !errors.Is(end, io.EOF) {
				c.err = fmt.Errorf("reading %s: line %d: %w", file, number+1, end)
			}
			number++
			if text = bytes.TrimSpace(text); len(text) > 0 && c.err == nil {
				c.lines = append(c.lines, Line{Number: number, Text: text})
			}
		}
		if !emit(c) || end != nil {
			return
		}
	}
}

// readLine returns a copy of the next line, and an error when it is the last one.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		case len(line) > lineBytesMax:
			return nil, fmt.Errorf("it is longer than %d bytes: is this a file of JSON lines?", lineBytesMax)
		}
	}
}
