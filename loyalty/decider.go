package loyalty

import "github.com/accrue-loyalty/accrue/events"

// Decider decides one event after another in the same memory. The zero Decider is ready; one goroutine uses it. What
// its methods return, and all that hangs from it, may be changed, and is valid until the next call; decisions for longer
// with [NewDecider]. A call that panicked leaves the Decider as good as new, the account and the records not.
type Decider struct{ decider }

// NewDecider returns a Decider of which the last n decisions are valid; what is sent with them, until the next call. A
// decision may hold parts of its event, and is valid no longer than that.
func NewDecider(n int) *Decider { return &Decider{decider{pages: make([]page, n)}} }

// Decide is the function [Decide].
func (d *Decider) Decide(p *Program, a *Account, r Records, in Input) (*events.Decision, []events.Event) {
	d.begin(p, a, r, in)
	d.decide()
	return d.close()
}

// decider makes one decision. It advances the account with the same pieces that Evolve uses, so that each step sees
// what the steps before it did.
type decider struct {
	fold
	p    *Program
	q    *prepared
	in   Input
	at   events.Instant
	now  events.Instant
	made *events.Decision
	// limited is set when the event earned nothing because rules have been granted as often as their limits allow.
	limited bool
	out     []events.Event
	room    room
	// pages are written one after the other; the decision at hand is made on pages[turn].
	pages []page
	turn  int
}

// page is the memory of one decision and of what hangs from it.
type page struct {
	made events.Decision
	// fact is apart, so that a decision that is kept does not hold the page.
	fact  *events.OrderFact
	lines []int32
}

// page is that of the decision at hand.
func (d *decider) page() *page { return &d.pages[d.turn] }

// room is memory that the decisions of one decider use in turn.
type room struct {
	tick    events.Tick
	sale    sale
	parts   []part
	byLine  []Exact
	rests   []remainder
	choices []choice
	terms   terms
}

// begin makes the decider ready for an event, whatever became of the one before.
func (d *decider) begin(p *Program, a *Account, r Records, in Input) {
	h := in.Event.Head()
	d.p, d.q, d.in, d.at, d.now = p, p.ready(), in, h.At, max(h.At, in.Clock)
	if d.pages == nil {
		d.pages = make([]page, 1)
	}
	d.made = &d.page().made
	old := &d.made.Facts
	*d.made = events.Decision{
		Cause: in.Cause, Customer: a.Customer, Clock: in.Clock,
		Program: events.ProgramRef{Version: p.Version, Hash: p.Hash},
		Entries: d.made.Entries[:0],
		Facts: events.Facts{
			Type: in.Event.EventType(), At: h.At,
			Returns: old.Returns[:0], Fulfilments: old.Fulfilments[:0], Cancelled: old.Cancelled[:0], Dates: old.Dates[:0],
			Redemptions: old.Redemptions[:0], Counts: old.Counts[:0], References: old.References[:0],
			Dropped: old.Dropped[:0], Applied: old.Applied[:0], Unapplied: old.Unapplied[:0],
		},
	}
	d.limited = false
	d.out = d.out[:0]
	d.page().lines = d.page().lines[:0]
	d.init(a, r, d.made)
}

// sized returns a slice of n zeros, in the memory of s if it is large enough.
func sized[T any](s []T, n int) []T {
	if s == nil || cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// close completes the decision with the balance and tier that it left.
func (d *decider) close() (*events.Decision, []events.Event) {
	if d.made.Result == "" {
		d.settle()
	}
	d.repay()
	d.finish()
	t := &d.a.tally
	d.made.Balance = events.Balance{Pending: t.pending, Active: t.active, Reserved: t.reserved, Deficit: d.a.Deficit}
	d.made.Tier = d.p.tierName(d.a.Tier)
	d.turn = (d.turn + 1) % len(d.pages)
	return d.made, d.out
}
