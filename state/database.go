package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// options returns Pebble's options for a partition: see docs/decisions for what they were measured against.
func (s *Store) options(p *Partition) *pebble.Options {
	listener := &pebble.EventListener{
		BackgroundError: p.backgroundError,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			p.quarantine(fmt.Errorf("%s is corrupt: %w", info.Path, info.Details))
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			p.log.Warn("disk is slow", slog.String("detail", info.String()))
		},
	}
	o := &pebble.Options{
		FS:                          logFS{s.fs, p},
		Cache:                       s.cache,
		Logger:                      databaseLog{p},
		EventListener:               listener,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                s.cfg.MemTableBytes,
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		MaxOpenFiles:                256,
	}
	o.Experimental.CompactionScheduler = p.compacting
	o.EnsureDefaults()
	return o
}

// databaseLog takes what Pebble logs. Pebble expects Fatalf not to return, and its default ends the process. Here the
// goroutine stops for good, with whatever locks it holds: running its deferred calls could end the process too.
type databaseLog struct{ p *Partition }

func (l databaseLog) Infof(format string, args ...any) {
	l.p.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l databaseLog) Errorf(format string, args ...any) {
	l.p.log.Warn("pebble: " + fmt.Sprintf(format, args...))
}

func (l databaseLog) Fatalf(format string, args ...any) {
	var cause error
	for _, a := range args {
		if err, ok := a.(error); ok {
			cause = err
		}
	}
	text := fmt.Sprintf(format, args...)
	if cause == nil {
		cause = errors.New(text)
	}
	l.p.quarantine(&fatalError{text: text, cause: cause})
	select {}
}

// fatalError keeps Pebble's words and the error behind them.
type fatalError struct {
	text  string
	cause error
}

func (e *fatalError) Error() string { return e.text }
func (e *fatalError) Unwrap() error { return e.cause }

// backgroundError hears of failed flushes and compactions, which Pebble tries again for ever. Room on the disk may come
// back, and so may what else the operating system refuses; other errors don't go away. Whoever opens a database would wait
// for either.
func (p *Partition) backgroundError(err error) {
	switch {
	case errors.Is(err, pebble.ErrCancelledCompaction), errors.Is(err, context.Canceled), p.closing.Load():
	case p.opening.Load():
		p.quarantine(fmt.Errorf("opening it: %w", err))
	case errors.Is(err, syscall.ENOSPC):
		p.log.Error("disk is full; the database tries again", slog.Any("error", err))
	case !pebble.IsCorruptionError(err) && p.mayPass(err):
		p.log.Error("the operating system refuses something; the database tries again", slog.Any("error", err))
	default:
		p.quarantine(fmt.Errorf("in the background: %w", err))
	}
}

// quarantine takes the partition out of use. The first reason stays.
func (p *Partition) quarantine(reason error) {
	if errors.Is(reason, syscall.ENOSPC) {
		reason = fmt.Errorf("%w: %w", ErrDiskFull, reason)
	}
	broken := fmt.Errorf("partition %d: %w: %w", p.number, ErrQuarantined, reason)
	if !p.broken.CompareAndSwap(nil, &broken) {
		return
	}
	p.log.Error("partition is quarantined", slog.Any("reason", reason))
	close(p.brokenSignal)
	p.compacting.abandon()
	if tell := p.store.cfg.OnQuarantine; tell != nil {
		go tell(p.number, broken)
	}
}

// guarded runs f on a goroutine of its own, because Pebble may stop the one it is called on, and waits for it or for the
// partition's quarantine.
func (p *Partition) guarded(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		if broken := p.Err(); broken != nil {
			return broken
		}
		return err
	case <-p.brokenSignal:
		return p.Err()
	}
}
