package loyalty

import (
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Evolve folds d into a and r. It needs neither program nor event and never refuses. It panics on a decision that
// Decide cannot have made, which is a bug or a ledger that something else wrote to.
func Evolve(a *Account, r Records, d *events.Decision) { new(Evolver).Evolve(a, r, d) }

// Evolver folds one decision after another in the same memory. The zero Evolver is ready; one goroutine uses it. It
// keeps nothing of a decision.
type Evolver struct{ fold }

// Evolve is the function [Evolve].
func (f *Evolver) Evolve(a *Account, r Records, d *events.Decision) {
	f.init(a, r, d)
	f.setSource()
	if x := d.Facts.Order; x != nil {
		o := f.newOrder(x)
		f.placeOrder(x, f.knownOrder(x.Order), o, sum(f.basesOf(o, o.rate())))
	}
	if d.Facts.Merged != nil {
		f.takeOver(d.Facts.Merged)
	}
	for i := range d.Entries {
		f.entry(&d.Entries[i])
	}
	f.facts(&d.Facts)
	f.finish()
}

// fold applies one decision to an account, piece by piece. Decide uses the same pieces while it makes the decision.
type fold struct {
	a *Account
	r Records
	d *events.Decision
	// source is the key of what a review or a referral earned; "" for other events.
	source string
	// orders and redemptions are the records touched so far, each a copy that finish stores.
	orders      []*Order
	redemptions []*Redemption
	// claims are clawbacks so far: what was asked and what was found, by order.
	claims []claim
	// placed is the record of the order that the decision places; bases are those of the order looked at last.
	placed Order
	bases  []Exact
}

type claim struct {
	order        string
	asked, found events.Points
}

// init makes the fold ready for a decision, whatever became of the one before.
func (f *fold) init(a *Account, r Records, d *events.Decision) {
	f.a, f.r, f.d, f.source = a, r, d, ""
	f.orders, f.redemptions, f.claims = f.orders[:0], f.redemptions[:0], f.claims[:0]
}

// basesOf returns the basis of each line of o, until it is called for another order.
func (f *fold) basesOf(o *Order, rate Exact) []Exact {
	f.bases = sized(f.bases, len(o.Lines))
	gross := o.gross()
	for i := range f.bases {
		f.bases[i] = o.basis(i, gross, rate)
	}
	return f.bases
}

// setSource finds what the decision's entries without an order belong to.
func (f *fold) setSource() {
	for _, ref := range f.d.Facts.References {
		switch ref.Kind {
		case events.TypeReviewSubmitted, events.TypeReviewApproved:
			f.source = reviewKey(ref.ID)
		case events.TypeReferralRewarded:
			f.source = referralKey(ref.ID)
		default:
		}
	}
	if c := f.d.Facts.CancelledReviews; len(c) > 0 {
		f.source = reviewKey(c[0])
	}
}

func (f *fold) sourceOf(e *events.Entry) string {
	if e.Order != "" {
		return e.Order
	}
	return f.source
}

func (f *fold) entry(e *events.Entry) {
	a, t := f.a, &f.a.Totals
	switch e.Type {
	case events.Earn:
		f.earn(e)
	case events.Activate:
		l := a.lot(e.Lot)
		l.Pending -= e.Points
		l.Active += e.Points
		a.tally.add(l)
	case events.CancelPending:
		l := a.lot(e.Lot)
		l.Pending -= e.Points
		a.tally.add(l)
		t.Revoked += e.Points
		f.clawback(e)
	case events.Revoke:
		if e.Lot != 0 {
			a.spend(e.Lot, e.Points)
		}
		t.Revoked += e.Points
		f.clawback(e)
	case events.DeficitOwed:
		a.Deficit += e.Points
		t.Revoked += e.Points
		f.clawback(e)
	case events.DeficitRepaid:
		a.spend(e.Lot, e.Points)
		a.Deficit -= e.Points
	case events.Reserve:
		f.reserve(e)
	case events.Confirm:
		l := a.lot(e.Lot)
		l.Reserved -= e.Points
		l.Redeemed += e.Points
		a.tally.add(l)
		t.Redeemed += e.Points
		f.reservation(e.Redemption).spent(e.Lot)
	case events.Release:
		f.release(e)
	case events.Reinstate:
		f.reinstate(e)
	case events.Expire:
		l := a.lot(e.Lot)
		l.Active -= e.Points
		l.Expired += e.Points
		a.tally.add(l)
		t.Expired += e.Points
	case events.Adjust:
		f.addActive(e, "")
		t.Adjusted += e.Points
	case events.AdjustDown:
		a.spend(e.Lot, e.Points)
		t.Adjusted -= e.Points
	case events.TransferOut:
		f.transferOut(e)
	case events.TransferIn:
		f.transferIn(e)
	case events.Forfeit:
		a.take(e.Lot, e.Points)
		t.Forfeited += e.Points
	case events.TierChanged:
		a.Tier = f.d.Tier
		a.TierSince = max(f.d.Clock, f.d.Facts.At)
		if f.d.Facts.Type != events.TypeTick {
			a.TierSince = max(a.TierSince, a.LatestOrder) // what was counted for it
		}
	default:
		panic("loyalty: unknown entry type " + string(e.Type))
	}
}

// earn adds an EARN entry. Points are active at once when the hold ends with the event itself.
func (f *fold) earn(e *events.Entry) {
	source := f.sourceOf(e)
	if source != "" && (e.Points > 0 || e.Rule == referralRule && f.d.Result != events.Holdout) {
		o := f.order(source)
		g := o.grant(e.Rule)
		g.Granted += e.Points
		if e.Lot != 0 {
			g.Lot = e.Lot
		}
		if !o.Placed && o.At == 0 {
			o.At = f.d.Facts.At
		}
		if e.Points > 0 && e.EarnedAt != o.At {
			g.At = e.EarnedAt
		}
	}
	if e.Points == 0 {
		return
	}
	l := f.addLot(e, source)
	if e.ActiveAt != 0 && e.ActiveAt <= e.EarnedAt {
		l.Active += e.Points
	} else {
		l.Pending += e.Points
	}
	f.a.tally.add(l)
	f.a.Totals.Issued += e.Points
	f.a.qualify(e.EarnedAt, Exact{}, e.Points)
}

// clawback notes what was taken of a rule's grant.
func (f *fold) clawback(e *events.Entry) {
	source := f.sourceOf(e)
	if source == "" {
		return
	}
	i := slices.IndexFunc(f.claims, func(c claim) bool { return c.order == source })
	if i < 0 {
		i = len(f.claims)
		f.claims = append(f.claims, claim{order: source})
	}
	f.claims[i].asked += e.Asked
	f.claims[i].found += e.Points
	if e.Asked != 0 {
		o := f.order(source)
		g := o.grant(e.Rule)
		g.Taken += e.Asked
		at := g.At
		if at == 0 {
			at = o.At
		}
		f.a.qualify(at, Exact{}, -e.Asked)
	}
}

// order returns the copy of an order's record that this decision works on.
func (f *fold) order(id string) *Order {
	if o := f.knownOrder(id); o != nil {
		return o
	}
	o := &Order{ID: id}
	f.orders = append(f.orders, o)
	return o
}

// knownOrder is order for one that must not be made up: nil when there is none.
func (f *fold) knownOrder(id string) *Order {
	for _, o := range f.orders {
		if o.ID == id {
			return o
		}
	}
	o := f.r.Order(id)
	if o == nil {
		return nil
	}
	o = o.Clone()
	f.orders = append(f.orders, o)
	return o
}

// redemption returns a redemption to work on, open or closed, or nil.
func (f *fold) redemption(id string) *Redemption {
	for _, r := range f.a.Reservations {
		if r.ID == id {
			return r
		}
	}
	for _, r := range f.redemptions {
		if r.ID == id {
			return r
		}
	}
	r := f.r.Redemption(id)
	if r == nil {
		return nil
	}
	r = r.Clone()
	f.redemptions = append(f.redemptions, r)
	return r
}

// finish stores the records touched, drops lots that nothing can come back to, and remembers the event.
func (f *fold) finish() {
	f.absorb()
	a := f.a
	a.Clock = max(a.Clock, f.d.Clock)
	f.dropLots()
	if f.d.Facts.Erased || f.d.Facts.MergedInto != "" {
		f.r.Clear()
	} else {
		for _, o := range f.orders {
			f.r.PutOrder(o)
		}
		for _, r := range f.redemptions {
			f.r.PutRedemption(r)
		}
	}
	if remembered(f.d) {
		f.r.PutSeen(SeenID(f.d), f.d.Facts.Payload)
	}
}

// dropLots removes the empty lots that nothing can come back to. When there can be none, and the tally knows all, it
// looks at no lot.
func (f *fold) dropLots() {
	a := f.a
	before := a.tally
	if before.counts(a) && before.due != unknown && before.drop > a.Clock {
		return
	}
	counted, lots := before.counts(a), len(a.Lots)
	a.tally = tally{drop: never}
	for i := 0; i < len(a.Lots); i++ {
		l := &a.Lots[i]
		if l.gone() > a.Clock {
			a.tally.add(l)
			continue
		}
		if l.Expired > 0 && l.order.n > 0 {
			f.r.AddExpired(a.OrderOf(l), l.ID, l.Expired)
		}
		a.ownLots()
		a.Lots = slices.Delete(a.Lots, i, i+1)
		i--
	}
	if len(a.Lots) < lots {
		a.gatherOrders()
	}
	if after := &a.tally; counted && (after.pending != before.pending || after.active != before.active || after.reserved != before.reserved) {
		panic("loyalty: a lot was changed and not counted again")
	}
}

// SeenID returns what an account remembers of the event that led to a decision: its id, apart from those of what other
// accounts have sent it, which no producer has given.
func SeenID(d *events.Decision) string {
	if d.Facts.Type.Internal() {
		return SentID(d.Cause.Event)
	}
	return d.Cause.Event
}

// SentID is [SeenID] for what another account has sent.
func SentID(event string) string { return "\x00" + event }

// remembered reports whether the event's id counts as used after the decision.
func remembered(d *events.Decision) bool {
	switch d.Result {
	case events.Stale, events.Future, events.Unreadable, events.Conflict, events.Parked:
		return false
	default:
		return d.Facts.Type != events.TypeTick && d.Cause.Event != ""
	}
}

// absorb books the part of the clawbacks that expired points of the order's own lots stand for.
func (f *fold) absorb() {
	for _, c := range f.claims {
		if gap := c.asked - c.found; gap > 0 {
			o := f.order(c.order)
			o.Absorbed += min(gap, f.expiredOf(c.order)-o.Absorbed)
		}
	}
	f.claims = f.claims[:0]
}

// expiredOf sums what expired in an order's own lots.
func (f *fold) expiredOf(order string) events.Points {
	sum := f.r.Expired(order)
	for i := range f.a.Lots {
		if l := &f.a.Lots[i]; f.a.OrderOf(l) == order {
			sum += l.Expired
		}
	}
	return sum
}
