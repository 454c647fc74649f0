package loyalty

import (
	"github.com/accrue-loyalty/accrue/events"
)

// onOrder carries out what concerns a placed order; without it the event waits.
func (d *decider) onOrder(e events.Event, id string, do func(*Order)) {
	if o := d.knownOrder(id); o != nil && o.Placed {
		do(o)
		return
	}
	stored, err := events.EncodeJSON(e)
	if err != nil {
		panic("loyalty: " + err.Error())
	}
	d.made.Facts.Waiting = stored
	d.wait(stored)
	d.result(events.Waiting, "order_unknown")
}

// returnKnown reports whether a return's id is used up. That of one that waits is not: it may yet be refused.
func (d *decider) returnKnown(id string) bool {
	return d.r.Referenced(events.Reference{Kind: events.TypeOrderReturned, ID: id})
}

// versionAt returns the version by which an event of t is decided that waited for this decision. A version that was
// published later cannot be meant: those up to the decision's own and the clock's were known.
func (d *decider) versionAt(t events.Instant) *Program {
	h := d.in.History
	if len(h) < 2 {
		return d.p
	}
	newest := int32(0)
	if d.in.Clock != 0 {
		newest = max(d.p.Version, h.At(d.in.Clock).Version)
	}
	return appendTerms(nil, h, newest).at(t)
}

// applyWaiting decides what waited for an order, in order of arrival, as if it came now. The decision's own result stays
// the order's; what became of each event is in its facts.
func (d *decider) applyWaiting(o *Order) {
	x := &d.made.Facts
	var ended []string
	for _, e := range d.a.Waiting {
		if waitsFor(e) != o.ID {
			continue
		}
		ending := d.decideWaiting(o, e)
		ended = append(ended, ending.Event)
		if carriedOut(ending) {
			x.Applied = append(x.Applied, ending.Event)
			continue
		}
		x.Dropped = append(x.Dropped, ending.Event)
		x.Unapplied = append(x.Unapplied, ending)
	}
	d.stopWaiting(ended)
}

// decideWaiting decides an event that waited for o, and leaves the decision's own result as it was, unless only what waited
// tells what a customer of the control group would have earned.
func (d *decider) decideWaiting(o *Order, e events.Event) events.Ending {
	event, result, reason, limited := d.in.Event, d.made.Result, d.made.Reason, d.limited
	d.in.Event, d.at, d.made.Result, d.made.Reason = e, e.Head().At, "", ""
	d.now = max(d.at, d.in.Clock)
	d.by(d.versionAt(d.at), func() { d.onPlaced(o, e) })
	d.repay()
	ending := events.Ending{Event: e.Head().ID, Result: d.made.Result, Reason: d.made.Reason}
	if result == "" && ending.Result == events.Holdout {
		result, reason = ending.Result, ending.Reason
	}
	d.in.Event, d.at, d.made.Result, d.made.Reason = event, event.Head().At, result, reason
	d.limited = limited
	d.now = max(d.at, d.in.Clock)
	return ending
}

// onPlaced carries out an event that waited for o.
func (d *decider) onPlaced(o *Order, e events.Event) {
	switch e := e.(type) { //nolint:gochecksumtype // only these wait; the default panics
	case *events.OrderFulfilled:
		d.fulfil(o, e)
	case *events.OrderCancelled:
		d.cancel(o)
	case *events.OrderReturned:
		if d.returnKnown(e.Return) { // by one that waited, too
			d.result(events.Duplicate, "duplicate_return")
			return
		}
		d.takeBack(o, e)
	default:
		panic("loyalty: a waiting " + string(e.EventType()))
	}
}

// carriedOut reports whether an event that waited did what it is for. A fulfilment does also when it moves no points.
func carriedOut(x events.Ending) bool {
	switch x.Result {
	case events.Refused, events.Duplicate:
		return false
	default:
		return x.Reason != "order_ended"
	}
}

// waitsFor names the order that a waiting event waits for.
func waitsFor(e events.Event) string {
	switch e := e.(type) { //nolint:gochecksumtype // only these wait; the default panics
	case *events.OrderFulfilled:
		return e.Order
	case *events.OrderCancelled:
		return e.Order
	case *events.OrderReturned:
		return e.Order
	default:
		panic("loyalty: a waiting " + string(e.EventType()))
	}
}

// dropWaiting forgets events that have waited for their order too long.
func (d *decider) dropWaiting(ts terms, tick events.Instant) {
	var ids []string
	for _, e := range d.a.Waiting {
		if at := e.Head().At; ts.at(at).stale(at, tick) {
			ids = append(ids, e.Head().ID)
		}
	}
	d.made.Facts.Dropped = append(d.made.Facts.Dropped, ids...)
	d.stopWaiting(ids)
}
