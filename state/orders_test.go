package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

// change decides one event of ann, with what do does to her records.
func change(t *testing.T, p *state.Partition, event string, do func(r *state.Records)) {
	t.Helper()
	b := p.Begin()
	_, r, err := b.Account("ann")
	if err != nil {
		t.Fatal(err)
	}
	r.PutSeen(event, events.Fingerprint{1})
	do(r)
	next := p.Position().Clone()
	b.Decided(&events.Decision{Customer: "ann", Result: events.Applied, Offset: next.Ledger, Cause: events.Cause{Event: event}})
	next.Ledger++
	if err := b.Commit(next, nil); err != nil {
		t.Fatal(err)
	}
}

func orderName(i int) string { return fmt.Sprintf("order<%d>", i) }

func place(t *testing.T, p *state.Partition, i int, at events.Instant) {
	t.Helper()
	change(t, p, fmt.Sprintf("event %d at %d", i, at), func(r *state.Records) {
		r.PutOrder(&loyalty.Order{ID: orderName(i), At: at})
	})
}

func requireOrders(t *testing.T, p *state.Partition, at []events.Instant) {
	t.Helper()
	r, err := p.Records("ann")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(at); i += racetest.Of(1, 7) {
		o := r.Order(orderName(i))
		if o == nil || o.At != at[i] {
			t.Fatalf("order %d of %d is %+v, want one at %d (%v)", i, len(at), o, at[i], r.Err())
		}
	}
	if o := r.Order(orderName(len(at))); o != nil {
		t.Errorf("an order that nobody has placed is %+v", o)
	}
	if all := r.All().Orders; len(all) != len(at) {
		t.Errorf("%d orders in all, want %d", len(all), len(at))
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// TestOrdersAreFoundWhereverTheyLie places so many orders that they lie in the tail, in chunks and under their own keys,
// and changes some of each.
func TestOrdersAreFoundWhereverTheyLie(t *testing.T) {
	const n = 600
	cfg := smallConfig(vfs.NewMem())
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	var at []events.Instant
	for i := range n {
		place(t, p, i, 1)
		at = append(at, 1)
		switch i % 50 {
		case 20: // an old one, in a chunk or under its own key
			at[i/2] = 2
			place(t, p, i/2, 2)
		case 30: // one in the tail, mostly
			at[i] = 3
			place(t, p, i, 3)
		}
		if i%racetest.Of(100, 300) == 99 {
			requireOrders(t, p, at)
		}
	}
	s = openAgain(t, s, cfg)
	p = openPartition(t, s, 0)
	requireOrders(t, p, at)

	change(t, p, "erasure", func(r *state.Records) {
		r.Clear()
		if o := r.Order(orderName(n - 1)); o != nil {
			t.Errorf("an order that was just cleared is %+v", o)
		}
	})
	requireOrders(t, p, nil)
	var dump strings.Builder
	if err := p.Dump(&dump); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(dump.String(), "order<") || strings.Contains(dump.String(), fmt.Sprintf("%x", "order<")) {
		t.Error("orders are still written down after they were cleared")
	}
	place(t, p, 0, 4)
	requireOrders(t, p, []events.Instant{4})
}

// TestAnOrderCostsNoKey counts what a thousand orders of a hundred customers write.
func TestAnOrderCostsNoKey(t *testing.T) {
	p := memoryPartition(t, func(c *state.Config) { c.FlushEvents = 1 << 20 })
	const customers, orders = 100, 1000
	b := p.Begin()
	for i := range orders {
		customer := fmt.Sprint("c", i%customers)
		_, r, err := b.Account(customer)
		if err != nil {
			t.Fatal(err)
		}
		r.PutOrder(&loyalty.Order{ID: orderName(i)})
		b.Decided(&events.Decision{Customer: customer, Result: events.Applied, Offset: int64(i), Cause: events.Cause{Event: orderName(i)}})
	}
	if err := b.Commit(state.Position{Ledger: orders}, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	// An account and a chunk for each customer, the position and the counter of flushes.
	if keys := p.Stats().KeysTotal; keys > 2*customers+3 {
		t.Errorf("%d orders of %d customers took %d keys", orders, customers, keys)
	}
}
