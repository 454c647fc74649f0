package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

// durable is a partition on the disk that decides what it is given.
type durable struct {
	t         *testing.T
	store     *state.Store
	partition *state.Partition
	decisions []events.Decision
}

func openDurable(t *testing.T) *durable {
	t.Helper()
	store, err := state.Open(state.DefaultConfig(t.TempDir()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	p, err := store.Partition(0)
	if err != nil {
		t.Fatal(err)
	}
	return &durable{t: t, store: store, partition: p}
}

func (d *durable) decide(e events.Event) {
	d.t.Helper()
	at := d.partition.Position()
	b := d.partition.Begin()
	a, r, err := b.Account(e.Head().Customer)
	if err != nil {
		d.t.Fatal(err)
	}
	cause := events.Cause{Topic: "orders", Offset: at.Ledger, Event: e.Head().ID}
	decision, _ := loyalty.Decide(rules(), a, r, loyalty.Input{Event: e, Cause: cause, Clock: events.InstantOf(now)})
	decision.Offset = at.Ledger
	b.Decided(&decision)
	next := at.Clone()
	next.Ledger++
	next.Clock = events.InstantOf(now)
	next.Inputs["orders"] = next.Ledger
	if err := b.Commit(next, []int64{decision.Offset}); err != nil {
		d.t.Fatal(err)
	}
	d.decisions = append(d.decisions, decision)
}

func placed(id string, dollars events.Money) *events.OrderPlaced {
	return &events.OrderPlaced{
		Header: events.Header{ID: "placed-" + id, Customer: "ann", At: events.InstantOf(now)}, Order: id, Currency: "USD",
		Lines: []events.Line{{Line: "1", SKU: "mug", Quantity: 1, Amount: dollars * 100}},
	}
}

func TestOverRealState(t *testing.T) {
	d := openDurable(t)
	s := open(t)
	own := func() {
		at := d.partition.Position()
		s.edit(func() {
			s.ledger[0] = d.decisions
			for n := range s.partitions {
				s.place[n] = api.Place{State: api.Owned, Store: api.StoreOf(d.partition), Folded: at.Ledger, Clock: at.Clock}
			}
		})
	}
	d.decide(placed("o1", 100))
	d.decide(placed("o2", 20))
	own()
	t.Run("reads answer what was committed", func(t *testing.T) {
		if b := s.balance("ann"); b.Active != 120 {
			t.Errorf("the balance is %+v", b)
		}
		var o api.Order
		s.get("/v1/customers/ann/orders/o2").is(http.StatusOK).into(&o)
		if len(o.Grants) != 1 || o.Grants[0].Granted != 20 {
			t.Errorf("the order is %+v", o)
		}
		s.get("/v1/customers/bob/balance").problem(http.StatusNotFound, api.ReasonUnknownCustomer)
	})
	t.Run("a wait ends with the commit, or with its time", func(t *testing.T) {
		for _, want := range []api.Position{{Next: 3}, {Topic: "orders", Next: 3}} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			if err := api.WaitFolded(ctx, d.partition, want); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waiting for %s ended with %v", want, err)
			}
			cancel()
		}
		done := make(chan error, 1)
		go func() { done <- api.WaitFolded(t.Context(), d.partition, api.Position{Next: 3}) }()
		d.decide(placed("o3", 1))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("its figures are shown", func(t *testing.T) {
		m := api.NewStateMetrics(d.store.Stats, func() map[int32]state.Stats {
			return map[int32]state.Stats{0: d.partition.Stats()}
		})
		if err := s.reg.Register(m); err != nil {
			t.Fatal(err)
		}
		text := string(s.get("/metrics").is(http.StatusOK).body)
		for _, line := range []string{"accrue_state_partitions 1\n", `accrue_state_accounts{partition="0"} 1` + "\n", `accrue_state_quarantined{partition="0"} 0`} {
			if !strings.Contains(text, line) {
				t.Errorf("/metrics lacks %s", line)
			}
		}
	})
}
