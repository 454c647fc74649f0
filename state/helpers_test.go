package state_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/state"
)

// failer is the part of testing.TB that rapid.T has too.
type failer interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// smallConfig keeps everything in small pieces, so that tests reach what happens with large ones, and writes only when
// told or when enough decisions wait.
func smallConfig(fs vfs.FS) state.Config {
	cfg := state.DefaultConfig("state")
	cfg.FS = fs
	cfg.CacheBytes = 1 << 20
	cfg.MemTableBytes = 256 << 10
	cfg.FlushInterval = time.Hour
	return cfg
}

// openStore opens a store and closes it with the test, if nobody has until then.
func openStore(t failer, cfg state.Config) *state.Store {
	t.Helper()
	s, err := state.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// openAgain closes a store and opens it anew.
func openAgain(t failer, s *state.Store, cfg state.Config) *state.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("closing the store: %v", err)
	}
	return openStore(t, cfg)
}

func openPartition(t failer, s *state.Store, number int32) *state.Partition {
	t.Helper()
	p, err := s.Partition(number)
	if err != nil {
		t.Fatalf("opening partition %d: %v", number, err)
	}
	return p
}

// memoryPartition opens partition 0 of a new store in memory and closes it with the test.
func memoryPartition(t testing.TB, change func(*state.Config)) *state.Partition {
	t.Helper()
	cfg := smallConfig(vfs.NewMem())
	if change != nil {
		change(&cfg)
	}
	s := openStore(t, cfg)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return openPartition(t, s, 0)
}

const testProgram = `
program: test
currency: USD
timezone: Europe/Berlin
point_value: 0.01
hold: 3 days
expiry: {after: 1 month, round_to: end_of_month}
late_events: {accept_within: 60 days}
redemption: {minimum: 1, reservation_ttl: 2 days}
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
  - {id: review, on: ReviewApproved, points: 11}
`

func parseProgram(t failer) *loyalty.Program {
	t.Helper()
	p, err := program.Parse([]byte(testProgram), "test.yaml")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

// engine decides a random but repeatable history on a partition, as the consumer does.
type engine struct {
	t         failer
	random    *rand.Rand
	program   *loyalty.Program
	p         *state.Partition
	batch     *state.Batch
	next      state.Position
	customers int
	n         int
	at        events.Instant
	swept     bool
	queue     []events.Event
	recent    []events.Event
	orders    []order
	ledger    []events.Decision
	unflushed []int64
	// keep is false for workloads that are too long to remember.
	keep bool
}

type order struct{ customer, id string }

func newEngine(t failer, p *state.Partition, prog *loyalty.Program, seed uint64, customers int) *engine {
	return &engine{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), program: prog, p: p, customers: customers, keep: true,
		next: p.Position().Clone(), at: 1_760_000_000_000,
	}
}

func (e *engine) customer() string { return fmt.Sprintf("customer-%05d", e.random.IntN(e.customers)) }

// event draws what happens next.
func (e *engine) event() events.Event {
	if len(e.queue) > 0 {
		next := e.queue[0]
		e.queue = e.queue[1:]
		return next
	}
	e.n++
	e.at += events.Instant(e.random.IntN(600_000))
	h := events.Header{ID: fmt.Sprintf("event-%d", e.n), Customer: e.customer(), At: e.at}
	kind := e.random.IntN(100)
	switch {
	case kind < 3 && len(e.recent) > 0:
		return e.recent[e.random.IntN(len(e.recent))]
	case kind < 8 && len(e.orders) > 0:
		o := e.orders[e.random.IntN(len(e.orders))]
		h.Customer = o.customer
		return &events.OrderReturned{Header: h, Order: o.id, Return: h.ID, Lines: []events.ReturnedLine{{Line: "1", Amount: 200}}}
	case kind < 11 && len(e.orders) > 0:
		o := e.orders[e.random.IntN(len(e.orders))]
		h.Customer = o.customer
		return &events.OrderCancelled{Header: h, Order: o.id}
	case kind < 16:
		return &events.RedemptionRequested{Header: h, Redemption: fmt.Sprintf("r%d", e.random.IntN(50)), Points: 3}
	case kind < 20:
		return &events.RedemptionConfirmed{Header: h, Redemption: fmt.Sprintf("r%d", e.random.IntN(50))}
	case kind < 23:
		return &events.ReviewApproved{Header: h, Review: events.Review{Review: fmt.Sprintf("v%d", e.random.IntN(20))}}
	case kind < 24:
		return &events.Tick{Header: events.Header{ID: h.ID, At: e.at}}
	case kind == 24 && e.random.IntN(4) == 0:
		return &events.AccountsMerged{Header: h, Into: e.customer()}
	case kind == 25 && e.random.IntN(8) == 0:
		return &events.ErasureRequested{Header: h}
	case kind < 30:
		h.At -= events.Instant(e.random.IntN(70)) * 86_400_000
		return &events.OrderReturned{Header: h, Order: fmt.Sprintf("order-%d", e.n+e.random.IntN(40)), Return: h.ID}
	}
	id := fmt.Sprintf("order-%d", e.n)
	o := &events.OrderPlaced{Header: h, Order: id, Currency: "USD", Lines: []events.Line{
		{Line: "1", SKU: "sku", Quantity: 1, Amount: events.Money(500 + e.random.IntN(9000))},
		{Line: "2", SKU: "sku", Quantity: 2, Amount: events.Money(e.random.IntN(9000))},
	}}
	e.orders = append(e.orders, order{h.Customer, id})
	return o
}

// decide handles one event in the open batch.
func (e *engine) decide(in events.Event) {
	if e.batch == nil {
		e.batch = e.p.Begin()
	}
	if len(e.recent) < 200 {
		e.recent = append(e.recent, in)
	} else {
		e.recent[e.random.IntN(200)] = in
	}
	topic := "orders"
	cause := events.Cause{Topic: topic, Offset: e.next.Inputs[topic], Event: in.Head().ID}
	e.next.Inputs[topic]++
	if in.EventType() == events.TypeTick {
		e.next.Clock = max(e.next.Clock, in.Head().At)
		e.swept = false
		return
	}
	a, r, err := e.batch.Account(in.Head().Customer)
	if err != nil {
		e.t.Fatalf("reading an account: %v", err)
	}
	if e.next.Clock > 0 {
		if d, ok := loyalty.DecideTick(e.program, loyalty.History{e.program}, a, r, e.next.Clock, events.Cause{Topic: "clock"}); ok {
			e.emit(&d)
		}
	}
	d, out := loyalty.Decide(e.program, a, r, loyalty.Input{Event: in, Cause: cause, Clock: e.next.Clock, Lenient: true})
	e.emit(&d)
	e.queue = append(e.queue, out...)
}

func (e *engine) emit(d *events.Decision) {
	// Offsets have gaps, as on a transactional topic.
	d.Offset = e.next.Ledger + int64(e.random.IntN(3))
	e.next.Ledger = d.Offset + 1
	e.unflushed = append(e.unflushed, d.Offset)
	e.batch.Decided(d)
	if e.keep {
		e.ledger = append(e.ledger, *d)
	}
}

// sweep works off what is due and reports whether that was all.
func (e *engine) sweep(limit int) bool {
	if e.next.Clock == 0 {
		return true
	}
	if e.batch == nil {
		e.batch = e.p.Begin()
	}
	customers, more, err := e.p.Due(e.next.Clock, limit)
	if err != nil {
		e.t.Fatalf("reading what is due: %v", err)
	}
	for _, c := range customers {
		a, r, err := e.batch.Account(c)
		if err != nil {
			e.t.Fatalf("reading an account: %v", err)
		}
		if d, ok := loyalty.DecideTick(e.program, loyalty.History{e.program}, a, r, e.next.Clock, events.Cause{Topic: "clock"}); ok {
			e.emit(&d)
		}
	}
	return !more
}

func (e *engine) commit() {
	if e.batch == nil {
		return
	}
	if err := e.batch.Err(); err != nil {
		e.t.Fatalf("reading: %v", err)
	}
	if err := e.batch.Commit(e.next.Clone(), e.unflushed); err != nil {
		e.t.Fatalf("committing: %v", err)
	}
	e.batch, e.unflushed = nil, nil
}

// run decides n events in batches of random length and works off every tick.
func (e *engine) run(n int) {
	for n > 0 {
		for range min(1+e.random.IntN(30), n) {
			e.decide(e.event())
			n--
		}
		for !e.swept {
			e.swept = e.sweep(7)
			e.commit()
		}
		e.commit()
	}
}

func encoded(a *loyalty.Account) []byte { return loyalty.AppendAccount(nil, a) }

func sameAccount(a, b *loyalty.Account) bool { return bytes.Equal(encoded(a), encoded(b)) }

type quietLog struct{}

func (quietLog) Infof(string, ...any)  {}
func (quietLog) Errorf(string, ...any) {}
func (quietLog) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}
