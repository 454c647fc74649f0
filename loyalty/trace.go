package loyalty

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// Trace records how points were reckoned, for people.
type Trace struct{ Steps []TraceStep }

// TraceStep is one line of the reckoning.
type TraceStep struct {
	// Subject is the line, rule, cap or lot that the step is about.
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// trace notes a step of the reckoning when somebody wants to see it. On the path of every order the caller asks first,
// because arguments cost even when nobody does.
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
		text := strings.TrimSpace(l.SKU + " " + l.Category)
		text += ": " + d.p.money(e.Currency, ExactInt(int64(l.Amount)))
		if l.Discount != 0 {
			text += ", discount " + d.p.money(e.Currency, ExactInt(int64(l.Discount)))
		}
		d.trace("line "+l.Line, "%s, earns on %s", text, d.p.money(d.p.Currency, s.bases[i]))
	}
	d.trace("order", "earns on %s", d.p.money(d.p.Currency, s.basis))
}

// tracePart says how a per, every or fixed rule came to its points, before multipliers.
func (d *decider) tracePart(p *part, basis, points Exact) {
	if d.in.Trace == nil {
		return
	}
	r := p.rule
	money := func(x Exact) string { return d.p.money(d.p.Currency, x) }
	switch r.Kind {
	case Per:
		d.trace(r.ID, "%s at %s for each %s: %s", money(basis), points.points(), money(r.unit), p.exact.decimal())
	case Every:
		d.trace(r.ID, "whole steps of %s in %s, %s each: %s", money(r.unit), money(basis), points.points(), p.exact.decimal())
	case Fixed:
		d.trace(r.ID, "%s, whatever the amount", points.points())
	case Multiply:
	}
}

// traceFactors says what campaigns and the tier made of a rule's points.
func (d *decider) traceFactors(p *part, factor, tier Exact) {
	one := ExactInt(1)
	if d.in.Trace == nil || factor.Cmp(one) == 0 && tier.Cmp(one) == 0 {
		return
	}
	text := ""
	if factor.Cmp(one) != 0 {
		text += " × " + factor.decimal() + " for campaigns"
	}
	if tier.Cmp(one) != 0 {
		text += " × " + tier.decimal() + " as " + d.p.tierName(d.a.Tier)
	}
	d.trace(p.rule.ID, "%s = %s", strings.TrimSpace(text), p.exact.decimal())
}

// traceRounded says what the rounding left each rule with.
func (d *decider) traceRounded(parts []part) {
	if d.in.Trace == nil {
		return
	}
	for i := range parts {
		if p := &parts[i]; p.exact.Cmp(ExactInt(int64(p.asked))) != 0 {
			d.trace(p.rule.ID, "%s rounded (%s, once for the %s) to %d", p.exact.decimal(), d.p.Rounding, d.p.Stage, p.asked)
		}
	}
}

// String returns the mode's name in the program file.
func (r Rounding) String() string { return [...]string{"floor", "half_even", "ceil"}[r] }

// String returns the stage's name in the program file.
func (s Stage) String() string { return [...]string{"order", "line"}[s] }

// money writes an amount of minor units for people. Currencies that the program has no exponent of are written with
// its own.
func (p *Program) money(currency string, minor Exact) string {
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(p.Exponent)), nil))
	major := minor.Rat()
	major.Quo(major, scale)
	text := major.FloatString(p.Exponent)
	if back, _ := new(big.Rat).SetString(text); back.Cmp(major) != 0 {
		text = "≈ " + major.FloatString(p.Exponent+2)
	}
	return text + " " + currency
}

// decimal writes x for people: with as many decimals as it has, or rounded to four and marked so.
func (x Exact) decimal() string {
	r := x.Rat()
	if n, exact := r.FloatPrec(); exact && n <= 6 {
		return r.FloatString(n)
	}
	return "≈ " + r.FloatString(4)
}

// points writes x with its noun.
func (x Exact) points() string {
	if x.Cmp(ExactInt(1)) == 0 {
		return "1 point"
	}
	return x.decimal() + " points"
}
