package loyalty

import (
	"cmp"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// takeBack applies a return: first the points that paid for the order go back, then what the order earned is taken.
func (d *decider) takeBack(o *Order, e *events.OrderReturned) {
	fact := events.ReturnFact{Order: o.ID, Return: e.Return, Whole: e.Lines == nil}
	if e.Lines != nil {
		lines, reason := returnLines(o, e.Lines)
		if reason != "" {
			d.refuse(reason)
			return
		}
		fact.Lines = lines
	}
	if o.Ended {
		// Nothing is left to take, but the return's id is used up like any other's.
		d.reference(events.TypeOrderReturned, e.Return)
		d.result(events.Nothing, "order_ended")
		return
	}
	d.made.Facts.Returns = append(d.made.Facts.Returns, fact)
	d.returned(&fact)
	d.giveBack(o)
	d.clawBack(o)
	d.reverseReferral(o)
}

// returnLines caps what came back at what is left of each line.
func returnLines(o *Order, lines []events.ReturnedLine) (out []events.ReturnLine, reason string) {
	taken := make(map[int]events.Money, len(lines))
	for _, l := range lines {
		i := slices.IndexFunc(o.Lines, func(x OrderLine) bool { return x.Line == l.Line })
		if i < 0 {
			return nil, "unknown_line"
		}
		if l.Amount < 0 {
			return nil, "invalid_return"
		}
		n := min(l.Amount, o.Lines[i].Amount-o.Lines[i].Returned-taken[i])
		taken[i] += n
		out = append(out, events.ReturnLine{Line: int32(i), Amount: n})
	}
	return out, ""
}

// cancel takes back everything that an order caused, once.
func (d *decider) cancel(o *Order) {
	if o.Cancelled {
		d.result(events.Duplicate, "order_cancelled")
		return
	}
	returned := o.Ended
	d.made.Facts.Cancelled = append(d.made.Facts.Cancelled, o.ID)
	d.cancelled(o)
	d.giveBack(o)
	d.clawBack(o)
	if !returned {
		d.reverseReferral(o)
	}
}

// fulfil starts the hold of the lots that wait for it.
func (d *decider) fulfil(o *Order, e *events.OrderFulfilled) {
	switch {
	case o.Fulfilled != 0:
		d.result(events.Duplicate, "order_fulfilled")
		return
	case o.Ended:
		d.result(events.Nothing, "order_ended")
		return
	}
	fact := events.FulfilmentFact{Order: o.ID, At: e.At}
	d.made.Facts.Fulfilments = append(d.made.Facts.Fulfilments, fact)
	o.Fulfilled = e.At
	p := d.p
	if pinned := d.in.History.Version(o.Version); pinned != nil {
		p = pinned
	}
	for i := range d.a.Lots {
		l := &d.a.Lots[i]
		if d.a.OrderOf(l) != o.ID || l.ActiveAt != 0 {
			continue
		}
		rule := p.ruleOf(o, l.ID)
		active := p.Calendar.Add(max(l.EarnedAt, e.At), p.holdOf(rule).After)
		d.date(events.LotDates{Lot: l.ID, ActiveAt: active, ExpiresAt: p.expires(p.expiryOf(rule), active)})
	}
	d.earnFrom(e, o.ID)
	if d.made.Result == "" {
		d.settle()
		if len(d.made.Facts.Dates) > 0 {
			d.result(events.Applied, "")
		}
	}
}

// ruleOf finds the rule that granted a lot of an order; nil when the program no longer has it.
func (p *Program) ruleOf(o *Order, lot int64) *Rule {
	for i := range o.Grants {
		if o.Grants[i].Lot != lot {
			continue
		}
		for j := range p.Earn {
			if p.Earn[j].ID == o.Grants[i].Rule {
				return &p.Earn[j]
			}
		}
	}
	return nil
}

// giveBack reinstates the points that paid for what came back of an order, and releases those still reserved for an
// order that ended.
func (d *decider) giveBack(o *Order) {
	for _, id := range slices.Clone(o.Redemptions) {
		r := d.redemption(id)
		if r == nil {
			continue
		}
		switch r.State {
		case events.StateReserved:
			if o.Ended {
				d.releaseAll(r, events.StateCancelled)
			}
		case events.StateConfirmed:
			d.reinstateShare(o, r)
		case events.StateCancelled, events.StateLapsed, "":
		}
	}
	d.repay()
}

// reinstateShare gives back floor(points × returned share of the gross) of a redemption, less what was given before.
func (d *decider) reinstateShare(o *Order, r *Redemption) {
	var points, given int64
	for i := range r.Parts {
		points += int64(r.Parts[i].Points)
		given += int64(r.Parts[i].Given)
	}
	target := points
	if gross := o.gross(); !o.Ended {
		if gross == 0 {
			return
		}
		target, _ = ExactInt(points).Mul(ExactInt(o.returnedGross())).Quo(ExactInt(gross)).Floor()
	}
	d.reinstatePoints(r, events.Points(target-given))
}

// reinstatePoints gives n points of a redemption back to the lots they came from, last consumed first. Where a lot's
// expiry has passed, they become a new lot that lives for the grace.
func (d *decider) reinstatePoints(r *Redemption, n events.Points) {
	for i := len(r.Parts) - 1; i >= 0 && n > 0; i-- {
		part := r.Parts[i]
		give := min(part.Points-part.Given, n)
		if give <= 0 {
			continue
		}
		n -= give
		e := events.Entry{
			Type: events.Reinstate, Points: give, Lot: part.Lot, Redemption: r.ID, Order: visibleOrder(part.Order),
			EarnedAt: part.EarnedAt, ActiveAt: part.ActiveAt, ExpiresAt: part.ExpiresAt,
		}
		// A lot that is gone although it had an expiry was dropped because that has passed.
		gone := part.ExpiresAt != 0
		if l := d.a.findLot(part.Lot); l != nil {
			gone = l.ExpiresAt != 0 && l.ExpiresAt <= d.now
			e.ActiveAt, e.ExpiresAt = l.ActiveAt, l.ExpiresAt
		}
		if gone {
			e.Lot = d.a.LotLast + 1
			e.ActiveAt = d.now
			e.ExpiresAt = d.p.Calendar.Add(d.now, d.p.Returns.ReinstateGrace)
		}
		d.add(e)
	}
}

// clawBack takes back what an order (or review) has to give back by now: from its own pending and active lots, then
// from what of them expired, then from other lots; the rest is owed or, with clamp, written off.
func (d *decider) clawBack(o *Order) {
	bases := d.basesOf(o, o.rate())
	grants := make([]*Grant, len(o.Grants))
	for i := range o.Grants {
		grants[i] = &o.Grants[i]
	}
	slices.SortFunc(grants, func(a, b *Grant) int { return cmp.Compare(a.Rule, b.Rule) })
	order := visibleOrder(o.ID)
	expired := d.expiredOf(o.ID) - o.Absorbed
	for _, g := range grants {
		c := clawback{d: d, entry: events.Entry{Rule: g.Rule, Order: order, Asked: o.due(g, bases)}}
		c.left = c.entry.Asked
		if c.left == 0 {
			continue
		}
		for c.left > 0 {
			l := d.a.firstLot(func(l *Lot) bool { return d.a.OrderOf(l) == o.ID && l.Pending > 0 })
			if l == nil {
				break
			}
			c.write(events.CancelPending, l.ID, l.Pending)
		}
		for c.left > 0 {
			l := d.a.firstLot(func(l *Lot) bool { return d.a.OrderOf(l) == o.ID && l.Active > 0 })
			if l == nil {
				break
			}
			c.write(events.Revoke, l.ID, l.Active)
		}
		absorbed := min(expired, c.left)
		expired -= absorbed
		c.left -= absorbed
		for c.left > 0 {
			l := d.a.firstLot(func(l *Lot) bool { return d.a.OrderOf(l) != o.ID && l.spendable(d.now) > 0 })
			if l == nil {
				break
			}
			c.write(events.Revoke, l.ID, l.Active)
		}
		if c.left > 0 && !d.p.Returns.Clamp {
			c.write(events.DeficitOwed, 0, c.left)
		}
		if c.entry.Asked > 0 {
			c.write(events.Revoke, 0, 0)
		}
	}
	d.absorb()
}

// clawback writes the entries of one rule; the first carries what was asked.
type clawback struct {
	d     *decider
	entry events.Entry
	left  events.Points
}

func (c *clawback) write(t events.EntryType, lot int64, available events.Points) {
	e := c.entry
	e.Type, e.Lot, e.Points = t, lot, min(available, c.left)
	c.left -= e.Points
	c.d.add(e)
	c.entry.Asked = 0
}

// spendable returns the active points that have not expired at now.
func (l *Lot) spendable(now events.Instant) events.Points {
	if l.ExpiresAt != 0 && l.ExpiresAt <= now {
		return 0
	}
	return l.Active
}

// before is the consumption order: by expiry with none last, then by when the points were earned, then by id. Lots
// whose dates are not known yet come last of all.
func (l *Lot) before(m *Lot) bool {
	if l.ExpiresAt != m.ExpiresAt {
		return m.ExpiresAt == 0 || l.ExpiresAt != 0 && l.ExpiresAt < m.ExpiresAt
	}
	if (l.ActiveAt == 0) != (m.ActiveAt == 0) {
		return m.ActiveAt == 0
	}
	if l.EarnedAt != m.EarnedAt {
		return l.EarnedAt < m.EarnedAt
	}
	return l.ID < m.ID
}

// firstLot returns the lot that is consumed first among those that fit, or nil.
func (a *Account) firstLot(fits func(*Lot) bool) *Lot {
	var first *Lot
	for i := range a.Lots {
		if l := &a.Lots[i]; fits(l) && (first == nil || l.before(first)) {
			first = l
		}
	}
	return first
}

// repay takes an open deficit from whatever is spendable, once something has become active, or a debt has come with a
// merge. A lot that has expired at the time of one event is spendable again at that of an older one: that alone repays
// nothing.
func (d *decider) repay() {
	for d.a.Deficit > 0 && slices.ContainsFunc(d.made.Entries, repays) {
		l := d.a.firstLot(func(l *Lot) bool { return l.spendable(d.now) > 0 })
		if l == nil {
			return
		}
		d.add(events.Entry{Type: events.DeficitRepaid, Lot: l.ID, Points: min(l.Active, d.a.Deficit)})
	}
}

// repays reports whether an entry makes points active, or brings a debt.
func repays(e events.Entry) bool {
	switch e.Type {
	case events.Earn:
		return e.ActiveAt != 0 && e.ActiveAt <= e.EarnedAt
	case events.Activate, events.Release, events.Reinstate, events.Adjust, events.TransferIn, events.TransferOut:
		return true
	default:
		return false
	}
}
