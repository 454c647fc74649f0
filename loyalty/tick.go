package loyalty

import (
	"github.com/accrue-loyalty/accrue/events"
)

// DecideTick does everything of a that is due at or before the tick, in order of due time, and at one time in the
// order activation, lapse, expiry, end of grace, review. ok is false when nothing was due: then there is no decision
// and nothing has changed. p is the version in effect at the tick; h has it and those before it, by which tiers are
// reviewed, and waiting events dropped, whose time came while they were in effect.
func DecideTick(p *Program, h History, a *Account, r Records, tick events.Instant, cause events.Cause) (made events.Decision, ok bool) {
	var d Decider
	if made, ok := d.DecideTick(p, h, a, r, tick, cause); ok {
		return *made, true
	}
	return events.Decision{}, false
}

// DecideTick is the function [DecideTick]; the decision is nil when there is none.
func (d *Decider) DecideTick(p *Program, h History, a *Account, r Records, tick events.Instant, cause events.Cause) (made *events.Decision, ok bool) {
	ts := appendTerms(d.room.terms[:0], h, p.Version)
	d.room.terms = ts
	if due := nextDue(ts, a, a.Clock); due == 0 || due > tick {
		return nil, false
	}
	d.room.tick = events.Tick{Header: events.Header{At: tick}}
	d.begin(p, a, r, Input{Event: &d.room.tick, Cause: cause, Clock: tick, History: h})
	reviewed := max(a.Clock, a.TierSince)
	for done := events.Instant(0); ; {
		step, at := d.nextStep(ts, reviewed)
		if step == noStep || at > tick {
			break
		}
		if at != done || step > lapse {
			// Of all that became active at one time, what is consumed first repays first.
			d.repay()
		}
		done = at
		switch step {
		case activate:
			d.activate(at)
		case lapse:
			d.lapse(at)
		case expire:
			d.expire(at)
		case grace:
			d.by(ts.graced(at), func() { d.endGrace(at) })
		case review:
			d.by(ts.at(at), func() { d.reviewTier(at) })
			reviewed = at
		case drop:
			d.dropWaiting(ts, tick)
		case noStep:
		}
	}
	d.settleTick()
	if d.made.Result == events.Nothing {
		return nil, false
	}
	made, _ = d.close()
	return made, true
}

// by does something by another version than the decision's own.
func (d *decider) by(p *Program, do func()) {
	own := d.p
	d.p, d.q = p, p.ready()
	do()
	d.p, d.q = own, own.ready()
}

// settleTick names the result: a tick that changed nothing leaves no decision.
func (d *decider) settleTick() {
	d.settle()
	if d.made.Facts.Grace != nil || len(d.made.Facts.Dropped) > 0 || len(d.made.Facts.Redemptions) > 0 {
		d.made.Result = events.Applied
	}
}

// step is a kind of clock work, in the order in which steps of one instant are done.
type step uint8

const (
	noStep step = iota
	activate
	lapse
	expire
	grace
	review
	drop
)

// nextStep returns what is due first. The list is read again after each step, because steps make others due.
func (d *decider) nextStep(ts terms, reviewed events.Instant) (step, events.Instant) {
	s := schedule{}
	s.lots(d.a)
	s.reservations(d.a)
	s.tiers(ts, d.a, reviewed)
	s.waiting(ts, d.a)
	return s.step, s.at
}

// schedule finds the earliest step.
type schedule struct {
	step step
	at   events.Instant
}

func (s *schedule) add(step step, at events.Instant) {
	if at == 0 {
		return
	}
	if s.step == noStep || at < s.at || at == s.at && step < s.step {
		s.step, s.at = step, at
	}
}

func (s *schedule) lots(a *Account) {
	for i := range a.Lots {
		l := &a.Lots[i]
		if l.Pending > 0 {
			s.add(activate, l.ActiveAt)
		}
		if l.Active > 0 {
			s.add(expire, l.ExpiresAt)
		}
	}
}

func (s *schedule) reservations(a *Account) {
	for _, r := range a.Reservations {
		s.add(lapse, r.LapsesAt)
	}
}

func (s *schedule) tiers(ts terms, a *Account, reviewed events.Instant) {
	if a.Grace != 0 && ts.graced(a.Grace) != nil {
		s.add(grace, a.Grace)
	}
	s.add(review, ts.nextReview(a.Tier, reviewed))
}

func (s *schedule) waiting(ts terms, a *Account) {
	for _, e := range a.Waiting {
		at := e.Head().At
		if p := ts.at(at); p.AcceptWithin != nil {
			s.add(drop, p.Calendar.Add(at, *p.AcceptWithin)+1)
		}
	}
}

// NextDue returns the first instant at which a tick may have something to do for a under the versions of h, given that
// reviews up to after were done; 0: none. What is overdue is returned as it is. It only reads a, and of an account that
// was decoded, or that a decision was made on, it looks at no lot.
func NextDue(h History, a *Account, after events.Instant) events.Instant {
	if len(h) == 0 {
		return 0
	}
	var room [4]term
	return nextDue(appendTerms(room[:0], h, 0), a, after)
}

func nextDue(ts terms, a *Account, after events.Instant) events.Instant {
	s := schedule{}
	s.add(expire, a.lotsDue())
	s.reservations(a)
	s.tiers(ts, a, max(after, a.TierSince))
	s.waiting(ts, a)
	return s.at
}

func (d *decider) activate(at events.Instant) {
	for i := range d.a.Lots {
		if l := &d.a.Lots[i]; l.Pending > 0 && l.ActiveAt == at {
			d.add(events.Entry{Type: events.Activate, Lot: l.ID, Points: l.Pending, Order: visibleOrder(d.a.OrderOf(l))})
			return
		}
	}
}

func (d *decider) lapse(at events.Instant) {
	for _, r := range d.a.Reservations {
		if r.LapsesAt == at {
			d.releaseAll(r, events.StateLapsed)
			return
		}
	}
}

func (d *decider) expire(at events.Instant) {
	l := d.a.firstLot(func(l *Lot) bool { return l.Active > 0 && l.ExpiresAt == at })
	d.add(events.Entry{Type: events.Expire, Lot: l.ID, Points: l.Active, Order: visibleOrder(d.a.OrderOf(l)), ExpiresAt: at})
}
