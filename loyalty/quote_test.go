package loyalty_test

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// A checkout that sends the quoted points with the quoted total is not refused, and one step more would be.
func TestWhatIsQuotedIsAcceptedAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, options ...string) string { return rapid.SampledFrom(options).Draw(t, name) }
		number := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
		step, minimum := 1+number("step", 20), 1+number("minimum", 150)
		share, value := pick("share", "0.5", "0.333", "1", "0.07"), pick("value", "0.01", "0.005", "0.07", "1.00")
		p, err := program.Parse(fmt.Appendf(nil, "program: q\ncurrency: USD\ntimezone: UTC\npoint_value: %s\n"+
			"rates: {EUR: 1.08, JPY: 0.0065, GBP: 1.25}\n"+
			"redemption: {minimum: %d, step: %d, max_share_of_order: %s}\n"+
			"earn: [{id: base, on: OrderPlaced, per: 1.00, points: 1}]\n", value, minimum, step, share), "q.yaml")
		if err != nil {
			t.Fatal(err)
		}
		money := func(name string, most int) events.Money { return events.Money(number(name, most)) }
		head := events.Header{ID: "cart", Customer: "ann", At: 1_700_000_000_000}
		cart := &events.OrderPlaced{
			Header: head, Order: "o", Currency: pick("currency", "USD", "EUR", "JPY", "GBP", "CHF"),
			OrderDiscount: money("discount", 2000), Tax: money("tax", 900), Shipping: money("shipping", 900),
		}
		if rapid.Bool().Draw(t, "paid before") {
			cart.PaidPoints = money("paid", 3000)
		}
		for i := range number("lines", 3) {
			cart.Lines = append(cart.Lines, events.Line{Line: fmt.Sprint(i), Amount: money("amount", 20_000), Discount: money("less", 2000)})
		}
		a, r := loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
		balance := 1 + number("balance", 20_000)
		loyalty.Decide(p, a, r, loyalty.Input{
			Event: &events.PointsAdjusted{Header: events.Header{ID: "up", Customer: "ann", At: head.At}, Points: int64(balance), Reason: "r", Actor: "a"},
			Cause: events.Cause{Event: "up"},
		})

		q := loyalty.Calculate(p, a, r, cart, nil, 0)
		if cart.Currency == "CHF" {
			if q.Redeemable != 0 || q.OrderTotal != nil || q.Reason != "unknown_currency" {
				t.Fatalf("a currency without a rate is quoted %+v", q)
			}
			return
		}
		redeem := func(points events.Points) (events.Result, string) {
			e := &events.RedemptionRequested{Header: head, Redemption: "r", Points: points, OrderTotal: *q.OrderTotal}
			made, _ := loyalty.Decide(p, a.Clone(), loyalty.NewMemoryRecords(), loyalty.Input{Event: e, Cause: events.Cause{Event: "r"}})
			return made.Result, made.Reason
		}
		if q.Redeemable > 0 {
			if result, reason := redeem(q.Redeemable); result != events.Applied {
				t.Fatalf("%+v was quoted, and is %s for %s", q, result, reason)
			}
		}
		more := q.Redeemable + events.Points(step)
		for more < events.Points(minimum) {
			more += events.Points(step)
		}
		if fits(cart, share, value, more) && more <= events.Points(balance) {
			t.Fatalf("%+v was quoted, and %d points would be within the share of %d too", q, more, *q.OrderTotal)
		}
		if result, _ := redeem(more); result == events.Applied && cart.PaidPoints == 0 && *q.OrderTotal != 0 {
			t.Fatalf("%+v was quoted, and %d points are accepted too", q, more)
		}
	})
}

// fits reckons in another way whether points and what was paid with points before stay within the share of a cart.
func fits(cart *events.OrderPlaced, share, value string, points events.Points) bool {
	rat := func(s string) *big.Rat { r, _ := new(big.Rat).SetString(s); return r }
	// Cents for a minor unit: a yen has no smaller one.
	rate := map[string]*big.Rat{"USD": rat("1"), "EUR": rat("1.08"), "GBP": rat("1.25"), "JPY": rat("0.65")}[cart.Currency]
	cents := func(m int64) *big.Rat { return new(big.Rat).Mul(new(big.Rat).SetInt64(m), rate) }
	total := int64(cart.Tax + cart.Shipping - cart.OrderDiscount)
	for _, l := range cart.Lines {
		total += int64(l.Amount - l.Discount)
	}
	whole := cents(max(total, 0))
	floored := new(big.Rat).SetInt(new(big.Int).Quo(whole.Num(), whole.Denom()))
	worth := new(big.Rat).Mul(new(big.Rat).SetInt64(100*int64(points)), rat(value))
	return worth.Add(worth, cents(int64(cart.PaidPoints))).Cmp(floored.Mul(floored, rat(share))) <= 0
}

func TestQuote(t *testing.T) {
	p, err := program.Parse([]byte("program: q\ncurrency: USD\ntimezone: UTC\npoint_value: 0.005\nrates: {JPY: 0.0065}\n"+
		"holdout: {percent: 100, salt: s}\nredemption: {max_share_of_order: 0.5}\n"+
		"earn: [{id: base, on: OrderPlaced, per: 1.00, points: 1}]\n"), "q.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, r := loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
	loyalty.Decide(p, a, r, loyalty.Input{
		Event: &events.PointsAdjusted{Header: events.Header{ID: "up", Customer: "ann", At: 1_700_000_000_000}, Points: 333, Reason: "r", Actor: "a"},
		Cause: events.Cause{Event: "up"},
	})
	cart := func(customer string) *events.OrderPlaced {
		return &events.OrderPlaced{
			Header: events.Header{ID: "cart", Customer: customer, At: 1_700_000_000_000}, Order: "o", Currency: "JPY",
			Lines: []events.Line{{Line: "1", Amount: 1_000}},
		}
	}
	t.Run("says what the points are worth, floored", func(t *testing.T) {
		q := loyalty.Calculate(p, a, r, cart("ann"), nil, 0)
		if q.Redeemable != 333 || *q.RedeemableMinor != 166 || *q.OrderTotal != 650 || q.Result != events.Holdout {
			t.Errorf("quoted %+v", q)
		}
	})
	t.Run("takes a total that it is told", func(t *testing.T) {
		total := events.Money(100)
		if q := loyalty.Calculate(p, a, r, cart("ann"), &total, 0); q.Redeemable != 100 || *q.OrderTotal != 100 {
			t.Errorf("quoted %+v", q)
		}
	})
	t.Run("a guest is in no control group", func(t *testing.T) {
		q := loyalty.Calculate(p, loyalty.NewAccount(""), loyalty.NewMemoryRecords(), cart(""), nil, 0)
		if q.Result != events.Applied || q.Earns != 6 || q.Redeemable != 0 {
			t.Errorf("quoted %+v", q)
		}
	})
}

// While an order is being decided, its cart may still be quoted from the account as it was. Where all lots have gone the
// account has room for the next, and that is the order's.
func TestAQuoteWritesToNothingThatASuccessorHas(t *testing.T) {
	p, err := program.Parse([]byte("program: q\ncurrency: USD\ntimezone: UTC\npoint_value: 0.01\n"+
		"tiers: {metric: spend, window: lifetime, levels: [{name: base, from: 0}, {name: gold, from: 1000}]}\n"+
		"earn: [{id: base, on: OrderPlaced, per: 1.00, points: 1}]\n"), "q.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, r := loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
	decide := func(a *loyalty.Account, id string, e events.Event) {
		if made, _ := loyalty.Decide(p, a, r, loyalty.Input{Event: e, Cause: events.Cause{Event: id}}); made.Result != events.Applied {
			t.Fatalf("%s is %s: %s", id, made.Result, made.Reason)
		}
	}
	head := func(id string) events.Header { return events.Header{ID: id, Customer: "ann", At: 1_700_000_000_000} }
	order := func(id string, amount events.Money) *events.OrderPlaced {
		return &events.OrderPlaced{Header: head(id), Order: id, Currency: "USD", Lines: []events.Line{{Line: "1", Amount: amount}}}
	}
	decide(a, "first", order("first", 1_000))
	decide(a, "cancelled", &events.OrderCancelled{Header: head("cancelled"), Order: "first"})
	if len(a.Lots)+len(a.Qualifying) != 0 {
		t.Fatalf("%d lots are left and %d that qualify", len(a.Lots), len(a.Qualifying))
	}
	next := a.Successor()
	decide(next, "second", order("second", 2_000))
	want := loyalty.AppendAccount(nil, next)

	if q := loyalty.Calculate(p, a, r, order("cart", 77_700), nil, 0); q.Earns != 777 {
		t.Errorf("quoted %+v", q)
	}
	if got := loyalty.AppendAccount(nil, next); string(got) != string(want) {
		t.Errorf("the quote has changed the account after the second order: it has the lots %+v and %+v that qualify", next.Lots, next.Qualifying)
	}
}
