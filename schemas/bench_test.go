package schemas_test

import (
	"testing"

	hamba "github.com/hamba/avro/v2"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// order is a usual order: two lines, three hashes.
func order() *events.OrderPlaced {
	return &events.OrderPlaced{
		Header: events.Header{ID: "evt-0001-7f3a9c21", Customer: "customer-004711", At: 1763805600000},
		Order:  "order-2026-0001234", Currency: "USD", Channel: "APP", Store: "berlin-1",
		Lines: []events.Line{
			{Line: "1", SKU: "SKU-1001-RED-42", Category: "shoes", Quantity: 1, Amount: 8999, Discount: 500},
			{Line: "2", SKU: "SKU-2002-BLU-M", Category: "shirts", Quantity: 2, Amount: 3998},
		},
		Tax: 2072, Shipping: 499,
		EmailHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		IPHash:    "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
	}
}

// orderDecision is what such an order leads to.
func orderDecision() *events.Decision {
	return &events.Decision{
		Cause:    events.Cause{Topic: "orders", Partition: 3, Offset: 123456, Event: "evt-0001-7f3a9c21"},
		Customer: "customer-004711", Clock: 1763800000000,
		Program: events.ProgramRef{Version: 3, Hash: events.Hash{1, 2, 3}},
		Result:  events.Applied,
		Entries: []events.Entry{
			{Type: events.Earn, Points: 124, Lot: 17, Rule: "base", Asked: 124, Order: "order-2026-0001234", EarnedAt: 1763805600000, ActiveAt: 1765015200000, ExpiresAt: 1796551200000},
			{Type: events.Earn, Points: 89, Lot: 17, Rule: "shoes", Asked: 89, Order: "order-2026-0001234", EarnedAt: 1763805600000, ActiveAt: 1765015200000, ExpiresAt: 1796551200000},
		},
		Balance: events.Balance{Active: 1200, Pending: 213}, Tier: "Silver", Chain: events.Hash{9, 8, 7},
		Facts: events.Facts{
			Type: events.TypeOrderPlaced, At: 1763805600000, Payload: events.Fingerprint{5, 5},
			Order: &events.OrderFact{
				Order: "order-2026-0001234",
				Lines: []events.LineFact{{Line: "1", Amount: 8999, Discount: 500}, {Line: "2", Amount: 3998}},
				Rules: []events.RuleFact{{Rule: "base"}, {Rule: "shoes", Lines: []int32{0}}},
			},
			Counts: []events.Count{{Every: "month", From: 1761951600000, Add: 213}},
		},
	}
}

func BenchmarkEncodeOrder(b *testing.B) {
	c, e, buf := schemas.NewCodec(), order(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = c.AppendEvent(buf[:0], e); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeOrder(b *testing.B) {
	c, room := schemas.NewCodec(), schemas.EventRoom{}
	value, _ := c.AppendEvent(nil, order())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.DecodeEventInto(value, &room); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(value)))
}

func BenchmarkEncodeDecision(b *testing.B) {
	c, d, buf := schemas.NewCodec(), orderDecision(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = c.AppendDecision(buf[:0], d); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeDecision(b *testing.B) {
	c := schemas.NewCodec()
	value, _ := c.AppendDecision(nil, orderDecision())
	var d events.Decision
	b.ReportAllocs()
	for b.Loop() {
		if err := c.DecodeDecision(value, &d); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(value)))
}

func BenchmarkPartition(b *testing.B) {
	for b.Loop() {
		schemas.Partition("customer-004711", 12)
	}
}

// BenchmarkDecodeOrderByHamba is the reflection codec on the same bytes, without validation, to compare with.
func BenchmarkDecodeOrderByHamba(b *testing.B) {
	value, _ := schemas.NewCodec().AppendEvent(nil, order())
	api := hamba.Config{TagKey: "json"}.Freeze()
	schema := parse(schemas.Text("OrderPlaced"))
	b.ReportAllocs()
	for b.Loop() {
		var e events.OrderPlaced
		if err := api.Unmarshal(schema, value[10:], &e); err != nil {
			b.Fatal(err)
		}
	}
}
