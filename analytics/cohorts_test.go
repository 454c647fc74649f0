package analytics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/analytics"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/schemas"
)

const prefix = "t."

// world writes topics as producers and an engine would.
type world struct {
	t      *testing.T
	kafka  *kgo.Client
	codec  *schemas.Codec
	source *analytics.Source
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	opts := []kgo.Opt{kgo.SeedBrokers(c.Brokers()...)}
	kafka, err := kgo.NewClient(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("test"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	for _, topic := range []schemas.Topic{schemas.TopicLedger, schemas.TopicOrders, schemas.TopicTransfers} {
		if _, err := kadm.NewClient(kafka).CreateTopic(t.Context(), 2, 1, nil, topic.Name(prefix)); err != nil {
			t.Fatal(err)
		}
	}
	codec := schemas.NewCodec()
	return &world{t, kafka, codec, &analytics.Source{Options: opts, Prefix: prefix, Codec: codec}}
}

// send writes a record in a transaction of its own, so that markers lie between the records.
func (w *world) send(topic schemas.Topic, customer string, value []byte, err error) int64 {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx := context.Background()
	if err := w.kafka.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	rec := &kgo.Record{Topic: topic.Name(prefix), Partition: schemas.Partition(customer, 2), Key: schemas.Key(customer), Value: value}
	if err := w.kafka.ProduceSync(ctx, rec).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.kafka.EndTransaction(ctx, kgo.TryCommit); err != nil {
		w.t.Fatal(err)
	}
	return rec.Offset
}

func (w *world) event(e events.Event) events.Cause {
	w.t.Helper()
	topic := schemas.TopicOf(e.EventType())
	value, err := w.codec.AppendEvent(nil, e)
	customer := e.Head().Customer
	return events.Cause{Topic: string(topic), Partition: schemas.Partition(customer, 2), Offset: w.send(topic, customer, value, err), Event: e.Head().ID}
}

func (w *world) decision(d events.Decision) {
	w.t.Helper()
	value, err := w.codec.AppendDecision(nil, &d)
	w.send(schemas.TopicLedger, d.Customer, value, err)
}

func instant(t *testing.T, s string) events.Instant {
	t.Helper()
	at, err := events.ParseInstant(s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func (w *world) order(customer, id, at string, amount, discount events.Money) *events.OrderPlaced {
	return &events.OrderPlaced{
		Header: events.Header{ID: "e" + id, Customer: customer, At: instant(w.t, at)}, Order: id, Currency: "USD",
		Lines: []events.Line{{Line: "1", SKU: "x", Quantity: 1, Amount: amount, Discount: discount}, {Line: "2", SKU: "y", Quantity: 1, Amount: amount}},
	}
}

// accept writes an order and the decision that it counted.
func (w *world) accept(o *events.OrderPlaced, rate string, points events.Points) {
	w.t.Helper()
	fact := &events.OrderFact{Order: o.Order, Rate: rate}
	for _, l := range o.Lines {
		fact.Lines = append(fact.Lines, events.LineFact{Line: l.Line, Amount: l.Amount})
	}
	w.decision(events.Decision{
		Cause: w.event(o), Customer: o.Customer, Result: events.Applied,
		Entries: []events.Entry{{Type: events.Earn, Points: points, Lot: 1}},
		Facts:   events.Facts{Type: events.TypeOrderPlaced, At: o.At, Order: fact},
	})
}

func TestOnlyOrdersThatCountedAreInTheTable(t *testing.T) {
	w := newWorld(t)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// Ann's first order is in January in UTC and in February in Berlin.
	first := w.order("ann", "1", "2026-01-31T23:30:00Z", 1000, 100)
	w.accept(first, "", 19)
	for _, result := range []events.Result{events.Duplicate, events.Conflict, events.Refused, events.Stale} {
		w.decision(events.Decision{Cause: w.event(first), Customer: "ann", Result: result, Facts: events.Facts{Type: events.TypeOrderPlaced, At: first.At}})
	}
	w.event(w.order("zoe", "9", "2026-02-01T10:00:00Z", 5000, 0)) // not decided yet
	w.accept(w.order("ann", "2", "2026-04-10T10:00:00Z", 500, 0), "", 10)
	// Half of line 2 of order 2 comes back; then order 1 as a whole.
	w.decision(events.Decision{Cause: events.Cause{Topic: "returns"}, Customer: "ann", Result: events.Applied,
		Facts: events.Facts{Type: events.TypeOrderReturned, At: instant(t, "2026-04-11T10:00:00Z"), Returns: []events.ReturnFact{{Order: "2", Return: "r", Lines: []events.ReturnLine{{Line: 1, Amount: 250}}}}}})
	w.decision(events.Decision{Cause: events.Cause{Topic: "orders"}, Customer: "ann", Result: events.Applied,
		Facts: events.Facts{Type: events.TypeOrderCancelled, At: instant(t, "2026-03-01T10:00:00Z"), Cancelled: []string{"1"}}})
	// Bob pays in euros, and is merged into Cid, who ordered later; Cid redeems.
	w.accept(w.order("bob", "3", "2026-03-05T10:00:00Z", 1000, 0), "27/25", 21)
	w.accept(w.order("cid", "4", "2026-04-05T10:00:00Z", 1000, 0), "", 20)
	w.decision(events.Decision{Cause: events.Cause{Topic: "crm"}, Customer: "bob", Result: events.Applied, Facts: events.Facts{Type: events.TypeAccountsMerged, MergedInto: "cid"}})
	w.decision(events.Decision{Cause: events.Cause{Topic: "redemptions"}, Customer: "cid", Result: events.Applied,
		Entries: []events.Entry{{Type: events.Confirm, Points: 7, Lot: 1}}, Facts: events.Facts{Type: events.TypeRedemptionConfirmed, At: instant(t, "2026-04-06T10:00:00Z")}})

	got, err := analytics.ReadCohorts(t.Context(), w.source, analytics.CohortConfig{Location: berlin, Currency: "USD", Decimals: 2, Discount: 0.10})
	if err != nil {
		t.Fatal(err)
	}
	want := []analytics.Cohort{
		{Month: "2026-02", Customers: 1, Months: []analytics.CohortMonth{
			{Since: 0, Active: 1, Orders: 1, Revenue: 1900, Points: 19, LTV: 1900, LTVDiscounted: 1900},
			{Since: 1, Refunds: 1900},
			{Since: 2, Active: 1, Orders: 1, Revenue: 1000, Refunds: 250, Points: 10, LTV: 750, LTVDiscounted: 723.2},
		}},
		{Month: "2026-03", Customers: 1, Months: []analytics.CohortMonth{
			{Since: 0, Active: 1, Orders: 1, Revenue: 2160, Points: 21, LTV: 2160, LTVDiscounted: 2160},
			{Since: 1, Active: 1, Orders: 1, Revenue: 2000, Points: 20, Redeemed: 7, LTV: 4160, LTVDiscounted: 4144.18},
		}},
	}
	// 1900 − 1900 ÷ 1.1^(1/12) + 750 ÷ 1.1^(2/12)
	want[0].Months[1].LTVDiscounted = 15.03
	want[0].Months[2].LTVDiscounted = 753.21
	if g, x := asJSON(t, got.Cohorts), asJSON(t, want); g != x {
		t.Errorf("cohorts\n%s\nwant\n%s", g, x)
	}
	for field := range map[string]bool{"ltv_minor": true, "ltv_discounted_minor": true, "revenue_minor": true} {
		if got.Definitions[field] == "" {
			t.Errorf("%s is not defined", field)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (w *world) cohorts() []analytics.Cohort {
	w.t.Helper()
	got, err := analytics.ReadCohorts(w.t.Context(), w.source, analytics.CohortConfig{Location: time.UTC, Currency: "USD", Decimals: 2})
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Cohorts
}

// The decision that has a waiting return in its facts is the order's, and of its time. The merge makes the return wait
// with one customer and the order come to another.
func TestWhatWaitedForItsOrderIsInTheMonthItCameBack(t *testing.T) {
	for name, merge := range map[string]bool{"of one customer": false, "of merged customers": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			waits := func(customer string, e events.Event) {
				stored, err := events.EncodeJSON(e)
				if err != nil {
					t.Fatal(err)
				}
				w.decision(events.Decision{Cause: events.Cause{Topic: "returns", Event: e.Head().ID}, Customer: customer, Result: events.Waiting, Reason: "order_unknown",
					Facts: events.Facts{Type: e.EventType(), At: e.Head().At, Waiting: stored}})
			}
			customer := "ann"
			if merge {
				customer = "bob"
				w.decision(events.Decision{Cause: events.Cause{Topic: "crm"}, Customer: "bob", Result: events.Applied, Facts: events.Facts{Type: events.TypeAccountsMerged, MergedInto: "ann"}})
			}
			head := func(id, at string) events.Header {
				return events.Header{ID: id, Customer: customer, At: instant(t, at)}
			}
			waits(customer, &events.OrderReturned{Header: head("r1", "2026-02-05T10:00:00Z"), Order: "1", Return: "R1", Lines: []events.ReturnedLine{{Line: "1", Amount: 500}}})
			waits(customer, &events.OrderCancelled{Header: head("c1", "2026-03-05T10:00:00Z"), Order: "1"})
			o := w.order("ann", "1", "2026-01-10T10:00:00Z", 1000, 0)
			w.decision(events.Decision{Cause: w.event(o), Customer: "ann", Result: events.Applied,
				Facts: events.Facts{Type: events.TypeOrderPlaced, At: o.At, Applied: []string{"r1", "c1"}, Cancelled: []string{"1"},
					Order:   &events.OrderFact{Order: "1", Lines: []events.LineFact{{Line: "1", Amount: 1000}, {Line: "2", Amount: 1000}}},
					Returns: []events.ReturnFact{{Order: "1", Return: "R1", Lines: []events.ReturnLine{{Line: 0, Amount: 500}}}}}})
			w.accept(w.order("zoe", "2", "2026-03-10T10:00:00Z", 1000, 0), "", 0) // so that the table has these months
			m := w.cohorts()[0].Months
			if m[0].Refunds != 0 || m[1].Refunds != 500 || m[2].Refunds != 1500 {
				t.Errorf("refunds are %d, %d and %d, want 0, 500 and 1500", m[0].Refunds, m[1].Refunds, m[2].Refunds)
			}
		})
	}
}

// Bob and Cid both have an order 1 when Bob is merged into Cid, who calls Bob's 1@bob from then on.
func TestRefundsOfMergedCustomersAreOfTheirOwnOrders(t *testing.T) {
	w := newWorld(t)
	returned := func(customer, order, id, at string, lines ...events.ReturnLine) {
		w.decision(events.Decision{Cause: events.Cause{Topic: "returns"}, Customer: customer, Result: events.Applied,
			Facts: events.Facts{Type: events.TypeOrderReturned, At: instant(t, at), Returns: []events.ReturnFact{{Order: order, Return: id, Whole: lines == nil, Lines: lines}}}})
	}
	w.accept(w.order("bob", "1", "2026-01-10T10:00:00Z", 1000, 0), "", 0)
	w.accept(w.order("bob", "2", "2026-01-10T10:00:00Z", 100, 0), "", 0)
	cids := w.order("cid", "1", "2026-01-10T10:00:00Z", 5000, 0)
	cids.ID = "other"
	w.accept(cids, "", 0)
	returned("bob", "1", "r1", "2026-01-11T10:00:00Z", events.ReturnLine{Line: 0, Amount: 700})
	w.decision(events.Decision{Cause: events.Cause{Topic: "crm"}, Customer: "bob", Result: events.Applied, Facts: events.Facts{Type: events.TypeAccountsMerged, MergedInto: "cid"}})
	w.decision(events.Decision{Cause: events.Cause{Topic: "transfers"}, Customer: "cid", Result: events.Applied,
		Facts: events.Facts{Type: events.TypeMergeCredited, At: cids.At, Merged: []byte{1}, References: []events.Reference{{Kind: events.TypeMergeCredited, ID: "bob"}}}})
	returned("cid", "1@bob", "r2", "2026-02-12T10:00:00Z")
	returned("cid", "2", "r3", "2026-03-13T10:00:00Z")
	returned("cid", "1", "r4", "2026-04-14T10:00:00Z", events.ReturnLine{Line: 1, Amount: 40})

	c := w.cohorts()[0]
	if c.Customers != 1 || c.Months[0].Orders != 3 || c.Months[0].Revenue != 12200 {
		t.Errorf("cohort %+v, want one customer with three orders", c)
	}
	for since, want := range []events.Money{700, 1300, 200, 40} {
		if got := c.Months[since].Refunds; got != want {
			t.Errorf("refunds of month %d are %d, want %d", since, got, want)
		}
	}
}

// 100,000,000 rupiah with 20,000,000 off: one of the two lines comes back.
func TestRefundsOfLargeOrders(t *testing.T) {
	w := newWorld(t)
	o := w.order("ann", "1", "2026-01-10T10:00:00Z", 5_000_000_000, 0)
	o.OrderDiscount = 2_000_000_000
	w.accept(o, "", 0)
	w.decision(events.Decision{Cause: events.Cause{Topic: "returns"}, Customer: "ann", Result: events.Applied,
		Facts: events.Facts{Type: events.TypeOrderReturned, At: o.At + 1, Returns: []events.ReturnFact{{Order: "1", Return: "r", Lines: []events.ReturnLine{{Line: 0, Amount: 5_000_000_000}}}}}})
	if got := w.cohorts()[0].Months[0].Refunds; got != 4_000_000_000 {
		t.Errorf("half of an order of 8,000,000,000 came back: refunds are %d", got)
	}
}

// A slip of a shop may be as large as 64 bits hold, and counts like any order: what is added to it makes no loss.
func TestRevenueThatDoesNotFitStaysAtTheEnd(t *testing.T) {
	w := newWorld(t)
	slip := w.order("ann", "1", "2026-01-10T10:00:00Z", 0, 0)
	slip.Lines[0].Amount = math.MaxInt64
	w.accept(slip, "", math.MaxInt64)
	w.accept(w.order("ann", "2", "2026-01-11T10:00:00Z", 500, 0), "", 5)
	w.accept(w.order("bob", "3", "2026-01-12T10:00:00Z", 500, 0), "", 5)
	converted := w.order("bob", "4", "2026-02-12T10:00:00Z", 0, 0)
	converted.Lines[0].Amount = math.MaxInt64
	w.accept(converted, "1.08", 0)
	c := w.cohorts()[0]
	for _, m := range c.Months {
		if m.Revenue != math.MaxInt64 || m.LTV <= 0 || m.LTVDiscounted <= 0 {
			t.Errorf("month %+v", m)
		}
	}
	if got := c.Months[0].Points; got != math.MaxInt64 {
		t.Errorf("points are %d", got)
	}
}

func TestNoOrdersAreAnEmptyTable(t *testing.T) {
	if got := asJSON(t, newWorld(t).cohorts()); got != "[]" {
		t.Errorf("cohorts are %s", got)
	}
}

// A discount of the whole order may be for its shipping too, or a slip: it makes no customer worth less than nothing.
func TestAnOrderIsNotWorthLessThanNothing(t *testing.T) {
	w := newWorld(t)
	o := w.order("ann", "1", "2026-01-10T10:00:00Z", 500, 0)
	o.OrderDiscount = 5000
	w.accept(o, "", 0)
	w.decision(events.Decision{Cause: events.Cause{Topic: "returns"}, Customer: "ann", Result: events.Applied,
		Facts: events.Facts{Type: events.TypeOrderReturned, At: o.At + 1, Returns: []events.ReturnFact{{Order: "1", Return: "r", Lines: []events.ReturnLine{{Line: 1, Amount: 250}}}}}})
	want := []analytics.Cohort{{Month: "2026-01", Customers: 1, Months: []analytics.CohortMonth{{Active: 1, Orders: 1}}}}
	if g, x := asJSON(t, w.cohorts()), asJSON(t, want); g != x {
		t.Errorf("cohorts\n%s\nwant\n%s", g, x)
	}
}

func TestCohortsCanBeWritten(t *testing.T) {
	c := &analytics.Cohorts{Timezone: "UTC", Definitions: map[string]string{"since": "a < b"}, Cohorts: []analytics.Cohort{
		{Month: "2026-01", Customers: 4, Months: []analytics.CohortMonth{{Since: 0, Active: 4, Orders: 5, Revenue: 1234, LTV: 308.5}, {Since: 1, Active: 1, LTV: 308.5}}}}}
	var csv, page bytes.Buffer
	if err := c.WriteCSV(&csv); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(csv.String(), "2026-01,4,0,4,5,1234,0,0,0,308.50,0.00\n") {
		t.Errorf("csv:\n%s", &csv)
	}
	if err := c.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", ">25.0%<", "2026-01  (4)", "a &lt; b"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestABrokerThatIsNotThereIsAnError(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	src := &analytics.Source{Options: []kgo.Opt{kgo.SeedBrokers("127.0.0.1:1")}, Prefix: prefix, Codec: schemas.NewCodec()}
	if _, err := analytics.ReadCohorts(ctx, src, analytics.CohortConfig{Location: time.UTC}); err == nil {
		t.Error("no error")
	}
}

func TestRefundsAfterTheLastOrderCount(t *testing.T) {
	w := newWorld(t)
	w.accept(w.order("ann", "1", "2026-01-10T10:00:00Z", 1000, 0), "", 20)
	w.decision(events.Decision{Cause: events.Cause{Topic: "returns"}, Customer: "ann", Result: events.Applied,
		Facts: events.Facts{Type: events.TypeOrderReturned, At: instant(t, "2026-03-11T10:00:00Z"), Returns: []events.ReturnFact{{Order: "1", Return: "r", Lines: []events.ReturnLine{{Line: 1, Amount: 250}}}}}})
	w.decision(events.Decision{Cause: events.Cause{Topic: "redemptions"}, Customer: "ann", Result: events.Applied,
		Entries: []events.Entry{{Type: events.Confirm, Points: 7, Lot: 1}}, Facts: events.Facts{Type: events.TypeRedemptionConfirmed, At: instant(t, "2046-04-06T10:00:00Z")}})
	table, err := analytics.ReadCohorts(t.Context(), w.source, analytics.CohortConfig{Location: time.UTC, Currency: "USD", Decimals: 2})
	if err != nil {
		t.Fatal(err)
	}
	months := table.Cohorts[0].Months
	if len(months) != 3 || months[2].Refunds != 250 || months[2].LTV != 1750 || months[1].LTV != 2000 {
		t.Errorf("months %+v, want three, the refund in the last", months)
	}
}
