package loyalty

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// orderPlaced records an order and grants what it earns.
func (d *decider) orderPlaced(e *events.OrderPlaced) {
	if o := d.knownOrder(e.Order); o != nil && o.Placed {
		if o.Cancelled {
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
	o := &Order{Rate: fact.Rate, Deducted: fact.Deducted, Lines: make([]OrderLine, len(fact.Lines))}
	for i, l := range fact.Lines {
		o.Lines[i] = OrderLine{Line: l.Line, Amount: l.Amount, Discount: l.Discount}
	}
	s := &sale{event: e, bases: o.bases()}
	for _, b := range s.bases {
		s.basis = s.basis.Add(b)
	}
	d.traceOrder(e, s)
	parts, ok := d.reckon(e, s)
	if !ok {
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
	referral := first && !heldOut && d.refers(s.basis)
	if referral {
		fact.Rules = append(fact.Rules, events.RuleFact{Rule: referralRule, Fixed: true})
	}
	d.made.Facts.Order = fact
	d.placeOrder(fact)
	d.grant(e, e.Order, parts, heldOut)
	if referral {
		d.rewardReferral(e)
	}
	if !heldOut {
		d.upgrade()
	}
	d.applyWaiting(d.order(e.Order))
}

// sale is an order while its points are reckoned.
type sale struct {
	event *events.OrderPlaced
	// bases are the lines' bases, basis their sum, in minor units of the program's currency.
	bases []Exact
	basis Exact
}

// orderFact checks an order and notes what returns need of it; reason says why it is refused.
func (d *decider) orderFact(e *events.OrderPlaced) (fact *events.OrderFact, reason string) {
	b := d.p.Basis
	fact = &events.OrderFact{Order: e.Order, Redemption: e.Redemption, Lines: make([]events.LineFact, len(e.Lines))}
	var gross int64
	for i := range e.Lines {
		l := &e.Lines[i]
		if l.Amount < 0 || l.Discount < 0 || repeated(e.Lines, i) {
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
	if e.OrderDiscount < 0 || e.Tax < 0 || e.Shipping < 0 || e.PaidPoints < 0 {
		return nil, "invalid_order"
	}
	rate, ok := d.q.rates[e.Currency]
	if !ok {
		return nil, "unknown_currency"
	}
	fact.Rate = rate.text
	var less, more Exact
	if !b.DiscountsIgnored {
		less = less.Add(ExactInt(int64(e.OrderDiscount)))
	}
	if !b.PaidPointsIncluded {
		less = less.Add(ExactInt(int64(e.PaidPoints)))
	}
	if b.TaxIncluded {
		more = more.Add(ExactInt(int64(e.Tax)))
	}
	if b.ShippingIncluded {
		more = more.Add(ExactInt(int64(e.Shipping)))
	}
	n, ok := less.Sub(more).Floor()
	if !ok {
		return nil, "overflow"
	}
	fact.Deducted = events.Money(n)
	return fact, ""
}

// repeated reports whether line i's id stands before it. Orders of many lines are looked up in a map.
func repeated(lines []events.Line, i int) bool {
	if len(lines) > 32 {
		if i > 0 {
			return false
		}
		ids := make(map[string]struct{}, len(lines))
		for j := range lines {
			ids[lines[j].Line] = struct{}{}
		}
		return len(ids) < len(lines)
	}
	for j := range i {
		if lines[j].Line == lines[i].Line {
			return true
		}
	}
	return false
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

// earnFrom grants what an event other than an order earns, into lots that belong to source.
func (d *decider) earnFrom(e events.Event, source string) {
	if len(d.q.rules[e.EventType()]) == 0 {
		return
	}
	parts, ok := d.reckon(e, nil)
	if !ok {
		d.refuse("overflow")
		return
	}
	d.grant(e, source, parts, d.p.heldOut(d.a.Customer))
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
			d.trace(r.ID, "multiplies by %s", r.factor)
		}
	}
	tier := ExactInt(1)
	if d.p.Tiers != nil {
		tier = d.q.multiplier[d.p.level(d.a.Tier)]
	}
	parts = make([]part, 0, len(rules))
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
	if !d.round(parts, s) || !d.fits(parts) {
		return nil, false
	}
	d.cap(parts, s)
	return parts, true
}

// matches tests everything of a rule but its lines.
func (d *decider) matches(r *preparedRule, e events.Event) bool {
	if r.From != 0 && d.at < r.From || r.Until != 0 && d.at >= r.Until {
		return false
	}
	if r.Limit != nil {
		if d.a.counted(r.ID, r.Limit.Every, d.p.Calendar.Start(d.at, r.Limit.Every)) >= r.Limit.Times {
			d.trace(r.ID, "has been granted as often as its limit allows")
			return false
		}
	}
	if r.When == nil {
		return true
	}
	ok, err := r.When.Match(e)
	return ok && err == nil
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
			basis, ok = p.match(s)
		}
		if !ok {
			return p, false
		}
		switch r.Kind {
		case Per:
			perUnit := points.Quo(r.unit)
			p.exact = basis.Mul(perUnit)
			if d.p.Stage == StageLine {
				p.spreadByLine(s, perUnit.Mul(factor).Mul(tier))
			}
			if d.in.Trace != nil {
				d.trace(r.ID, "%s ÷ %s × %s = %s", basis, r.unit, points, p.exact)
			}
		case Every:
			steps, ok := basis.Quo(r.unit).Floor()
			if !ok {
				steps = math.MaxInt64
			}
			p.exact = ExactInt(steps).Mul(points)
			if d.in.Trace != nil {
				d.trace(r.ID, "%d whole steps of %s in %s × %s = %s", steps, r.unit, basis, points, p.exact)
			}
		case Fixed:
			p.exact = points
			if d.in.Trace != nil {
				d.trace(r.ID, "fixed: %s", points)
			}
		case Multiply:
		}
	}
	if r.Kind == Fixed {
		if r.Tier {
			p.exact = p.exact.Mul(tier)
		}
	} else {
		p.exact = p.exact.Mul(factor).Mul(tier)
	}
	if d.in.Trace != nil && r.Kind != Fixed && (factor.Cmp(ExactInt(1)) != 0 || tier.Cmp(ExactInt(1)) != 0) {
		d.trace(r.ID, "× %s (campaigns) × %s (tier) = %s", factor, tier, p.exact)
	}
	if r.Max != nil && p.exact.Cmp(r.max) > 0 {
		for i := range p.byLine {
			p.byLine[i] = p.byLine[i].Mul(r.max).Quo(p.exact)
		}
		p.exact = r.max
		d.trace(r.ID, "at most %s", r.max)
	}
	return p, true
}

// match finds the lines that the rule sees and their basis.
func (p *part) match(s *sale) (basis Exact, ok bool) {
	for i := range s.event.Lines {
		if yes, err := p.rule.Lines.MatchLine(s.event, &s.event.Lines[i]); yes && err == nil {
			p.lines = append(p.lines, int32(i))
			basis = basis.Add(s.bases[i])
		}
	}
	return basis, len(p.lines) > 0
}

func (p *part) spreadByLine(s *sale, perUnit Exact) {
	p.byLine = make([]Exact, len(s.bases))
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
	type remainder struct {
		part *part
		rest Exact
	}
	var sum Exact
	var whole int64
	rests := make([]remainder, 0, len(parts))
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
	slices.SortStableFunc(rests, func(a, b remainder) int { return b.rest.Cmp(a.rest) })
	for i := range total - whole {
		rests[i].part.asked++
	}
	return true
}

// fits reports whether the account's totals can take the points.
func (d *decider) fits(parts []part) bool {
	room := int64(math.MaxInt64) - int64(d.a.Totals.Issued)
	for i := range parts {
		n := int64(parts[i].asked)
		if n < 0 || n > room {
			return false
		}
		room -= n
		parts[i].granted = parts[i].asked
	}
	return true
}

// cap takes what is beyond the caps from the last rule id first: the share of the order, then the customer's.
func (d *decider) cap(parts []part, s *sale) {
	var total events.Points
	for i := range parts {
		total += parts[i].granted
	}
	limit := func(room events.Points, name string) {
		room = max(room, 0)
		if over := total - room; over > 0 {
			d.trace(name, "leaves room for %d of %d points", room, total)
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

// grant writes the parts as EARN entries into lots, and counts them for limits and caps.
func (d *decider) grant(e events.Event, source string, parts []part, heldOut bool) {
	_, placed := e.(*events.OrderPlaced)
	entryOrder := source
	if strings.HasPrefix(source, "\x00") {
		entryOrder = "" // A review's or referral's: the facts name it.
	}
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
		if d.made.Result == "" && len(parts) > 0 && slices.ContainsFunc(parts, func(p part) bool { return p.asked > 0 }) {
			d.made.Reason = "capped"
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

// chooseLots gives parts of the same hold and dates the same new lot; ids count up by hold, then dates.
func (d *decider) chooseLots(parts []part) {
	if len(parts) == 1 {
		if parts[0].granted > 0 {
			parts[0].lot = d.a.LotLast + 1
		}
		return
	}
	type key struct {
		fulfilled       bool
		unit            Unit
		n               int64
		active, expires events.Instant
		expiry          Expiry
	}
	type choice struct {
		key  key
		part *part
	}
	var choices []choice
	for i := range parts {
		p := &parts[i]
		if p.granted == 0 {
			continue
		}
		hold, dates := d.p.holdOf(p.rule.Rule), d.datesOf(p.rule.Rule)
		k := key{hold.UntilFulfilled, hold.After.Unit, hold.After.N, dates.active, dates.expires, *d.p.expiryOf(p.rule.Rule)}
		choices = append(choices, choice{k, p})
	}
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
		if i == 0 || choices[i].key != choices[i-1].key {
			id++
		}
		choices[i].part.lot = id
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

// trace notes a step of the reckoning when somebody wants to see it.
func (d *decider) trace(subject, format string, args ...any) {
	if d.in.Trace != nil {
		d.in.Trace.Steps = append(d.in.Trace.Steps, TraceStep{subject, fmt.Sprintf(format, args...)})
	}
}

func (d *decider) traceOrder(e *events.OrderPlaced, s *sale) {
	if d.in.Trace == nil {
		return
	}
	for i := range e.Lines {
		l := &e.Lines[i]
		d.trace("line "+l.Line, "%s %s: amount %d, discount %d, basis %s", l.SKU, l.Category, l.Amount, l.Discount, s.bases[i])
	}
	d.trace("order", "basis %s in minor units of %s", s.basis, d.p.Currency)
}
