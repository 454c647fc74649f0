package loyalty

import (
	"math"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// sale is an order while its points are reckoned.
type sale struct {
	event *events.OrderPlaced
	// bases are the lines' bases, basis their sum, in minor units of the program's currency.
	bases []Exact
	basis Exact
}

// part is what one rule grants for one event.
type part struct {
	rule  *preparedRule
	exact Exact
	// byLine is the exact grant of each of the order's lines, for per rules that are rounded by line.
	byLine []Exact
	// lines are the indexes of the lines that the rule saw; nil: all.
	lines          []int32
	asked, granted events.Points
	lot            int64
}

// reckon works out each rule's part: exact, rounded, spread and capped. ok is false when a number does not fit.
func (d *decider) reckon(e events.Event, s *sale) (parts []part, ok bool) {
	rules := d.q.rules[e.EventType()]
	if len(rules) == 0 {
		return nil, true
	}
	factor := ExactInt(1)
	for i := range rules {
		if r := &rules[i]; r.Kind == Multiply && d.matches(r, e) {
			factor = factor.Mul(r.factor)
			if d.in.Trace != nil {
				d.trace(r.ID, "matches: multiplies by %s", r.factor.decimal())
			}
		}
	}
	tier := ExactInt(1)
	if d.p.Tiers != nil {
		tier = d.q.multiplier[d.p.level(d.a.Tier)]
	}
	parts, d.room.byLine = d.room.parts[:0], d.room.byLine[:0]
	exclusive := false
	for i := range rules {
		r := &rules[i]
		if r.Kind == Multiply || !d.matches(r, e) {
			continue
		}
		if p, ok := d.partOf(r, e, s, factor, tier); ok {
			parts = append(parts, p)
			exclusive = exclusive || r.Exclusive
		}
	}
	d.room.parts = parts
	if exclusive {
		best := 0
		for i := range parts {
			if parts[i].exact.Cmp(parts[best].exact) > 0 {
				best = i
			}
		}
		d.trace(parts[best].rule.ID, "grants most and applies alone, because a matching rule is exclusive")
		parts = parts[best : best+1]
	}
	if !d.round(parts, s) || !grantable(parts) {
		return nil, false
	}
	d.traceRounded(parts)
	d.cap(parts, s)
	return parts, true
}

// matches tests everything of a rule but its lines.
func (d *decider) matches(r *preparedRule, e events.Event) bool {
	if !r.holdsAt(d.at) {
		return false
	}
	if d.usedUp(r) {
		d.trace(r.ID, "has been granted as often as its limit allows")
		return false
	}
	return r.meets(e)
}

// holdsAt reports whether the rule's own dates include t.
func (r *preparedRule) holdsAt(t events.Instant) bool {
	return (r.From == 0 || t >= r.From) && (r.Until == 0 || t < r.Until)
}

// usedUp reports whether the rule has been granted as often as its limit allows.
func (d *decider) usedUp(r *preparedRule) bool {
	return r.Limit != nil && d.a.counted(r.ID, r.Limit.Every, d.p.Calendar.Start(d.at, r.Limit.Every)) >= r.Limit.Times
}

// meets tests the rule's condition.
func (r *preparedRule) meets(e events.Event) bool {
	if r.When == nil {
		return true
	}
	ok, err := r.When.Match(e)
	return ok && err == nil
}

// limitedFor reports whether a rule would match e but for its limit. Only an event that earns nothing asks.
func (d *decider) limitedFor(e events.Event) bool {
	rules := d.q.rules[e.EventType()]
	for i := range rules {
		if r := &rules[i]; d.usedUp(r) && r.holdsAt(d.at) && r.meets(e) && r.seesLine(e) {
			return true
		}
	}
	return false
}

// seesLine reports whether one of an order's lines matches, where the rule asks for that.
func (r *preparedRule) seesLine(e events.Event) bool {
	order, placed := e.(*events.OrderPlaced)
	if r.Lines == nil || !placed {
		return true
	}
	for i := range order.Lines {
		if ok, err := r.Lines.MatchLine(order, &order.Lines[i]); ok && err == nil {
			return true
		}
	}
	return false
}

// partOf reckons a rule's exact points; ok is false when none of the order's lines match.
func (d *decider) partOf(r *preparedRule, e events.Event, s *sale, factor, tier Exact) (part, bool) {
	p := part{rule: r}
	points := r.points
	if r.PointsOf != nil {
		points = Exact{}
		if n, err := r.PointsOf.Points(e); err == nil && n.Sign() > 0 {
			points = ExactRat(n)
		}
	}
	if s == nil {
		p.exact = points
		if r.Kind != Fixed {
			p.exact = Exact{}
		}
	} else {
		basis, ok := s.basis, true
		if r.Lines != nil {
			basis, ok = d.match(&p, s)
		}
		if !ok {
			return p, false
		}
		switch r.Kind {
		case Per:
			perUnit := r.perUnit
			if r.PointsOf != nil {
				perUnit = points.Quo(r.unit)
			}
			p.exact = basis.Mul(perUnit)
			if d.p.Stage == StageLine {
				d.spreadByLine(&p, s, perUnit.Mul(factor).Mul(tier))
			}
		case Every:
			steps, ok := basis.Quo(r.unit).Floor()
			if !ok {
				steps = math.MaxInt64
			}
			p.exact = ExactInt(steps).Mul(points)
		case Fixed:
			p.exact = points
		case Multiply:
		}
		d.tracePart(&p, basis, points)
	}
	if r.Kind == Fixed {
		factor = ExactInt(1)
		if !r.Tier {
			tier = ExactInt(1)
		}
	}
	p.exact = p.exact.Mul(factor).Mul(tier)
	d.traceFactors(&p, factor, tier)
	if r.Max != nil && p.exact.Cmp(r.max) > 0 {
		for i := range p.byLine {
			p.byLine[i] = p.byLine[i].Mul(r.max).Quo(p.exact)
		}
		p.exact = r.max
		if d.in.Trace != nil {
			d.trace(r.ID, "at most %s", r.max.decimal())
		}
	}
	return p, true
}

// match finds the lines that the rule sees and their basis.
func (d *decider) match(p *part, s *sale) (basis Exact, ok bool) {
	page := d.page()
	lines := page.lines
	for i := range s.event.Lines {
		if yes, err := p.rule.Lines.MatchLine(s.event, &s.event.Lines[i]); yes && err == nil {
			lines = append(lines, int32(i))
			basis = basis.Add(s.bases[i])
		}
	}
	p.lines = lines[len(page.lines):len(lines):len(lines)]
	page.lines = lines
	return basis, len(p.lines) > 0
}

func (d *decider) spreadByLine(p *part, s *sale, perUnit Exact) {
	at := len(d.room.byLine)
	d.room.byLine = slices.Grow(d.room.byLine, len(s.bases))[:at+len(s.bases)]
	p.byLine = d.room.byLine[at:]
	clear(p.byLine)
	if p.lines == nil {
		for i, b := range s.bases {
			p.byLine[i] = b.Mul(perUnit)
		}
		return
	}
	for _, i := range p.lines {
		p.byLine[i] = s.bases[i].Mul(perUnit)
	}
}

// round makes the parts whole. By order: their sum is rounded once and spread over them. By line: so is the sum of
// the per rules for each line, and the rest as one more sum.
func (d *decider) round(parts []part, s *sale) bool {
	if d.p.Stage == StageOrder || s == nil {
		return d.roundSum(parts, func(p *part) (Exact, bool) { return p.exact, true })
	}
	for i := range s.bases {
		ok := d.roundSum(parts, func(p *part) (Exact, bool) {
			if p.byLine == nil {
				return Exact{}, false
			}
			return p.byLine[i], true
		})
		if !ok {
			return false
		}
	}
	return d.roundSum(parts, func(p *part) (Exact, bool) { return p.exact, p.byLine == nil })
}

// remainder is what rounding down took of a part.
type remainder struct {
	part *part
	rest Exact
}

// roundSum rounds the sum of what share picks, and adds it to asked by largest remainder, ties by rule id.
func (d *decider) roundSum(parts []part, share func(*part) (exact Exact, counts bool)) bool {
	if len(parts) == 1 {
		x, counts := share(&parts[0])
		if !counts {
			return true
		}
		n, ok := x.Round(d.p.Rounding)
		sum := parts[0].asked + events.Points(n)
		parts[0].asked = sum
		return ok && sum >= 0
	}
	var sum Exact
	var whole int64
	rests := d.room.rests[:0]
	for i := range parts {
		x, counts := share(&parts[i])
		if !counts {
			continue
		}
		sum = sum.Add(x)
		n, ok := x.Floor()
		if !ok || whole > math.MaxInt64-n {
			return false
		}
		whole += n
		parts[i].asked += events.Points(n)
		rests = append(rests, remainder{&parts[i], x.Sub(ExactInt(n))})
	}
	total, ok := sum.Round(d.p.Rounding)
	if !ok {
		return false
	}
	d.room.rests = rests
	slices.SortStableFunc(rests, func(a, b remainder) int { return b.rest.Cmp(a.rest) })
	for i := range total - whole {
		rests[i].part.asked++
	}
	return true
}

// grantable sets what is granted to what was asked, before caps; false: the sum has over 64 bits.
func grantable(parts []part) bool {
	var sum events.Points
	for i := range parts {
		p := &parts[i]
		if p.asked < 0 || p.asked > math.MaxInt64-sum {
			return false
		}
		sum += p.asked
		p.granted = p.asked
	}
	return true
}

// granted sums what the parts grant.
func granted(parts []part) (sum events.Points) {
	for i := range parts {
		sum += parts[i].granted
	}
	return sum
}

// cap takes what is beyond the caps from the last rule id first: the share of the order, then the customer's.
func (d *decider) cap(parts []part, s *sale) {
	total := granted(parts)
	limit := func(room events.Points, name string) {
		room = max(room, 0)
		if over := total - room; over > 0 {
			if d.in.Trace != nil {
				d.trace(name, "leaves room for %d of %d points", room, total)
			}
			for i := len(parts) - 1; i >= 0 && over > 0; i-- {
				n := min(parts[i].granted, over)
				parts[i].granted -= n
				over -= n
			}
			total = room
		}
	}
	if d.p.ShareOfOrder != nil && s != nil {
		if n, ok := d.q.share.Mul(s.basis).Quo(d.q.pointValue).Floor(); ok {
			limit(events.Points(n), "share of order")
		}
	}
	for _, c := range d.p.Caps {
		used := d.a.counted("", c.Every, d.p.Calendar.Start(d.at, c.Every))
		limit(c.Points-events.Points(used), "cap")
	}
}
