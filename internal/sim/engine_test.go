package sim_test

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/sim"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

func at(t *testing.T, s string) events.Instant {
	t.Helper()
	i, err := events.ParseInstant(s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// rules gives a point a dollar, held for a day, gone after three.
func rules(t *testing.T, zone string) *loyalty.Program {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return &loyalty.Program{
		Name: "test", Version: 1, Revision: 1, Currency: "USD", Exponent: 2, Calendar: loyalty.NewCalendar(loc),
		Hold:       loyalty.Hold{After: loyalty.Step{N: 1, Unit: loyalty.Days}},
		Expiry:     loyalty.Expiry{Kind: loyalty.Rolling, After: loyalty.Step{N: 3, Unit: loyalty.Days}},
		Redemption: loyalty.RedemptionRules{TTL: loyalty.Step{N: 30, Unit: loyalty.Minutes}, Minimum: 1, Step: 1},
		Earn:       []loyalty.Rule{{ID: "base", Kind: loyalty.Per, On: events.TypeOrderPlaced, Unit: big.NewRat(100, 1), Points: big.NewRat(1, 1)}},
	}
}

func order(customer, id string, at events.Instant, cents events.Money) *events.OrderPlaced {
	return &events.OrderPlaced{
		Header: events.Header{ID: "e-" + id, Customer: customer, At: at}, Order: id, Currency: "USD",
		Lines: []events.Line{{Line: "1", SKU: "x", Quantity: 1, Amount: cents}},
	}
}

type log []string

func engine(t *testing.T, cfg sim.Config) (*sim.Engine, *log) {
	t.Helper()
	l := &log{}
	cfg.Decided = func(d *events.Decision) error {
		var types []string
		for _, e := range d.Entries {
			types = append(types, fmt.Sprintf("%s %d", e.Type, e.Points))
		}
		*l = append(*l, strings.TrimSpace(fmt.Sprintf("%d %s@%d %s %s %s", d.Offset, d.Cause.Topic, d.Cause.Offset, d.Customer, d.Result, strings.Join(types, ", "))))
		return nil
	}
	e, err := sim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e, l
}

func apply(t *testing.T, e *sim.Engine, offset int64, ev events.Event) {
	t.Helper()
	if err := e.Apply(ev, offset); err != nil {
		t.Fatal(err)
	}
}

func TestMidnightsActivateAndExpire(t *testing.T) {
	e, l := engine(t, sim.Config{Programs: loyalty.History{rules(t, "Europe/Berlin")}, DailyTicks: true})
	apply(t, e, 1, order("bob", "1", at(t, "2026-10-24T10:00:00Z"), 500))
	apply(t, e, 2, order("ann", "2", at(t, "2026-10-24T12:00:00Z"), 700))
	// Berlin's 25 October has 25 hours; its midnights are 22:00 and 23:00 UTC.
	apply(t, e, 3, order("cid", "3", at(t, "2026-10-25T22:59:00Z"), 100))
	if err := e.Until(at(t, "2026-10-29T12:00:00Z")); err != nil {
		t.Fatal(err)
	}
	want := log{
		"0 orders@1 bob APPLIED EARN 5", "1 orders@2 ann APPLIED EARN 7", "2 orders@3 cid APPLIED EARN 1",
		"3 clock@1 ann APPLIED ACTIVATE 7", "4 clock@1 bob APPLIED ACTIVATE 5", // 26 October 00:00
		"5 clock@2 cid APPLIED ACTIVATE 1",                                 // 27 October
		"6 clock@4 ann APPLIED EXPIRE 7", "7 clock@4 bob APPLIED EXPIRE 5", // 29 October
	}
	if !slices.Equal(*l, want) {
		t.Errorf("decisions\n%s\nwant\n%s", strings.Join(*l, "\n"), strings.Join(want, "\n"))
	}
	if got := e.Clock().String(); got != "2026-10-29T12:00:00.000Z" {
		t.Errorf("the clock stands at %s", got)
	}
}

func TestWithoutTicksNothingIsDue(t *testing.T) {
	e, l := engine(t, sim.Config{Programs: loyalty.History{rules(t, "UTC")}})
	apply(t, e, 1, order("ann", "1", at(t, "2026-01-01T10:00:00Z"), 500))
	apply(t, e, 2, order("ann", "2", at(t, "2027-01-01T10:00:00Z"), 500))
	if len(*l) != 2 {
		t.Errorf("decisions %v, want the two orders'", *l)
	}
}

func TestTicksOfTheFileMoveTheClock(t *testing.T) {
	e, l := engine(t, sim.Config{Programs: loyalty.History{rules(t, "UTC")}})
	apply(t, e, 1, order("ann", "1", at(t, "2026-01-01T10:00:00Z"), 500))
	apply(t, e, 2, &events.Tick{Header: events.Header{At: at(t, "2026-01-02T10:00:00Z")}})
	apply(t, e, 3, order("ann", "2", at(t, "2026-01-04T10:00:00Z"), 500))
	apply(t, e, 4, &events.Tick{Header: events.Header{At: at(t, "2026-01-01T00:00:00Z")}})
	want := log{"0 orders@1 ann APPLIED EARN 5", "1 clock@2 ann APPLIED ACTIVATE 5", "2 orders@3 ann FUTURE"}
	if !slices.Equal(*l, want) {
		t.Errorf("decisions\n%s\nwant\n%s", strings.Join(*l, "\n"), strings.Join(want, "\n"))
	}
}

func TestATransferIsDecidedBeforeTheNextEvent(t *testing.T) {
	e, l := engine(t, sim.Config{Programs: loyalty.History{rules(t, "UTC")}, DailyTicks: true})
	apply(t, e, 1, order("ann", "1", at(t, "2026-01-01T10:00:00Z"), 500))
	apply(t, e, 2, &events.TransferRequested{Header: events.Header{ID: "t", Customer: "ann", At: at(t, "2026-01-03T10:00:00Z")}, Transfer: "t", To: "zoe", Points: 3})
	apply(t, e, 3, order("bob", "3", at(t, "2026-01-03T10:00:00Z"), 500))
	want := log{"0 orders@1 ann APPLIED EARN 5", "1 clock@1 ann APPLIED ACTIVATE 5", "2 redemptions@2 ann APPLIED TRANSFER_OUT 3",
		"3 transfers@0 zoe APPLIED TRANSFER_IN 3", "4 orders@3 bob APPLIED EARN 5"}
	if !slices.Equal(*l, want) {
		t.Errorf("decisions\n%s\nwant\n%s", strings.Join(*l, "\n"), strings.Join(want, "\n"))
	}
	var lines []string
	for s := range e.Balances() {
		lines = append(lines, fmt.Sprintf("%s %d/%d", s.Customer, s.Active, s.Pending))
	}
	if want := []string{"ann 2/0", "bob 0/5", "zoe 3/0"}; !slices.Equal(lines, want) {
		t.Errorf("balances %v, want %v", lines, want)
	}
}

func TestTheErasedHaveNoBalance(t *testing.T) {
	e, _ := engine(t, sim.Config{Programs: loyalty.History{rules(t, "UTC")}})
	apply(t, e, 1, order("ann", "1", at(t, "2026-01-01T10:00:00Z"), 500))
	apply(t, e, 2, &events.ErasureRequested{Header: events.Header{ID: "x", Customer: "ann", At: at(t, "2026-01-01T11:00:00Z")}})
	for s := range e.Balances() {
		t.Errorf("a balance of %s", s.Customer)
	}
	if e.Account("ann") == nil {
		t.Error("the account is forgotten, so a later event would open it anew")
	}
}

func TestTheEndMayNotLieBeforeTheLastEvent(t *testing.T) {
	e, _ := engine(t, sim.Config{Programs: loyalty.History{rules(t, "UTC")}})
	apply(t, e, 1, order("ann", "1", at(t, "2026-01-05T10:00:00Z"), 500))
	apply(t, e, 2, order("ann", "2", at(t, "2026-01-01T10:00:00Z"), 500))
	if err := e.Until(at(t, "2026-01-05T09:00:00Z")); !errors.Is(err, sim.ErrUntilTooEarly) {
		t.Errorf("error %v", err)
	}
}

func TestDecisionsAreChained(t *testing.T) {
	codec := schemas.NewCodec()
	var chains []events.Hash
	e, err := sim.New(sim.Config{Programs: loyalty.History{rules(t, "UTC")}, Encode: codec.AppendDecision,
		Decided: func(d *events.Decision) error { chains = append(chains, d.Chain); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"1", "2", "3"} {
		apply(t, e, int64(i), order("ann", id, at(t, "2026-01-01T10:00:00Z"), 500))
	}
	if len(chains) != 3 || chains[0] != (events.Hash{}) || chains[1] == chains[0] || chains[2] == chains[1] {
		t.Errorf("chain %v, want none for the first and others after it", chains)
	}
}

func TestALaterVersionHoldsFromItsDate(t *testing.T) {
	first, second := rules(t, "UTC"), rules(t, "UTC")
	second.Version, second.EffectiveAt = 2, at(t, "2026-03-01T00:00:00Z")
	second.Earn = []loyalty.Rule{{ID: "base", Kind: loyalty.Per, On: events.TypeOrderPlaced, Unit: big.NewRat(100, 1), Points: big.NewRat(2, 1)}}
	e, l := engine(t, sim.Config{Programs: loyalty.History{first, second}, DailyTicks: true})
	apply(t, e, 1, order("ann", "1", at(t, "2026-02-28T23:59:59Z"), 5000))
	apply(t, e, 2, order("ann", "2", at(t, "2026-03-01T00:00:00Z"), 5000))
	apply(t, e, 3, &events.OrderReturned{Header: events.Header{ID: "r", Customer: "ann", At: at(t, "2026-03-01T10:00:00Z")}, Order: "1", Return: "r"})
	want := log{"0 orders@1 ann APPLIED EARN 50", "1 orders@2 ann APPLIED EARN 100", "2 returns@3 ann APPLIED CANCEL_PENDING 50"}
	if !slices.Equal(*l, want) {
		t.Errorf("decisions\n%s\nwant\n%s", strings.Join(*l, "\n"), strings.Join(want, "\n"))
	}
}
