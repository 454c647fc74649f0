package loyalty

import "github.com/accrue-loyalty/accrue/events"

// Input is one event on its way to a decision.
type Input struct {
	Event events.Event
	Cause events.Cause
	// Clock is the partition clock; 0 before the first tick.
	Clock events.Instant
	// Lenient never answers FUTURE: whoever drives the clock through history runs behind the events.
	Lenient bool
	// Trace, when not nil, is filled with how the points were reckoned.
	Trace *Trace
}

// Trace records how points were reckoned, for people.
type Trace struct{ Steps []TraceStep }

// TraceStep is one line of the reckoning.
type TraceStep struct {
	// Subject is the line, rule, cap or lot that the step is about.
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Decide works out what in.Event does to a under p, leaves a and r as the decision says, and returns the decision
// without its Program, Chain, Partition and Offset, with the events that other accounts must decide because of it.
func Decide(p *Program, a *Account, r Records, in Input) (events.Decision, []events.Event) {
	panic("being written")
}

// DecideTick does everything of a that is due at or before the tick; ok is false when nothing was.
func DecideTick(p *Program, a *Account, r Records, tick events.Instant, cause events.Cause) (d events.Decision, ok bool) {
	panic("being written")
}

// NextDue returns the first instant after `after` at which a tick may have something to do for a; 0: none.
func NextDue(p *Program, a *Account, after events.Instant) events.Instant { panic("being written") }

// Evolve folds d into a and r.
func Evolve(a *Account, r Records, d *events.Decision) { panic("being written") }

// Check returns an error naming the first invariant that a breaks.
func (a *Account) Check() error { panic("being written") }

// Summary is the balance line of one account.
type Summary struct {
	Customer         string         `json:"customer"`
	Active           events.Points  `json:"active"`
	Pending          events.Points  `json:"pending"`
	Reserved         events.Points  `json:"reserved"`
	Deficit          events.Points  `json:"deficit"`
	Tier             string         `json:"tier"`
	QualifyingMinor  int64          `json:"qualifying_minor"`
	QualifyingPoints *events.Points `json:"qualifying_points,omitempty"`
	Totals           Totals         `json:"totals"`
	Expiring         []Expiring     `json:"expiring"`
}

// Expiring is what of the active points goes at one instant.
type Expiring struct {
	At     events.Instant `json:"at"`
	Points events.Points  `json:"points"`
}

// Summarize returns a's balance as of the partition clock.
func Summarize(p *Program, a *Account, clock events.Instant) Summary { panic("being written") }

// AppendAccount appends a's encoding: equal accounts have equal bytes.
func AppendAccount(b []byte, a *Account) []byte { panic("being written") }

// DecodeAccount is the inverse of AppendAccount.
func DecodeAccount(b []byte) (*Account, error) { panic("being written") }

// AppendOrder appends o's encoding.
func AppendOrder(b []byte, o *Order) []byte { panic("being written") }

// DecodeOrder is the inverse of AppendOrder.
func DecodeOrder(b []byte) (*Order, error) { panic("being written") }

// AppendRedemption appends r's encoding.
func AppendRedemption(b []byte, r *Redemption) []byte { panic("being written") }

// DecodeRedemption is the inverse of AppendRedemption.
func DecodeRedemption(b []byte) (*Redemption, error) { panic("being written") }

// compareReferences orders references by kind, then id.
func compareReferences(a, b events.Reference) int { panic("being written") }

// Quote is what a cart would earn and may redeem.
type Quote struct {
	Earns      events.Points `json:"earns"`
	ByRule     []QuotedRule  `json:"by_rule"`
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

// Calculate returns what order would earn a and how many points could pay for it. Nothing is changed.
func Calculate(p *Program, a *Account, r Records, order *events.OrderPlaced, clock events.Instant) Quote {
	panic("being written")
}
