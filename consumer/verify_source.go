package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// errSourceEnds means that an input topic has no further record.
var errSourceEnds = errors.New("the topic ends")

// source streams one partition of an input topic, a chunk ahead.
type source struct {
	name string
	id   int32
	// start is the first offset that retention has left.
	start  int64
	chunks chan projector.Chunk
	failed error // set before chunks is closed
	at     []*kgo.Record
	// taken is the offset behind the last record taken.
	taken int64
}

// openSource begins to read. It ends with ctx.
func openSource(ctx context.Context, c *Client, topic schemas.Topic, id int32) (*source, error) {
	s := &source{name: c.Name(topic), id: id, chunks: make(chan projector.Chunk)}
	span, err := c.reader.Span(ctx, s.name, id)
	if err != nil {
		return nil, err
	}
	// Of the clock's records most have led to nothing.
	if s.start = span.Start; s.start > 0 && topic != schemas.TopicClock {
		return nil, s.gone()
	}
	go func() {
		defer close(s.chunks)
		s.failed = c.reader.Read(ctx, s.name, id, span.Start, span.End, func(chunk projector.Chunk) error {
			select {
			case s.chunks <- chunk:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return s, nil
}

// gone says that records are wanted from before the topic's start.
func (s *source) gone() error {
	return fmt.Errorf("%w: %s-%d begins at offset %d: the ledger's causes before that cannot be decided again", ErrNoCause, s.name, s.id, s.start)
}

// peek returns the next record without taking it.
func (s *source) peek(ctx context.Context) (*kgo.Record, error) {
	for {
		for len(s.at) > 0 {
			if !s.at[0].Attrs.IsControl() {
				return s.at[0], nil
			}
			s.at = s.at[1:]
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case chunk, ok := <-s.chunks:
			if !ok {
				if s.failed != nil {
					return nil, s.failed
				}
				return nil, fmt.Errorf("%s-%d: %w", s.name, s.id, errSourceEnds)
			}
			s.at = chunk.Records
		}
	}
}

// next takes the next record.
func (s *source) next(ctx context.Context) (*kgo.Record, error) {
	rec, err := s.peek(ctx)
	if err == nil {
		s.at, s.taken = s.at[1:], rec.Offset+1
	}
	return rec, err
}

// rest takes all records that are left, and returns how many.
func (s *source) rest(ctx context.Context) (n int64, err error) {
	for {
		_, err := s.next(ctx)
		switch {
		case errors.Is(err, errSourceEnds):
			return n, nil
		case err != nil:
			return 0, err
		}
		n++
	}
}

// ticks follows the clock topic as the engine did.
type ticks struct {
	source *source
	decode func([]byte) (events.Event, error)
	lease  clockLog
	now    clock
	// before is where the clock stood before it moved to now.
	before clock
	// waiting are ticks that count and were read, but not applied.
	waiting []clockRecord
	// broken are clock records that cannot be read, in order, and why.
	broken []brokenTick
}

type brokenTick struct {
	offset int64
	reason error
}

// read takes the next clock record.
func (t *ticks) read(ctx context.Context) error {
	rec, err := t.source.next(ctx)
	if err != nil {
		return err
	}
	r, err := parseClock(t.decode, rec)
	switch {
	case errors.Is(err, schemas.ErrRegistryUnavailable):
		return err
	case err != nil:
		t.broken = append(t.broken, brokenTick{rec.Offset, err})
	case t.lease.admit(&r):
		t.waiting = append(t.waiting, r)
	}
	return nil
}

// step applies the next tick.
func (t *ticks) step(ctx context.Context) error {
	for len(t.waiting) == 0 {
		if err := t.read(ctx); err != nil {
			return err
		}
	}
	r := &t.waiting[0]
	if r.tick.At > t.now.at {
		t.before = t.now
	}
	t.now.apply(r)
	t.waiting = t.waiting[1:]
	return nil
}

// moveTo follows the clock until it stands at the given time or later. The error is [ErrNoCause] when no tick that retention
// has left put it there: one that is gone may have, or the ledger is wrong. Once a decision was made under a tick that is
// left, all that come after it are.
func (t *ticks) moveTo(ctx context.Context, at events.Instant) error {
	unknown := t.source.start > 0 && t.now.at == 0 && at > 0
	var err error
	for t.now.at < at && err == nil {
		err = t.step(ctx)
	}
	if unknown && (t.now.at > at || errors.Is(err, errSourceEnds)) {
		return fmt.Errorf("%w: %s-%d begins at offset %d, and no tick from there on puts the clock at %s: whether one before did, or the ledger is wrong, cannot be known",
			ErrNoCause, t.source.name, t.source.id, t.source.start, at)
	}
	return err
}

// applyTo follows the clock up to the record at offset.
func (t *ticks) applyTo(ctx context.Context, offset int64) error {
	if err := t.readTo(ctx, offset); err != nil && !errors.Is(err, errSourceEnds) {
		return err
	}
	for len(t.waiting) > 0 && t.waiting[0].offset <= offset {
		if err := t.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// readTo takes the clock records up to the one at offset.
func (t *ticks) readTo(ctx context.Context, offset int64) error {
	for {
		if rec, err := t.source.peek(ctx); err != nil || rec.Offset > offset {
			return err
		}
		if err := t.read(ctx); err != nil {
			return err
		}
	}
}

// unreadable takes the first clock record up to offset that cannot be read; nil: there is none. It is decided as soon as it is
// read, also while the ticks before it wait for the end of another.
func (t *ticks) unreadable(ctx context.Context, offset int64) (*brokenTick, error) {
	if err := t.readTo(ctx, offset); err != nil && (len(t.broken) == 0 || !errors.Is(err, errSourceEnds)) {
		return nil, err
	}
	if len(t.broken) == 0 {
		return nil, nil
	}
	first := t.broken[0]
	t.broken = t.broken[1:]
	return &first, nil
}
