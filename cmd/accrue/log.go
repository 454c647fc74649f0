package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logFlags say what is logged.
type logFlags struct {
	LogLevel string `enum:"debug,info,warn,error" default:"info" env:"ACCRUE_LOG_LEVEL" help:"What to log: debug, info, warn or error."`
}

// logger returns a logger of JSON lines on standard error.
func (f *logFlags) logger(r *run) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(strings.ToUpper(f.LogLevel))) // kong has checked it
	return newLog(r.Stderr, level)
}

// newLog returns a logger of JSON lines for people: durations are text, and complaints are not repeated all the time.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	lines := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}})
	return slog.New(calm{Handler: lines, said: &said{complaints: map[string]*complaint{}}})
}

const (
	// complainEvery is how often the same complaint is written: with a broker away, every client has several a second.
	complainEvery = 10 * time.Second
	// complaintsMax bounds the complaints that are remembered.
	complaintsMax = 1000
)

// calm is a handler that writes a complaint, a warning or an error, at once and then only now and then, with the number of
// repetitions that were left out.
type calm struct {
	slog.Handler
	said *said
	// with are the logger's own attributes.
	with string
}

// said is what was written, by what it says. It is shared by a logger and those made of it.
type said struct {
	mu         sync.Mutex
	complaints map[string]*complaint
}

type complaint struct {
	written time.Time
	left    int // out, since
}

// Handle implements [slog.Handler].
func (c calm) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		left, again := c.said.again(c.with+textOf(&r), r.Time)
		if again {
			return nil
		}
		if left > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("repeated", left))
		}
	}
	return c.Handler.Handle(ctx, r)
}

// again reports whether the complaint was written a moment ago; if not, how often it was left out since it was.
func (s *said) again(text string, now time.Time) (left int, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.complaints) >= complaintsMax {
		clear(s.complaints)
	}
	c := s.complaints[text]
	if c == nil {
		c = &complaint{}
		s.complaints[text] = c
	}
	if now.Sub(c.written) < complainEvery {
		c.left++
		return 0, true
	}
	left, c.left, c.written = c.left, 0, now
	return left, false
}

// textOf returns what a record says, without what differs from one repetition to the next.
func textOf(r *slog.Record) string {
	var b strings.Builder
	b.WriteString(r.Level.String())
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, a)
		return true
	})
	return b.String()
}

// countOfErrors is an attribute that the Kafka client counts up with each repetition.
const countOfErrors = "consecutive_errors"

func writeAttr(b *strings.Builder, a slog.Attr) {
	if a.Key != countOfErrors && a.Value.Kind() != slog.KindDuration {
		b.WriteString("\x00" + a.String())
	}
}

// WithAttrs implements [slog.Handler].
func (c calm) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		writeAttr(&b, a)
	}
	return calm{c.Handler.WithAttrs(attrs), c.said, c.with + b.String()}
}

// WithGroup implements [slog.Handler].
func (c calm) WithGroup(name string) slog.Handler {
	return calm{c.Handler.WithGroup(name), c.said, c.with + "\x00" + name}
}
