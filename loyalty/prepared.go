package loyalty

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"

	"github.com/accrue-loyalty/accrue/events"
)

// prepared is what Decide wants to have at hand of a program: exact numbers instead of big.Rat, rules by event type.
type prepared struct {
	rules      map[events.Type][]preparedRule
	rates      map[string]rate
	pointValue Exact
	share      Exact
	maxShare   Exact
	multiplier []Exact
	capPeriods []Period
}

type preparedRule struct {
	*Rule
	unit, points, factor, max Exact
	// perUnit is points ÷ unit of a per rule whose points are constant.
	perUnit Exact
}

// rate converts minor units; text is its canonical form in facts.
type rate struct {
	exact Exact
	text  string
}

func (p *Program) ready() *prepared {
	p.once.Do(p.prepare)
	return &p.prepared
}

func (p *Program) prepare() {
	q := &p.prepared
	q.rules = map[events.Type][]preparedRule{}
	for i := range p.Earn {
		r := &p.Earn[i]
		x := preparedRule{
			Rule: r, unit: exactOf(r.Unit), points: exactOf(r.Points), factor: exactOf(r.Factor), max: exactOf(r.Max),
		}
		if r.Kind == Per && r.PointsOf == nil {
			x.perUnit = x.points.Quo(x.unit)
		}
		q.rules[r.On] = append(q.rules[r.On], x)
	}
	q.rates = map[string]rate{p.Currency: {exact: ExactInt(1)}}
	for currency, r := range p.Rates {
		if currency != p.Currency {
			x := ExactRat(r)
			q.rates[currency] = rate{x, x.String()}
		}
	}
	q.pointValue, q.share, q.maxShare = exactOf(p.PointValue), exactOf(p.ShareOfOrder), exactOf(p.Redemption.MaxShare)
	if p.Tiers != nil {
		for i := range p.Tiers.Levels {
			q.multiplier = append(q.multiplier, exactOf(p.Tiers.Levels[i].Multiplier))
		}
	}
	var seen [Year + 1]bool
	for _, c := range p.Caps {
		if !seen[c.Every] {
			seen[c.Every] = true
			q.capPeriods = append(q.capPeriods, c.Every)
		}
	}
}

func exactOf(r *big.Rat) Exact {
	if r == nil {
		return Exact{}
	}
	return ExactRat(r)
}

// heldOut reports whether the customer is in the control group: the first 8 bytes of SHA-256(salt:customer), taken as
// a number modulo 10,000, lie below the group's share. A guest who is quoted has no id to draw by, and is in no group.
func (p *Program) heldOut(customer string) bool {
	if p.Holdout == nil || p.Holdout.Below == 0 || customer == "" {
		return false
	}
	sum := sha256.Sum256([]byte(p.Holdout.Salt + ":" + customer))
	return binary.BigEndian.Uint64(sum[:8])%10_000 < p.Holdout.Below
}

// level returns the index of the level that an account holds; a name that the program no longer has is the lowest.
func (p *Program) level(tier string) int {
	if p.Tiers == nil || tier == "" {
		return 0
	}
	for i := range p.Tiers.Levels {
		if p.Tiers.Levels[i].Name == tier {
			return i
		}
	}
	return 0
}

func (p *Program) tierName(tier string) string {
	if p.Tiers == nil {
		return ""
	}
	return p.Tiers.Levels[p.level(tier)].Name
}

// expires returns when points that become active at active go; 0: never.
func (p *Program) expires(e *Expiry, active events.Instant) events.Instant {
	switch e.Kind {
	case Rolling:
		t := p.Calendar.Add(active, e.After)
		if e.RoundTo != PeriodNone {
			t = p.Calendar.Next(t, e.RoundTo)
		}
		return t
	case FixedDate:
		return p.Calendar.NextDate(active, e.FixedMonth, e.FixedDay)
	case Never:
	}
	return 0
}
