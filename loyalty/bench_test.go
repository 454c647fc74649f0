package loyalty_test

import (
	"fmt"
	"math/rand/v2"
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

func benchRules(b testing.TB) *loyalty.Program {
	p, err := program.Parse([]byte(benchProgram), "bench.yaml")
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// benchOrders returns orders of two lines, a day apart, that begin anew every 300 days.
func benchOrders(n int) []*events.OrderPlaced {
	at, _ := events.ParseInstant("2025-01-10T12:00:00Z")
	orders := make([]*events.OrderPlaced, n)
	for i := range orders {
		orders[i] = &events.OrderPlaced{
			Header: events.Header{ID: fmt.Sprint("e", i), Customer: "ann", At: at + events.Instant(i%300)*86_400_000},
			Order:  fmt.Sprint("o", i), Currency: "USD", Lines: []events.Line{
				{Line: "1", SKU: "a", Quantity: 1, Amount: events.Money(1000 + i%7777)}, {Line: "2", SKU: "b", Quantity: 2, Amount: 2599, Discount: 100}},
		}
	}
	return orders
}

func benchInput(o *events.OrderPlaced) loyalty.Input {
	return loyalty.Input{Event: o, Clock: o.At, Cause: events.Cause{Topic: "orders", Event: o.ID}}
}

// encoding is the records of a customer of whom nothing but the account is known. Like the store, it keeps bytes.
type encoding struct {
	loyalty.Records
	buffer []byte
}

func (*encoding) Seen(string) (events.Fingerprint, bool) { return events.Fingerprint{}, false }
func (*encoding) PutSeen(string, events.Fingerprint)     {}
func (*encoding) Order(string) *loyalty.Order            { return nil }
func (r *encoding) PutOrder(o *loyalty.Order)            { r.buffer = loyalty.AppendOrder(r.buffer[:0], o) }

// benchAccount returns an account that holds so many lots, ten days apart.
func benchAccount(p *loyalty.Program, lots int) *loyalty.Account {
	a, records := loyalty.NewAccount("ann"), &encoding{}
	at, _ := events.ParseInstant("2024-01-10T12:00:00Z")
	for i, o := range benchOrders(lots) {
		o.At = at + events.Instant(i)*864_000_000
		loyalty.Decide(p, a, records, benchInput(o))
	}
	return a
}

// BenchmarkDecideOrder decides orders of two lines of an account that holds a year of them.
func BenchmarkDecideOrder(b *testing.B) {
	p, account, records := benchRules(b), loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
	orders := benchOrders(fresh + 10)
	for _, o := range orders[fresh:] {
		loyalty.Decide(p, account, records, benchInput(o))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		loyalty.Decide(p, account.Clone(), records, benchInput(orders[i%fresh]))
	}
}

// BenchmarkDecideLots40 is the engine's part of an order on a busy account, which grows from 40 lots to 80.
func BenchmarkDecideLots40(b *testing.B) {
	p, records := benchRules(b), &encoding{}
	base, orders := benchAccount(p, 40), benchOrders(fresh)
	a := base.Clone()
	var d loyalty.Decider
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if len(a.Lots) == 80 {
			a = base.Clone()
		}
		a = a.Successor()
		benchDecide(b, &d, p, a, records, orders[i%fresh])
	}
}

// BenchmarkDecideCold is the same with accounts of 20 lots drawn from 100,000, which are in no cache.
func BenchmarkDecideCold(b *testing.B) {
	p, records := benchRules(b), &encoding{}
	encoded, orders := loyalty.AppendAccount(nil, benchAccount(p, 20)), benchOrders(fresh)
	accounts := make([]*loyalty.Account, 100_000)
	for i := range accounts {
		a, err := loyalty.DecodeAccount(encoded)
		if err != nil {
			b.Fatal(err)
		}
		accounts[i] = a
	}
	random := rand.New(rand.NewPCG(1, 2))
	var d loyalty.Decider
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x := random.IntN(len(accounts))
		accounts[x] = accounts[x].Successor()
		benchDecide(b, &d, p, accounts[x], records, orders[i%fresh])
	}
}

// benchDecide is what the engine and the store do with an account for an order.
func benchDecide(b *testing.B, d *loyalty.Decider, p *loyalty.Program, a *loyalty.Account, r loyalty.Records, o *events.OrderPlaced) {
	d.Decide(p, a, r, benchInput(o))
	if err := a.CheckDecided(); err != nil {
		b.Fatal(err)
	}
	loyalty.NextDue(loyalty.History{p}, a, a.Clock)
}

// BenchmarkEvolve folds the decision of an order.
func BenchmarkEvolve(b *testing.B) {
	p, records := benchRules(b), &encoding{}
	base := benchAccount(p, 40)
	d, _ := loyalty.Decide(p, base.Clone(), records, benchInput(benchOrders(1)[0]))
	a := base.Clone()
	var evolver loyalty.Evolver
	b.ReportAllocs()
	for b.Loop() {
		if len(a.Lots) == 80 {
			a = base.Clone()
		}
		d.Entries[0].Lot = a.LotLast + 1
		evolver.Evolve(a, records, &d)
	}
}

func BenchmarkAppendAccount(b *testing.B) {
	a := benchAccount(benchRules(b), 40)
	buffer := loyalty.AppendAccount(nil, a)
	b.ReportAllocs()
	for b.Loop() {
		buffer = loyalty.AppendAccount(buffer[:0], a)
	}
}

func BenchmarkDecodeAccount(b *testing.B) {
	encoded := loyalty.AppendAccount(nil, benchAccount(benchRules(b), 40))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := loyalty.DecodeAccount(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendOrder(b *testing.B) {
	p, records := benchRules(b), loyalty.NewMemoryRecords()
	o := benchOrders(1)[0]
	loyalty.Decide(p, loyalty.NewAccount("ann"), records, benchInput(o))
	order, buffer := records.Order(o.Order), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buffer = loyalty.AppendOrder(buffer[:0], order)
	}
}
