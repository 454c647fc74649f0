package loyalty_test

import (
	"fmt"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

const benchProgram = `
program: bench
currency: USD
timezone: Europe/Berlin
point_value: 0.01
expiry: {after: 12 months, round_to: end_of_month}
tiers:
  window: {rolling_months: 12}
  levels:
    - {name: Bronze, from: 0}
    - {name: Silver, from: 1000, multiplier: 1.25}
    - {name: Gold, from: 5000, multiplier: 1.5}
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
`

const fresh = 100_000

// BenchmarkDecideOrder decides orders of two lines of an account that holds a year of them.
func BenchmarkDecideOrder(b *testing.B) {
	p, err := program.Parse([]byte(benchProgram), "bench.yaml")
	if err != nil {
		b.Fatal(err)
	}
	account, records := loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
	at, _ := events.ParseInstant("2025-01-10T12:00:00Z")
	orders := make([]*events.OrderPlaced, fresh+10)
	for i := range orders {
		orders[i] = &events.OrderPlaced{
			Header: events.Header{ID: fmt.Sprint("e", i), Customer: "ann", At: at + events.Instant(i%300)*86_400_000},
			Order:  fmt.Sprint("o", i), Currency: "USD", Lines: []events.Line{
				{Line: "1", SKU: "a", Quantity: 1, Amount: events.Money(1000 + i%7777)}, {Line: "2", SKU: "b", Quantity: 2, Amount: 2599, Discount: 100}},
		}
	}
	decide := func(a *loyalty.Account, o *events.OrderPlaced) {
		loyalty.Decide(p, a, records, loyalty.Input{Event: o, Clock: o.At, Cause: events.Cause{Topic: "orders", Event: o.ID}})
	}
	for _, o := range orders[fresh:] {
		decide(account, o)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		decide(account.Clone(), orders[i%fresh])
	}
}
