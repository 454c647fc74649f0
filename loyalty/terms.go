package loyalty

import (
	"math"

	"github.com/accrue-loyalty/accrue/events"
)

// term is the time in which a version is in effect: from ≤ t < until. The clock's work follows the version of its own
// time, not the one in effect when it is done.
type term struct {
	p           *Program
	from, until events.Instant
}

// terms are the versions' terms, in order of time. The first reaches back to the beginning.
type terms []term

// appendTerms appends the terms of a history's versions up to the number newest; 0: of all.
func appendTerms(ts terms, h History, newest int32) terms {
	for _, v := range h {
		if newest != 0 && v.Version > newest {
			continue
		}
		if n := len(ts); n > 0 {
			if ts[n-1].from == v.EffectiveAt {
				ts[n-1].p = v
				continue
			}
			ts[n-1].until = v.EffectiveAt
		}
		ts = append(ts, term{v, v.EffectiveAt, never})
	}
	if len(ts) > 0 {
		ts[0].from = math.MinInt64
	}
	return ts
}

// at returns the version in effect at t.
func (ts terms) at(t events.Instant) *Program {
	for i := len(ts) - 1; i > 0; i-- {
		if ts[i].from <= t {
			return ts[i].p
		}
	}
	return ts[0].p
}

// graced returns the version by which a grace that ends at t is ended: the first with tiers that is in effect then or
// later.
func (ts terms) graced(t events.Instant) *Program {
	for i := range ts {
		if ts[i].p.Tiers != nil && ts[i].until > t {
			return ts[i].p
		}
	}
	return nil
}

// nextReview returns the first review of a tier after t; 0: there is none.
func (ts terms) nextReview(tier string, t events.Instant) events.Instant {
	for i := range ts {
		x := &ts[i]
		if x.p.Tiers == nil || x.until <= t || x.p.level(tier) == 0 {
			continue
		}
		after := t
		if x.from > t {
			after = x.from - 1
		}
		if at := x.p.nextReview(after); at != 0 && at < x.until {
			return at
		}
	}
	return 0
}
