package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// The headers of records on the clock topic. A record without them is a tick of the wall clock.
const (
	// headerDriver names who drives the clock through history.
	headerDriver = "accrue-clock-driver"
	// headerLease is how many milliseconds, from the record's timestamp, the driver keeps the clock; 0 gives it back.
	headerLease = "accrue-clock-lease"
	// headerHistory identifies the history that a driver goes through.
	headerHistory = "accrue-clock-history"
	// headerOpen is on a driver's records until the history is through. The wall clock then waits for the rest also when
	// the lease is over: one tick of today would make all of it stale, and what was imported expire.
	headerOpen = "accrue-clock-open"
)

// leaseMax bounds how long a driver that has died keeps the wall clock waiting.
const leaseMax = 5 * time.Minute

// clockLog follows one partition of the clock topic and tells which of its ticks count. It depends on nothing but the
// records, so everyone who reads the topic comes to the same answer.
//
// Whoever writes a record with a lease drives the clock until the lease is over by the records' own timestamps, or is
// given back; until then ticks of the wall clock and of other drivers don't count, wherever they land in the log.
// So a tick that was on its way while the clock changed hands does no harm. Where the driver has left its history open,
// the wall clock waits on; another driver does not.
type clockLog struct {
	driver string
	until  int64 // milliseconds; the lease is over for records with this timestamp or a later one
	// history is what was driven through last, "" once the wall clock counts; open, that it is not through.
	history string
	open    bool
	// since is the offset from which on the records tell all of this: the last one's that said who drives through what, or
	// that the wall clock does.
	since int64
}

// clockRecord is a record of the clock topic.
type clockRecord struct {
	offset int64
	time   int64 // the record's timestamp
	driver string
	lease  int64 // milliseconds; -1 when the record has none
	// history and open are what the driver says of the history at hand.
	history string
	open    bool
	tick    *events.Tick // nil when the record only claims or gives back
}

// admit follows the record and reports whether its tick counts. A record without a tick never does.
func (c *clockLog) admit(r *clockRecord) bool {
	held := c.driver != "" && r.time < c.until
	if r.driver == "" {
		counts := !held && !c.open && r.tick != nil
		if counts {
			c.history, c.since = "", r.offset
		}
		return counts
	}
	if held && r.driver != c.driver {
		return false
	}
	switch {
	case r.lease == 0:
		c.driver, c.until = "", 0
	case r.lease > 0:
		c.driver, c.until = r.driver, r.time+min(r.lease, leaseMax.Milliseconds())
	}
	// A claim says nothing of the history yet.
	if r.history != "" {
		c.history, c.open = r.history, r.open
		if r.lease >= 0 {
			c.since = r.offset
		}
	}
	return r.tick != nil
}

// wallWaits reports whether ticks of the wall clock do not count at the time now, in milliseconds.
func (c *clockLog) wallWaits(now int64) bool { return c.open || c.heldBy(now) != "" }

// heldBy returns who drives the clock at the time now, in milliseconds; "" is the wall clock.
func (c *clockLog) heldBy(now int64) string {
	if c.driver != "" && now < c.until {
		return c.driver
	}
	return ""
}

// parseClock reads a record of the clock topic. The error says why it cannot be read.
func parseClock(decode func([]byte) (events.Event, error), rec *kgo.Record) (clockRecord, error) {
	r := clockRecord{offset: rec.Offset, time: rec.Timestamp.UnixMilli(), lease: -1}
	for _, h := range rec.Headers {
		switch h.Key {
		case headerDriver:
			r.driver = string(h.Value)
		case headerLease:
			n, err := strconv.ParseInt(string(h.Value), 10, 64)
			if err != nil || n < 0 {
				return r, unreadable(reasonBrokenBytes, "header %s is %q, want milliseconds", headerLease, h.Value)
			}
			r.lease = n
		case headerHistory:
			r.history = string(h.Value)
		case headerOpen:
			r.open = true
		}
	}
	if r.driver != "" && rec.Value == nil {
		return r, nil
	}
	e, err := decode(rec.Value)
	if err != nil {
		return r, err
	}
	tick, ok := e.(*events.Tick)
	if !ok {
		return r, unreadable(reasonUnexpected, "an event of type %s on the clock topic", e.EventType())
	}
	r.tick = tick
	return r, nil
}

// readClock calls fn with a partition's clock records from the offset from up to to, or with why one can't be read. It
// returns fn's errors, and [schemas.ErrRegistryUnavailable].
func (c *Client) readClock(ctx context.Context, id int32, from, to int64, fn func(r *clockRecord, unread error) error) error {
	return c.reader.Read(ctx, c.Name(schemas.TopicClock), id, from, to, func(chunk projector.Chunk) error {
		for _, rec := range chunk.Records {
			if rec.Attrs.IsControl() {
				continue
			}
			r, err := parseClock(c.codec.DecodeEvent, rec)
			if errors.Is(err, schemas.ErrRegistryUnavailable) {
				return err
			}
			if err := fn(&r, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// clock is a partition's time: the highest tick that was applied.
type clock struct {
	at events.Instant
	// lenient is set while the tick that moved the clock here came from a driver through history, who runs behind the
	// events: none of them is refused as being from the future.
	lenient bool
	// offset is the tick's in the clock topic, event its id.
	offset int64
	event  string
}

// noTick is the offset of a clock whose tick is not known.
const noTick = -1

// stand puts the clock at a tick.
func (c *clock) stand(r *clockRecord) {
	*c = clock{at: r.tick.At, lenient: r.driver != "", offset: r.offset, event: r.tick.ID}
}

// apply moves the clock and reports whether the tick has anything to say: one that is earlier than the clock hasn't. One
// at the clock's own time does what has become due since.
func (c *clock) apply(r *clockRecord) bool {
	switch {
	case r.tick.At > c.at:
		c.stand(r)
	case r.tick.At == c.at:
		c.offset, c.event = r.offset, r.tick.ID
	default:
		return false
	}
	return true
}

func (c clock) String() string {
	if c.at == 0 {
		return "no tick yet"
	}
	return fmt.Sprintf("%s (clock@%d)", c.at, c.offset)
}
