package consumer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// A tick is worked off in portions, so that a million lots that expire at midnight don't keep a checkout waiting. Between
// two portions events are decided under the new clock, each after what is due for its own customer; so the outcome is as
// if the tick had been worked off at once. The next tick waits until this one is done.
//
// Nothing of a sweep needs to be remembered over a restart: whoever takes the partition over sweeps up to the clock
// again and finds what is left.

// readTicks parses the clock records that were admitted, in the order of their log, and queues the ticks that count.
func (d *decider) readTicks() error {
	next := &d.p.next
	queue := d.p.waiting[clockIndex]
	for ; next.heads[clockIndex] < len(queue); next.heads[clockIndex]++ {
		rec, since := queue[next.heads[clockIndex]], next.lease.since
		r, err := parseClock(d.p.e.client.codec.DecodeEvent, rec)
		switch {
		case errors.Is(err, schemas.ErrRegistryUnavailable):
			return err
		case err != nil && rec.Offset < next.position.Inputs[string(schemas.TopicClock)]:
			// Decided before a restart, which goes back to the first tick that waited.
		case err != nil:
			cause := events.Cause{Topic: string(schemas.TopicClock), Partition: d.p.id, Offset: rec.Offset}
			if err := d.unreadable(origin{clockIndex, rec.Offset}, cause, rec, err); err != nil {
				return err
			}
		case next.lease.admit(&r):
			next.ticks = append(next.ticks, pendingTick{clockRecord: r, after: d.p.known, since: since})
		}
	}
	return nil
}

// tickBefore reports whether the next tick's turn has come before the next record of topic t (-1: there is none).
func (d *decider) tickBefore(t int) bool {
	next := &d.p.next
	if next.sweep || !d.p.tickReady(next) {
		return false
	}
	if t < 0 {
		return true
	}
	return next.ticks[0].time < d.p.waiting[t][next.heads[t]].Timestamp.UnixMilli()
}

// tickReady reports whether the next tick may be applied once the older records at hand are decided: everything that was
// in the other topics when it was read has been polled. A tick that overtook a backlog would make it stale.
func (p *partition) tickReady(c *course) bool {
	if len(c.ticks) == 0 || c.sweep {
		return false
	}
	for t := range clockIndex {
		if p.fetched[t] < c.ticks[0].after[t] {
			return false
		}
	}
	return true
}

// applyTick moves the clock and begins to work off what is due.
func (d *decider) applyTick() error {
	next := &d.p.next
	tick := next.ticks[0]
	next.ticks = next.ticks[1:]
	if next.clock.apply(&tick.clockRecord) {
		next.sweep = true
		clear(d.p.quiet)
	}
	return d.sweep()
}

// What one look at the schedule takes, and how many customers without anything due a sweep remembers.
const (
	dueAtOnce = 256
	quietMax  = 100_000
)

// sweep works off what the clock has made due until there is nothing left or the time for it is used up. What this batch's
// own decisions made due shows on the schedule after its commit, so a sweep ends only at the beginning of a batch.
func (d *decider) sweep() error {
	next := &d.p.next
	if !next.sweep {
		return nil
	}
	fresh := len(d.out.ledger)+len(d.held) == d.began
	for *d.due > 0 {
		began := time.Now()
		customers, more, err := d.p.store.Due(next.clock.at, dueAtOnce+len(d.p.parkedCustomers)+len(d.parked))
		if err != nil {
			return fmt.Errorf("reading what is due: %w", err)
		}
		d.handed += len(customers)
		moved, err := d.workOff(customers)
		*d.due -= time.Since(began)
		if err != nil {
			return err
		}
		switch {
		case moved:
			fresh = false
		case !more:
			next.sweep = next.sweep && !fresh
			return nil
		}
	}
	return nil
}

// workOff does what is due for the customers. It reports whether any of them was new to this sweep.
func (d *decider) workOff(customers []string) (moved bool, err error) {
	next := &d.p.next
	cause := next.clock.cause(d.p.id)
	from := origin{clockIndex, cause.Offset}
	program := d.history.At(next.clock.at)
	for _, customer := range customers {
		if d.isParked(customer) {
			continue
		}
		if d.before != nil && d.before.origin == from && d.before.customer == customer {
			return moved, errEnough
		}
		a, r, err := d.b.Account(customer)
		if err != nil {
			return moved, fmt.Errorf("reading an account: %w", err)
		}
		made, ok, err := decideTickSafely(d.p.rules, program, d.history, a, r, next.clock.at, cause)
		if err != nil {
			return moved, d.broken(from, customer, reasonPanic, err)
		}
		if !ok {
			if _, seen := d.p.quiet[customer]; !seen {
				moved = true
				if len(d.p.quiet) < quietMax {
					d.p.quiet[customer] = struct{}{}
				}
			}
			continue
		}
		moved = true
		if err := d.emit(from, a, program, made); err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// rescheduleAtOnce is how many accounts are listed anew between two batches.
const rescheduleAtOnce = 1000

// reschedule lists some accounts anew while the schedule is older than the program: another version may make other
// things due, such as reviews of tiers. No batch is open.
func (p *partition) reschedule() error {
	if now := p.e.cfg.Programs.history.Load(); p.listedBy != now {
		p.listedBy, p.listing, p.listAfter = now, p.store.ListedBy() != listingBy(*now), nil
	}
	if !p.listing {
		return nil
	}
	next, err := p.store.Reschedule(p.listAfter, rescheduleAtOnce)
	if err != nil {
		return fmt.Errorf("listing what is due anew: %w", err)
	}
	p.listAfter, p.listing = next, next != nil
	if !p.listing {
		p.store.SetListedBy(listingBy(*p.listedBy))
	}
	return nil
}

// listingBy names what decides when accounts are due: the versions of the program, and what this binary makes of them.
func listingBy(h loyalty.History) events.Hash {
	b := binary.AppendUvarint(nil, loyalty.RevisionNewest)
	for _, version := range h {
		b = append(b, version.Hash[:]...)
		b = binary.AppendVarint(b, int64(version.Version))
		b = binary.AppendVarint(b, int64(version.EffectiveAt))
	}
	return sha256.Sum256(b)
}
