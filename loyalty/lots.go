package loyalty

import (
	"cmp"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// lotDates are when points of a lot become active and go.
type lotDates struct{ active, expires events.Instant }

// datesOf returns the dates of points that a rule grants now. Until an order is fulfilled they are not known.
func (d *decider) datesOf(r *Rule) lotDates {
	hold, expiry := d.p.holdOf(r), d.p.expiryOf(r)
	if _, order := d.in.Event.(*events.OrderPlaced); order && hold.UntilFulfilled {
		return lotDates{}
	}
	active := d.p.Calendar.Add(d.at, hold.After)
	return lotDates{active, d.p.expires(expiry, active)}
}

func (p *Program) holdOf(r *Rule) *Hold {
	if r != nil && r.Hold != nil {
		return r.Hold
	}
	return &p.Hold
}

func (p *Program) expiryOf(r *Rule) *Expiry {
	if r != nil && r.Expiry != nil {
		return r.Expiry
	}
	return &p.Expiry
}

// lotKey is what parts have in common that go into one lot.
type lotKey struct {
	fulfilled       bool
	unit            Unit
	n               int64
	active, expires events.Instant
	expiry          Expiry
}

// choice is a part that needs a lot.
type choice struct {
	key  lotKey
	part *part
}

// chooseLots gives parts of the same hold and dates the same new lot; ids count up by hold, then dates.
func (d *decider) chooseLots(parts []part) {
	apart := len(parts) > 1 && slices.ContainsFunc(parts, func(p part) bool { return p.rule.Hold != nil || p.rule.Expiry != nil })
	if !apart {
		for i := range parts {
			if parts[i].granted > 0 {
				parts[i].lot = d.a.LotLast + 1
			}
		}
		return
	}
	choices := d.room.choices[:0]
	for i := range parts {
		p := &parts[i]
		if p.granted == 0 {
			continue
		}
		hold, dates := d.p.holdOf(p.rule.Rule), d.datesOf(p.rule.Rule)
		k := lotKey{hold.UntilFulfilled, hold.After.Unit, hold.After.N, dates.active, dates.expires, *d.p.expiryOf(p.rule.Rule)}
		choices = append(choices, choice{k, p})
	}
	d.room.choices = choices
	if len(choices) > 1 {
		slices.SortStableFunc(choices, func(a, b choice) int {
			return cmp.Or(
				compareBools(a.key.fulfilled, b.key.fulfilled), cmp.Compare(a.key.unit, b.key.unit),
				cmp.Compare(a.key.n, b.key.n), cmp.Compare(a.key.active, b.key.active),
				cmp.Compare(a.key.expires, b.key.expires))
		})
	}
	id := d.a.LotLast
	for i := range choices {
		// Those of other expiry rules may stand between two that are alike.
		alike := slices.IndexFunc(choices[:i], func(c choice) bool { return c.key == choices[i].key })
		if alike < 0 {
			id++
			choices[i].part.lot = id
		} else {
			choices[i].part.lot = choices[alike].part.lot
		}
	}
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// extend prolongs every unexpired lot after activity, as if it had become active now; never earlier.
func (d *decider) extend() {
	until := d.p.expires(&d.p.Expiry, d.at)
	for i := range d.a.Lots {
		l := &d.a.Lots[i]
		if l.ExpiresAt == 0 || l.ExpiresAt <= d.now || l.ExpiresAt >= until {
			continue
		}
		d.date(events.LotDates{Lot: l.ID, ActiveAt: l.ActiveAt, ExpiresAt: until})
	}
}

func (d *decider) date(x events.LotDates) {
	d.made.Facts.Dates = append(d.made.Facts.Dates, x)
	d.dates(x)
}
