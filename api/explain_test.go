package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func TestExplain(t *testing.T) {
	explain := func(s *shop, event string) api.Explanation {
		s.t.Helper()
		var x api.Explanation
		s.get("/v1/customers/ann/explain/" + event).is(http.StatusOK).into(&x)
		return x
	}
	says := func(t *testing.T, x api.Explanation, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(x.Text, want) {
				t.Errorf("the text does not say %q:\n%s", want, x.Text)
			}
		}
	}
	t.Run("an order is reckoned once more, as the account was then", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 1000)
		s.order("ann", "o2", 100)
		s.order("ann", "o3", 1)
		x := explain(s, "placed-o2")
		if x.Missing != "" || len(x.Steps) == 0 || len(x.Lots) != 1 || x.Lots[0].Active != 150 || x.Program == nil {
			t.Errorf("the explanation is %+v", x)
		}
		says(t, x, "Order o2 was placed, at 2026-11-22T09:00:00.000Z", "150 points earned", "by rule base", "line 1", "× 1.5 as Gold",
			"tier Gold", "test-rewards, version 1", "Ledger: partition", "decided on orders")
	})
	t.Run("a few accounts are rebuilt at a time, and the others wait", func(t *testing.T) {
		s := open(t)
		names := []string{"ann", "bob", "cid", "dan", "eve"}
		for _, name := range names {
			s.order(name, name, 5)
		}
		var reading, most atomic.Int32
		s.world.onLedger = func(context.Context) error {
			n := reading.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(20 * time.Millisecond)
			reading.Add(-1)
			return nil
		}
		var all sync.WaitGroup
		for _, name := range names {
			all.Go(func() { s.get("/v1/customers/" + name + "/explain/placed-" + name).is(http.StatusOK) })
		}
		all.Wait()
		if n := most.Load(); n > 2 {
			t.Errorf("%d accounts were rebuilt at the same time, want 2 at most", n)
		}
	})
	t.Run("a return, a refusal and a repetition say why", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/events", `{"type":"OrderReturned","id":"back","customer":"ann","at":"2026-11-22T09:30:00Z","order":"o1","return":"r1"}`).is(202)
		says(t, explain(s, "back"), "Return r1 of order o1", "100 points taken back", "0 spendable")
		s.post("/v1/redemptions", redeem(60, `,"id":"k1","redemption":"x"`)).is(http.StatusConflict)
		says(t, explain(s, "k1"), "Redemption x asked for 60 points", "not carried out", "fewer spendable points")
		s.order("ann", "o1", 100)
		says(t, explain(s, "@3"), "not carried out", "decided before")
	})
	t.Run("an event that waited says how that ended, and so does its order", func(t *testing.T) {
		s := open(t)
		send := func(id, text string) {
			s.post("/v1/events", `{"id":"`+id+`","customer":"ann","at":"2026-11-22T09:00:00Z","order":"o1",`+text+`}`).is(202)
		}
		send("good", `"type":"OrderReturned","return":"r1","lines":[{"line":"1","amount_minor":400}]`)
		send("bad", `"type":"OrderReturned","return":"r2","lines":[{"line":"9","amount_minor":500}]`)
		send("sent", `"type":"OrderFulfilled"`)
		send("again", `"type":"OrderFulfilled"`)
		x := explain(s, "bad")
		if says(t, x, "\nIt waits: its order has not come yet.\n"); x.Ended != nil {
			t.Errorf("it waits, and ended as %+v", x.Ended)
		}
		s.order("bob", "other", 10)
		s.order("ann", "o0", 1)
		s.order("ann", "o1", 10)
		where := s.accounts["ann"].position
		for event, words := range map[string]string{
			"good":  "It waited for its order, and was carried out when that came. See placed-o1, at",
			"bad":   "It waited for its order, and was refused when that came: the return names a line that the order does not have. See placed-o1, at",
			"again": "It waited for its order, and was not carried out when that came: the order was fulfilled before. See",
		} {
			x := explain(s, event)
			says(t, x, words)
			if x.Ended == nil || x.Ended.By != "placed-o1" || x.Ended.Offset != where || x.Decision.Result != events.Waiting {
				t.Errorf("%s ended as %+v", event, x.Ended)
			}
		}
		says(t, explain(s, "placed-o1"), "10 points earned", "4 points taken back", "\nWhat had waited:\n"+
			"  Return r1 of order o1 (good) was carried out\n"+
			"  The fulfilment of order o1 (sent) was carried out\n"+
			"  Return r2 of order o1 (bad) was refused: the return names a line that the order does not have\n"+
			"  The fulfilment of order o1 (again) was not carried out: the order was fulfilled before\n")
	})
	t.Run("an event that waited in vain", func(t *testing.T) {
		s := open(t)
		accept := step("30 days")
		s.history[0].AcceptWithin = &accept
		s.post("/v1/events", `{"type":"OrderCancelled","id":"gone","customer":"ann","at":"2026-11-22T09:00:00Z","order":"o1"}`).is(202)
		s.order("ann", "o2", 1)
		s.tick(events.InstantOf(now.AddDate(0, 1, 0)))
		at := s.accounts["ann"].position
		by := fmt.Sprintf("@%d", at)
		x := explain(s, "gone")
		if says(t, x, "It waited for its order, and was dropped by the clock: it is older than the program accepts. See "+by); x.Ended.By != by || x.Ended.Offset != at {
			t.Errorf("it ended as %+v", x.Ended)
		}
		says(t, explain(s, by), "The cancellation of order o1 (gone) was dropped: it is older than the program accepts")
	})
	t.Run("a wait after which too much was decided", func(t *testing.T) {
		s := open(t, func(c *api.Config) { c.ExplainMax = 2 })
		s.post("/v1/events", `{"type":"OrderCancelled","id":"early","customer":"ann","at":"2026-11-22T09:00:00Z","order":"o1"}`).is(202)
		for _, id := range []string{"o1", "o2", "o3"} {
			s.order("ann", id, 1)
		}
		s.get("/v1/customers/ann/explain/early").problem(http.StatusUnprocessableEntity, api.ReasonTooLong)
	})
	t.Run("points that were not granted have no dates", func(t *testing.T) {
		s := open(t)
		s.history[0].Caps = []loyalty.Cap{{Points: 10}}
		s.order("ann", "o1", 10)
		s.order("ann", "o2", 10)
		says(t, explain(s, "placed-o1"), "spendable from 2026-11-22T09:00:00.000Z until")
		x := explain(s, "placed-o2")
		if says(t, x, "0 points earned, by rule base (of 10 asked for)"); strings.Contains(x.Text, "spendable from") || strings.Contains(x.Text, "some time after") {
			t.Errorf("points that nobody has are spendable some day:\n%s", x.Text)
		}
	})
	t.Run("a rule that has been granted as often as its limit allows", func(t *testing.T) {
		s := open(t)
		s.history[0].Earn[0].Limit = &loyalty.Limit{Times: 1}
		s.order("ann", "o1", 10)
		s.order("ann", "o2", 10)
		says(t, explain(s, "placed-o2"), "It changed no points: the rules that match were granted as often as their limits allow.")
	})
	t.Run("data cannot add lines or move the cursor", func(t *testing.T) {
		s := open(t)
		s.post("/v1/events", `{"type":"PointsAdjusted","id":"a","customer":"ann","at":"2026-11-22T09:00:00Z","points":5,"reason":"x\u001b[2J\nFAKE","actor":"ada"}`).is(202)
		says(t, explain(s, "a"), `ada adjusted the points by +5: x\x1b[2J\nFAKE, at`)
	})
	t.Run("what the clock did is found by its offset", func(t *testing.T) {
		s := rich(t)
		s.tick(events.InstantOf(now.AddDate(0, 2, 0)))
		says(t, explain(s, "@1"), "The clock moved on", "100 points expired")
	})
	t.Run("an event that is gone from its topic", func(t *testing.T) {
		s := rich(t)
		s.edit(func() { s.causeErr = errors.New("out of range") })
		x := explain(s, "placed-o1")
		if x.Missing == "" || len(x.Steps) != 0 || len(x.Lots) != 1 {
			t.Errorf("the explanation is %+v", x)
		}
		says(t, x, "cannot be shown", "100 points earned")
	})
	t.Run("an unknown event, or offset", func(t *testing.T) {
		s := rich(t)
		for _, event := range []string{"nope", "@7", "@x", "@-1"} {
			s.get("/v1/customers/ann/explain/"+event).problem(http.StatusNotFound, api.ReasonUnknownEvent)
		}
	})
	t.Run("a history that is too long", func(t *testing.T) {
		s := rich(t, func(c *api.Config) { c.ExplainMax = 1 })
		s.order("ann", "o2", 1)
		s.get("/v1/customers/ann/explain/placed-o2").problem(http.StatusUnprocessableEntity, api.ReasonTooLong)
	})
	t.Run("the ledger cannot be read", func(t *testing.T) {
		s := rich(t)
		s.edit(func() { s.ledgerErr = errors.New("no leader") })
		s.get("/v1/customers/ann/explain/placed-o1").problem(http.StatusServiceUnavailable, api.ReasonKafkaUnavailable)
	})
}
