package loyalty

import (
	"math"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// request sets points aside for a redemption, or refuses.
func (d *decider) request(e *events.RedemptionRequested) {
	if r := d.redemption(e.Redemption); r != nil && r.State != "" {
		d.result(events.Duplicate, "duplicate_redemption")
		return
	}
	if reason := d.declines(e); reason != "" {
		d.refuse(reason)
		return
	}
	d.consume(e.Points, func(l *Lot, n events.Points) {
		d.add(events.Entry{Type: events.Reserve, Lot: l.ID, Points: n, Redemption: e.Redemption, Order: visibleOrder(d.a.OrderOf(l)),
			EarnedAt: l.EarnedAt, ActiveAt: l.ActiveAt, ExpiresAt: l.ExpiresAt})
	})
	d.state(events.RedemptionFact{
		Redemption: e.Redemption, State: events.StateReserved, Order: e.Order,
		LapsesAt: d.p.Calendar.Add(d.at, d.p.Redemption.TTL),
	})
}

// declines says why points may not be redeemed; "" when they may.
func (d *decider) declines(e *events.RedemptionRequested) string {
	rules := &d.p.Redemption
	if e.Points <= 0 {
		return "invalid_points"
	}
	if e.Reward != "" {
		if reason := d.declinesReward(e); reason != "" {
			return reason
		}
	} else {
		switch {
		case e.Points < rules.Minimum:
			return "below_minimum"
		case rules.Step > 1 && e.Points%rules.Step != 0:
			return "not_a_step"
		}
	}
	if rules.MaxShare != nil && e.OrderTotal != 0 {
		worth := ExactInt(int64(e.Points)).Mul(d.q.pointValue)
		if worth.Cmp(d.q.maxShare.Mul(ExactInt(int64(e.OrderTotal)))) > 0 {
			return "over_max_share"
		}
	}
	if d.a.spendable(d.now) < e.Points {
		return "balance_too_low"
	}
	return ""
}

func (d *decider) declinesReward(e *events.RedemptionRequested) string {
	i := slices.IndexFunc(d.p.Rewards, func(r Reward) bool { return r.ID == e.Reward })
	if i < 0 {
		return "unknown_reward"
	}
	r := &d.p.Rewards[i]
	switch {
	case e.Points != r.Points:
		return "reward_points_differ"
	case len(r.Tiers) > 0 && !slices.Contains(r.Tiers, d.p.tierName(d.a.Tier)):
		return "tier_too_low"
	default:
		return ""
	}
}

// spendable sums the active points that have not expired at now. Who owes points has none to spend.
func (a *Account) spendable(now events.Instant) events.Points {
	var sum events.Points
	if a.Deficit > 0 {
		return 0
	}
	for i := range a.Lots {
		sum += a.Lots[i].spendable(now)
	}
	return sum
}

// consume hands out n spendable points in consumption order; the caller has made sure that there are as many.
func (d *decider) consume(n events.Points, use func(*Lot, events.Points)) {
	for n > 0 {
		l := d.a.firstLot(func(l *Lot) bool { return l.spendable(d.now) > 0 })
		part := min(l.Active, n)
		n -= part
		use(l, part)
	}
}

func (d *decider) state(x events.RedemptionFact) {
	d.made.Facts.Redemptions = append(d.made.Facts.Redemptions, x)
	d.moveRedemption(&x)
}

// confirm spends reserved points; fewer than reserved release the rest. A late confirm is fine until a tick lapses it.
func (d *decider) confirm(e *events.RedemptionConfirmed) {
	r := d.redemption(e.Redemption)
	if r == nil || r.State == "" {
		d.refuse("unknown_redemption")
		return
	}
	switch r.State {
	case events.StateConfirmed:
		d.result(events.Duplicate, "redemption_confirmed")
		return
	case events.StateLapsed:
		d.refuse("reservation_lapsed")
		return
	case events.StateCancelled:
		d.refuse("reservation_cancelled")
		return
	case events.StateReserved:
	}
	reserved := r.reserved()
	n := reserved
	if e.Points != nil {
		n = *e.Points
	}
	switch {
	case n <= 0 || n > reserved:
		d.refuse("invalid_points")
		return
	case n > math.MaxInt64-d.a.Totals.Redeemed:
		d.refuse("overflow")
		return
	}
	// Activity since the request may have made expiries alike that were not: the order is that of now.
	parts := slices.Clone(r.Parts)
	slices.SortFunc(parts, func(x, y RedemptionPart) int {
		if d.a.findLot(x.Lot).before(d.a.findLot(y.Lot)) {
			return -1
		}
		return 1
	})
	for _, part := range parts {
		spend := min(part.Points, n)
		n -= spend
		if spend > 0 {
			d.add(events.Entry{Type: events.Confirm, Lot: part.Lot, Points: spend, Redemption: r.ID})
		}
		if spend < part.Points {
			d.add(events.Entry{Type: events.Release, Lot: part.Lot, Points: part.Points - spend, Redemption: r.ID})
		}
	}
	d.state(events.RedemptionFact{Redemption: r.ID, State: events.StateConfirmed, Order: e.Order})
	if d.p.Expiry.ExtendOnRedeem {
		d.extend()
	}
	// What came back of the order before the confirm is made up for now.
	r = d.redemption(e.Redemption)
	for _, id := range r.Orders {
		if o := d.knownOrder(id); o != nil && o.Placed {
			d.reinstateShare(o, r)
		}
	}
}

func (r *Redemption) reserved() events.Points {
	var sum events.Points
	for i := range r.Parts {
		sum += r.Parts[i].Points
	}
	return sum
}

// releaseAll gives all reserved points of a redemption back and closes it.
func (d *decider) releaseAll(r *Redemption, state events.RedemptionState) {
	for _, part := range slices.Clone(r.Parts) {
		d.add(events.Entry{Type: events.Release, Lot: part.Lot, Points: part.Points, Redemption: r.ID})
	}
	d.state(events.RedemptionFact{Redemption: r.ID, State: state})
}

// cancelRedemption releases reserved points, or gives back what is left of spent ones.
func (d *decider) cancelRedemption(e *events.RedemptionCancelled) {
	r := d.redemption(e.Redemption)
	if r == nil || r.State == "" {
		d.refuse("unknown_redemption")
		return
	}
	switch r.State {
	case events.StateReserved:
		d.releaseAll(r, events.StateCancelled)
	case events.StateConfirmed:
		var left events.Points
		for i := range r.Parts {
			left += r.Parts[i].Points - r.Parts[i].Given
		}
		if left > math.MaxInt64-d.a.Totals.Reinstated {
			d.refuse("overflow")
			return
		}
		d.state(events.RedemptionFact{Redemption: r.ID, State: events.StateCancelled})
		d.reinstatePoints(r, left)
	case events.StateCancelled, events.StateLapsed:
		d.result(events.Nothing, "redemption_"+string(r.State))
	}
}

// adjust corrects the balance by hand: up into a lot of its own, down from what can be spent.
func (d *decider) adjust(e *events.PointsAdjusted) {
	switch n := events.Points(e.Points); {
	case n == 0:
		d.refuse("invalid_points")
	case n > 0:
		if !d.a.takes(d.a.Totals.Adjusted, n) {
			d.refuse("overflow")
			return
		}
		d.add(events.Entry{Type: events.Adjust, Points: n, Lot: d.a.LotLast + 1, EarnedAt: d.at, ActiveAt: d.at,
			ExpiresAt: d.p.expires(&d.p.Expiry, d.at)})
	case n < -d.a.spendable(d.now):
		d.refuse("balance_too_low")
	case d.a.Totals.Adjusted < math.MinInt64-n:
		d.refuse("overflow")
	default:
		d.consume(-n, func(l *Lot, part events.Points) {
			d.add(events.Entry{Type: events.AdjustDown, Lot: l.ID, Points: part})
		})
	}
}
