package loyalty_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/schemas"
)

// drawProgram writes a random program file and parses it.
func drawProgram(t *rapid.T, tiers, clamp bool) *loyalty.Program {
	pick := func(name string, options ...string) string { return rapid.SampledFrom(options).Draw(t, name) }
	lines := []string{
		"program: random", "currency: USD", "point_value: 0.01", "rates: {EUR: 1.08, JPY: 0.0067}",
		"timezone: " + pick("zone", "Europe/Berlin", "America/New_York", "America/Santiago", "UTC"),
		pick("rounding", "", "rounding: {mode: half_even}", "rounding: {mode: ceil, stage: line}", "rounding: {stage: line}"),
		pick("basis", "", "earning_basis: {tax: included, discounts: ignored}", "earning_basis: {shipping: included, paid_with_points: included}"),
		pick("hold", "", "hold: 3 days", "hold: {until: fulfilled, days: 2}", "hold: {until: fulfilled, days: 0}"),
		pick("expiry", "", "expiry: {after: 1 month}", "expiry: {after: 20 days, round_to: end_of_month}",
			`expiry: {fixed_date: "02-29"}`, "expiry: {after: 30 days, inactivity: {extend_on: [earn, redeem]}}"),
		pick("late", "", "late_events: {accept_within: 20 days}"),
		pick("caps", "", "caps: [{points: 150, per: customer, every: month}, {share_of_order: 0.5}]", "caps: [{points: 80, per: customer, every: day}]"),
		"redemption: {minimum: 1, reservation_ttl: 2 days}",
		"referral: {referrer: 30, referee: 20, qualifies_on: first_order, minimum_order: 5.00}",
	}
	if clamp {
		lines = append(lines, "returns: {shortfall: clamp, reinstate_grace: 5 days}")
	}
	if tiers {
		lines = append(lines, pick("tiers",
			"tiers: {window: {rolling_months: 1}, downgrade: {policy: one_down, grace_days: 5}, levels: [{name: A, from: 0}, {name: B, from: 50, multiplier: 1.5}, {name: C, from: 200, multiplier: 2}]}",
			"tiers: {metric: points, window: calendar_year, downgrade: {policy: to_earned, grace_days: 10}, levels: [{name: A, from: 0}, {name: B, from: 50, multiplier: 1.25}]}"))
	}
	earn := []string{
		"  - {id: base, on: OrderPlaced, per: 1.00, points: 1}",
		`  - {id: shoes, on: OrderPlaced, lines: 'line.category == "shoes"', every: 3.00, points: 2}`,
		"  - {id: fixed, on: OrderPlaced, points: 7, limit: {times: 2, every: week}}",
		`  - {id: app, on: OrderPlaced, when: 'event.channel == "APP"', multiply: 1.7}`,
		"  - {id: review, on: ReviewApproved, points: 11, hold: 1 day}",
		"  - {id: join, on: AccountRegistered, points: 13, once: true}",
		`  - {id: sorry, on: ComplaintResolved, points: 'event.goodwill_points', max: 40}`,
	}
	if rapid.Bool().Draw(t, "exclusive") {
		earn = append(earn, `  - {id: club, on: OrderPlaced, when: 'event.channel == "APP"', per: 2.00, points: 5, exclusive: true}`)
	}
	text := strings.Join(lines, "\n") + "\nearn:\n" + strings.Join(earn, "\n") + "\n"
	p, err := program.Parse([]byte(text), "random.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// history draws events of a few customers in small id spaces, so that ids meet often.
type history struct {
	t    *rapid.T
	at   events.Instant
	next int
}

func newHistory(t *rapid.T) *history {
	start, _ := events.ParseInstant(rapid.SampledFrom([]string{"2025-01-20T10:00:00Z", "2025-03-25T23:30:00Z",
		"2024-02-27T22:00:00Z", "2025-10-24T23:30:00Z"}).Draw(t, "start"))
	return &history{t: t, at: start}
}

func (h *history) int(name string, most int) int { return rapid.IntRange(0, most).Draw(h.t, name) }

func (h *history) event() events.Event {
	h.at += events.Instant(h.int("step", 20)) * 3_600_000
	h.next++
	id := fmt.Sprintf("e%d", h.next)
	if h.int("repeat", 9) == 0 {
		id = fmt.Sprintf("e%d", 1+h.int("which", h.next))
	}
	at := h.at
	if h.int("late", 9) == 0 {
		at -= events.Instant(h.int("lateness", 900)) * 3_600_000
	}
	head := events.Header{ID: id, At: at, Customer: rapid.SampledFrom([]string{"ann", "bob", "cy"}).Draw(h.t, "customer")}
	name := func(kind string, most int) string { return fmt.Sprintf("%s%d", kind, h.int(kind, most)) }
	switch h.int("kind", 19) {
	case 0, 1, 2, 3, 4, 5:
		return h.order(head, name("o", 12))
	case 6, 7, 8:
		e := &events.OrderReturned{Header: head, Order: name("o", 12), Return: name("t", 40)}
		for range h.int("returned lines", 2) {
			e.Lines = append(e.Lines, events.ReturnedLine{Line: name("l", 3), Amount: events.Money(h.int("back", 1500))})
		}
		return e
	case 9:
		return &events.OrderCancelled{Header: head, Order: name("o", 12)}
	case 10:
		return &events.OrderFulfilled{Header: head, Order: name("o", 12)}
	case 11, 12:
		return &events.RedemptionRequested{Header: head, Redemption: name("r", 12), Points: events.Points(h.int("points", 40)), Order: name("o", 12)}
	case 13, 14:
		e := &events.RedemptionConfirmed{Header: head, Redemption: name("r", 12)}
		if h.int("partly", 2) == 0 {
			n := events.Points(1 + h.int("spent", 40))
			e.Points = &n
		}
		return e
	case 15:
		return &events.RedemptionCancelled{Header: head, Redemption: name("r", 12)}
	case 16:
		return &events.TransferRequested{Header: head, Transfer: name("x", 20), To: "bob", Points: events.Points(h.int("points", 20))}
	case 17:
		return &events.PointsAdjusted{Header: head, Points: int64(h.int("up", 60)) - 20, Reason: "r", Actor: "a"}
	case 18:
		return h.rare(head)
	default:
		return &events.Tick{Header: events.Header{ID: id, At: h.at}}
	}
}

func (h *history) rare(head events.Header) events.Event {
	review := events.Review{Review: fmt.Sprintf("v%d", h.int("review", 5))}
	switch h.int("rare", 7) {
	case 0:
		return &events.AccountRegistered{Header: head, ReferredBy: "cy"}
	case 1, 2:
		return &events.ReviewApproved{Header: head, Review: review}
	case 3:
		return &events.ReviewRemoved{Header: head, Review: review}
	case 4:
		return &events.ComplaintResolved{Header: head, Complaint: fmt.Sprintf("c%d", h.int("complaint", 5)), GoodwillPoints: int64(h.int("sorry", 90))}
	case 5:
		if h.int("merge", 3) == 0 {
			return &events.AccountsMerged{Header: head, Into: "bob"}
		}
	case 6:
		if h.int("erase", 3) == 0 {
			return &events.ErasureRequested{Header: head}
		}
	}
	return &events.SessionOpened{Header: head}
}

func (h *history) order(head events.Header, id string) events.Event {
	e := &events.OrderPlaced{Header: head, Order: id, Currency: "USD",
		Channel:       rapid.SampledFrom([]string{"", "APP"}).Draw(h.t, "channel"),
		OrderDiscount: events.Money(h.int("discount", 300)), Tax: events.Money(h.int("tax", 100)),
		PaidPoints: events.Money(h.int("paid", 100)), Redemption: rapid.SampledFrom([]string{"", "", "r1", "r2"}).Draw(h.t, "link")}
	if h.int("foreign", 5) == 0 {
		e.Currency = rapid.SampledFrom([]string{"EUR", "JPY", "GBP"}).Draw(h.t, "currency")
	}
	for i := range h.int("lines", 3) {
		e.Lines = append(e.Lines, events.Line{Line: fmt.Sprintf("l%d", i), SKU: "s", Quantity: 1,
			Category: rapid.SampledFrom([]string{"", "shoes"}).Draw(h.t, "category"),
			Amount:   events.Money(h.int("amount", 4000)), Discount: events.Money(h.int("line discount", 50))})
	}
	return e
}

// twin is one account twice: decided, and folded from the decisions alone.
type twin struct {
	decided, folded   *loyalty.Account
	records, refolded *loyalty.MemoryRecords
}

var codec = schemas.NewCodec()

// twins decides histories and folds each decision, as it would be read back from the ledger, into a second account.
type twins struct {
	t        *rapid.T
	p        *loyalty.Program
	clock    events.Instant
	accounts map[string]*twin
	earned   map[string]events.Points
	taken    map[string]events.Points
}

func newTwins(t *rapid.T, p *loyalty.Program) *twins {
	return &twins{t: t, p: p, accounts: map[string]*twin{}, earned: map[string]events.Points{}, taken: map[string]events.Points{}}
}

func (w *twins) twin(customer string) *twin {
	x := w.accounts[customer]
	if x == nil {
		x = &twin{loyalty.NewAccount(customer), loyalty.NewAccount(customer), loyalty.NewMemoryRecords(), loyalty.NewMemoryRecords()}
		w.accounts[customer] = x
	}
	return x
}

func (w *twins) apply(e events.Event) {
	if tick, ok := e.(*events.Tick); ok {
		if tick.At < w.clock {
			return
		}
		w.clock = tick.At
		for _, customer := range []string{"ann", "bob", "cy"} {
			x := w.twin(customer)
			before := x.decided
			was := loyalty.AppendAccount(nil, before)
			x.decided = before.Successor()
			if d, ok := loyalty.DecideTick(w.p, loyalty.History{w.p}, x.decided, x.records, w.clock, events.Cause{Topic: "clock"}); ok {
				w.fold(x, d)
			}
			if string(loyalty.AppendAccount(nil, before)) != string(was) {
				w.t.Fatalf("a tick changed the account that readers still see: %+v", before)
			}
			if due := loyalty.NextDue(loyalty.History{w.p}, x.decided, w.clock); due != 0 && due <= w.clock {
				w.t.Fatalf("%s: the tick at %s left something that was due at %s", customer, w.clock, due)
			}
		}
		return
	}
	queue := []events.Event{e}
	for len(queue) > 0 {
		e, queue = queue[0], queue[1:]
		x := w.twin(e.Head().Customer)
		before := x.decided
		was := loyalty.AppendAccount(nil, before)
		x.decided = before.Successor()
		d, out := loyalty.Decide(w.p, x.decided, x.records, loyalty.Input{Event: e, Clock: w.clock,
			Cause: events.Cause{Topic: "orders", Event: e.Head().ID}})
		if string(loyalty.AppendAccount(nil, before)) != string(was) {
			w.t.Fatalf("deciding changed the account that readers still see: %+v", before)
		}
		w.fold(x, d)
		queue = append(queue, out...)
	}
}

// foldsAlike folds d, as it would be read back from the ledger, and compares the account with the one that decided it.
func foldsAlike(folded *loyalty.Account, refolded *loyalty.MemoryRecords, decided *loyalty.Account, records loyalty.Records, d *events.Decision) error {
	stored, err := codec.AppendDecision(nil, d)
	if err != nil {
		return err
	}
	var read events.Decision
	if err := codec.DecodeDecision(stored, &read); err != nil {
		return err
	}
	loyalty.Evolve(folded, refolded, &read)
	if string(loyalty.Encode(folded, refolded)) != string(loyalty.Encode(decided, records)) {
		return fmt.Errorf("folding the ledger gives another account\ndecided %+v\nfolded  %+v\nrecords %s\nfolded  %s",
			decided, folded, show(records), show(refolded))
	}
	return nil
}

func (w *twins) fold(x *twin, d events.Decision) {
	text, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := foldsAlike(x.folded, x.refolded, x.decided, x.records, &d); err != nil {
		w.t.Fatalf("%v\ndecision %s", err, text)
	}
	if err := x.decided.Check(); err != nil {
		w.t.Fatalf("%v\nafter %s", err, text)
	}
	if b := x.decided.Balance(); b != d.Balance {
		w.t.Fatalf("the decision says %+v, the account has %+v", d.Balance, b)
	}
	for _, e := range d.Entries {
		if e.Points < 0 {
			w.t.Fatalf("an entry of %d points: %s", e.Points, text)
		}
		key := d.Customer + "/" + e.Order
		switch e.Type {
		case events.Earn:
			w.earned[key] += e.Points
		case events.CancelPending, events.Revoke, events.DeficitOwed:
			w.taken[key] += e.Points
		default:
		}
	}
	for key, taken := range w.taken {
		if strings.HasSuffix(key, "/") || w.merged(key) {
			continue
		}
		if taken > w.earned[key] {
			w.t.Fatalf("order %s earned %d and lost %d", key, w.earned[key], taken)
		}
	}
}

// merged reports whether orders may have come from another account.
func (w *twins) merged(key string) bool {
	for _, x := range w.accounts {
		if x.decided.MergedInto != "" {
			return true
		}
	}
	return key == ""
}

func show(r loyalty.Records) string {
	text, err := json.Marshal(r.All())
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestDecideAndEvolveAgree(t *testing.T) {
	racetest.Checks(t, 25) // one goroutine
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, rapid.Bool().Draw(t, "with tiers"), rapid.Bool().Draw(t, "clamp"))
		w, h := newTwins(t, p), newHistory(t)
		for range rapid.IntRange(5, 120).Draw(t, "events") {
			w.apply(h.event())
		}
		for _, x := range w.accounts {
			encoded := loyalty.AppendAccount(nil, x.decided)
			back, err := loyalty.DecodeAccount(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if string(loyalty.AppendAccount(nil, back)) != string(encoded) {
				t.Fatalf("reading the encoding back gives another account")
			}
		}
	})
}

// Orders, returns and cancellations of one customer end in the same totals however their topics are interleaved.
func TestInterleavingKeepsTotals(t *testing.T) {
	racetest.Checks(t, 25) // one goroutine
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, false, false)
		if len(p.Caps) > 0 || p.Rounding != loyalty.Floor {
			p.Caps, p.ShareOfOrder = nil, nil
		}
		h := newHistory(t)
		var topics [2][]events.Event
		head := func() events.Header {
			h.next++
			h.at += 60_000
			return events.Header{ID: fmt.Sprintf("e%d", h.next), Customer: "ann", At: h.at}
		}
		for i := range rapid.IntRange(1, 8).Draw(t, "orders") {
			topics[0] = append(topics[0], h.order(head(), fmt.Sprintf("o%d", i)))
			if h.int("cancel", 4) == 0 {
				topics[0] = append(topics[0], &events.OrderCancelled{Header: head(), Order: fmt.Sprintf("o%d", h.int("cancelled", i))})
			}
			for j := range h.int("returns", 3) {
				e := &events.OrderReturned{Header: head(), Order: fmt.Sprintf("o%d", i), Return: fmt.Sprintf("t%d-%d", i, j)}
				if h.int("part", 2) > 0 {
					e.Lines = []events.ReturnedLine{{Line: "l0", Amount: events.Money(h.int("back", 2000))}}
				}
				topics[1] = append(topics[1], e)
			}
		}
		var totals []string
		for range 2 {
			w := newTwins(t, p)
			rest := topics
			for len(rest[0])+len(rest[1]) > 0 {
				i := h.int("topic", 1)
				if len(rest[i]) == 0 {
					i = 1 - i
				}
				w.apply(rest[i][0])
				rest[i] = rest[i][1:]
			}
			a := w.twin("ann").decided
			totals = append(totals, fmt.Sprintf("%+v net %d", a.Balance(), a.Totals.Issued-a.Totals.Revoked))
		}
		if totals[0] != totals[1] {
			t.Fatalf("two interleavings: %s and %s", totals[0], totals[1])
		}
	})
}
