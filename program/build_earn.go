package program

import (
	"cmp"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// referralRule is the rule id under which the engine books referrals.
const referralRule = "referral"

func (b *builder) earn(v *value) {
	lines := map[string]int{}
	for _, w := range v.list() {
		if !w.ok() {
			continue
		}
		id := w.get("id")
		b.unique(lines, id, "rule")
		if id.word() == referralRule {
			b.problem(id, "rename it", "this id is kept for the points of referral")
		}
		b.p.Earn = append(b.p.Earn, b.rule(w))
	}
	slices.SortFunc(b.p.Earn, func(x, y loyalty.Rule) int { return cmp.Compare(x.ID, y.ID) })
}

func (b *builder) rule(v *value) loyalty.Rule {
	r := loyalty.Rule{
		ID:        v.get("id").word(),
		On:        events.Type(v.get("on").word()),
		From:      b.instant(v.get("from")),
		Until:     b.instant(v.get("until")),
		Exclusive: v.get("exclusive").flag(),
		Tier:      v.get("tier").flag(),
		Max:       v.get("max").rat(),
	}
	b.kind(v, &r)
	b.conditions(v, &r)
	if r.From != 0 && r.Until != 0 && r.From >= r.Until {
		b.problem(v.get("until"), "the rule lasts from the one up to, but not including, the other", "until is not after from")
	}
	if v.has("hold") {
		h := b.hold(v.get("hold"))
		r.Hold = &h
	}
	if v.has("expiry") {
		e := b.expiry(v.get("expiry"))
		r.Expiry = &e
	}
	r.Limit = b.limit(v)
	return r
}

// kind works out which of the four kinds the rule is, and what the others' keys would mean in it.
func (b *builder) kind(v *value, r *loyalty.Rule) {
	refuse := func(why, suggestion string, keys ...string) {
		for _, k := range keys {
			// A flag that is false says no more than one that is left out.
			if f := v.fields[k]; f != nil && (f.spec.kind != kindFlag || !f.ok() || f.flag()) {
				b.keyProblem(v, k, suggestion, "%s", why)
			}
		}
	}
	switch {
	case v.has("multiply"):
		r.Kind, r.Factor = loyalty.Multiply, v.get("multiply").rat()
		refuse("a multiply rule cannot have it: it applies to all per and every rules of its event", "remove it, or make it a rule with points",
			"per", "every", "points", "lines", "limit", "once", "max", "hold", "expiry", "exclusive", "tier")
	case v.has("per") && v.has("every"):
		b.keyProblem(v, "every", "keep per for points in proportion, every for whole steps", "cannot be combined with per")
	case v.has("per"):
		r.Kind, r.Unit = loyalty.Per, b.minor(v.get("per"))
	case v.has("every"):
		r.Kind, r.Unit = loyalty.Every, b.minor(v.get("every"))
	default:
		r.Kind = loyalty.Fixed
	}
	if r.Kind != loyalty.Multiply && v.lacks("points", "multiply") {
		b.problem(v, "for example points: 1", "points is missing: a rule has points or multiply")
	}
	if r.Kind != loyalty.Fixed && r.On != "" && r.On != events.TypeOrderPlaced {
		key := map[loyalty.RuleKind]string{loyalty.Per: "per", loyalty.Every: "every", loyalty.Multiply: "multiply"}[r.Kind]
		b.keyProblem(v, key, "use on: OrderPlaced, or points alone", "%s has no amount that points could be in proportion to", r.On)
	}
	if r.Kind != loyalty.Fixed {
		if r.Kind != loyalty.Multiply {
			refuse("the tier's multiplier applies to per and every rules anyway", "remove it", "tier")
		}
	}
}

func (b *builder) limit(v *value) *loyalty.Limit {
	if v.get("once").flag() && v.has("limit") && !v.has("multiply") {
		b.keyProblem(v, "once", "keep one of them: once is limit: {times: 1}", "cannot be combined with limit")
	}
	if v.get("once").flag() {
		return &loyalty.Limit{Times: 1}
	}
	limit := v.get("limit")
	if !limit.ok() {
		return nil
	}
	every, _ := loyalty.ParsePeriod(limit.get("every").word())
	return &loyalty.Limit{Times: limit.get("times").int(), Every: every}
}

// conditions compiles the rule's expressions against the type of event it is on.
func (b *builder) conditions(v *value, r *loyalty.Rule) {
	points := v.get("points")
	if points.ok() && points.number != nil {
		r.Points = points.rat()
	}
	if r.On == "" {
		// Without the type nothing can be said about the fields.
		return
	}
	if when := v.get("when"); when.ok() {
		if c := b.bool(when, environment{on: r.On}, eventCostMax); c != nil {
			r.When = c
		}
	}
	if points.ok() && points.number == nil {
		if a := b.amount(points, r.On); a != nil {
			r.PointsOf = a
		}
	}
	if lines := v.get("lines"); lines.ok() {
		if r.On != events.TypeOrderPlaced {
			b.keyProblem(v, "lines", "use when", "only OrderPlaced has lines that earn")
			return
		}
		if c := b.bool(lines, environment{on: r.On, line: true}, lineCostMax); c != nil {
			r.Lines = c
		}
	}
}

// earningTypes are the event types that a rule can be on.
func earningTypes() []string {
	var names []string
	for _, t := range events.Types() {
		if earns(t) {
			names = append(names, string(t))
		}
	}
	return names
}

// earns reports whether the engine tries rules on events of type t. Those it does not try move or end what was earned
// before; a rule on one of them would never grant anything.
func earns(t events.Type) bool {
	switch t {
	case events.TypeOrderCancelled, events.TypeOrderReturned, events.TypeReviewRemoved,
		events.TypePointsAdjusted, events.TypeAccountsMerged, events.TypeErasureRequested,
		events.TypeRedemptionRequested, events.TypeRedemptionConfirmed, events.TypeRedemptionCancelled, events.TypeTransferRequested:
		return false
	default:
		return !t.Internal()
	}
}
