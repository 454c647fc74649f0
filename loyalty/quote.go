package loyalty

import (
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Quote is what a cart would earn and may redeem.
type Quote struct {
	Earns  events.Points `json:"earns"`
	ByRule []QuotedRule  `json:"by_rule"`
	// Redeemable is the most that could pay for the order now.
	Redeemable events.Points `json:"redeemable"`
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

// Calculate returns what order would earn a and how many points could pay for it. Nothing is changed: the account is
// cloned and r only read.
func Calculate(p *Program, a *Account, r Records, order *events.OrderPlaced, clock events.Instant) Quote {
	q := Quote{ByRule: []QuotedRule{}, Redeemable: p.redeemable(a, order, max(clock, order.At)), Tier: p.tierName(a.Tier)}
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

// redeemable returns the most points, in whole steps, that may pay for an order.
func (p *Program) redeemable(a *Account, order *events.OrderPlaced, now events.Instant) events.Points {
	n := a.spendable(now)
	rules := &p.Redemption
	if rules.MaxShare != nil && p.PointValue != nil {
		var total int64
		for i := range order.Lines {
			total += int64(order.Lines[i].Amount)
		}
		q := p.ready()
		if most, ok := q.maxShare.Mul(ExactInt(total)).Quo(q.pointValue).Floor(); ok {
			n = min(n, events.Points(most))
		}
	}
	if rules.Step > 1 {
		n -= n % rules.Step
	}
	if n < rules.Minimum {
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
