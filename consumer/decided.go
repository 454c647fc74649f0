package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// Offsets say how far into topics something goes, as next offsets, by topic and partition.
type Offsets map[schemas.Topic]map[int32]int64

// Add makes o include the record at offset of a topic's partition.
func (o Offsets) Add(t schemas.Topic, partition int32, offset int64) {
	if o[t] == nil {
		o[t] = make(map[int32]int64)
	}
	o[t][partition] = max(o[t][partition], offset+1)
}

// brokersAwayMax is how long those who wait for the engine put up with brokers that don't answer, as while they restart.
const brokersAwayMax = time.Minute

// patiently repeats what fails because the brokers are away, for brokersAwayMax.
func patiently(ctx context.Context, do func() error) error {
	var since time.Time
	for {
		err := do()
		var refused *kerr.Error
		if err == nil || ctx.Err() != nil || errors.Is(err, projector.ErrOutOfRange) || errors.As(err, &refused) && !refused.Retriable {
			return err
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) > brokersAwayMax {
			return err
		}
		sleep(ctx, decidedPauseMax)
	}
}

// How often WaitDecided looks: from the first pause, growing while nothing comes.
const (
	decidedPauseFirst = 2 * time.Millisecond
	decidedPauseMax   = 200 * time.Millisecond
)

// WaitDecided returns once every record below upTo is decided, and what those decisions sent to other customers, and so
// on. It needs a running engine; progress is told how many records are known to wait, and must not block. Brokers that
// restart are waited for.
func (c *Client) WaitDecided(ctx context.Context, upTo Offsets, progress func(waiting int64)) error {
	if err := c.awaitOffsets(ctx, upTo, progress); err != nil {
		return err
	}
	// A decision commits together with what it sends, so that is in the transfers topic by now; deciding it may send
	// more.
	passed := make(map[int32]int64)
	for {
		var sent map[int32]int64
		err := patiently(ctx, func() (err error) { sent, err = c.transfersWaiting(ctx, passed); return err })
		if err != nil || len(sent) == 0 {
			return err
		}
		if err := c.awaitOffsets(ctx, Offsets{schemas.TopicTransfers: sent}, progress); err != nil {
			return err
		}
	}
}

// WaitTicked returns once everything that is on the clock topic now was taken by the engine.
func (c *Client) WaitTicked(ctx context.Context, progress func(waiting int64)) error {
	n, err := c.Partitions(ctx)
	if err != nil {
		return err
	}
	ends := Offsets{}
	for id := range n {
		err := patiently(ctx, func() error {
			span, err := c.reader.Span(ctx, c.Name(schemas.TopicClock), id)
			if err == nil {
				ends.Add(schemas.TopicClock, id, span.End-1)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return c.awaitOffsets(ctx, ends, progress)
}

func (c *Client) awaitOffsets(ctx context.Context, upTo Offsets, progress func(int64)) error {
	pause, before := decidedPauseFirst, int64(-1)
	for {
		var waiting int64
		err := patiently(ctx, func() (err error) { waiting, err = c.waiting(ctx, upTo); return err })
		if err != nil {
			return err
		}
		progress(waiting)
		if waiting == 0 {
			return nil
		}
		if waiting != before {
			pause = decidedPauseFirst
		}
		before = waiting
		if sleep(ctx, pause); ctx.Err() != nil {
			return fmt.Errorf("waiting for %d records to be decided (is an engine running?): %w", waiting, ctx.Err())
		}
		pause = min(2*pause, decidedPauseMax)
	}
}

// waiting returns how many offsets below upTo the group has not committed.
func (c *Client) waiting(ctx context.Context, upTo Offsets) (int64, error) {
	committed, err := c.committed(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	for t, partitions := range upTo {
		for id, to := range partitions {
			at, _ := committed.Lookup(c.Name(t), id)
			n += max(to-max(at.At, 0), 0)
		}
	}
	return n, nil
}

// transfersWaiting returns where the transfers topic has records that are not decided. passed remembers how far each
// partition was looked at.
func (c *Client) transfersWaiting(ctx context.Context, passed map[int32]int64) (map[int32]int64, error) {
	n, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	committed, err := c.committed(ctx)
	if err != nil {
		return nil, err
	}
	name := c.Name(schemas.TopicTransfers)
	sent := make(map[int32]int64)
	for id := range n {
		span, err := c.reader.Span(ctx, name, id)
		if err != nil {
			return nil, err
		}
		at, _ := committed.Lookup(name, id)
		// Behind the last record there are markers, which are never committed by themselves.
		from := max(at.At, span.Start, passed[id])
		last := int64(-1)
		err = c.reader.Read(ctx, name, id, from, span.End, func(chunk projector.Chunk) error {
			for _, rec := range chunk.Records {
				if !rec.Attrs.IsControl() {
					last = rec.Offset
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if last >= 0 {
			sent[id] = last + 1
		}
		passed[id] = span.End
	}
	return sent, nil
}

// ErrNoCause means that a decision's input record is no longer in its topic.
var ErrNoCause = errors.New("the input record is gone")

// Cause returns the event that led to a decision. The error is [ErrNoCause] when retention has deleted it, and one of
// schemas' when it can't be read.
func (c *Client) Cause(ctx context.Context, cause events.Cause) (events.Event, error) {
	name := c.Name(schemas.Topic(cause.Topic))
	chunk, err := c.reader.Fetch(ctx, name, cause.Partition, cause.Offset, causeBytesMax)
	if errors.Is(err, projector.ErrOutOfRange) {
		return nil, fmt.Errorf("%s-%d@%d: %w", name, cause.Partition, cause.Offset, ErrNoCause)
	}
	if err != nil {
		return nil, err
	}
	for _, rec := range chunk.Records {
		if rec.Offset == cause.Offset && !rec.Attrs.IsControl() {
			return c.codec.DecodeEvent(rec.Value)
		}
	}
	return nil, fmt.Errorf("%s-%d@%d: %w", name, cause.Partition, cause.Offset, ErrNoCause)
}

const causeBytesMax = 64 << 10
