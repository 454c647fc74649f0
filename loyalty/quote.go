package loyalty

import (
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Quote is what a cart would earn and may redeem.
type Quote struct {
	Earns  events.Points `json:"earns"`
	ByRule []QuotedRule  `json:"by_rule"`
	// Redeemable is the most that could pay for the order now; RedeemableMinor is its worth, floored, and nil in a program
	// that gives a point none.
	Redeemable      events.Points `json:"redeemable"`
	RedeemableMinor *events.Money `json:"redeemable_minor,omitempty"`
	// OrderTotal is the total that Redeemable stands on, in the program's currency: a redemption that sends it along is not
	// refused for its share. It is nil where the program has no rate for the order's currency.
	OrderTotal *events.Money `json:"order_total_minor,omitempty"`
	Tier       string        `json:"tier"`
	Result     events.Result `json:"result"`
	Reason     string        `json:"reason,omitempty"`
}

// QuotedRule is one rule's part of a [Quote].
type QuotedRule struct {
	Rule   string        `json:"rule"`
	Points events.Points `json:"points"`
	Asked  events.Points `json:"asked"`
}

// Calculate returns what order would earn a and how many points could pay for it. total is what the customer is to pay, in
// the program's currency; nil: what the order's own amounts say. Nothing is changed: the account is cloned and r only read.
func Calculate(p *Program, a *Account, r Records, order *events.OrderPlaced, total *events.Money, clock events.Instant) Quote {
	q := Quote{ByRule: []QuotedRule{}, Tier: p.tierName(a.Tier)}
	p.quoteRedeemable(&q, a, order, total, max(clock, order.At))
	made, _ := Decide(p, a.Clone(), readOnly{r}, Input{Event: order, Cause: events.Cause{Event: order.ID}, Clock: clock})
	q.Result, q.Reason = made.Result, made.Reason
	for _, e := range made.Entries {
		if e.Type == events.Earn {
			q.Earns += e.Points
			q.ByRule = append(q.ByRule, QuotedRule{e.Rule, e.Points, e.Asked})
		}
	}
	slices.SortFunc(q.ByRule, func(a, b QuotedRule) int { return slices.Compare([]byte(a.Rule), []byte(b.Rule)) })
	return q
}

// quoteRedeemable fills in what may pay for an order. Without a rate for the order's currency that is nothing: the order
// itself would be refused.
func (p *Program) quoteRedeemable(q *Quote, a *Account, order *events.OrderPlaced, total *events.Money, now events.Instant) {
	rate, known := p.ready().rates[order.Currency]
	if known && total == nil {
		total = orderTotal(order, rate.exact)
	}
	if known && total != nil {
		q.OrderTotal = total
		n := a.spendable(now)
		if most, bound := p.payable(*total, ExactInt(int64(order.PaidPoints)).Mul(rate.exact)); bound {
			n = min(n, most)
		}
		q.Redeemable = p.Redemption.whole(n)
	}
	if p.PointValue != nil {
		if worth, ok := ExactInt(int64(q.Redeemable)).Mul(p.ready().pointValue).Floor(); ok {
			q.RedeemableMinor = (*events.Money)(&worth)
		}
	}
}

// orderTotal returns what a checkout asks for an order, with or without points: the lines less their discounts and the
// order's, plus tax and shipping, converted by rate and then floored; nil when it does not fit.
func orderTotal(order *events.OrderPlaced, rate Exact) *events.Money {
	sum := ExactInt(int64(order.Tax)).Add(ExactInt(int64(order.Shipping))).Sub(ExactInt(int64(order.OrderDiscount)))
	for i := range order.Lines {
		l := &order.Lines[i]
		sum = sum.Add(ExactInt(int64(l.Amount))).Sub(ExactInt(int64(l.Discount)))
	}
	n, ok := sum.Mul(rate).Floor()
	if !ok {
		return nil
	}
	total := events.Money(max(n, 0))
	return &total
}

// Payable returns the most points that one redemption may take of an order of the total; bound is false in a program
// that sets no share.
func (p *Program) Payable(total events.Money) (most events.Points, bound bool) {
	most, bound = p.payable(total, Exact{})
	return p.Redemption.whole(most), bound
}

// payable returns the most points within the share of a total of which points have paid paid before.
func (p *Program) payable(total events.Money, paid Exact) (most events.Points, bound bool) {
	if p.Redemption.MaxShare == nil {
		return 0, false
	}
	left := p.ready().maxShare.Mul(ExactInt(int64(total))).Sub(paid)
	if left.Sign() <= 0 {
		return 0, true
	}
	n, ok := left.Quo(p.ready().pointValue).Floor()
	return events.Points(n), ok
}

// whole returns the most points within n that a redemption without a reward may have; 0: none.
func (r *RedemptionRules) whole(n events.Points) events.Points {
	if r.Step > 1 {
		n -= n % r.Step
	}
	if n < r.Minimum {
		return 0
	}
	return n
}

// readOnly answers from records and forgets what it is given.
type readOnly struct{ Records }

func (readOnly) PutSeen(string, events.Fingerprint)      {}
func (readOnly) PutOrder(*Order)                         {}
func (readOnly) PutRedemption(*Redemption)               {}
func (readOnly) PutReference(events.Reference)           {}
func (readOnly) AddExpired(string, int64, events.Points) {}
func (readOnly) Clear()                                  {}
