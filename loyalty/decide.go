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
	if d.made.Facts.Payload = d.in.Payload; from != "" || d.in.Payload == (events.Fingerprint{}) {
		d.made.Facts.Payload = events.PayloadOf(e)
	}
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
	before, ok := d.r.Seen(SeenID(d.made))
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
