package loyalty

import (
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// facts applies everything but the order, the merge and the entries.
func (f *fold) facts(x *events.Facts) {
	for i := range x.Returns {
		f.returned(&x.Returns[i])
	}
	for _, c := range x.Fulfilments {
		f.order(c.Order).Fulfilled = c.At
	}
	for _, id := range x.Cancelled {
		f.cancelled(f.order(id))
	}
	for _, id := range x.CancelledReviews {
		f.cancelled(f.order(reviewKey(id)))
	}
	for _, d := range x.Dates {
		f.dates(d)
	}
	for i := range x.Redemptions {
		f.moveRedemption(&x.Redemptions[i])
	}
	for _, c := range x.Counts {
		f.a.count(c)
	}
	for _, r := range x.References {
		f.r.PutReference(r)
	}
	if x.Waiting != nil {
		f.wait(x.Waiting)
	}
	f.stopWaiting(x.Dropped)
	f.stopWaiting(x.Applied)
	if x.Profile != nil {
		f.profile(x.Profile)
	}
	if x.Grace != nil {
		f.a.Grace = *x.Grace
	}
	if x.MergedInto != "" {
		f.a.end()
		f.a.MergedInto = x.MergedInto
	}
	if x.Erased {
		f.a.end()
		f.a.Profile = Profile{}
		f.a.Erased = true
	}
}

// end empties the account but for its totals, deficit and clock.
func (a *Account) end() {
	*a = Account{
		Customer: a.Customer, Clock: a.Clock, LotLast: a.LotLast, Deficit: a.Deficit, Totals: a.Totals,
		Profile: a.Profile, MergedInto: a.MergedInto, Erased: a.Erased,
	}
}

// newOrder is the record of an order that was just placed. A decision places one at most.
func (f *fold) newOrder(x *events.OrderFact) *Order {
	o := &f.placed
	*o = Order{ID: x.Order, Placed: true, Deducted: x.Deducted, Rate: x.Rate,
		Lines: sized(o.Lines, len(x.Lines)), Grants: o.Grants[:0]}
	for i := range x.Lines {
		l := &x.Lines[i]
		o.Lines[i] = OrderLine{Line: l.Line, Amount: l.Amount, Discount: l.Discount}
	}
	return o
}

// placeOrder records o, which is [fold.newOrder] of x and earns on basis. known is what was known of the order before it
// was placed, or nil.
func (f *fold) placeOrder(x *events.OrderFact, known, o *Order, basis Exact) {
	o.Version = f.d.Program.Version
	o.At = f.d.Facts.At
	for i := range x.Rules {
		r := &x.Rules[i]
		o.Grants = append(o.Grants, Grant{Rule: r.Rule, Fixed: r.Fixed, Lines: r.Lines})
	}
	if known == nil {
		f.orders = append(f.orders, o)
	} else {
		o.Redemptions = known.Redemptions
		f.orders[slices.Index(f.orders, known)] = o
	}
	if x.Redemption != "" {
		f.linkRedemption(x.Redemption, x.Order)
	}
	f.a.LatestOrder = max(f.a.LatestOrder, o.At)
	f.a.qualify(o.At, basis, 0)
}

// linkRedemption ties a redemption and an order, either of which may be unknown so far.
func (f *fold) linkRedemption(id, order string) {
	f.order(order).link(id)
	r := f.redemption(id)
	if r == nil {
		r = &Redemption{ID: id}
		f.redemptions = append(f.redemptions, r)
	}
	if !slices.Contains(r.Orders, order) {
		r.Orders = append(r.Orders, order)
	}
}

func (f *fold) returned(x *events.ReturnFact) {
	o := f.order(x.Order)
	before := o.qualifies()
	if x.Whole {
		o.Whole = true
		for i := range o.Lines {
			o.Lines[i].Returned = o.Lines[i].Amount
		}
	}
	for _, l := range x.Lines {
		o.Lines[l.Line].Returned += l.Amount
	}
	if o.allReturned() {
		o.Ended = true
	}
	f.a.qualify(o.At, o.qualifies().Sub(before), 0)
	f.r.PutReference(events.Reference{Kind: events.TypeOrderReturned, ID: x.Return})
}

func (f *fold) cancelled(o *Order) {
	before := o.qualifies()
	o.Ended, o.Cancelled = true, true
	if o.Placed {
		f.a.qualify(o.At, Exact{}.Sub(before), 0)
	}
}

func (f *fold) dates(d events.LotDates) {
	l := f.a.changeLot(d.Lot)
	if l == nil {
		return
	}
	l.ActiveAt, l.ExpiresAt = d.ActiveAt, d.ExpiresAt
	f.a.tally.add(l)
}

func (f *fold) reserve(e *events.Entry) {
	l := f.a.lot(e.Lot)
	l.Active -= e.Points
	l.Reserved += e.Points
	f.a.tally.add(l)
	r := f.reservation(e.Redemption)
	r.Parts = append(r.Parts, RedemptionPart{
		Lot: l.ID, Points: e.Points, Order: f.a.OrderOf(l), EarnedAt: l.EarnedAt, ActiveAt: l.ActiveAt, ExpiresAt: l.ExpiresAt,
	})
}

// reservation returns the open redemption, opening it when this is its first entry.
func (f *fold) reservation(id string) *Redemption {
	for _, r := range f.a.Reservations {
		if r.ID == id {
			return r
		}
	}
	r := &Redemption{ID: id}
	// An order may have named the redemption before it was requested.
	if stub := f.redemption(id); stub != nil {
		r.Orders = stub.Orders
		f.redemptions = slices.DeleteFunc(f.redemptions, func(x *Redemption) bool { return x.ID == id })
	}
	r.State = events.StateReserved
	f.a.Reservations = append(f.a.Reservations, r)
	return r
}

// spent moves the part of a lot behind the others: parts stand in the order in which they were spent.
func (r *Redemption) spent(lot int64) {
	i := slices.IndexFunc(r.Parts, func(p RedemptionPart) bool { return p.Lot == lot })
	if i >= 0 && i < len(r.Parts)-1 {
		p := r.Parts[i]
		r.Parts = append(slices.Delete(r.Parts, i, i+1), p)
	}
}

func (f *fold) release(e *events.Entry) {
	l := f.a.lot(e.Lot)
	l.Reserved -= e.Points
	l.Active += e.Points
	f.a.tally.add(l)
	r := f.reservation(e.Redemption)
	for i := range r.Parts {
		if r.Parts[i].Lot == e.Lot {
			r.Parts[i].Points -= e.Points
			if r.Parts[i].Points == 0 {
				r.Parts = slices.Delete(r.Parts, i, i+1)
			}
			return
		}
	}
}

// reinstate gives points back, to the parts consumed last first.
func (f *fold) reinstate(e *events.Entry) {
	r := f.redemption(e.Redemption)
	f.addActive(e, r.givesNext())
	f.a.Totals.Reinstated += e.Points
	left := e.Points
	for i := len(r.Parts) - 1; i >= 0 && left > 0; i-- {
		part := &r.Parts[i]
		n := min(part.Points-part.Given, left)
		part.Given += n
		left -= n
		if l := f.a.changeLot(part.Lot); l != nil {
			l.Redeemed = max(l.Redeemed-n, 0)
			f.a.tally.add(l)
		}
	}
}

// givesNext is what earned the points that are given back next; the entry does not name what is no order.
func (r *Redemption) givesNext() string {
	for i := len(r.Parts) - 1; i >= 0; i-- {
		if part := &r.Parts[i]; part.Given < part.Points {
			return part.Order
		}
	}
	return ""
}

// moveRedemption sets a redemption's state; one that holds no points any more leaves the account for the records.
func (f *fold) moveRedemption(x *events.RedemptionFact) {
	if x.State == events.StateReserved {
		r := f.reservation(x.Redemption)
		r.LapsesAt = x.LapsesAt
		if x.Order != "" {
			f.linkRedemption(x.Redemption, x.Order)
		}
		return
	}
	if x.Order != "" {
		f.linkRedemption(x.Redemption, x.Order)
	}
	r := f.redemption(x.Redemption)
	r.State = x.State
	r.LapsesAt = 0
	if i := slices.Index(f.a.Reservations, r); i >= 0 {
		f.a.Reservations = slices.Delete(f.a.Reservations, i, i+1)
		f.redemptions = append(f.redemptions, r)
	}
}

func (a *Account) count(c events.Count) {
	every, _ := ParsePeriod(c.Every)
	for i := len(a.Counters) - 1; i >= 0; i-- {
		if k := &a.Counters[i]; k.From == c.From && k.Every == every && k.Rule == c.Rule {
			k.N += c.Add
			return
		}
	}
	a.Counters = append(a.Counters, Counter{Rule: c.Rule, Every: every, From: c.From, N: c.Add})
}

// counted returns what was counted since from.
func (a *Account) counted(rule string, every Period, from events.Instant) int64 {
	for i := len(a.Counters) - 1; i >= 0; i-- {
		if k := &a.Counters[i]; k.From == from && k.Every == every && k.Rule == rule {
			return k.N
		}
	}
	return 0
}

func (f *fold) wait(stored []byte) {
	e, err := events.DecodeStoredJSON(stored)
	if err != nil {
		panic("loyalty: reading a waiting event: " + err.Error())
	}
	f.a.Waiting = append(f.a.Waiting, e)
}

func (f *fold) stopWaiting(ids []string) {
	for _, id := range ids {
		f.a.Waiting = slices.DeleteFunc(f.a.Waiting, func(e events.Event) bool { return e.Head().ID == id })
	}
}

func (f *fold) profile(x *events.ProfileFact) {
	p := &f.a.Profile
	if x.Registered != 0 && p.Registered == 0 {
		p.Registered = x.Registered
	}
	if p.ReferredBy == "" {
		p.ReferredBy = x.ReferredBy
	}
	if x.Marketing != nil {
		p.Marketing = *x.Marketing
	}
	if x.Tracking != nil {
		p.Tracking = *x.Tracking
	}
}
