package program

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// Fact is one thing that a program says, in the words of the file.
type Fact struct {
	// Subject is the section or item: rounding, rule shoes, tier Gold.
	Subject string `json:"subject"`
	Field   string `json:"field"`
	Value   string `json:"value"`
}

// Describe lists what p says, defaults included, in a fixed order. Amounts are in major units, dates on the program's
// calendar.
func Describe(p *loyalty.Program) []Fact {
	d := describer{p: p}
	d.program()
	d.caps()
	d.tiers()
	for i := range p.Earn {
		d.rule(&p.Earn[i])
	}
	d.rest()
	return d.facts
}

type describer struct {
	p       *loyalty.Program
	subject string
	facts   []Fact
}

// add records a fact about the current subject; "" is nothing to say.
func (d *describer) add(field, value string) {
	if value != "" {
		d.facts = append(d.facts, Fact{d.subject, field, value})
	}
}

func (d *describer) program() {
	p := d.p
	d.subject = "program"
	d.add("name", p.Name)
	d.add("revision", fmt.Sprint(p.Revision))
	d.add("currency", p.Currency)
	d.add("timezone", p.Calendar.Location().String())
	d.add("point_value", money(p, p.PointValue))
	for _, currency := range slices.Sorted(maps.Keys(p.Rates)) {
		d.add("rate of "+currency, rateText(p, currency))
	}
	d.add("rounding", [...]string{"floor", "half_even", "ceil"}[p.Rounding]+", by "+[...]string{"order", "line"}[p.Stage])
	d.add("tax", pick(p.Basis.TaxIncluded, "included", "excluded"))
	d.add("shipping", pick(p.Basis.ShippingIncluded, "included", "excluded"))
	d.add("discounts", pick(p.Basis.DiscountsIgnored, "ignored", "deducted"))
	d.add("paid_with_points", pick(p.Basis.PaidPointsIncluded, "included", "excluded"))
	d.add("hold", holdText(p.Hold))
	d.add("expiry", expiryText(p.Expiry))
	if p.AcceptWithin != nil {
		d.add("late events", "accepted within "+p.AcceptWithin.String())
	} else {
		d.add("late events", "accepted at any age")
	}
	d.subject = "returns"
	d.add("shortfall", pick(p.Returns.Clamp, "clamp", "deficit"))
	d.add("reinstate_grace", p.Returns.ReinstateGrace.String())
	d.subject = "redemption"
	d.add("minimum", pointsText(int64(p.Redemption.Minimum)))
	d.add("step", pointsText(int64(p.Redemption.Step)))
	d.add("max_share_of_order", shareText(p.Redemption.MaxShare))
	d.add("reservation_ttl", p.Redemption.TTL.String())
}

func (d *describer) caps() {
	for _, c := range d.p.Caps {
		d.subject = "cap per customer and " + c.Every.String()
		if c.Every == loyalty.PeriodNone {
			d.subject = "cap per customer for ever"
		}
		d.add("points", fmt.Sprint(c.Points))
	}
	d.subject = "cap per order"
	d.add("share_of_order", shareText(d.p.ShareOfOrder))
}

func (d *describer) tiers() {
	t := d.p.Tiers
	if t == nil {
		return
	}
	d.subject = "tiers"
	d.add("metric", [...]string{"spend", "points"}[t.Metric])
	switch t.Window {
	case loyalty.Lifetime:
		d.add("window", "lifetime")
	case loyalty.RollingMonths:
		d.add("window", fmt.Sprintf("the last %d months", t.Months))
	case loyalty.CalendarYear:
		d.add("window", "calendar_year")
	}
	d.add("downgrade", fmt.Sprintf("%s after %d days of grace", pick(t.ToEarned, "to_earned", "one_down"), t.GraceDays))
	for _, l := range t.Levels {
		d.subject = "tier " + l.Name
		if t.Metric == loyalty.MetricSpend {
			d.add("from", money(d.p, rat(fmt.Sprint(l.From))))
		} else {
			d.add("from", pointsText(l.From))
		}
		d.add("multiplier", decimalText(l.Multiplier, 0))
		d.add("benefits", strings.Join(l.Benefits, ", "))
	}
}

func (d *describer) rule(r *loyalty.Rule) {
	d.subject = "rule " + r.ID
	d.add("on", string(r.On))
	d.add("when", sourceText(r.When))
	d.add("lines", sourceText(r.Lines))
	switch r.Kind {
	case loyalty.Per:
		d.add("per", money(d.p, r.Unit))
	case loyalty.Every:
		d.add("every", money(d.p, r.Unit))
	case loyalty.Multiply:
		d.add("multiply", decimalText(r.Factor, 0))
	case loyalty.Fixed:
	}
	d.add("points", decimalText(r.Points, 0))
	d.add("points", sourceText(r.PointsOf))
	d.add("max", decimalText(r.Max, 0))
	d.add("from", dateText(d.p, r.From))
	d.add("until", dateText(d.p, r.Until))
	if r.Hold != nil {
		d.add("hold", holdText(*r.Hold))
	}
	if r.Expiry != nil {
		d.add("expiry", expiryText(*r.Expiry))
	}
	if r.Limit != nil {
		d.add("limit", limitText(*r.Limit))
	}
	d.add("exclusive", pick(r.Exclusive, "true", ""))
	d.add("tier", pick(r.Tier, "true", ""))
}

func (d *describer) rest() {
	p := d.p
	if r := p.Referral; r != nil {
		d.subject = "referral"
		d.add("referrer", pointsText(int64(r.Referrer)))
		d.add("referee", pointsText(int64(r.Referee)))
		d.add("minimum_order", money(p, rat(fmt.Sprint(r.MinimumOrder))))
	}
	for _, r := range p.Rewards {
		d.subject = "reward " + r.ID
		d.add("points", fmt.Sprint(r.Points))
		d.add("kind", r.Kind)
		if r.Amount != 0 {
			d.add("amount", money(p, rat(fmt.Sprint(r.Amount))))
		}
		d.add("tiers", strings.Join(r.Tiers, ", "))
	}
	if h := p.Holdout; h != nil {
		d.subject = "holdout"
		d.add("percent", decimalText(rat(fmt.Sprintf("%d/100", h.Below)), 0))
		d.add("salt", h.Salt)
	}
}
