package analytics

import (
	"fmt"
	"math"
	"math/big"

	"github.com/accrue-loyalty/accrue/events"
)

// month counts calendar months: year × 12 + month, January being 0.
type month int32

// activity is what a customer did in one month.
type activity struct {
	orders           int64
	revenue, refunds events.Money
	earned, redeemed events.Points
}

func (a *activity) add(b activity) {
	a.orders += b.orders
	a.revenue = plus(a.revenue, b.revenue)
	a.refunds = plus(a.refunds, b.refunds)
	a.earned = plus(a.earned, b.earned)
	a.redeemed = plus(a.redeemed, b.redeemed)
}

// plus adds, and stays at the end of 64 bits rather than come out at the other one: an order of any amount counts, and one
// slip of a shop must not make a month's revenue negative.
func plus[N events.Money | events.Points](x, y N) N {
	sum := x + y
	switch {
	case x > 0 && y > 0 && sum < 0:
		return math.MaxInt64
	case x < 0 && y < 0 && sum >= 0:
		return math.MinInt64
	}
	return sum
}

// tally is what the customers of one partition did. One goroutine at a time owns it.
type tally struct {
	monthOf   func(events.Instant) month
	customers map[string]map[month]*activity
	// first is the month of each customer's first order.
	first map[string]month

	// What the ledger told, for the reading of the orders: which records counted (by topic), at which rate other
	// currencies convert, what came back, when what waited for its order had come back, and which accounts ended in which.
	counted map[string]bitset
	rates   map[place]string
	back    map[orderKey][]comeback
	waited  map[waitKey]events.Instant
	merged  map[string]string
	took    map[string][]string
	// held are orders of accounts that had to do with merges.
	held []held
}

type place struct {
	topic  string
	offset int64
}

type orderKey struct{ customer, order string }

// comeback is one return or cancellation of an order, in ledger order.
type comeback struct {
	at     events.Instant      // the decision's; what waited has a time of its own
	lines  []events.ReturnLine // nil: all that is left
	waited bool                // for its order
	id     string              // the return's; "": a cancellation
}

// waitKey names a return, or with "" the cancellation, of an order.
type waitKey struct {
	orderKey
	id string
}

func newTally(monthOf func(events.Instant) month) *tally {
	return &tally{
		monthOf:   monthOf,
		customers: map[string]map[month]*activity{},
		first:     map[string]month{},
		counted:   map[string]bitset{},
		rates:     map[place]string{},
		back:      map[orderKey][]comeback{},
		waited:    map[waitKey]events.Instant{},
		merged:    map[string]string{},
		took:      map[string][]string{},
	}
}

func (t *tally) in(customer string, m month) *activity {
	months := t.customers[customer]
	if months == nil {
		months = map[month]*activity{}
		t.customers[customer] = months
	}
	a := months[m]
	if a == nil {
		a = &activity{}
		months[m] = a
	}
	return a
}

// decision takes what a ledger record says. d is not kept.
func (t *tally) decision(d *events.Decision) error {
	f := &d.Facts
	if f.Order != nil {
		// Only an order that counted leaves this fact: repeats, refusals and stale ones don't.
		t.counted[d.Cause.Topic] = t.counted[d.Cause.Topic].with(d.Cause.Offset)
		if f.Order.Rate != "" {
			t.rates[place{d.Cause.Topic, d.Cause.Offset}] = f.Order.Rate
		}
	}
	if d.Result == events.Waiting {
		if err := t.waits(d.Customer, f.Waiting); err != nil {
			return err
		}
	}
	for _, r := range f.Returns {
		c := comeback{at: f.At, waited: len(f.Applied) > 0, id: r.Return}
		if !r.Whole {
			c.lines = append([]events.ReturnLine{}, r.Lines...)
		}
		key := orderKey{d.Customer, r.Order}
		t.back[key] = append(t.back[key], c)
	}
	for _, order := range f.Cancelled {
		key := orderKey{d.Customer, order}
		t.back[key] = append(t.back[key], comeback{at: f.At, waited: len(f.Applied) > 0})
	}
	if f.MergedInto != "" {
		t.merged[d.Customer] = f.MergedInto
	}
	if f.Merged != nil {
		for _, ref := range f.References {
			if ref.Kind == events.TypeMergeCredited {
				t.took[d.Customer] = append(t.took[d.Customer], ref.ID)
			}
		}
	}
	var earned, redeemed events.Points
	for i := range d.Entries {
		switch d.Entries[i].Type { //nolint:exhaustive // the report counts only these two
		case events.Earn:
			earned = plus(earned, d.Entries[i].Points)
		case events.Confirm:
			redeemed = plus(redeemed, d.Entries[i].Points)
		}
	}
	if earned != 0 || redeemed != 0 {
		a := t.in(d.Customer, t.monthOf(f.At))
		a.add(activity{earned: earned, redeemed: redeemed})
	}
	return nil
}

// waits notes when something came back whose order has not come yet: the decision that has both is of the order's time.
func (t *tally) waits(customer string, stored []byte) error {
	e, err := events.DecodeStoredJSON(stored)
	if err != nil {
		return err
	}
	var key waitKey
	switch e := e.(type) {
	case *events.OrderReturned:
		key = waitKey{orderKey{customer, e.Order}, e.Return}
	case *events.OrderCancelled:
		key = waitKey{orderKey{customer, e.Order}, ""}
	default:
		return nil
	}
	if _, ok := t.waited[key]; !ok { // the first is carried out
		t.waited[key] = e.Head().At
	}
	return nil
}

// order takes an order event that counted. comebacks are what came back of it.
func (t *tally) order(customer string, e *events.OrderPlaced, rate string, comebacks []comeback) error {
	net := netOf(e)
	converted, err := convert(new(big.Rat).SetInt64(int64(net)), rate)
	if err != nil {
		return err
	}
	m := t.monthOf(e.At)
	a := t.in(customer, m)
	a.add(activity{orders: 1, revenue: converted})
	if first, ok := t.first[customer]; !ok || m < first {
		t.first[customer] = m
	}
	if len(comebacks) == 0 {
		return nil
	}
	left := converted
	for _, c := range comebacks {
		refund := left
		if c.lines != nil {
			if refund, err = convert(refundOf(e, c.lines), rate); err != nil {
				return err
			}
			refund = max(min(refund, left), 0)
		}
		left -= refund
		t.in(customer, t.monthOf(c.at)).add(activity{refunds: refund})
	}
	return nil
}

// netOf is what the customer paid for the goods in money: lines less their discounts, less the order's discount and
// what points paid; before tax and shipping. It is not below 0: what is deducted beyond the lines paid for the rest.
func netOf(e *events.OrderPlaced) events.Money {
	net := -e.OrderDiscount - e.PaidPoints
	for i := range e.Lines {
		net += e.Lines[i].Amount - e.Lines[i].Discount
	}
	return max(net, 0)
}

// refundOf is the part of an order's net that returned lines stand for: of each line's net, and of its share, by amount,
// of what was deducted from the order.
func refundOf(e *events.OrderPlaced, lines []events.ReturnLine) *big.Rat {
	var gross events.Money
	for i := range e.Lines {
		gross += e.Lines[i].Amount
	}
	sum := new(big.Rat)
	for _, r := range lines {
		if int(r.Line) >= len(e.Lines) || e.Lines[r.Line].Amount == 0 {
			continue
		}
		l := &e.Lines[r.Line]
		net := new(big.Rat).SetInt64(int64(l.Amount - l.Discount))
		share := big.NewRat(int64(l.Amount), int64(gross))
		net.Sub(net, share.Mul(share, new(big.Rat).SetInt64(int64(e.OrderDiscount+e.PaidPoints))))
		sum.Add(sum, net.Mul(net, big.NewRat(int64(r.Amount), int64(l.Amount))))
	}
	return sum
}

// convert applies a rate, a fraction or "" for 1, and rounds half up to minor units.
func convert(x *big.Rat, rate string) (events.Money, error) {
	if rate != "" {
		r, ok := new(big.Rat).SetString(rate)
		if !ok {
			return 0, fmt.Errorf("%q is no rate", rate)
		}
		x = new(big.Rat).Mul(x, r)
	}
	return events.Money(roundHalfUp(x)), nil
}

func roundHalfUp(x *big.Rat) int64 {
	twice := new(big.Int).Lsh(x.Num(), 1)
	twice.Add(twice, x.Denom())
	whole := twice.Div(twice, new(big.Int).Lsh(x.Denom(), 1))
	switch {
	case whole.IsInt64():
		return whole.Int64()
	case whole.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// bitset is a set of offsets.
type bitset []uint64

func (b bitset) with(n int64) bitset {
	for int64(len(b)) <= n>>6 {
		b = append(b, make([]uint64, max(64, len(b)/2))...)
	}
	b[n>>6] |= 1 << (n & 63)
	return b
}

func (b bitset) has(n int64) bool { return n>>6 < int64(len(b)) && b[n>>6]&(1<<(n&63)) != 0 }
