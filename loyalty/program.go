package loyalty

import (
	"math/big"
	"sync"

	"github.com/accrue-loyalty/accrue/events"
)

// RevisionNewest is the revision of the rules' meaning that this code decides by. It is raised whenever Decide would
// answer differently for the same program, account and event.
const RevisionNewest = 1

// Program is one compiled version of the rules. It is read-only after it was built, and safe for concurrent use.
type Program struct {
	Name string
	// Version counts the published versions from 1; Hash is the SHA-256 of the source text.
	Version int32
	Hash    events.Hash
	// EffectiveAt and PublishedAt are 0 for a program that was never published: always in effect.
	EffectiveAt events.Instant
	PublishedAt events.Instant
	Revision    int

	// Currency is the program's own; Exponent its number of decimals (2 for USD).
	Currency string
	Exponent int
	// Rates convert one minor unit of another currency to minor units of Currency.
	Rates    map[string]*big.Rat
	Calendar Calendar
	// PointValue is the worth of a point in minor units; nil when not given.
	PointValue *big.Rat

	Rounding Rounding
	Stage    Stage
	Basis    Basis
	Hold     Hold
	Expiry   Expiry
	// AcceptWithin is nil when events of any age are accepted.
	AcceptWithin *Step
	Returns      Returns
	Redemption   RedemptionRules
	Caps         []Cap
	// ShareOfOrder caps issuance in point value as a share of the order's basis; nil: no such cap.
	ShareOfOrder *big.Rat
	// Tiers is nil in a program without tiers.
	Tiers *Tiers
	// Earn is sorted by id, multiply rules included.
	Earn    []Rule
	Rewards []Reward
	// Holdout is nil when nobody is held out.
	Holdout *Holdout
	// Referral is nil in a program without one.
	Referral *Referral

	once     sync.Once
	prepared prepared
}

// Rounding says how a sum of points becomes whole.
type Rounding uint8

// The rounding modes.
const (
	Floor Rounding = iota
	HalfEven
	Ceil
)

// Stage says what is rounded.
type Stage uint8

// The stages.
const (
	StageOrder Stage = iota
	StageLine
)

// Basis says what of an order earns. The zero value is the default: tax, shipping and what points paid are excluded,
// discounts deducted.
type Basis struct {
	TaxIncluded        bool
	ShippingIncluded   bool
	DiscountsIgnored   bool
	PaidPointsIncluded bool
}

// Hold says when earned points become active.
type Hold struct {
	// UntilFulfilled counts After from the order's fulfilment; otherwise it counts from the event.
	UntilFulfilled bool
	// After is the zero Step for no wait.
	After Step
}

// Expiry says when active points go.
type Expiry struct {
	Kind ExpiryKind
	// After counts from activation (Rolling).
	After Step
	// RoundTo moves the result to the start of the next period (Rolling); PeriodNone leaves it.
	RoundTo Period
	// FixedMonth and FixedDay are the yearly date (FixedDate).
	FixedMonth, FixedDay int
	// ExtendOnEarn and ExtendOnRedeem prolong every unexpired lot on such activity (Rolling).
	ExtendOnEarn, ExtendOnRedeem bool
}

// ExpiryKind tells how expiry is reckoned.
type ExpiryKind uint8

// The kinds of expiry.
const (
	Never ExpiryKind = iota
	Rolling
	FixedDate
)

// Period is a calendar period in the program's timezone; weeks begin on Monday.
type Period uint8

// The periods. PeriodNone also stands for "for ever" in limits and caps.
const (
	PeriodNone Period = iota
	Day
	Week
	Month
	Year
)

// String returns the period's name in the program file, "" for PeriodNone.
func (p Period) String() string { return [...]string{"", "day", "week", "month", "year"}[p] }

// ParsePeriod is the inverse of String.
func ParsePeriod(s string) (Period, bool) {
	for p := PeriodNone; p <= Year; p++ {
		if s == p.String() {
			return p, true
		}
	}
	return PeriodNone, false
}

// Returns says what happens when points that come back were spent already.
type Returns struct {
	// Clamp writes the shortfall off; otherwise the customer owes a deficit.
	Clamp bool
	// ReinstateGrace is how long points live that go back to a lot whose expiry has passed.
	ReinstateGrace Step
}

// RedemptionRules bound what a customer may redeem at once.
type RedemptionRules struct {
	Minimum, Step events.Points
	// MaxShare is the share of the order's total that points may pay; nil: any.
	MaxShare *big.Rat
	// TTL is how long a reservation lives.
	TTL Step
}

// Cap bounds what one customer is granted in a period, over all rules.
type Cap struct {
	Points events.Points
	Every  Period
}

// Tiers rank customers by what they spent or earned in a window.
type Tiers struct {
	Metric Metric
	Window Window
	// Months is the length of a rolling window.
	Months int
	// ToEarned drops a customer to the level earned; otherwise one level at a time.
	ToEarned  bool
	GraceDays int
	// Levels ascend by From; the first is everybody's.
	Levels []Level
}

// Metric is what tiers count.
type Metric uint8

// The metrics.
const (
	MetricSpend Metric = iota
	MetricPoints
)

// Window is the time over which tiers count.
type Window uint8

// The windows.
const (
	Lifetime Window = iota
	RollingMonths
	CalendarYear
)

// Level is one tier.
type Level struct {
	Name string
	// From is the threshold in minor units or points; the first level's is 0.
	From int64
	// Multiplier is never nil.
	Multiplier *big.Rat
	Benefits   []string
}

// RuleKind tells how a rule turns an event into points.
type RuleKind uint8

// The kinds of rule.
const (
	// Per is proportional: basis ÷ Unit × points.
	Per RuleKind = iota
	// Every counts whole steps: floor(basis ÷ Unit) × points.
	Every
	// Fixed grants Points once for the event.
	Fixed
	// Multiply multiplies the per and every rules of its event type.
	Multiply
)

// Rule is one way to earn.
type Rule struct {
	ID   string
	Kind RuleKind
	On   events.Type
	// When is nil when the rule always matches.
	When Condition
	// Lines is nil when the rule sees all lines.
	Lines LineCondition
	// Unit is the step of per and every rules, in minor units.
	Unit *big.Rat
	// Points is the constant amount; PointsOf, when not nil, reckons it from the event instead.
	Points   *big.Rat
	PointsOf Amount
	// Factor is the multiplier of a Multiply rule.
	Factor *big.Rat
	// From and Until bound the event's time: From ≤ at < Until; 0 is open.
	From, Until events.Instant
	// Hold and Expiry replace the program's when not nil.
	Hold   *Hold
	Expiry *Expiry
	// Exclusive: if it matches, only the rule that grants most applies.
	Exclusive bool
	// Tier applies the tier's multiplier to a fixed rule.
	Tier bool
	// Limit bounds how often the rule is granted; nil: as often as it matches.
	Limit *Limit
	// Max bounds the rule's exact points; nil: unbounded.
	Max *big.Rat
}

// Limit is how often a rule is granted in a period.
type Limit struct {
	Times int64
	Every Period
}

// Reward is something that points buy.
type Reward struct {
	ID     string
	Points events.Points
	Kind   string
	// Amount is a discount's worth in minor units.
	Amount events.Money
	// Tiers names the levels that may have it; nil: all.
	Tiers []string
}

// Holdout is the control group that earns nothing.
type Holdout struct {
	// Below is the share of customers in ten-thousandths.
	Below uint64
	Salt  string
}

// Referral rewards a customer who brings another.
type Referral struct {
	Referrer, Referee events.Points
	// MinimumOrder is the least basis, in minor units, of the order that qualifies.
	MinimumOrder events.Money
}

// Condition is a compiled condition on an event. It must be pure and safe for concurrent use. An error (a division
// by zero, an evaluation that costs too much) counts as false.
type Condition interface {
	Match(e events.Event) (bool, error)
}

// LineCondition is a compiled condition on one line of an order.
type LineCondition interface {
	MatchLine(e events.Event, line *events.Line) (bool, error)
}

// Amount is a compiled expression for a number of points. An error counts as 0.
type Amount interface {
	Points(e events.Event) (*big.Rat, error)
}

// History is the published versions of a program, by EffectiveAt, then Version.
type History []*Program

// At returns the version that took effect last at or before t, or the first one when t is before them all, so that
// imported history older than the program has rules too; nil when there is none.
func (h History) At(t events.Instant) *Program {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].EffectiveAt <= t {
			return h[i]
		}
	}
	if len(h) == 0 {
		return nil
	}
	return h[0]
}

// Version returns the version v, or nil.
func (h History) Version(v int32) *Program {
	for _, p := range h {
		if p.Version == v {
			return p
		}
	}
	return nil
}
