package loyalty

import (
	"cmp"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// transfer takes points from the giver; the second leg reaches the receiver as TransferCredited.
func (d *decider) transfer(e *events.TransferRequested) {
	ref := events.Reference{Kind: events.TypeTransferRequested, ID: e.Transfer}
	switch {
	case d.r.Referenced(ref):
		d.result(events.Duplicate, "duplicate_transfer")
		return
	case e.Points <= 0:
		d.refuse("invalid_points")
		return
	case e.To == d.a.Customer, e.To == e.Customer:
		d.refuse("transfer_to_self")
		return
	case d.a.spendable(d.now) < e.Points:
		d.refuse("balance_too_low")
		return
	}
	d.reference(ref.Kind, ref.ID)
	leg := &events.TransferCredited{
		Header:   events.Header{ID: "transfer:" + sentID(d.a.Customer, e.ID), Customer: e.To, At: d.at},
		Transfer: e.Transfer, From: d.a.Customer,
	}
	d.consume(e.Points, func(l *Lot, n events.Points) {
		leg.Lots = append(leg.Lots, events.CreditedLot{Points: n, EarnedAt: l.EarnedAt, ExpiresAt: l.ExpiresAt})
		d.add(events.Entry{Type: events.TransferOut, Lot: l.ID, Points: n})
	})
	d.out = append(d.out, leg)
}

// receive adds transferred points as lots that keep their expiry.
func (d *decider) receive(e *events.TransferCredited) {
	var sum events.Points // the giver had as many
	for _, l := range e.Lots {
		sum += l.Points
	}
	if !d.a.takes(d.a.Totals.TransferredIn, sum) {
		d.refuse("overflow")
		return
	}
	for _, l := range e.Lots {
		d.add(events.Entry{Type: events.TransferIn, Points: l.Points, Lot: d.a.LotLast + 1,
			EarnedAt: l.EarnedAt, ActiveAt: d.at, ExpiresAt: l.ExpiresAt})
	}
}

// forfeit takes every point that the account holds.
func (d *decider) forfeit() {
	for _, l := range slices.Clone(d.a.Lots) {
		if n := l.Pending + l.Active + l.Reserved; n > 0 {
			d.add(events.Entry{Type: events.Forfeit, Lot: l.ID, Points: n})
		}
	}
}

// merge ends the account; all it has moves to the survivor with MergeCredited.
func (d *decider) merge(e *events.AccountsMerged) {
	switch {
	case e.Into == d.a.Customer:
		d.refuse("merge_into_self")
		return
	case d.r.Referenced(events.Reference{Kind: events.TypeMergeCredited, ID: e.Into}):
		d.refuse("merged_in_a_circle")
		return
	}
	d.out = append(d.out, &events.MergeCredited{
		Header: events.Header{ID: "merge:" + sentID(d.a.Customer, e.ID), Customer: e.Into, At: d.at},
		From:   d.a.Customer, Account: appendMerged(nil, d.a, d.r.All()),
	})
	for _, l := range slices.Clone(d.a.Lots) {
		if n := l.Pending + l.Active + l.Reserved; n > 0 {
			d.add(events.Entry{Type: events.TransferOut, Lot: l.ID, Points: n})
		}
	}
	if n := d.a.Deficit; n > 0 {
		d.add(events.Entry{Type: events.TransferIn, Points: n})
	}
	d.made.Facts.MergedInto = e.Into
	d.facts(&events.Facts{MergedInto: e.Into})
	d.result(events.Applied, "")
}

// mergeCredited takes over the account of a customer who was merged into this one.
func (d *decider) mergeCredited(e *events.MergeCredited) {
	from, ok := d.mergedFits(e)
	if !ok || !d.reference(events.TypeMergeCredited, e.From) {
		return
	}
	d.made.Facts.Merged = e.Account
	first := d.a.LotLast + 1
	d.takeOver(e.Account)
	for i := range d.a.Lots {
		if l := d.a.Lots[i]; l.ID >= first {
			if n := l.Pending + l.Active + l.Reserved; n > 0 {
				d.add(events.Entry{Type: events.TransferIn, Lot: l.ID, Points: n,
					EarnedAt: l.EarnedAt, ActiveAt: l.ActiveAt, ExpiresAt: l.ExpiresAt})
			}
		}
	}
	if from.Deficit > 0 {
		d.add(events.Entry{Type: events.TransferOut, Points: from.Deficit})
	}
	d.repay()
	if d.p.Tiers != nil && !d.p.heldOut(d.a.Customer) {
		if d.p.level(from.Tier) > d.p.level(d.a.Tier) {
			d.changeTier(d.p.level(from.Tier), from.Grace)
		}
		d.upgrade()
	}
	for _, w := range slices.Clone(d.a.Waiting) {
		if o := d.knownOrder(waitsFor(w)); o != nil && o.Placed {
			d.applyWaiting(o)
		}
	}
	d.result(events.Applied, "")
}

// mergedFits reads the account that ended, and refuses it when the account has no room for its points.
func (d *decider) mergedFits(e *events.MergeCredited) (*Account, bool) {
	from, _, err := decodeMerged(e.Account)
	if err != nil {
		panic("loyalty: reading a merged account: " + err.Error())
	}
	b := from.Balance()
	if !d.a.takes(d.a.Totals.TransferredIn, b.Pending+b.Active+b.Reserved) {
		d.refuse("overflow")
		return nil, false
	}
	return from, true
}

// mergeIntoErased books what arrives for an erased customer and forfeits it at once.
func (d *decider) mergeIntoErased(e *events.MergeCredited) {
	from, ok := d.mergedFits(e)
	if !ok {
		return
	}
	for i := range from.Lots {
		l := &from.Lots[i]
		if n := l.Pending + l.Active + l.Reserved; n > 0 {
			d.add(events.Entry{Type: events.TransferIn, Lot: d.a.LotLast + 1, Points: n,
				EarnedAt: l.EarnedAt, ActiveAt: d.at, ExpiresAt: l.ExpiresAt})
		}
	}
	if from.Deficit > 0 {
		d.add(events.Entry{Type: events.TransferOut, Points: from.Deficit})
	}
	d.forfeit()
}

// referralRule is the rule id of referral points.
const referralRule = "referral"

// refers reports whether an order, the customer's first, completes a referral.
func (d *decider) refers(basis Exact) bool {
	r := d.p.Referral
	by := d.a.Profile.ReferredBy
	return r != nil && by != "" && by != d.a.Customer && basis.Cmp(ExactInt(int64(r.MinimumOrder))) >= 0
}

// rewardReferral gives the referee's points and sends the referrer's.
func (d *decider) rewardReferral(e *events.OrderPlaced) {
	entry := events.Entry{Type: events.Earn, Points: d.p.Referral.Referee, Asked: d.p.Referral.Referee, Rule: referralRule, Order: e.Order}
	if entry.Points > 0 {
		dates := d.datesOf(nil)
		entry.Lot, entry.EarnedAt, entry.ActiveAt, entry.ExpiresAt = d.a.LotLast+1, d.at, dates.active, dates.expires
	}
	d.add(entry)
	d.repay()
	if entry.Points > 0 && d.p.Expiry.ExtendOnEarn {
		d.extend()
	}
	if n := d.p.Referral.Referrer; n > 0 {
		d.out = append(d.out, &events.ReferralRewarded{
			Header:  events.Header{ID: "referral:" + sentID(d.a.Customer, e.Order), Customer: d.a.Profile.ReferredBy, At: d.at},
			Referee: d.a.Customer, Order: e.Order, Points: n, EarnedAt: d.at,
		})
	}
}

// withholdReferral notes what a customer of the control group would have had of a referral. That of a referee gives the
// referrer nothing either.
func (d *decider) withholdReferral(order string, asked events.Points) {
	// Before the entry, which is no grant because of it.
	d.result(events.Holdout, "control_group")
	d.add(events.Entry{Type: events.Earn, Rule: referralRule, Asked: asked, Order: order})
}

// sentID names what an account sends another because of something of its own. No two customers' names are alike.
func sentID(customer, own string) string { return idEscaper.Replace(customer) + ":" + own }

var idEscaper = strings.NewReplacer("%", "%25", ":", "%3A")

// referred reports whether the order completed a referral.
func (o *Order) referred() bool {
	return o.Placed && slices.ContainsFunc(o.Grants, func(g Grant) bool { return g.Rule == referralRule })
}

// reverseReferral takes the referrer's points back when the order that completed the referral has just ended.
func (d *decider) reverseReferral(o *Order) {
	if !o.Ended || !o.referred() {
		return
	}
	if p := d.in.History.Version(o.Version); p != nil && p.Referral != nil && p.Referral.Referrer == 0 {
		return // nothing was sent
	}
	referee, referrer := o.Referee, o.Referrer
	if referrer == "" {
		referee, referrer = d.a.Customer, d.a.Profile.ReferredBy
	}
	order := cmp.Or(o.PlacedAs, o.ID)
	d.out = append(d.out, &events.ReferralRewarded{
		Header:  events.Header{ID: "referral-reversed:" + sentID(referee, order), Customer: referrer, At: d.at},
		Referee: referee, Order: order, Reversed: true, EarnedAt: d.at,
	})
}

// referralRewarded is the referrer's side of a referral.
func (d *decider) referralRewarded(e *events.ReferralRewarded) {
	reference := e.Referee + "\x00" + e.Order
	d.source = referralKey(reference)
	ref := events.Reference{Kind: events.TypeReferralRewarded, ID: reference}
	if e.Reversed {
		d.made.Facts.References = append(d.made.Facts.References, ref)
		d.made.Facts.Cancelled = append(d.made.Facts.Cancelled, d.source)
		o := d.order(d.source)
		d.cancelled(o)
		d.clawBack(o)
		return
	}
	heldOut := d.p.heldOut(d.a.Customer)
	if !heldOut && !d.a.takes(d.a.Totals.Issued, e.Points) {
		d.refuse("overflow")
		return
	}
	if !d.reference(ref.Kind, ref.ID) {
		return
	}
	if heldOut {
		d.withholdReferral("", e.Points)
		return
	}
	active := d.p.Calendar.Add(e.EarnedAt, d.p.Hold.After)
	d.add(events.Entry{Type: events.Earn, Points: e.Points, Asked: e.Points, Rule: referralRule, Lot: d.a.LotLast + 1,
		EarnedAt: e.EarnedAt, ActiveAt: active, ExpiresAt: d.p.expires(&d.p.Expiry, active)})
	d.repay()
	if d.p.Expiry.ExtendOnEarn {
		d.extend()
	}
	if d.p.Tiers != nil && d.p.Tiers.Metric == MetricPoints {
		d.upgrade()
	}
}
