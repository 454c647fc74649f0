package program

import (
	"math/big"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func (b *builder) tiers(v *value) {
	if !v.ok() {
		return
	}
	downgrade := v.get("downgrade")
	t := &loyalty.Tiers{
		ToEarned:  downgrade.get("policy").word() == "to_earned",
		GraceDays: int(downgrade.get("grace_days").int()),
	}
	if v.get("metric").word() == "points" {
		t.Metric = loyalty.MetricPoints
	}
	switch window := v.get("window"); {
	case !window.ok():
	case window.has("rolling_months"):
		t.Window, t.Months = loyalty.RollingMonths, int(window.get("rolling_months").int())
	case window.text == "calendar_year":
		t.Window = loyalty.CalendarYear
	}
	b.p.Tiers = t
	var below *big.Rat
	for _, l := range v.get("levels").list() {
		below = b.level(t, l, below)
	}
}

// level adds a level that needs more than below (nil for the first), and returns what the next one needs more than. They
// are compared as they are written, which takes no currency.
func (b *builder) level(t *loyalty.Tiers, v *value, below *big.Rat) *big.Rat {
	if !v.ok() {
		return below
	}
	l := loyalty.Level{Name: v.get("name").word(), Multiplier: v.get("multiplier").rat()}
	if slices.ContainsFunc(t.Levels, func(o loyalty.Level) bool { return o.Name == l.Name && l.Name != "" }) {
		b.problem(v.get("name"), "rename one of them", "two levels are called %q", l.Name)
	}
	for _, text := range v.get("benefits").list() {
		l.Benefits = append(l.Benefits, text.word())
	}
	if l.Multiplier == nil {
		l.Multiplier = rat("1")
	}
	if from := v.get("from"); from.ok() {
		threshold, ok := b.threshold(t, from)
		l.From = threshold
		switch {
		case !ok:
		case len(t.Levels) == 0 && from.number.Sign() != 0:
			b.problem(from, "write 0: everybody has the first level", "the first level begins at %s", from.text)
		case below != nil && from.number.Cmp(below) <= 0:
			b.problem(from, "list the levels from the lowest to the highest", "%s is not more than the level before needs", from.text)
		}
		if ok {
			below = from.number
		}
	}
	t.Levels = append(t.Levels, l)
	return below
}

func (b *builder) threshold(t *loyalty.Tiers, from *value) (n int64, ok bool) {
	if t.Metric == loyalty.MetricSpend {
		before := len(b.problems)
		n = b.wholeMinor(from)
		return n, len(b.problems) == before
	}
	if !from.number.IsInt() || !from.number.Num().IsInt64() {
		b.problem(from, "", "%s is not a whole number of points", from.text)
		return 0, false
	}
	return from.number.Num().Int64(), true
}

func (b *builder) referral(v *value) {
	if !v.ok() {
		return
	}
	b.p.Referral = &loyalty.Referral{
		Referrer:     events.Points(v.get("referrer").int()),
		Referee:      events.Points(v.get("referee").int()),
		MinimumOrder: events.Money(b.wholeMinor(v.get("minimum_order"))),
	}
}

func (b *builder) rewards(v *value) {
	lines := map[string]int{}
	for _, w := range v.list() {
		if !w.ok() {
			continue
		}
		id := w.get("id")
		b.unique(lines, id, "reward")
		kind := w.get("kind").word()
		switch {
		case kind == "discount" && w.lacks("amount"):
			b.problem(w, "for example amount: 5.00", "amount is missing: a discount needs it")
		case kind == "product" && w.has("amount"):
			b.keyProblem(w, "amount", "remove it, or write kind: discount", "only a discount has an amount")
		}
		b.p.Rewards = append(b.p.Rewards, loyalty.Reward{
			ID: id.word(), Points: events.Points(w.get("points").int()), Kind: kind,
			Amount: events.Money(b.wholeMinor(w.get("amount"))), Tiers: b.rewardTiers(w),
		})
	}
}

func (b *builder) rewardTiers(w *value) []string {
	var names []string
	for _, t := range w.get("tiers").list() {
		name := t.word()
		var known []string
		if b.p.Tiers != nil {
			for _, l := range b.p.Tiers.Levels {
				if !slices.Contains(known, l.Name) {
					known = append(known, l.Name)
				}
			}
		}
		switch {
		case !t.ok():
		case len(known) == 0:
			b.problem(t, "add tiers, or remove it here", "the program has no tiers")
		case !slices.Contains(known, name):
			hint := didYouMean(name, known)
			if hint == "" {
				hint = "known are " + oneOf(known)
			}
			b.problem(t, hint, "unknown tier %q", name)
		case slices.Contains(names, name):
			b.problem(t, "remove one", "%s is written twice", name)
		default:
			names = append(names, name)
		}
	}
	return names
}

// unique reports a second use of an id; lines says where the first is.
func (b *builder) unique(lines map[string]int, id *value, what string) {
	if !id.ok() {
		return
	}
	if line, used := lines[id.text]; used {
		b.problem(id, "rename one of them", "another %s, in line %d, has this id", what, line)
		return
	}
	lines[id.text] = id.node.Line
}
