package loyalty

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// upgrade raises the tier to the highest level that the account has reached by now, at once.
func (d *decider) upgrade() {
	if d.p.Tiers == nil {
		return
	}
	if d.p.level(d.a.Tier) == len(d.p.Tiers.Levels)-1 {
		return
	}
	t := max(d.in.Clock, d.at, d.a.LatestOrder)
	reached := d.p.levelReached(d.a, d.p.window(t))
	if reached > d.p.level(d.a.Tier) {
		d.changeTier(reached, 0)
	}
}

// changeTier moves the account to a level and sets when it must have been earned again; 0: no grace.
func (d *decider) changeTier(level int, grace events.Instant) {
	d.made.Tier = d.p.Tiers.Levels[level].Name
	d.add(events.Entry{Type: events.TierChanged})
	d.setGrace(grace)
}

func (d *decider) setGrace(t events.Instant) {
	if d.a.Grace != t {
		d.made.Facts.Grace = &t
		d.a.Grace = t
	}
}

// span is a stretch of time: after < at ≤ until, or, with closed, after ≤ at ≤ until.
type span struct {
	after, until events.Instant
	closed       bool
}

func (s span) holds(t events.Instant) bool {
	return t <= s.until && (t > s.after || s.closed && t == s.after)
}

// window returns the time whose spend or points count for tiers at t.
func (p *Program) window(t events.Instant) span {
	switch p.Tiers.Window {
	case RollingMonths:
		return span{after: p.Calendar.Add(t, Step{-int64(p.Tiers.Months), Months}), until: t}
	case CalendarYear:
		return span{after: p.Calendar.Start(t, Year), until: t, closed: true}
	case Lifetime:
	}
	return span{until: t, closed: true}
}

// qualifying sums what counts in s.
func (a *Account) qualifying(s span) (spend Exact, points events.Points) {
	var whole int64
	for i := len(a.Qualifying) - 1; i >= 0; i-- {
		q := &a.Qualifying[i]
		if !s.holds(q.At) {
			if q.At < s.after {
				break
			}
			continue
		}
		points += q.Points
		// Nearly all are whole numbers, and an account has many.
		if sum, ok := add(whole, q.spend); ok && q.spend >= wholeLeast {
			whole = sum
		} else {
			spend = spend.Add(a.Spend(q))
		}
	}
	return spend.Add(ExactInt(whole)), points
}

// takesSpend reports whether an account that spends n more has spent what fits into 64 bits, in minor units.
func (a *Account) takesSpend(n Exact) bool {
	if a.spendBits > 0 || len(a.Qualifying) == 0 {
		if max(int(a.spendBits), n.bits())+bits.Len(uint(len(a.Qualifying)+1)) < 63 {
			return true // as none of them can make the sum that long
		}
	}
	spent, _ := a.qualifying(span{until: never, closed: true})
	_, ok := spent.Add(n).Floor()
	return ok
}

// qualify adds to what counts for tiers at an instant.
func (a *Account) qualify(at events.Instant, spend Exact, points events.Points) {
	last := len(a.Qualifying) - 1
	if last < 0 || a.Qualifying[last].At < at {
		if points != 0 || spend.Sign() != 0 {
			if last < 0 {
				a.spendBits = 1
			}
			if len(a.Qualifying) == cap(a.Qualifying) {
				a.Qualifying = slices.Grow(a.Qualifying, roomAfter(len(a.Qualifying)))
			}
			a.Qualifying = append(a.Qualifying, Qualifying{At: at, Points: points, spend: a.spendOf(spend)})
		}
		return
	}
	i, found := last, a.Qualifying[last].At == at
	if !found {
		i, found = slices.BinarySearchFunc(a.Qualifying, at, func(q Qualifying, at events.Instant) int { return cmp.Compare(q.At, at) })
	}
	if i < int(a.qualifyingShared) {
		a.ownQualifying()
	}
	if !found {
		a.Qualifying = slices.Insert(a.Qualifying, i, Qualifying{At: at})
	}
	q := &a.Qualifying[i]
	sum := a.Spend(q).Add(spend)
	q.spend = a.spendOf(sum)
	q.Points += points
	if q.Points == 0 && sum.Sign() == 0 {
		a.Qualifying = slices.Delete(a.Qualifying, i, i+1)
	}
	if len(a.fractions) > fractionsKept+2*len(a.Qualifying) {
		a.gatherFractions()
	}
}

// wholeLeast is the least number that a [Qualifying]'s spend holds itself. Those below count the account's fractions.
const wholeLeast = math.MinInt64 + 1<<32

// Spend returns what was spent, in minor units of the program's currency.
func (a *Account) Spend(q *Qualifying) Exact {
	if q.spend >= wholeLeast {
		return ExactInt(q.spend)
	}
	return a.fractions[q.spend-math.MinInt64]
}

// gatherFractions forgets those that nothing stands for any more.
func (a *Account) gatherFractions() {
	a.ownQualifying()
	all := a.fractions
	a.fractions = nil
	for i := range a.Qualifying {
		if q := &a.Qualifying[i]; q.spend < wholeLeast {
			a.fractions = append(a.fractions, all[q.spend-math.MinInt64])
			q.spend = math.MinInt64 + int64(len(a.fractions)-1)
		}
	}
}

// fractionsKept are not worth forgetting.
const fractionsKept = 16

// spendOf returns what stands for a spend, and keeps spendBits.
func (a *Account) spendOf(spend Exact) int64 {
	if a.spendBits > 0 {
		a.spendBits = uint8(max(int(a.spendBits), min(spend.bits()+1, math.MaxUint8)))
	}
	if spend.big == nil && spend.den == 0 && spend.num >= wholeLeast {
		return spend.num
	}
	a.fractions = append(a.fractions, spend)
	return math.MinInt64 + int64(len(a.fractions)-1)
}

// metric returns what tiers count in s.
func (p *Program) metric(a *Account, s span) Exact {
	spend, points := a.qualifying(s)
	if p.Tiers.Metric == MetricPoints {
		return ExactInt(int64(points))
	}
	return spend
}

// levelReached returns the highest level whose threshold is met in s.
func (p *Program) levelReached(a *Account, s span) int { return p.levelOf(p.metric(a, s)) }

func (p *Program) levelOf(metric Exact) int {
	for i := len(p.Tiers.Levels) - 1; i > 0; i-- {
		if metric.Cmp(ExactInt(p.Tiers.Levels[i].From)) >= 0 {
			return i
		}
	}
	return 0
}

// nextReview returns the first review after t; 0 when tiers are never reviewed.
func (p *Program) nextReview(t events.Instant) events.Instant {
	switch p.Tiers.Window {
	case RollingMonths:
		return p.Calendar.Next(t, Month)
	case CalendarYear:
		return p.Calendar.Next(t, Year)
	case Lifetime:
	}
	return 0
}

// review tests the level held at t, the first instant of a month or year. Below its threshold the grace begins.
func (d *decider) reviewTier(t events.Instant) {
	level := d.p.level(d.a.Tier)
	if level == 0 || d.a.Grace != 0 {
		return
	}
	s := d.p.window(t)
	if d.p.Tiers.Window == CalendarYear {
		s = d.p.yearBefore(t)
	}
	metric := d.p.metric(d.a, s)
	if d.p.levelOf(metric) >= level {
		return
	}
	if d.p.Tiers.GraceDays == 0 {
		d.downgrade(metric)
		return
	}
	d.setGrace(d.p.graceEnd(t))
}

func (p *Program) graceEnd(review events.Instant) events.Instant {
	return p.Calendar.Add(review, Step{int64(p.Tiers.GraceDays), Days})
}

// yearBefore is the local year that ended at t.
func (p *Program) yearBefore(t events.Instant) span {
	return span{after: p.Calendar.Previous(t, Year), until: t - 1, closed: true}
}

// endGrace tests once more at t, the end of the grace.
func (d *decider) endGrace(t events.Instant) {
	metric := d.p.metric(d.a, d.p.window(t))
	if d.p.Tiers.Window == CalendarYear {
		// The year that the review looked at still counts, if it was the better one.
		review := d.p.Calendar.Start(t, Year)
		for review > 0 && d.p.graceEnd(review) > t {
			review = d.p.Calendar.Previous(review, Year)
		}
		if before := d.p.metric(d.a, d.p.yearBefore(review)); before.Cmp(metric) > 0 {
			metric = before
		}
	}
	d.setGrace(0)
	if d.p.levelOf(metric) < d.p.level(d.a.Tier) {
		d.downgrade(metric)
	}
}

// downgrade takes one step down, or drops to the level earned.
func (d *decider) downgrade(metric Exact) {
	level := d.p.level(d.a.Tier) - 1
	if d.p.Tiers.ToEarned {
		level = d.p.levelOf(metric)
	}
	d.changeTier(level, 0)
}
