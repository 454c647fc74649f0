package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// partition is a partition that this process owns, as its worker sees it. Only the worker's goroutine touches it, but
// for the time before it is handed over and after it was lost, which the client keeps apart from batches.
type partition struct {
	e      *Engine
	id     int32
	names  [topicCount]string // of the input topics, on the cluster
	store  *state.Partition
	tenure *tenure
	// generation is the group's in which the partition was taken over.
	generation int32

	// fetched is the next offset that the consumer should deliver, by topic, control records included.
	fetched [topicCount]int64
	// known is where committed reads of a topic ended when they were last heard of.
	known [topicCount]int64
	// told is what this session has committed for the group; -1: nothing.
	told [topicCount]int64
	// waiting are the records that were admitted and are not decided; of the clock's, those that are not parsed.
	waiting queues
	// ahead and rules are the memory of the next events and of the last decisions.
	ahead [topicCount]*ahead
	rules *loyalty.Decider

	// now is where the last committed batch left the partition; next, where the batch at hand would leave it.
	now, next course

	// parked are records that may not be decided: deciding them broke an invariant. By topic and offset.
	parked map[origin]parking
	// parkedCustomers are those with such records: what follows for them is parked too, so that it isn't decided
	// before what came first.
	parkedCustomers map[string]struct{}
	// quiet are customers that the sweep under way found to have nothing due.
	quiet map[string]struct{}

	// listedBy are the programs that the schedule was made by. While it is made anew, listing is set, and listAfter is
	// how far that has come.
	listedBy  *loyalty.History
	listing   bool
	listAfter []byte

	// blockedUntil is set while a record waits for the schema registry.
	blockedUntil time.Time
	// paused is set while nothing is fetched, because too much waits.
	paused bool
}

// course is what batches move along.
type course struct {
	heads heads
	lease clockLog
	clock clock
	ticks []pendingTick
	// sweep is set from a tick until everything it made due is done.
	sweep    bool
	position state.Position
	chain    events.Hash
}

// pendingTick is a tick that counts and was not applied yet.
type pendingTick struct {
	clockRecord
	// after is how far the other topics must have been polled before it is applied: what was known to be in them when
	// the tick was read.
	after [topicCount]int64
	// since is the [clockLog]'s before the tick was read.
	since int64
}

// origin names an input record.
type origin struct {
	topic  int
	offset int64
}

type parking struct{ reason, detail string }

// Reasons of PARKED decisions.
const (
	reasonInvariant    = "invariant_broken"
	reasonPanic        = "decision_panicked"
	reasonBehindParked = "behind_parked"
)

// ready reports whether a batch has anything to do here.
func (p *partition) ready() bool {
	if time.Now().Before(p.blockedUntil) {
		return false
	}
	return p.now.sweep || p.tickReady(&p.now) || !p.waiting.empty(&p.now.heads)
}

// busy reports whether there is work that no new record brings: a tick to work off, or records that wait.
func (p *partition) busy() bool {
	if time.Now().Before(p.blockedUntil) {
		return false
	}
	return p.now.sweep || p.listing || p.tickReady(&p.now) || !p.waiting.empty(&p.now.heads)
}

// admit takes a poll's records of one topic. Records below the position were decided before and are dropped; above it
// only records that nobody shall see may be missing.
func (p *partition) admit(ctx context.Context, topic schemas.Topic, f *kgo.FetchPartition) error {
	t := indexOf(topic)
	p.known[t] = max(p.known[t], f.LastStableOffset)
	for _, rec := range f.Records {
		if rec.Offset < p.fetched[t] {
			rec.Recycle()
			continue
		}
		if rec.Offset > p.fetched[t] {
			if err := p.auditGap(ctx, t, rec.Offset); err != nil {
				return err
			}
		}
		p.fetched[t] = rec.Offset + 1
		if rec.Attrs.IsControl() {
			rec.Recycle()
			continue
		}
		p.waiting[t] = append(p.waiting[t], rec)
	}
	return nil
}

// auditGap looks at what lies between the position and the next record that came: aborted and compacted records leave
// gaps, but a committed record in there was skipped, and may not be.
func (p *partition) auditGap(ctx context.Context, t int, to int64) error {
	from := p.fetched[t]
	var skipped error
	err := p.e.client.reader.Read(ctx, p.names[t], p.id, from, to, func(c projector.Chunk) error {
		for _, rec := range c.Records {
			if !rec.Attrs.IsControl() {
				skipped = fmt.Errorf("%w: the record %s-%d@%d was not delivered, though it is there", errStopped, p.names[t], p.id, rec.Offset)
				return skipped
			}
		}
		return nil
	})
	if errors.Is(err, projector.ErrOutOfRange) {
		return fmt.Errorf("%w: records of %s-%d from %d to %d were deleted before they were decided", errStopped, p.names[t], p.id, from, to)
	}
	return err
}

// decide takes what waits, in order, into the outbox, and returns the batch of state. What it did is undone by dropping
// the batch, or made lasting by committed. What it sweeps it takes off due.
func (p *partition) decide(out *outbox, due *time.Duration) (*decider, error) {
	if p.rules == nil {
		p.rules = loyalty.NewDecider(heldMax)
	}
	var before *brokenError
	for again := 0; ; again++ {
		p.next = p.now
		p.next.position = p.now.position.Clone()
		d := &decider{
			p: p, b: p.store.Begin(), out: out, began: len(out.ledger),
			history: p.e.cfg.Programs.History(), due: due, waited: p.e.waiters.waited(p.id),
			before: before,
		}
		start := out.mark()
		err := d.all()
		if err == nil {
			err = d.release()
		}
		if err == nil {
			d.ended = len(out.ledger)
			return d, nil
		}
		d.b.Discard()
		out.rewind(start)
		var broken *brokenError
		if !errors.As(err, &broken) {
			return nil, err
		}
		// The overlay is spoilt for this customer, so the batch is decided again without the record. A bug that meets
		// everybody would have it decided once for each.
		if again < decidedAgainMax {
			p.setAside(broken)
		} else {
			before = broken
		}
	}
}

// decidedAgainMax is how many records a batch is decided again without before it ends at the next that breaks.
const decidedAgainMax = 16

// setAside parks what could not be decided. The log names no customer, but where to find who it is: the record is a dead letter
// with the customer as its key; a tick is nobody's, so the ledger record that was the customer's last is named.
func (p *partition) setAside(broken *brokenError) {
	attrs := []any{"partition", p.id, "reason", broken.reason, "detail", broken.detail, "topic", p.names[broken.origin.topic], "offset", broken.origin.offset}
	if broken.origin.topic == clockIndex {
		if last, err := p.store.Statement(broken.customer, 0, 1); err == nil && len(last) > 0 {
			attrs = append(attrs, "last_in_ledger", last[0])
		}
	}
	p.e.cfg.Log.Error("a customer is parked", attrs...)
	if broken.origin.topic == clockIndex {
		p.parkedCustomers[broken.customer] = struct{}{}
	} else {
		p.parked[broken.origin] = parking{broken.reason, broken.detail}
	}
}

// committed makes the batch of d lasting.
func (p *partition) committed(d *decider) {
	maps.Copy(p.parkedCustomers, d.parked)
	p.waiting.trim(&p.next.heads)
	p.now = p.next
	p.now.heads = heads{}
	p.now.ticks = slices.Clone(p.now.ticks)
}

// positions are what is committed for the group: the next record to decide, or to read when none waits.
func (p *partition) positions(c *course) [topicCount]int64 {
	at := p.fetched
	for t := range clockIndex {
		if c.heads[t] < len(p.waiting[t]) {
			at[t] = p.waiting[t][c.heads[t]].Offset
		}
	}
	switch {
	case len(c.ticks) > 0:
		at[clockIndex] = c.ticks[0].offset
	case c.heads[clockIndex] < len(p.waiting[clockIndex]):
		at[clockIndex] = p.waiting[clockIndex][c.heads[clockIndex]].Offset
	}
	return at
}

// backlog is how many records are known to wait.
func (p *partition) backlog() int64 {
	var n int64
	for t, at := range p.positions(&p.now) {
		n += max(p.known[t]-at, 0)
	}
	return n
}
