package loyalty

import (
	"math"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// orderPlaced records an order and grants what it earns.
func (d *decider) orderPlaced(e *events.OrderPlaced) {
	known := d.knownOrder(e.Order)
	if known != nil && known.Placed {
		if known.Cancelled {
			d.refuse("order_cancelled")
		} else {
			d.result(events.Duplicate, "duplicate_order")
		}
		return
	}
	fact, reason := d.orderFact(e)
	if reason != "" {
		d.refuse(reason)
		return
	}
	first := d.a.LatestOrder == 0
	o := d.newOrder(fact)
	s := &d.room.sale
	s.event, s.bases = e, d.basesOf(o, d.q.rates[e.Currency].exact)
	s.basis = sum(s.bases)
	d.traceOrder(e, s)
	parts, ok := d.reckon(e, s)
	if !ok || d.p.Tiers != nil && !d.a.takesSpend(s.basis) {
		d.refuse("overflow")
		return
	}
	heldOut := d.p.heldOut(d.a.Customer)
	if !heldOut {
		for i := range parts {
			if p := &parts[i]; p.granted > 0 {
				fact.Rules = append(fact.Rules, events.RuleFact{Rule: p.rule.ID, Fixed: p.rule.Kind == Fixed, Lines: p.lines})
			}
		}
	}
	referral := first && d.refers(s.basis)
	if !heldOut && !d.takesEarned(parts, referral) {
		d.refuse("overflow")
		return
	}
	if referral && !heldOut {
		fact.Rules = append(fact.Rules, events.RuleFact{Rule: referralRule, Fixed: true})
	}
	d.made.Facts.Order = fact
	d.placeOrder(fact, known, o, s.basis)
	d.grant(e, e.Order, parts, heldOut)
	switch {
	case referral && heldOut && d.p.Referral.Referee > 0:
		d.withholdReferral(e.Order, d.p.Referral.Referee)
	case referral && !heldOut:
		d.rewardReferral(e)
	}
	if !heldOut {
		d.upgrade()
	}
	d.applyWaiting(o)
}

// orderFact checks an order and notes what returns need of it; reason says why it is refused.
func (d *decider) orderFact(e *events.OrderPlaced) (fact *events.OrderFact, reason string) {
	b := d.p.Basis
	page := d.page()
	if page.fact == nil {
		page.fact = new(events.OrderFact)
	}
	fact = page.fact
	*fact = events.OrderFact{Order: e.Order, Redemption: e.Redemption, Lines: sized(fact.Lines, len(e.Lines)), Rules: fact.Rules[:0]}
	if e.Order != visibleOrder(e.Order) {
		return nil, "invalid_order"
	}
	var gross int64
	for i := range e.Lines {
		l := &e.Lines[i]
		if wrongLine(e.Lines, i) != "" {
			return nil, "invalid_order"
		}
		f := &fact.Lines[i]
		f.Line, f.Amount = l.Line, l.Amount
		if !b.DiscountsIgnored {
			f.Discount = l.Discount
		}
		if gross += int64(l.Amount); gross < 0 {
			return nil, "overflow"
		}
	}
	if negativeTotal(e) != "" {
		return nil, "invalid_order"
	}
	rate, ok := d.q.rates[e.Currency]
	if !ok {
		return nil, "unknown_currency"
	}
	fact.Rate = rate.text
	// None is negative, so two of them fit.
	var less, more uint64
	if !b.DiscountsIgnored {
		less += uint64(e.OrderDiscount)
	}
	if !b.PaidPointsIncluded {
		less += uint64(e.PaidPoints)
	}
	if b.TaxIncluded {
		more += uint64(e.Tax)
	}
	if b.ShippingIncluded {
		more += uint64(e.Shipping)
	}
	fact.Deducted = events.Money(less - more)
	if fact.Deducted < 0 != (less < more) {
		return nil, "overflow"
	}
	return fact, ""
}

// earnFrom grants what an event other than an order earns, into lots that belong to source.
func (d *decider) earnFrom(e events.Event, source string) {
	if len(d.q.rules[e.EventType()]) == 0 {
		return
	}
	heldOut := d.p.heldOut(d.a.Customer)
	parts, ok := d.reckon(e, nil)
	if !ok || !heldOut && !d.takesEarned(parts, false) {
		d.refuse("overflow")
		return
	}
	d.grant(e, source, parts, heldOut)
}

// grant writes the parts as EARN entries into lots, and counts them for limits and caps.
func (d *decider) grant(e events.Event, source string, parts []part, heldOut bool) {
	_, placed := e.(*events.OrderPlaced)
	entryOrder := visibleOrder(source)
	if heldOut {
		d.withhold(entryOrder, parts)
		return
	}
	d.chooseLots(parts)
	var total events.Points
	for i := range parts {
		p := &parts[i]
		if p.asked == 0 {
			continue
		}
		entry := events.Entry{Type: events.Earn, Points: p.granted, Rule: p.rule.ID, Asked: p.asked, Order: entryOrder}
		if p.granted > 0 {
			dates := d.datesOf(p.rule.Rule)
			entry.Lot, entry.EarnedAt, entry.ActiveAt, entry.ExpiresAt = p.lot, d.at, dates.active, dates.expires
			if r := p.rule; r.Limit != nil {
				d.addCount(r.ID, r.Limit.Every, 1)
			}
		}
		total += p.granted
		d.add(entry)
	}
	if total == 0 {
		if slices.ContainsFunc(parts, func(p part) bool { return p.asked > 0 }) {
			if d.made.Result == "" {
				d.made.Reason = "capped"
			}
		} else {
			d.limited = d.limitedFor(e)
		}
		return
	}
	for _, every := range d.q.capPeriods {
		d.addCount("", every, int64(total))
	}
	d.repay()
	if d.p.Expiry.ExtendOnEarn {
		d.extend()
	}
	if d.p.Tiers != nil && d.p.Tiers.Metric == MetricPoints && !placed {
		d.upgrade()
	}
}

// takesEarned reports whether the account has room for what an event earns.
func (d *decider) takesEarned(parts []part, referral bool) bool {
	n := granted(parts)
	if referral {
		more := d.p.Referral.Referee
		if n > math.MaxInt64-more {
			return false
		}
		n += more
	}
	return d.a.takes(d.a.Totals.Issued, n)
}

// withhold notes what a customer of the control group would have earned.
func (d *decider) withhold(order string, parts []part) {
	for i := range parts {
		if p := &parts[i]; p.asked > 0 {
			d.add(events.Entry{Type: events.Earn, Rule: p.rule.ID, Asked: p.asked, Order: order})
			d.result(events.Holdout, "control_group")
		}
	}
}

func (d *decider) addCount(rule string, every Period, n int64) {
	c := events.Count{Rule: rule, Every: every.String(), From: d.p.Calendar.Start(d.at, every), Add: n}
	d.made.Facts.Counts = append(d.made.Facts.Counts, c)
	d.a.count(c)
}
