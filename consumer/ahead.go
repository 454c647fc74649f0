package consumer

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// ahead are the events of a topic's next records. They are read several at a time, which leaves what reading takes in
// the processor's caches, and has it wait for all their customers at once.
type ahead struct {
	// from is the index of the first in the queue, n how many there are; err is why there are no more, nil: no reason.
	from, n  int
	err      error
	rooms    [state.Ahead]schemas.EventRoom
	events   [state.Ahead]events.Event
	payloads [state.Ahead]events.Fingerprint
}

// readAhead reads the next events of a topic if those that were read before are decided. What is held has parts of them.
func (d *decider) readAhead(t int) error {
	if d.p.ahead[t] == nil {
		d.p.ahead[t] = &ahead{}
	}
	a, next := d.p.ahead[t], d.p.next.heads[t]
	if d.read[t] && next <= a.from+a.n && (next < a.from+a.n || a.err != nil) {
		return nil
	}
	if err := d.release(); err != nil {
		return err
	}
	d.read[t] = true
	a.from = next
	a.fill(&d.p.e.reading, inputNames[t], d.p.waiting[t][next:])
	var heads [state.Ahead]*events.Header
	for i, e := range a.events[:a.n] {
		heads[i] = e.Head()
	}
	d.b.Prefetch(heads[:a.n])
	return nil
}

// event returns the event of the next record of a topic and its payload, good until readAhead reads on.
func (d *decider) event(t int) (events.Event, events.Fingerprint, error) {
	a := d.p.ahead[t]
	i := d.p.next.heads[t] - a.from
	if i == a.n {
		return nil, events.Fingerprint{}, a.err
	}
	return a.events[i], a.payloads[i], nil
}

// aheadBytesMax is how long records may be, together, that are read before the first of them is decided.
const aheadBytesMax = 256 << 10

// fill reads the events of the first records, one at least.
func (a *ahead) fill(r *reading, t schemas.Topic, records []*kgo.Record) {
	a.n, a.err = 0, nil
	size := 0
	for _, rec := range records[:min(len(records), state.Ahead)] {
		if size += len(rec.Value); size > aheadBytesMax && a.n > 0 {
			return
		}
		e, err := r.event(t, rec, &a.rooms[a.n])
		if err != nil {
			a.err = err
			return
		}
		a.events[a.n], a.payloads[a.n] = e, events.PayloadOf(e)
		a.n++
	}
}
