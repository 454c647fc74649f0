package program

import (
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Parse reads a program file and compiles it. file is the name that problems carry. The error is [Problems], all of
// them. The program has the source's hash, but no version and no dates: it was never published.
func Parse(source []byte, file string) (*loyalty.Program, error) {
	return parse(source, file, loyalty.RevisionNewest)
}

// parse is Parse with the revision that holds when the file names none.
func parse(source []byte, file string, revision int) (*loyalty.Program, error) {
	r := &reader{file: file, source: source}
	b := &builder{reader: r, p: &loyalty.Program{Hash: sha256.Sum256(source), Revision: revision}}
	if root := r.document(); root != nil {
		b.file(root)
	}
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	return b.p, nil
}

// builder turns values into a program and checks what they mean together.
type builder struct {
	*reader
	p *loyalty.Program
	// money is false when the currency is unknown, so that amounts can't be reckoned.
	money    bool
	compiler compiler
	// lines are the source's, split when they are first needed.
	lines []string
}

// problem reports something about v.
func (b *builder) problem(v *value, suggestion, format string, args ...any) {
	b.add(v.node, v.path, suggestion, format, args...)
}

// keyProblem reports something about a key of v that is written.
func (b *builder) keyProblem(v *value, name, suggestion, format string, args ...any) {
	b.add(v.keyNode(name), join(v.path, name), suggestion, format, args...)
}

func (b *builder) file(root *value) {
	if !root.ok() {
		return
	}
	p := b.p
	p.Name = root.get("program").word()
	b.revision(root.get("revision"))
	b.currency(root.get("currency"))
	b.timezone(root.get("timezone"))
	p.PointValue = b.minor(root.get("point_value"))
	b.rates(root.get("rates"))
	b.rounding(root.get("rounding"))
	b.basis(root.get("earning_basis"))
	p.Hold = b.hold(root.get("hold"))
	p.Expiry = b.expiry(root.get("expiry"))
	b.lateEvents(root.get("late_events"))
	b.returns(root.get("returns"))
	b.redemption(root.get("redemption"))
	b.caps(root.get("caps"))
	b.tiers(root.get("tiers"))
	b.earn(root.get("earn"))
	b.referral(root.get("referral"))
	b.rewards(root.get("rewards"))
	b.holdout(root.get("holdout"))
	b.undecided(root)
	b.pointValue(root)
}

func (b *builder) revision(v *value) {
	if !v.ok() {
		return
	}
	if v.int() > loyalty.RevisionNewest {
		b.problem(v, "upgrade accrue, or remove the line to use its own newest",
			"revision %d of the rules' meaning is unknown: the newest that this accrue knows is %d", v.int(), loyalty.RevisionNewest)
		return
	}
	b.p.Revision = int(v.int())
}

func (b *builder) currency(v *value) {
	if !v.ok() {
		return
	}
	exponent, ok := Exponent(v.text)
	if !ok {
		b.problem(v, currencyHint(v.text), "%q is not an ISO 4217 currency code", v.text)
		return
	}
	b.p.Currency, b.p.Exponent, b.money = v.text, exponent, true
}

func (b *builder) timezone(v *value) {
	if !v.ok() {
		return
	}
	loc, ok := loyalty.Zone(v.text)
	if !ok {
		b.problem(v, timezoneHint(v.text), "unknown timezone %q", shorten(v.text))
		return
	}
	b.p.Calendar = loyalty.NewCalendar(loc)
	b.compiler.calendar = b.p.Calendar
}

// minor converts a written amount in major units to minor units; nil when there is none.
func (b *builder) minor(v *value) *big.Rat {
	n := v.rat()
	if n == nil || !b.money {
		return nil
	}
	return n.Mul(n, pow10(b.p.Exponent))
}

// wholeMinor is minor for amounts that must be whole minor units.
func (b *builder) wholeMinor(v *value) int64 {
	n := b.minor(v)
	switch {
	case n == nil:
		return 0
	case !n.IsInt():
		b.problem(v, "", "%s has more decimals than %s has", v.text, b.p.Currency)
		return 0
	case !n.Num().IsInt64():
		b.problem(v, "", "%s is too large", v.text)
		return 0
	default:
		return n.Num().Int64()
	}
}

func (b *builder) rates(v *value) {
	if !v.ok() {
		return
	}
	rates := map[string]*big.Rat{}
	for _, k := range v.keys {
		exponent, ok := Exponent(k.Value)
		switch rate := v.fields[k.Value].rat(); {
		case !ok:
			b.keyProblem(v, k.Value, currencyHint(k.Value), "%q is not an ISO 4217 currency code", k.Value)
		case k.Value == b.p.Currency:
			b.keyProblem(v, k.Value, "remove it", "%s is the program's own currency", k.Value)
		case rate != nil && b.money:
			// One minor unit is 10^-exponent major ones here and 10^-Exponent there.
			rates[k.Value] = rate.Mul(rate, pow10(b.p.Exponent-exponent))
		}
	}
	if len(rates) > 0 {
		b.p.Rates = rates
	}
}

func (b *builder) rounding(v *value) {
	switch v.get("mode").word() {
	case "half_even":
		b.p.Rounding = loyalty.HalfEven
	case "ceil":
		b.p.Rounding = loyalty.Ceil
	}
	if v.get("stage").word() == "line" {
		b.p.Stage = loyalty.StageLine
	}
}

func (b *builder) basis(v *value) {
	b.p.Basis = loyalty.Basis{
		TaxIncluded:        v.get("tax").word() == "included",
		ShippingIncluded:   v.get("shipping").word() == "included",
		DiscountsIgnored:   v.get("discounts").word() == "ignored",
		PaidPointsIncluded: v.get("paid_with_points").word() == "included",
	}
}

func (b *builder) lateEvents(v *value) {
	if !v.ok() {
		return
	}
	if within := v.get("accept_within"); within.ok() {
		if within.step.N == 0 {
			b.problem(within, "remove late_events to accept events of any age", "must be more than 0")
		}
		b.p.AcceptWithin = &within.step
	}
}

func (b *builder) returns(v *value) {
	b.p.Returns.Clamp = v.get("shortfall").word() == "clamp"
	if grace := v.get("reinstate_grace"); grace.ok() {
		b.p.Returns.ReinstateGrace = grace.step
	}
}

func (b *builder) redemption(v *value) {
	b.p.Redemption = loyalty.RedemptionRules{
		Minimum:  events.Points(v.get("minimum").int()),
		Step:     events.Points(v.get("step").int()),
		MaxShare: v.get("max_share_of_order").rat(),
	}
	if ttl := v.get("reservation_ttl"); ttl.ok() {
		if ttl.step.N == 0 {
			b.problem(ttl, "for example 30 minutes", "must be more than 0")
		}
		b.p.Redemption.TTL = ttl.step
	}
}

func (b *builder) caps(v *value) {
	for _, c := range v.list() {
		switch {
		case !c.ok():
		case c.has("points") == c.has("share_of_order"):
			b.problem(c, "write {points: 5000, per: customer, every: month} or {share_of_order: 0.03}", "a cap has either points or share_of_order")
		case c.has("points"):
			b.customerCap(c)
		case c.has("per") || c.has("every"):
			b.problem(c, "remove per and every", "share_of_order is reckoned for each order")
		case b.p.ShareOfOrder != nil:
			b.problem(c, "keep the lower one", "share_of_order is capped twice")
		default:
			b.p.ShareOfOrder = c.get("share_of_order").rat()
		}
	}
}

func (b *builder) customerCap(c *value) {
	every, _ := loyalty.ParsePeriod(c.get("every").word())
	if slices.ContainsFunc(b.p.Caps, func(o loyalty.Cap) bool { return o.Every == every }) {
		b.problem(c, "keep the lower one", "points are capped twice for the same period")
		return
	}
	b.p.Caps = append(b.p.Caps, loyalty.Cap{Points: events.Points(c.get("points").int()), Every: every})
}

func (b *builder) holdout(v *value) {
	percent := v.get("percent").rat()
	if percent == nil {
		return
	}
	b.p.Holdout = &loyalty.Holdout{
		Below: percent.Mul(percent, big.NewRat(100, 1)).Num().Uint64(),
		Salt:  v.get("salt").word(),
	}
}

func (b *builder) undecided(root *value) {
	for _, name := range undecided {
		if root.has(name) {
			b.keyProblem(root, name, "remove it, so that nobody relies on it", "this section is not decided by this version of accrue yet")
		}
	}
}

// pointValue reports what needs a point's value in a program that gives none.
func (b *builder) pointValue(root *value) {
	if !root.lacks("point_value") {
		return
	}
	var needs []string
	if b.p.ShareOfOrder != nil {
		needs = append(needs, "caps with share_of_order")
	}
	if b.p.Redemption.MaxShare != nil {
		needs = append(needs, "redemption.max_share_of_order")
	}
	if len(needs) > 0 {
		b.add(root.node, "", "for example point_value: 0.01", "point_value is missing: it is needed for %s", strings.Join(needs, " and "))
	}
}
