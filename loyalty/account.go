package loyalty

import (
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Account is what is remembered of a customer and needed by nearly every decision. One goroutine owns it; readers
// get a [Account.Clone] or a value that is no longer written to.
type Account struct {
	Customer string
	// Clock is the partition clock of the last decision; everything due by then has been done.
	Clock events.Instant
	// LatestOrder is the highest time of an accepted order.
	LatestOrder events.Instant
	// Tier is the name of the level held; "" is the lowest. Grace is when it must have been earned again; 0: no grace.
	// TierSince is when that level was reached: reviews look only at what came later.
	Tier      string
	Grace     events.Instant
	TierSince events.Instant

	// Lots are in the order of their ids; LotLast is the highest id given. Only Decide and Evolve change them. orders has
	// the texts of [Account.OrderOf].
	Lots    []Lot
	LotLast int64
	orders  []byte
	Deficit events.Points
	Totals  Totals
	// Qualifying is what counts for tiers, by time. fractions has what of [Account.Spend] is not whole.
	Qualifying []Qualifying
	fractions  []Exact
	// Counters are what limits and caps have counted.
	Counters []Counter
	// Reservations are the redemptions that still hold points.
	Reservations []*Redemption
	// Waiting are events that came before their order, in order of arrival.
	Waiting []events.Event

	Profile    Profile
	MergedInto string
	Erased     bool
	// spendBits is one more than the bits that hold the longest spend of Qualifying, or has held it; 0: unknown.
	spendBits uint8

	// So many of the first Lots and Qualifying belong to the account that this one succeeds too: before one of them is
	// changed, all are copied. What comes behind them is this account's own. Of orders and fractions nothing is changed.
	lotsShared, qualifyingShared int32
	// tally is of the Lots, so that not all of them are looked at for each decision.
	tally tally
}

// Lot is points earned together. It stays, empty, while points redeemed from it may still come back. An account has many,
// so there is no pointer in it, which the collector would have to follow.
type Lot struct {
	ID int64
	// order is where the account's orders have its order.
	order piece
	// Pending, Active and Reserved are what the lot holds now. Redeemed may come back, Expired is gone.
	Pending, Active, Reserved, Redeemed, Expired events.Points
	EarnedAt                                     events.Instant
	// ActiveAt is 0 until the order is fulfilled, when that is what the hold waits for.
	ActiveAt events.Instant
	// ExpiresAt is 0 for never, or not yet known.
	ExpiresAt events.Instant
}

// Totals are sums of entry points over the account's life.
type Totals struct {
	Issued         events.Points `json:"issued"`
	Redeemed       events.Points `json:"redeemed"`
	Expired        events.Points `json:"expired"`
	Revoked        events.Points `json:"revoked"`
	Reinstated     events.Points `json:"reinstated"`
	Adjusted       events.Points `json:"adjusted"`
	TransferredIn  events.Points `json:"transferred_in"`
	TransferredOut events.Points `json:"transferred_out"`
	Forfeited      events.Points `json:"forfeited"`
}

// Qualifying is what was spent and earned at one instant. Like a [Lot] it has no pointer in it.
type Qualifying struct {
	At     events.Instant
	Points events.Points
	// spend is whole, or stands for one of the account's fractions.
	spend int64
}

// Counter is what one limit (Rule) or all caps of a period (Rule "") have counted since From.
type Counter struct {
	Rule  string
	Every Period
	From  events.Instant
	N     int64
}

// Redemption is points set aside or spent.
type Redemption struct {
	ID    string
	State events.RedemptionState
	// Orders are the orders that the points pay. They may be known before the redemption is: State is "" until then.
	Orders   []string
	LapsesAt events.Instant
	// Parts are the lots the points came from, in consumption order.
	Parts []RedemptionPart
}

// RedemptionPart is what a redemption took of one lot. It carries the lot's dates, because the lot may be gone when
// the points go back.
type RedemptionPart struct {
	Lot    int64
	Points events.Points
	// Given is what went back of Points after they were spent.
	Given     events.Points
	Order     string
	EarnedAt  events.Instant
	ActiveAt  events.Instant
	ExpiresAt events.Instant
}

// Profile is what registration and consent said.
type Profile struct {
	Registered events.Instant
	ReferredBy string
	Marketing  bool
	Tracking   bool
}

// Order is what returns need of an order, or of a review.
type Order struct {
	// ID is the record's key: the order's id or [reviewKey] of the review's.
	ID string
	// Placed is false while only a redemption has named the order.
	Placed bool
	// Ended is set by a cancellation or when the last of it came back; Cancelled by a cancellation only.
	Ended, Cancelled bool
	// Whole is set when a return of everything was applied.
	Whole bool
	// Version is the program version that the order was decided by: a later fulfilment follows its holds.
	Version   int32
	At        events.Instant
	Fulfilled events.Instant
	Lines     []OrderLine
	// Deducted is what the basis loses beyond the lines' discounts, shared by amount; Rate converts it.
	Deducted events.Money
	Rate     string
	// Absorbed is what of the clawbacks was met by points that had expired.
	Absorbed events.Points
	Grants   []Grant
	// Redemptions paid for it.
	Redemptions []string
	// Referee placed the order that Referrer's points are for, where that was an account that ended in this one;
	// otherwise both are "" and the account's own profile says so.
	Referee, Referrer string
	// PlacedAs is the id it was placed under by an account that ended in this one, where that is another's here.
	PlacedAs string
}

// OrderLine is one line of an [Order].
type OrderLine struct {
	Line     string
	Amount   events.Money
	Discount events.Money
	Returned events.Money
}

// Grant is what one rule gave for an order and what was taken back.
type Grant struct {
	Rule           string
	Granted, Taken events.Points
	// Lot holds the points; 0 when none were granted.
	Lot   int64
	Fixed bool
	// At is when the points were earned; 0: when the order was placed or the review first earned.
	At events.Instant
	// Lines are the indexes of the lines that the rule saw; nil: all.
	Lines []int32
}

// NewAccount returns the account of a customer nobody has heard of.
func NewAccount(customer string) *Account { return &Account{Customer: customer} }

// Reset makes a the account of a customer nobody has heard of, in the memory of what it was, of which nobody may have
// anything any more.
func (a *Account) Reset(customer string) {
	*a = Account{Customer: customer, Lots: a.Lots[:0], orders: a.orders[:0], Qualifying: a.Qualifying[:0]}
}

// Clone returns a copy that shares nothing that Decide or Evolve write to.
func (a *Account) Clone() *Account {
	c := new(Account)
	a.Succeed(c)
	// Nothing of an empty list is shared, but the room behind it is a's successor's.
	c.Lots, c.Qualifying = slices.Clip(c.Lots), slices.Clip(c.Qualifying)
	c.orders, c.fractions = slices.Clip(c.orders), slices.Clip(c.fractions)
	c.ownLots()
	c.ownQualifying()
	return c
}

// Succeed makes c what a becomes by the next decisions. a may still be read, also while they are made, but must not be
// changed any more, and no other successor of it may be in use: an account with a long history is not copied for each
// new lot, because the successor adds to the room behind a's.
func (a *Account) Succeed(c *Account) {
	*c = *a
	c.lotsShared, c.qualifyingShared = int32(len(a.Lots)), int32(len(a.Qualifying))
	c.Counters = slices.Clone(a.Counters)
	c.Waiting = slices.Clone(a.Waiting)
	if a.Reservations != nil {
		c.Reservations = make([]*Redemption, len(a.Reservations))
		for i, r := range a.Reservations {
			c.Reservations[i] = r.Clone()
		}
	}
}

// ownLots makes the lots this account's own, to change them.
func (a *Account) ownLots() {
	if a.lotsShared > 0 {
		a.Lots = append(make([]Lot, 0, len(a.Lots)+1), a.Lots...)
		a.lotsShared = 0
	}
}

func (a *Account) ownQualifying() {
	if a.qualifyingShared > 0 {
		a.Qualifying = append(make([]Qualifying, 0, len(a.Qualifying)+1), a.Qualifying...)
		a.qualifyingShared = 0
	}
}

// Clone returns a deep copy.
func (r *Redemption) Clone() *Redemption {
	c := *r
	c.Orders = slices.Clone(r.Orders)
	c.Parts = slices.Clone(r.Parts)
	return &c
}

// Clone returns a deep copy.
func (o *Order) Clone() *Order {
	c := *o
	c.Lines = slices.Clone(o.Lines)
	c.Grants = slices.Clone(o.Grants)
	for i := range c.Grants {
		c.Grants[i].Lines = slices.Clone(c.Grants[i].Lines)
	}
	c.Redemptions = slices.Clone(o.Redemptions)
	return &c
}

// Balance sums the lots.
func (a *Account) Balance() events.Balance {
	b := events.Balance{Deficit: a.Deficit}
	for i := range a.Lots {
		b.Pending += a.Lots[i].Pending
		b.Active += a.Lots[i].Active
		b.Reserved += a.Lots[i].Reserved
	}
	return b
}
