package consumer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// tickAlong sends ticks of the wall clock to the partitions that this process owns, until ctx is done.
func (e *Engine) tickAlong(ctx context.Context) {
	every := time.NewTicker(e.cfg.Clock.Every)
	defer every.Stop()
	var said time.Time
	sent := underWay{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			ids, open := e.tickable(now)
			if open && now.Sub(said) >= openSaid {
				said = now
				e.cfg.Log.Warn("a history that was begun with import --drive-clock is not through, so the clock stands still: run the import again, or let the clock go with `accrue clock release`")
			}
			for _, id := range ids {
				if !sent.begin(id) {
					continue
				}
				rec, err := e.client.tickRecord(id, events.InstantOf(now))
				if err != nil {
					sent.end(id)
					e.cfg.Log.Error("a tick cannot be written", "partition", id, "error", err)
					continue
				}
				e.client.kafka.Produce(ctx, rec, func(_ *kgo.Record, err error) {
					sent.end(id)
					if err != nil && ctx.Err() == nil {
						e.cfg.Log.Warn("a tick was not sent; the next one will make up for it", "partition", id, "error", err)
					}
				})
			}
		}
	}
}

// underWay are the partitions whose tick is on its way. While one has no leader its ticks would fill the client's buffer,
// and then those of all others would wait.
type underWay struct{ ids sync.Map }

// begin reports whether no tick is on its way to the partition, and notes that one is.
func (u *underWay) begin(id int32) bool {
	_, there := u.ids.LoadOrStore(id, nil)
	return !there
}

func (u *underWay) end(id int32) { u.ids.Delete(id) }

// openSaid is how often the log says that the clock waits for the rest of a history.
const openSaid = time.Minute

// tickable returns the partitions whose wall clock may tick now. Left alone are partitions without a single decision,
// so that history can be imported into a new system while it runs; those whose clock somebody drives; and those where
// an earlier tick still waits, for it or the records before it to be worked off. open is set when some wait for the rest of
// a history that nobody drives.
func (e *Engine) tickable(now time.Time) (ids []int32, open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, t := range e.owned {
		if t.mayTick(now) {
			ids = append(ids, id)
		}
		open = open || t.leftOpen(now)
	}
	return ids, open
}

func (t *tenure) leftOpen(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lease.open && t.lease.heldBy(now.UnixMilli()) == ""
}

func (t *tenure) mayTick(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status.Phase == Running && t.status.Ledger > 0 && t.ticksWaiting == 0 && !t.status.Sweeping &&
		!t.lease.wallWaits(now.UnixMilli())
}

// tickRecord returns the record of a tick for a partition.
func (c *Client) tickRecord(partition int32, at events.Instant) (*kgo.Record, error) {
	tick := &events.Tick{Header: events.Header{ID: "tick-" + at.String(), At: at}}
	value, err := c.codec.AppendEvent(nil, tick)
	if err != nil {
		return nil, fmt.Errorf("writing a tick: %w", err)
	}
	return &kgo.Record{Topic: c.Name(schemas.TopicClock), Partition: partition, Value: value}, nil
}
