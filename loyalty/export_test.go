package loyalty

import (
	"fmt"

	"github.com/accrue-loyalty/accrue/events"
)

// Encode returns the bytes of an account with all its records, for comparisons.
func Encode(a *Account, r Records) []byte { return appendMerged(nil, a, r.All()) }

// WithoutTable returns a calendar that asks package time.
func (c Calendar) WithoutTable() Calendar { return Calendar{loc: c.loc} }

// CheckTally compares what an account knows of its lots with the lots.
func CheckTally(a *Account) error {
	want := tally{drop: never}
	for i := range a.Lots {
		want.add(&a.Lots[i])
	}
	// A lot that could have been dropped may have got points since.
	got := a.tally
	if got.drop <= want.drop {
		got.drop = want.drop
	}
	if got != want {
		return fmt.Errorf("the tally is %+v, the lots make %+v", a.tally, want)
	}
	return nil
}

// Successor returns a new account that succeeds a.
func (a *Account) Successor() *Account {
	c := new(Account)
	a.Succeed(c)
	return c
}

// TakesSpend is takesSpend.
func (a *Account) TakesSpend(n Exact) bool { return a.takesSpend(n) }

// Qualify is qualify.
func (a *Account) Qualify(at events.Instant, spend Exact, points events.Points) {
	a.qualify(at, spend, points)
}

// AddLot puts a lot behind the others.
func (a *Account) AddLot(order string, l Lot) {
	l.order = a.addOrder(order)
	a.Lots = append(a.Lots, l)
}

// Fractions counts what is kept of spends that are not whole.
func (a *Account) Fractions() int { return len(a.fractions) }

// OrderTexts returns what is kept of the lots' orders.
func (a *Account) OrderTexts() string { return string(a.orders) }
