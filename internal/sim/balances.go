package sim

import (
	"iter"
	"maps"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Balances returns the balance line of every customer that an event or a transfer named, sorted by bytes, without
// the erased.
func (e *Engine) Balances() iter.Seq[loyalty.Summary] {
	return func(yield func(loyalty.Summary) bool) {
		p := e.Program(max(e.clock, e.latest))
		for _, customer := range slices.Sorted(maps.Keys(e.accounts)) {
			a := e.accounts[customer]
			if a.Erased {
				continue
			}
			if !yield(loyalty.Summarize(p, a.Account, e.clock)) {
				return
			}
		}
	}
}

// Account returns the account of a customer, read-only, or nil.
func (e *Engine) Account(customer string) *loyalty.Account {
	if a := e.accounts[customer]; a != nil {
		return a.Account
	}
	return nil
}

// Records returns the records of a customer, read-only, or nil.
func (e *Engine) Records(customer string) loyalty.Records {
	if a := e.accounts[customer]; a != nil {
		return a.records
	}
	return nil
}

// Totals sums all accounts' balances and totals, the erased and ended too.
func (e *Engine) Totals() (events.Balance, loyalty.Totals) {
	var b events.Balance
	var t loyalty.Totals
	for _, a := range e.accounts {
		x := a.Balance()
		b.Active += x.Active
		b.Pending += x.Pending
		b.Reserved += x.Reserved
		b.Deficit += x.Deficit
		t.Issued += a.Totals.Issued
		t.Redeemed += a.Totals.Redeemed
		t.Expired += a.Totals.Expired
		t.Revoked += a.Totals.Revoked
		t.Reinstated += a.Totals.Reinstated
		t.Adjusted += a.Totals.Adjusted
		t.TransferredIn += a.Totals.TransferredIn
		t.TransferredOut += a.Totals.TransferredOut
		t.Forfeited += a.Totals.Forfeited
	}
	return b, t
}
