package loyalty

import (
	"fmt"

	"github.com/accrue-loyalty/accrue/events"
)

// Decide works out what in.Event does to a under p. It returns the decision, without its chain and position, and the
// events that other accounts must decide because of it. It leaves a and r as the decision says: afterwards they equal
// what [Evolve] makes of the decision and what they were before.
//
// Everything due for the account at or before in.Clock must have been done by [DecideTick].
func Decide(p *Program, a *Account, r Records, in Input) (events.Decision, []events.Event) {
	var d Decider
	made, out := d.Decide(p, a, r, in)
	return *made, out
}

// Decider decides one event after another in the same memory. The zero Decider is ready; one goroutine uses it. What
// its methods return, and all that hangs from it, is valid until the next call and may be changed. A call that
// panicked leaves the Decider as good as new, the account and the records not.
type Decider struct{ decider }

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
	made events.Decision
	// limited is set when the event earned nothing because rules have been granted as often as their limits allow.
	limited bool
	out     []events.Event
	room    room
}

// room is memory that the decisions of one decider use in turn.
type room struct {
	// fact is apart from the decider, which a decision that is kept does not hold.
	fact    *events.OrderFact
	tick    events.Tick
	sale    sale
	parts   []part
	byLine  []Exact
	lines   []int32
	rests   []remainder
	choices []choice
	terms   terms
}

// begin makes the decider ready for an event, whatever became of the one before.
func (d *decider) begin(p *Program, a *Account, r Records, in Input) {
	h := in.Event.Head()
	d.p, d.q, d.in, d.at, d.now = p, p.ready(), in, h.At, max(h.At, in.Clock)
	old := &d.made.Facts
	d.made = events.Decision{
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
	d.room.lines = d.room.lines[:0]
	d.init(a, r, &d.made)
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
	return &d.made, d.out
}

// settle names the result of an event that was carried out.
func (d *decider) settle() {
	d.made.Result = events.Nothing
	for i := range d.made.Entries {
		if e := &d.made.Entries[i]; e.Points > 0 || e.Type == events.TierChanged {
			d.made.Result = events.Applied
			return
		}
	}
	if d.limited && d.made.Reason == "" {
		d.made.Reason = "limit_reached"
	}
}

func (d *decider) result(r events.Result, reason string) {
	d.made.Result, d.made.Reason = r, reason
}

func (d *decider) refuse(reason string) { d.result(events.Refused, reason) }

// add appends an entry to the decision and applies it.
func (d *decider) add(e events.Entry) {
	d.made.Entries = append(d.made.Entries, e)
	d.entry(&e)
}

// reference uses up a business id; false means that it was used before.
func (d *decider) reference(kind events.Type, id string) bool {
	ref := events.Reference{Kind: kind, ID: id}
	if d.r.Referenced(ref) {
		d.result(events.Duplicate, "duplicate_"+referenceNames[kind])
		return false
	}
	d.made.Facts.References = append(d.made.Facts.References, ref)
	d.r.PutReference(ref)
	return true
}

var referenceNames = map[events.Type]string{
	events.TypeOrderReturned:     "return",
	events.TypeTransferRequested: "transfer",
	events.TypeComplaintResolved: "complaint",
	events.TypeReviewSubmitted:   "review",
	events.TypeReviewApproved:    "review",
	events.TypeReviewRemoved:     "review",
	events.TypeReferralRewarded:  "referral",
	events.TypeMergeCredited:     "merge",
}

func (d *decider) decide() {
	e, from := d.in.Event, ""
	if forwarded, ok := e.(*events.EventForwarded); ok && d.a.MergedInto == "" {
		inner, err := events.DecodeStoredJSON(forwarded.Event)
		if err != nil {
			panic("loyalty: reading a forwarded event: " + err.Error())
		}
		d.become(inner)
		e, from = inner, forwarded.From
	}
	d.made.Facts.Payload = events.PayloadOf(e)
	// A repeat of what was decided before there was a clock is a repeat, also where it would be too far ahead now.
	if d.tooOld(e) || !d.fresh() || d.tooFarAhead(e) || !d.living(e) {
		return
	}
	if from != "" {
		d.rename(e, from)
	}
	d.act(e)
}

// become takes on an event that was forwarded from an account that ended.
func (d *decider) become(e events.Event) {
	h := e.Head()
	d.in.Event, d.at, d.now = e, h.At, max(h.At, d.in.Clock)
	d.made.Cause.Event = h.ID
	d.made.Facts.Type, d.made.Facts.At = e.EventType(), h.At
}

// dayMillis is how far ahead of the partition clock an event may be: 24 hours, for clocks that are not set well.
const dayMillis = 24 * 3600 * 1000

// tooOld refuses what is older than the program accepts. What accrue sent itself must never get lost.
func (d *decider) tooOld(e events.Event) bool {
	if d.in.Clock == 0 || e.EventType().Internal() || !d.p.stale(d.at, d.in.Clock) {
		return false
	}
	d.result(events.Stale, "older_than_accepted")
	return true
}

// tooFarAhead refuses what is further ahead of the partition clock than clocks that are not set well.
func (d *decider) tooFarAhead(e events.Event) bool {
	if d.in.Clock == 0 || d.in.Lenient || e.EventType().Internal() || d.at <= d.in.Clock+dayMillis {
		return false
	}
	d.result(events.Future, "ahead_of_clock")
	return true
}

// stale reports whether an event of at is too old at the partition clock.
func (p *Program) stale(at, clock events.Instant) bool {
	return p.AcceptWithin != nil && p.Calendar.Add(at, *p.AcceptWithin) < clock
}

// fresh tells repeats from new events.
func (d *decider) fresh() bool {
	before, ok := d.r.Seen(SeenID(&d.made))
	switch {
	case !ok:
		return true
	case before == d.made.Facts.Payload:
		d.result(events.Duplicate, "duplicate_event")
	default:
		d.result(events.Conflict, "event_id_reused")
	}
	return false
}

// hopsMax bounds how often an event follows merges: accounts merged in a circle would send it round for ever. It is beyond
// what is merged in a row.
const hopsMax = 100

// living handles accounts that were erased or merged into another.
func (d *decider) living(e events.Event) bool {
	a := d.a
	if a.Erased {
		switch e := e.(type) {
		case *events.TransferCredited:
			d.receive(e)
			d.forfeit()
		case *events.MergeCredited:
			d.mergeIntoErased(e)
		default:
			d.refuse("erased")
		}
		return false
	}
	if a.MergedInto == "" {
		return true
	}
	if _, again := e.(*events.AccountsMerged); again {
		d.refuse("account_merged")
		return false
	}
	d.forward(e)
	return false
}

// forward sends an event on to the account that this one was merged into.
func (d *decider) forward(e events.Event) {
	hops := 1
	var inner []byte
	if f, ok := e.(*events.EventForwarded); ok {
		inner = f.Event
		if _, err := fmt.Sscanf(f.ID, "forward-%d:", &hops); err == nil {
			hops++
		}
	} else {
		b, err := events.EncodeJSON(e)
		if err != nil {
			panic("loyalty: " + err.Error())
		}
		inner = b
	}
	if hops > hopsMax {
		d.refuse("merged_in_a_circle")
		return
	}
	d.result(events.Forwarded, "account_merged")
	d.out = append(d.out, &events.EventForwarded{
		Header: events.Header{
			ID: fmt.Sprintf("forward-%d:%s", hops, sentID(d.a.Customer, e.Head().ID)), Customer: d.a.MergedInto, At: d.at,
		},
		From: d.a.Customer, Event: inner,
	})
}

func (d *decider) act(e events.Event) {
	switch e := e.(type) {
	case *events.OrderPlaced:
		d.orderPlaced(e)
	case *events.OrderFulfilled:
		d.onOrder(e, e.Order, func(o *Order) { d.fulfil(o, e) })
	case *events.OrderCancelled:
		d.onOrder(e, e.Order, func(o *Order) { d.cancel(o) })
	case *events.OrderReturned:
		if d.returnKnown(e.Return) {
			d.result(events.Duplicate, "duplicate_return")
			return
		}
		d.onOrder(e, e.Order, func(o *Order) { d.takeBack(o, e) })
	case *events.ReviewSubmitted:
		d.review(e, e.Review.Review)
	case *events.ReviewApproved:
		d.review(e, e.Review.Review)
	case *events.ReviewRemoved:
		d.reviewRemoved(e)
	case *events.AccountRegistered:
		d.registered(e)
	case *events.ConsentChanged:
		d.note(&events.ProfileFact{Marketing: e.Marketing, Tracking: e.Tracking})
		d.earnFrom(e, "")
	case *events.ComplaintResolved:
		if d.reference(events.TypeComplaintResolved, e.Complaint) {
			d.earnFrom(e, "")
		}
	case *events.PointsAdjusted:
		d.adjust(e)
	case *events.AccountsMerged:
		d.merge(e)
	case *events.ErasureRequested:
		d.forfeit()
		d.made.Facts.Erased = true
		d.facts(&events.Facts{Erased: true})
		d.result(events.Applied, "")
	case *events.AppInstalled, *events.SessionOpened, *events.PushClicked, *events.NewsletterSubscribed,
		*events.ReferralLinkShared:
		if !d.a.Profile.Tracking {
			d.result(events.Nothing, "no_tracking_consent")
			return
		}
		d.earnFrom(e, "")
	case *events.ServiceVoucherIssued, *events.ChurnContactCompleted, *events.ReferralCompleted, *events.FraudReviewed:
		d.earnFrom(e, "")
	case *events.RedemptionRequested:
		d.request(e)
	case *events.RedemptionConfirmed:
		d.confirm(e)
	case *events.RedemptionCancelled:
		d.cancelRedemption(e)
	case *events.TransferRequested:
		d.transfer(e)
	case *events.TransferCredited:
		d.receive(e)
	case *events.ReferralRewarded:
		d.referralRewarded(e)
	case *events.MergeCredited:
		d.mergeCredited(e)
	case *events.EventForwarded, *events.Tick:
		panic("loyalty: " + string(e.EventType()) + " is no event of an account")
	default:
		panic("loyalty: unknown event " + string(e.EventType()))
	}
}

// note records what the account keeps of a registration or consent.
func (d *decider) note(x *events.ProfileFact) {
	d.made.Facts.Profile = x
	d.profile(x)
}

func (d *decider) registered(e *events.AccountRegistered) {
	x := &events.ProfileFact{Registered: e.At, ReferredBy: e.ReferredBy}
	if e.Consent != nil {
		x.Marketing, x.Tracking = e.Consent.Marketing, e.Consent.Tracking
	}
	d.note(x)
	d.earnFrom(e, "")
}

func (d *decider) review(e events.Event, id string) {
	if o := d.knownOrder(reviewKey(id)); o != nil && o.Cancelled {
		d.refuse("review_removed")
		return
	}
	if !d.reference(e.EventType(), id) {
		return
	}
	d.source = reviewKey(id)
	d.earnFrom(e, d.source)
}

func (d *decider) reviewRemoved(e *events.ReviewRemoved) {
	id := e.Review.Review
	if !d.reference(events.TypeReviewRemoved, id) {
		return
	}
	d.made.Facts.CancelledReviews = []string{id}
	d.source = reviewKey(id)
	o := d.order(d.source)
	d.cancelled(o)
	d.clawBack(o)
}
