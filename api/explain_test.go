package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
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
	t.Run("a return, a refusal and a repetition say why", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/events", `{"type":"OrderReturned","id":"back","customer":"ann","at":"2026-11-22T09:30:00Z","order":"o1","return":"r1"}`).is(202)
		says(t, explain(s, "back"), "Return r1 of order o1", "100 points taken back", "0 spendable")
		s.post("/v1/redemptions", redeem(60, `,"id":"k1","redemption":"x"`)).is(http.StatusConflict)
		says(t, explain(s, "k1"), "Redemption x asked for 60 points", "not carried out", "fewer spendable points")
		s.order("ann", "o1", 100)
		says(t, explain(s, "@3"), "not carried out", "decided before")
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
