package api_test

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// rich is a shop whose customer ann has 100 points.
func rich(t *testing.T, change ...func(*api.Config)) *shop {
	t.Helper()
	s := open(t, change...)
	s.order("ann", "o1", 100)
	return s
}

func redeem(points int, more string) string {
	return fmt.Sprintf(`{"customer":"ann","points":%d%s}`, points, more)
}

func TestRedeem(t *testing.T) {
	t.Run("reserves points", func(t *testing.T) {
		s := rich(t)
		r := s.post("/v1/redemptions", redeem(60, `,"redemption":"r1"`)).is(http.StatusCreated)
		var got api.Redemption
		r.into(&got)
		if got.Redemption != "r1" || got.State != events.StateReserved || got.Points != 60 || got.Balance.Active != 40 ||
			got.Balance.Reserved != 60 || got.LapsesAt != events.InstantOf(now.Add(30*time.Minute)) ||
			got.Decision.Result != events.Applied {
			t.Errorf("answered %s", r.body)
		}
		var b api.Balance
		s.get("/v1/customers/ann/balance", "Accrue-Position", r.header.Get("Accrue-Position")).is(http.StatusOK).into(&b)
		if b.Active != 40 || b.Reserved != 60 {
			t.Errorf("the balance is %+v", b)
		}
	})
	t.Run("declined when the balance is short", func(t *testing.T) {
		s := rich(t)
		p := s.post("/v1/redemptions", redeem(101, "")).problem(http.StatusConflict, "balance_too_low")
		if p.Balance == nil || p.Balance.Active != 100 || p.Decision == nil || p.Decision.Result != events.Refused || p.Position == "" {
			t.Errorf("the problem is %+v", p)
		}
	})
	t.Run("refused without a number of points, before anything is decided", func(t *testing.T) {
		s := rich(t)
		for _, request := range []string{`{"customer":"ann"}`, `{"customer":"ann","points":null}`} {
			p := s.post("/v1/redemptions", request).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
			if p.Detail != "points: is missing" || p.Decision != nil {
				t.Errorf("%s: the problem is %+v", request, p)
			}
		}
	})
	t.Run("declined below the minimum", func(t *testing.T) {
		rich(t).post("/v1/redemptions", redeem(9, "")).problem(http.StatusConflict, "below_minimum")
	})
	t.Run("says which bound of the program that decided was broken", func(t *testing.T) {
		s := open(t)
		s.edit(func() {
			p := s.history[0]
			p.Redemption.Minimum, p.Redemption.Step, p.Redemption.MaxShare = 20, 5, big.NewRat(1, 2)
			p.Rewards = []loyalty.Reward{{ID: "mug", Points: 33}}
		})
		s.order("ann", "o1", 100)
		for _, c := range []struct {
			request        string
			reason, detail string
		}{
			{redeem(0, ""), "invalid_points", "minimum of 20 points"},
			{redeem(15, ""), "below_minimum", "minimum of 20 points"},
			{redeem(21, ""), "not_a_step", "steps of 5 only"},
			{redeem(60, `,"order_total_minor":99`), "over_max_share", "0.5 of an order, and of a total of 99 minor units in USD that is 45 points at most"},
			{redeem(20, `,"order_total_minor":0`), "over_max_share", "of a total of 0 minor units in USD that is 0 points at most"},
			{redeem(0, `,"order_total_minor":0`), "invalid_points", "minimum of 20 points"},
			{redeem(30, `,"reward":"mug"`), "reward_points_differ", "costs 33 points"},
		} {
			p := s.post("/v1/redemptions", c.request, "Idempotency-Key", c.request).problem(http.StatusConflict, api.Reason(c.reason))
			if !strings.Contains(p.Detail, c.detail) {
				t.Errorf("%s: the detail %q does not say %q", c.request, p.Detail, c.detail)
			}
		}
		later := rules()
		later.Version, later.EffectiveAt = 2, events.InstantOf(now)
		later.Redemption.Minimum = 10
		s.edit(func() { s.history = append(s.history, later) })
		again := redeem(15, "")
		if p := s.post("/v1/redemptions", again, "Idempotency-Key", again).problem(http.StatusConflict, "below_minimum"); !strings.Contains(p.Detail, "20 points") {
			t.Errorf("the detail %q is not of the program that decided", p.Detail)
		}
	})
	t.Run("an order that costs nothing is paid with points where they may pay all of it", func(t *testing.T) {
		s := rich(t)
		free := redeem(60, `,"redemption":"r1","order_total_minor":0`)
		s.post("/v1/redemptions", free, "Idempotency-Key", "k1").is(http.StatusCreated)
		// It stays so when a version comes that sets a share.
		s.edit(func() { s.history[0].Redemption.MaxShare = big.NewRat(1, 2) })
		s.post("/v1/redemptions", free, "Idempotency-Key", "k1").is(http.StatusCreated)
		s.post("/v1/redemptions", free).is(http.StatusCreated)
		s.post("/v1/redemptions", redeem(10, `,"order_total_minor":0`)).problem(http.StatusConflict, "over_max_share")
		s.post("/v1/redemptions", redeem(10, `,"order_total_minor":-1`)).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		s.post("/v1/redemptions", redeem(10, "")).is(http.StatusCreated)
	})
	t.Run("declined for a customer nobody knows", func(t *testing.T) {
		open(t).post("/v1/redemptions", redeem(10, "")).problem(http.StatusConflict, "balance_too_low")
	})
	t.Run("a refused redemption may come again", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/redemptions", redeem(150, `,"redemption":"r1"`)).problem(http.StatusConflict, "balance_too_low")
		s.order("ann", "o2", 100)
		s.post("/v1/redemptions", redeem(150, `,"redemption":"r1"`)).is(http.StatusCreated)
	})
	t.Run("of fifty at once for the whole balance one wins", func(t *testing.T) {
		s := rich(t)
		counts := atOnce(50, func(i int) reply {
			return s.post("/v1/redemptions", redeem(100, fmt.Sprintf(`,"redemption":"r%d"`, i)))
		})
		if counts[201] != 1 || counts[409] != 49 {
			t.Errorf("answered %v", counts)
		}
		if b := s.balance("ann"); b.Active != 0 || b.Reserved != 100 {
			t.Errorf("the balance is %+v", b)
		}
	})
}

// atOnce makes n requests at the same time and counts the statuses of the answers.
func atOnce(n int, one func(int) reply) map[int]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := map[int]int{}
	for i := range n {
		wg.Go(func() {
			r := one(i)
			mu.Lock()
			defer mu.Unlock()
			counts[r.status]++
		})
	}
	wg.Wait()
	return counts
}

func TestAnswersToCommandsHaveNoPointsThatHaveExpired(t *testing.T) {
	clock := now
	s := open(t, func(c *api.Config) { c.Now = func() time.Time { return clock } })
	s.post("/v1/events", `{"type":"OrderPlaced","id":"old","customer":"ann","at":"2026-10-23T10:01:00Z","order":"old","currency":"USD",`+
		`"lines":[{"line":"1","sku":"mug","quantity":1,"amount_minor":10000}]}`).is(http.StatusAccepted)
	s.order("ann", "new", 50)
	clock = now.Add(2 * time.Minute) // the old points have expired, the tick that books it is late
	has := func(what string, r reply, b events.Balance, reserved events.Points) {
		t.Helper()
		if b.Active != 50-reserved || b.Reserved != reserved {
			t.Errorf("%s: the balance in %s is wrong", what, r.body)
		}
	}
	r := s.post("/v1/redemptions", redeem(60, `,"redemption":"r1"`))
	has("refused", r, *r.problem(http.StatusConflict, "balance_too_low").Balance, 0)
	for _, what := range []string{"reserved", "repeated"} {
		var got api.Redemption
		r = s.post("/v1/redemptions", redeem(30, `,"redemption":"r2","id":"k2"`)).is(http.StatusCreated)
		r.into(&got)
		has(what, r, got.Balance, 30)
	}
	var got api.Redemption
	r = s.post("/v1/redemptions/r2/cancel", `{"customer":"ann"}`).is(http.StatusOK)
	r.into(&got)
	has("cancelled", r, got.Balance, 0)
}

func TestRedeemAgain(t *testing.T) {
	for name, again := range map[string][]string{
		"by id":              {redeem(60, `,"id":"k1"`)},
		"by Idempotency-Key": {redeem(60, ""), "Idempotency-Key", "k1"},
		"by id, with a time": {redeem(60, `,"id":"k1","at":"2026-11-22T09:59:00Z"`)},
	} {
		t.Run("the same request answers the same: "+name, func(t *testing.T) {
			clock := now
			s := rich(t, func(c *api.Config) { c.Now = func() time.Time { return clock } })
			first := s.post("/v1/redemptions", again[0], again[1:]...).is(http.StatusCreated)
			clock = clock.Add(time.Second)
			second := s.post("/v1/redemptions", again[0], again[1:]...).is(http.StatusCreated)
			if string(first.body) != string(second.body) {
				t.Errorf("first answer  %s\nsecond answer %s", first.body, second.body)
			}
			if first.header["Idempotent-Replayed"] != nil || second.header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("replayed: %q, %q", first.header["Idempotent-Replayed"], second.header["Idempotent-Replayed"])
			}
			if b := s.balance("ann"); b.Reserved != 60 {
				t.Errorf("the balance is %+v", b)
			}
			for _, records := range s.topics["redemptions"] {
				if len(records) != 1 {
					t.Errorf("%d commands were sent", len(records))
				}
			}
		})
	}
	t.Run("what came too early is decided anew under its id", func(t *testing.T) {
		s := rich(t)
		const early = `,"id":"k1","at":"2026-11-24T10:00:00Z"`
		s.post("/v1/redemptions", redeem(60, early)).problem(http.StatusConflict, "ahead_of_clock")
		s.tick(events.InstantOf(now.AddDate(0, 0, 1)))
		s.post("/v1/redemptions", redeem(60, early)).is(http.StatusCreated)
	})
	t.Run("a refusal is repeated too", func(t *testing.T) {
		s := rich(t)
		first := s.post("/v1/redemptions", redeem(101, `,"id":"k1"`))
		first.problem(http.StatusConflict, "balance_too_low")
		s.order("ann", "o2", 100)
		second := s.post("/v1/redemptions", redeem(101, `,"id":"k1"`))
		if p := second.problem(http.StatusConflict, "balance_too_low"); p.Balance == nil || p.Balance.Active != 200 {
			t.Errorf("the balance is not that of now: %s", second.body)
		}
		if first.header["Idempotent-Replayed"] != nil || second.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("replayed: %q, %q", first.header["Idempotent-Replayed"], second.header["Idempotent-Replayed"])
		}
		if strings.Replace(string(second.body), `"active":200`, `"active":100`, 1) != string(first.body) {
			t.Errorf("first answer  %s\nsecond answer %s", first.body, second.body)
		}
	})
	t.Run("another request under the same id is refused", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)).is(http.StatusCreated)
		r := s.post("/v1/redemptions", redeem(20, `,"id":"k1"`))
		p := r.problem(http.StatusConflict, api.ReasonConflict)
		if !strings.Contains(p.Detail, "for the RedemptionRequested of 2026-11-22T10:00:00.000Z") {
			t.Errorf("detail %q", p.Detail)
		}
		if _, err := api.ParsePosition(r.header.Get("Accrue-Position")); err != nil || r.header["Idempotent-Replayed"] != nil {
			t.Errorf("the headers are %v: %v", r.header, err)
		}
	})
	t.Run("the same redemption under another id answers as it stands", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/redemptions", redeem(60, `,"redemption":"r1"`)).is(http.StatusCreated)
		var got api.Redemption
		s.post("/v1/redemptions", redeem(60, `,"redemption":"r1"`)).is(http.StatusCreated).into(&got)
		if got.State != events.StateReserved || got.Points != 60 || got.Balance.Reserved != 60 {
			t.Errorf("answered %+v", got)
		}
		p := s.post("/v1/redemptions", redeem(20, `,"redemption":"r1"`)).problem(http.StatusConflict, "duplicate_redemption")
		if !strings.Contains(p.Detail, "reserved") {
			t.Errorf("detail %q", p.Detail)
		}
	})
	t.Run("twenty at once with one id reserve once", func(t *testing.T) {
		s := rich(t)
		counts := atOnce(20, func(int) reply { return s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)) })
		if counts[201] != 20 {
			t.Errorf("answered %v", counts)
		}
		if b := s.balance("ann"); b.Reserved != 60 {
			t.Errorf("the balance is %+v", b)
		}
	})
}

func TestSettle(t *testing.T) {
	const who = `{"customer":"ann"}`
	reserved := func(t *testing.T) *shop {
		s := rich(t)
		s.post("/v1/redemptions", redeem(60, `,"redemption":"r1"`)).is(http.StatusCreated)
		return s
	}
	settle := func(s *shop, verb, body string) api.Redemption {
		s.t.Helper()
		var got api.Redemption
		s.post("/v1/redemptions/r1/"+verb, body).is(http.StatusOK).into(&got)
		return got
	}
	t.Run("confirmed points are spent", func(t *testing.T) {
		s := reserved(t)
		if got := settle(s, "confirm", who); got.State != events.StateConfirmed || got.Points != 60 || got.Balance.Reserved != 0 {
			t.Errorf("answered %+v", got)
		}
		if b := s.balance("ann"); b.Totals.Redeemed != 60 {
			t.Errorf("the balance is %+v", b)
		}
		if again := settle(s, "confirm", who); again.State != events.StateConfirmed || again.Points != 60 {
			t.Errorf("confirming again answered %+v", again)
		}
	})
	t.Run("a part may be confirmed", func(t *testing.T) {
		if got := settle(reserved(t), "confirm", `{"customer":"ann","points":25}`); got.Points != 25 || got.Balance.Active != 75 {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("confirming again with other points is refused", func(t *testing.T) {
		s := reserved(t)
		settle(s, "confirm", `{"customer":"ann","points":25}`)
		p := s.post("/v1/redemptions/r1/confirm", `{"customer":"ann","points":60}`).problem(http.StatusConflict, "redemption_confirmed")
		if !strings.Contains(p.Detail, "confirmed already, with 25 points") {
			t.Errorf("detail %q", p.Detail)
		}
		for _, same := range []string{`{"customer":"ann","points":25}`, who} {
			if got := settle(s, "confirm", same); got.Points != 25 {
				t.Errorf("confirming %s answered %+v", same, got)
			}
		}
	})
	t.Run("no more than is reserved can be confirmed", func(t *testing.T) {
		for _, points := range []string{"61", "0"} {
			p := reserved(t).post("/v1/redemptions/r1/confirm", `{"customer":"ann","points":`+points+`}`).problem(http.StatusConflict, "invalid_points")
			if !strings.Contains(p.Detail, "60 points reserved") {
				t.Errorf("detail %q", p.Detail)
			}
		}
	})
	t.Run("cancelled points are free again", func(t *testing.T) {
		s := reserved(t)
		if got := settle(s, "cancel", who); got.State != events.StateCancelled || got.Points != 60 || got.Balance.Active != 100 {
			t.Errorf("answered %+v", got)
		}
		if again := settle(s, "cancel", who); again.State != events.StateCancelled {
			t.Errorf("cancelling again answered %+v", again)
		}
		s.post("/v1/redemptions/r1/confirm", who).problem(http.StatusConflict, "reservation_cancelled")
	})
	t.Run("a lapsed reservation cannot be confirmed", func(t *testing.T) {
		s := reserved(t)
		s.tick(events.InstantOf(now.Add(time.Hour)))
		s.post("/v1/redemptions/r1/confirm", who).problem(http.StatusConflict, "reservation_lapsed")
		if got := settle(s, "cancel", who); got.State != events.StateLapsed {
			t.Errorf("cancelling it answered %+v", got)
		}
	})
	t.Run("an unknown redemption", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/redemptions/r9/confirm", who).problem(http.StatusNotFound, api.ReasonUnknownRedemption)
		s.post("/v1/redemptions/r9/cancel", who).problem(http.StatusNotFound, api.ReasonUnknownRedemption)
	})
}

func TestRedemptionStatus(t *testing.T) {
	const who, path = `{"customer":"ann"}`, "/v1/customers/ann/redemptions/r1"
	status := func(s *shop) api.RedemptionStatus {
		s.t.Helper()
		r := s.get(path).is(http.StatusOK)
		var got api.RedemptionStatus
		r.into(&got)
		if got.Redemption != "r1" || got.Customer != "ann" || got.Position != r.header.Get("Accrue-Position") {
			s.t.Errorf("answered %s", r.body)
		}
		return got
	}
	s := rich(t)
	s.get(path).problem(http.StatusNotFound, api.ReasonUnknownRedemption)
	s.post("/v1/redemptions", redeem(60, `,"redemption":"r1","order":"o9"`)).is(http.StatusCreated)
	if got := status(s); got.State != events.StateReserved || got.Points != 60 || got.LapsesAt != events.InstantOf(now.Add(30*time.Minute)) ||
		strings.Join(got.Orders, " ") != "o9" {
		t.Errorf("reserved: %+v", got)
	}
	s.post("/v1/redemptions/r1/confirm", `{"customer":"ann","points":25}`).is(http.StatusOK)
	if got := status(s); got.State != events.StateConfirmed || got.Points != 25 || got.LapsesAt != 0 || got.GivenBack != 0 {
		t.Errorf("confirmed: %+v", got)
	}
	s.post("/v1/redemptions/r1/cancel", who).is(http.StatusOK)
	if got := status(s); got.State != events.StateCancelled || got.Points != 25 || got.GivenBack != 25 {
		t.Errorf("cancelled: %+v", got)
	}
	late := rich(t)
	late.post("/v1/redemptions", redeem(60, `,"redemption":"r1"`)).is(http.StatusCreated)
	late.tick(events.InstantOf(now.Add(time.Hour)))
	if got := status(late); got.State != events.StateLapsed || got.Points != 0 {
		t.Errorf("lapsed: %+v", got)
	}
}

func TestCommandRefusals(t *testing.T) {
	t.Run("what is missing or misspelt is named", func(t *testing.T) {
		s := rich(t)
		for body, detail := range map[string]string{
			redeem(60, `,"pints":1`):                              `"pints"`,
			redeem(60, `,"zz":1,"custommer":"x"`):                 `unknown field "custommer"; did you mean "customer"?; unknown field "zz"`,
			`{"customer":"ann","points":"many"}`:                  `"points"`,
			`{"customer":"ann","points":1.5}`:                     "want a whole number",
			"{\"customer\":\"an\xff\",\"points\":60}":             "is not UTF-8",
			`{"customer":"a\ud800b","points":60}`:                 "is not UTF-8",
			redeem(60, `,"customer":"bob"`):                       "written twice",
			redeem(60, `,"order":"`+strings.Repeat("o", 129)+`"`): "order: has 129 bytes",
			`{"points":60}`:                                       "the command was not taken: customer: is missing",
		} {
			p := s.post("/v1/redemptions", body).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
			if !strings.Contains(p.Detail, detail) {
				t.Errorf("%s: the detail %q does not say %q", body, p.Detail, detail)
			}
		}
		s.post("/v1/redemptions", "\ufeff"+redeem(60, "")).problem(http.StatusBadRequest, api.ReasonInvalidJSON)
		s.post("/v1/redemptions", `{"customer":`).problem(http.StatusBadRequest, api.ReasonInvalidJSON)
		s.post("/v1/redemptions", redeem(60, `,"id":"a"`), "Idempotency-Key", "b").
			problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		s.post("/v1/redemptions", redeem(60, ""), "Idempotency-Key", "a", "Idempotency-Key", "b").
			problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		s.post("/v1/redemptions", redeem(60, ""), "Idempotency-Key", "a", "Idempotency-Key", "a").is(http.StatusCreated)
	})
	t.Run("another content type", func(t *testing.T) {
		rich(t).post("/v1/redemptions", redeem(60, ""), "Content-Type", "text/plain").
			problem(http.StatusUnsupportedMediaType, api.ReasonNotJSON)
	})
	t.Run("an erased customer", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/events", `{"type":"ErasureRequested","id":"e","customer":"ann","at":"2026-11-22T09:30:00Z"}`).is(202)
		r := s.post("/v1/redemptions", redeem(60, ""))
		r.problem(http.StatusNotFound, api.ReasonErased)
		if _, err := api.ParsePosition(r.header.Get("Accrue-Position")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a merged customer", func(t *testing.T) {
		s := rich(t)
		s.post("/v1/events", `{"type":"AccountsMerged","id":"m","customer":"ann","at":"2026-11-22T09:30:00Z","into":"bob"}`).is(202)
		r := s.post("/v1/redemptions", redeem(60, ""))
		p := r.problem(http.StatusConflict, api.ReasonAccountMerged)
		if _, err := api.ParsePosition(r.header.Get("Accrue-Position")); err != nil {
			t.Error(err)
		}
		if p.Into != "bob" {
			t.Errorf("into %q", p.Into)
		}
		if b := s.balance("bob"); b.Reserved != 0 {
			t.Errorf("the survivor's points were reserved: %+v", b)
		}
	})
	t.Run("merged while it waited", func(t *testing.T) {
		s := rich(t)
		s.onWait = func() {
			s.post("/v1/events", `{"type":"AccountsMerged","id":"m","customer":"ann","at":"2026-11-22T09:30:00Z","into":"bob"}`).is(202)
		}
		p := s.post("/v1/redemptions", redeem(60, "")).problem(http.StatusServiceUnavailable, api.ReasonDecisionPending)
		if p.Into != "bob" {
			t.Errorf("into %q", p.Into)
		}
	})
	t.Run("another instance decides", func(t *testing.T) {
		s := rich(t)
		s.move()
		s.post("/v1/redemptions", redeem(60, "")).problem(http.StatusMisdirectedRequest, api.ReasonNotOwner)
		if len(s.topics["redemptions"]) != 0 {
			t.Error("the command was sent all the same")
		}
	})
	t.Run("the partition moves while it waits", func(t *testing.T) {
		s := rich(t, hasty)
		s.edit(func() { s.silent = true })
		s.onWait = s.move
		p := s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)).problem(http.StatusMisdirectedRequest, api.ReasonNotOwner)
		if !strings.Contains(p.Detail, "k1") {
			t.Errorf("the detail does not say under which id to ask again: %s", p.Detail)
		}
	})
	t.Run("nobody decides in time, and then somebody does", func(t *testing.T) {
		s := rich(t, hasty)
		s.edit(func() { s.silent = true })
		p := s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)).problem(http.StatusServiceUnavailable, api.ReasonDecisionPending)
		if !strings.Contains(p.Detail, "k1") {
			t.Errorf("detail %q", p.Detail)
		}
		s.edit(func() {
			s.silent = false
			for partition, records := range s.topics["redemptions"] {
				s.decide(records[0], events.Cause{Topic: "redemptions", Partition: partition, Event: "k1"})
			}
		})
		s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)).is(http.StatusCreated)
		if b := s.balance("ann"); b.Reserved != 60 {
			t.Errorf("the balance is %+v", b)
		}
	})
	t.Run("Kafka does not take it", func(t *testing.T) {
		s := rich(t)
		s.edit(func() { s.publishErr = errors.New("no leader") })
		p := s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)).problem(http.StatusServiceUnavailable, api.ReasonKafkaUnavailable)
		if !strings.Contains(p.Detail, "same id k1") {
			t.Errorf("the detail does not say under which id to ask again: %s", p.Detail)
		}
	})
}
