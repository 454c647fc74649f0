package api_test

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func TestLotsAndOrders(t *testing.T) {
	s := open(t, hasty)
	s.order("ann", "o1", 100)
	s.order("ann", "o2", 40)
	s.post("/v1/events", `{"type":"OrderReturned","id":"back","customer":"ann","at":"2026-11-22T09:30:00Z","order":"o1",`+
		`"return":"r1","lines":[{"line":"1","amount_minor":2500}]}`).is(http.StatusAccepted)

	t.Run("lots say what is left of each order", func(t *testing.T) {
		var got api.Lots
		s.get("/v1/customers/ann/lots").is(http.StatusOK).into(&got)
		if len(got.Lots) != 2 || got.Lots[0].Order != "o1" || got.Lots[0].Active != 75 || got.Lots[1].Active != 40 {
			t.Errorf("the lots are %+v", got.Lots)
		}
	})
	t.Run("an order says what it earned and what came back", func(t *testing.T) {
		var got api.Order
		s.get("/v1/customers/ann/orders/o1").is(http.StatusOK).into(&got)
		if !got.Placed || got.Ended || len(got.Lines) != 1 || got.Lines[0].Returned != 2500 || len(got.Grants) != 1 ||
			got.Grants[0] != (api.OrderGrant{Rule: "base", Granted: 100, Taken: 25}) || len(got.Lots) != 1 {
			t.Errorf("the order is %+v", got)
		}
	})
	t.Run("an unknown order", func(t *testing.T) {
		s.get("/v1/customers/ann/orders/o9").problem(http.StatusNotFound, api.ReasonUnknownOrder)
		s.get("/v1/customers/ann/orders/%00review").problem(http.StatusNotFound, api.ReasonUnknownOrder)
	})
	t.Run("reads of an unknown customer", func(t *testing.T) {
		for _, path := range []string{"lots", "statement", "tier", "orders/o1", "redemptions/r1", "explain/x"} {
			s.get("/v1/customers/nobody/"+path).problem(http.StatusNotFound, api.ReasonUnknownCustomer)
		}
	})
	t.Run("reads of a customer who lives elsewhere", func(t *testing.T) {
		other := open(t)
		other.move()
		for _, path := range []string{"lots", "statement", "tier", "orders/o1", "redemptions/r1", "explain/x"} {
			r := other.get("/v1/customers/ann/" + path)
			r.problem(http.StatusMisdirectedRequest, api.ReasonNotOwner)
			if r.header.Get("Accrue-Owner") != "http://other:8080" {
				t.Errorf("%s: Accrue-Owner is %q", path, r.header.Get("Accrue-Owner"))
			}
		}
	})
	t.Run("reads while the customer moves elsewhere", func(t *testing.T) {
		const cart = `{"customer":"ann","currency":"USD","lines":[]}`
		for _, path := range []string{"statement", "orders/o1", "orders/o9", "redemptions/r1", "explain/placed-o1", "explain/x"} {
			moving := rich(t)
			moving.onRead = moving.move
			moving.get("/v1/customers/ann/"+path).problem(http.StatusMisdirectedRequest, api.ReasonNotOwner)
		}
		moving := rich(t)
		moving.onRead = moving.move
		moving.post("/v1/calculate", cart).problem(http.StatusMisdirectedRequest, api.ReasonNotOwner)
	})
	t.Run("every read may wait and says its position", func(t *testing.T) {
		for _, path := range []string{"lots", "statement", "tier", "orders/o1", "explain/back"} {
			r := s.get("/v1/customers/ann/" + path + "?min_offset=3").is(http.StatusOK)
			if _, err := api.ParsePosition(r.header.Get("Accrue-Position")); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			s.get("/v1/customers/ann/"+path+"?min_offset=4000").problem(http.StatusServiceUnavailable, api.ReasonPositionNotReached)
		}
	})
}

func TestReadsOfAMergedCustomerNameTheSurvivor(t *testing.T) {
	s := rich(t)
	s.post("/v1/events", `{"type":"AccountsMerged","id":"m","customer":"ann","at":"2026-11-22T09:30:00Z","into":"bob"}`).is(202)
	for _, path := range []string{"lots", "tier", "statement", "balance"} {
		if r := s.get("/v1/customers/ann/" + path).is(http.StatusOK); !strings.Contains(string(r.body), `"merged_into":"bob"`) {
			t.Errorf("%s does not say into whom: %s", path, r.body)
		}
		if r := s.get("/v1/customers/bob/" + path).is(http.StatusOK); strings.Contains(string(r.body), `"merged_into":"`) && path != "statement" {
			t.Errorf("%s of the survivor: %s", path, r.body)
		}
	}
	r := s.post("/v1/calculate", `{"customer":"ann","currency":"USD","lines":[{"line":"1","sku":"mug","quantity":1,"amount_minor":100}]}`).is(http.StatusOK)
	if !strings.Contains(string(r.body), `"result":"FORWARDED"`) || !strings.Contains(string(r.body), `"merged_into":"bob"`) {
		t.Errorf("calculate does not say into whom: %s", r.body)
	}
	for path, reason := range map[string]api.Reason{
		"orders/o1": api.ReasonUnknownOrder, "explain/never": api.ReasonUnknownEvent, "redemptions/r1": api.ReasonUnknownRedemption,
	} {
		if p := s.get("/v1/customers/ann/"+path).problem(http.StatusNotFound, reason); p.Into != "bob" || !strings.Contains(p.Detail, `"bob"`) {
			t.Errorf("%s: %+v", path, p)
		}
	}
	s.get("/v1/customers/bob/orders/o1").is(http.StatusOK)
}

func TestStatement(t *testing.T) {
	s := open(t)
	for i := range 5 {
		s.order("ann", fmt.Sprint("o", i), 10)
		s.order("bob", fmt.Sprint("o", i), 10)
	}
	t.Run("pages go back to the first decision", func(t *testing.T) {
		for limit, wantPages := range map[int]int{2: 3, 5: 1, 6: 1, 500: 1} {
			var ids []string
			path, pages := fmt.Sprint("/v1/customers/ann/statement?limit=", limit), 1
			for before := int64(0); ; pages++ {
				var page api.Statement
				s.get(path + fmt.Sprint("&before=", before)).is(http.StatusOK).into(&page)
				for _, d := range page.Decisions {
					if d.Customer != "ann" {
						t.Errorf("a decision about %q", d.Customer)
					}
					ids = append(ids, d.Cause.Event)
				}
				if before = page.Next; before == 0 {
					break
				}
			}
			if got := strings.Join(ids, " "); got != "placed-o4 placed-o3 placed-o2 placed-o1 placed-o0" || pages != wantPages {
				t.Errorf("%d pages of %d with %s", pages, limit, got)
			}
		}
	})
	t.Run("a limit that is none is refused", func(t *testing.T) {
		for _, bad := range []string{"0", "501", "many"} {
			p := s.get("/v1/customers/ann/statement?limit="+bad).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
			if len(p.Errors) == 0 || !strings.Contains(p.Errors[0], "limit") {
				t.Errorf("limit %s: %+v", bad, p)
			}
		}
	})
	t.Run("an unknown parameter is refused by name", func(t *testing.T) {
		p := s.get("/v1/customers/ann/statement?limmit=3").problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		if len(p.Errors) != 1 || !strings.Contains(p.Errors[0], "limmit") {
			t.Errorf("%+v", p)
		}
	})
	t.Run("the ledger cannot be read", func(t *testing.T) {
		s.edit(func() { s.ledgerErr = errors.New("no leader") })
		defer s.edit(func() { s.ledgerErr = nil })
		s.get("/v1/customers/ann/statement").problem(http.StatusServiceUnavailable, api.ReasonKafkaUnavailable)
	})
}

func TestTier(t *testing.T) {
	s := open(t)
	s.order("ann", "o1", 400)
	var got api.Tier
	s.get("/v1/customers/ann/tier").is(http.StatusOK).into(&got)
	if got.Tier != "Bronze" || got.Multiplier != "1" || got.QualifyingMinor != 40_000 || len(got.Benefits) != 1 ||
		got.Next == nil || *got.Next != (api.NextTier{Name: "Gold", From: 100_000, Missing: 60_000}) {
		t.Errorf("below the threshold: %+v", got)
	}
	s.order("ann", "o2", 600)
	var top api.Tier
	s.get("/v1/customers/ann/tier").is(http.StatusOK).into(&top)
	if top.Tier != "Gold" || top.Multiplier != "1.5" || top.Next != nil || len(top.Levels) != 2 {
		t.Errorf("at the top: %+v", top)
	}
	if got.Metric != "spend" || got.Currency != "USD" {
		t.Errorf("thresholds count %q in %q, want spend in USD", got.Metric, got.Currency)
	}
	s.edit(func() { s.history[0].Tiers.Metric = loyalty.MetricPoints })
	var points api.Tier
	s.get("/v1/customers/ann/tier").is(http.StatusOK).into(&points)
	if points.Metric != "points" || points.Currency != "" || points.QualifyingPoints == nil {
		t.Errorf("where points count: %+v", points)
	}
	s.edit(func() { s.history[0].Tiers = nil })
	var none api.Tier
	s.get("/v1/customers/ann/tier").is(http.StatusOK).into(&none)
	if none.Metric != "" || none.Currency != "" {
		t.Errorf("without tiers: %+v", none)
	}
}

func TestCalculate(t *testing.T) {
	const cart = `{"customer":"ann","currency":"USD","lines":[{"line":"1","sku":"mug","quantity":1,"amount_minor":5000}]%s}`
	calculate := func(s *shop, more string) api.Calculation {
		s.t.Helper()
		var got api.Calculation
		s.post("/v1/calculate", fmt.Sprintf(cart, more)).is(http.StatusOK).into(&got)
		return got
	}
	t.Run("says what a cart would earn and may redeem", func(t *testing.T) {
		s := rich(t)
		got := calculate(s, "")
		if got.Earns != 50 || got.Redeemable != 100 || got.Result != events.Applied || len(got.ByRule) != 1 || got.Program.Version != 1 || got.Currency != "USD" {
			t.Errorf("answered %+v", got)
		}
		if b := s.balance("ann"); b.Active != 100 || len(s.ledger[0])+len(s.ledger[1])+len(s.ledger[2])+len(s.ledger[3]) != 1 {
			t.Errorf("something was written: %+v", b)
		}
	})
	t.Run("treats a stranger as a new customer", func(t *testing.T) {
		if got := calculate(open(t), ""); got.Earns != 50 || got.Redeemable != 0 || got.Tier != "Bronze" {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("what it quotes is taken with the total that it names", func(t *testing.T) {
		s := open(t)
		s.edit(func() {
			s.history[0].Redemption.MaxShare = big.NewRat(1, 2)
			s.history[0].Rates = map[string]*big.Rat{"EUR": big.NewRat(27, 25)}
		})
		s.order("ann", "o1", 10_000)
		quote := func(cart string) api.Calculation {
			t.Helper()
			var got api.Calculation
			s.post("/v1/calculate", cart).is(http.StatusOK).into(&got)
			return got
		}
		// 50.00 less 4.00 and 2.00, plus 3.00 and 1.01: 48.01 EUR are 51.8508 USD, and half of that is 25.925.
		const cart = `{"customer":"ann","currency":%q,"lines":[{"line":"1","sku":"mug","quantity":1,"amount_minor":5000,"discount_minor":400}],` +
			`"order_discount_minor":200,"tax_minor":300,"shipping_minor":101%s}`
		got := quote(fmt.Sprintf(cart, "EUR", ""))
		if got.Redeemable != 2592 || got.OrderTotal == nil || *got.OrderTotal != 5185 || got.RedeemableMinor == nil || *got.RedeemableMinor != 2592 {
			t.Errorf("answered %+v", got)
		}
		s.post("/v1/redemptions", redeem(2593, `,"order_total_minor":5185`)).problem(http.StatusConflict, "over_max_share")
		s.post("/v1/redemptions", redeem(2592, `,"order_total_minor":5185,"redemption":"r1"`)).is(http.StatusCreated)
		if got := quote(fmt.Sprintf(cart, "EUR", `,"paid_points_minor":2000`)); got.Redeemable != 432 {
			t.Errorf("with 20 EUR paid before: %+v", got)
		}
		if got := quote(fmt.Sprintf(cart, "EUR", `,"order_total_minor":1000`)); got.Redeemable != 500 || *got.OrderTotal != 1000 {
			t.Errorf("with a total: %+v", got)
		}
		if got := quote(fmt.Sprintf(cart, "CHF", "")); got.Redeemable != 0 || got.OrderTotal != nil || got.Reason != "unknown_currency" {
			t.Errorf("without a rate: %+v", got)
		}
	})
	t.Run("quotes a guest, on any instance", func(t *testing.T) {
		s := rich(t)
		s.move()
		guest := strings.Replace(fmt.Sprintf(cart, ""), `"customer":"ann",`, "", 1)
		r := s.post("/v1/calculate", guest).is(http.StatusOK)
		var got api.Calculation
		r.into(&got)
		if got.Earns != 50 || got.Redeemable != 0 || got.Customer != "" || got.Currency != "USD" || r.header["Accrue-Position"] != nil {
			t.Errorf("answered %s", r.body)
		}
		s.edit(func() { s.history = nil })
		s.post("/v1/calculate", guest).problem(http.StatusServiceUnavailable, api.ReasonNoProgram)
	})
	t.Run("refuses what is misspelt or missing", func(t *testing.T) {
		s := rich(t)
		p := s.post("/v1/calculate", fmt.Sprintf(cart, `,"chanel":"APP"`)).problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
		if !strings.Contains(p.Detail, `"chanel"`) {
			t.Errorf("detail %q", p.Detail)
		}
		p = s.post("/v1/calculate", `{"currency":"USD","lines":[{"sku":"x","quantity":1,"amount_minor":5}]}`).problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
		if p.Detail != "the cart was not taken: lines[0].line: is missing" {
			t.Errorf("detail %q", p.Detail)
		}
		s.post("/v1/calculate", `{"customer":"","currency":"USD","lines":[]}`).problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
		s.post("/v1/calculate", fmt.Sprintf(cart, `,"order_total_minor":1.5`)).problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
		s.post("/v1/calculate", fmt.Sprintf(cart, `,"order_total_minor":-1`)).problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
		s.post("/v1/calculate", `[]`).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		s.post("/v1/calculate", `null`).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		s.post("/v1/calculate", `{`).problem(http.StatusBadRequest, api.ReasonInvalidJSON)
		s.post("/v1/calculate", fmt.Sprintf(cart, `,"type":"SessionOpened"`)).problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
	})
	t.Run("refuses an erased customer", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/events", `{"type":"ErasureRequested","id":"e","customer":"ann","at":"2026-11-22T09:30:00Z"}`).is(202)
		s.post("/v1/calculate", fmt.Sprintf(cart, "")).problem(http.StatusNotFound, api.ReasonErased)
	})
	t.Run("without a program", func(t *testing.T) {
		s := rich(t)
		s.edit(func() { s.history = nil })
		s.post("/v1/calculate", fmt.Sprintf(cart, "")).problem(http.StatusServiceUnavailable, api.ReasonNoProgram)
	})
}
