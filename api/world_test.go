package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// world is an engine in memory: what is published is decided at once, by the real rules. It is every part that the
// server stands on.
type world struct {
	mu         sync.Mutex
	partitions int32
	clock      events.Instant
	history    loyalty.History
	accounts   map[string]*account
	ledger     map[int32][]events.Decision
	topics     map[string]map[int32][]events.Event
	inputs     map[int32]map[string]int64
	joining    atomic.Bool
	// place overrides where a partition is.
	place map[int32]api.Place
	// publishErr is what Kafka answers; silent events are taken but not decided.
	publishErr error
	silent     bool
	ledgerErr  error
	causeErr   error
	storeErr   error
	// onWait runs when somebody begins to wait for a decision.
	onWait func()
	// onRead runs when more than the account itself is read.
	onRead func()
	// onLedger runs when the ledger is read, and fails it.
	onLedger func(context.Context) error
	// onPosition runs when somebody begins to wait for a position.
	onPosition func()
	waiters    map[string][]chan events.Decision
}

type account struct {
	a        *loyalty.Account
	r        *loyalty.MemoryRecords
	position int64
	offsets  []int64
	found    map[string]int64
}

// now is the wall clock of all tests.
var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func newWorld() *world {
	return &world{
		partitions: 4,
		clock:      events.InstantOf(now),
		history:    loyalty.History{rules()},
		accounts:   map[string]*account{},
		ledger:     map[int32][]events.Decision{},
		topics:     map[string]map[int32][]events.Event{},
		inputs:     map[int32]map[string]int64{},
		place:      map[int32]api.Place{},
		waiters:    map[string][]chan events.Decision{},
	}
}

// rules are a point a dollar, spendable at once, good for 30 days.
func rules() *loyalty.Program {
	return &loyalty.Program{
		Name: "test-rewards", Version: 1, Hash: events.Hash{1}, Revision: 1, Currency: "USD", Exponent: 2,
		Calendar: loyalty.NewCalendar(time.UTC), PointValue: big.NewRat(1, 1),
		Expiry: loyalty.Expiry{Kind: loyalty.Rolling, After: step("30 days")},
		Redemption: loyalty.RedemptionRules{
			Minimum: 10, Step: 1, TTL: step("30 minutes"),
		},
		Tiers: &loyalty.Tiers{Window: loyalty.Lifetime, Levels: []loyalty.Level{
			{Name: "Bronze", From: 0, Multiplier: big.NewRat(1, 1), Benefits: []string{"free shipping"}},
			{Name: "Gold", From: 100_000, Multiplier: big.NewRat(3, 2)},
		}},
		Earn: []loyalty.Rule{{
			ID: "base", Kind: loyalty.Per, On: events.TypeOrderPlaced, Unit: big.NewRat(100, 1), Points: big.NewRat(1, 1),
		}},
	}
}

func step(text string) loyalty.Step {
	s, err := loyalty.ParseStep(text)
	if err != nil {
		panic(err)
	}
	return s
}

func (w *world) account(customer string) *account {
	c := w.accounts[customer]
	if c == nil {
		c = &account{a: loyalty.NewAccount(customer), r: loyalty.NewMemoryRecords(), found: map[string]int64{}}
		w.accounts[customer] = c
	}
	return c
}

// Place implements [api.Places].
func (w *world) Place(customer string) api.Place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at(schemas.Partition(customer, w.partitions))
}

func (w *world) at(p int32) api.Place {
	if other, ok := w.place[p]; ok {
		other.Partition = p
		return other
	}
	return api.Place{Partition: p, State: api.Owned, Store: w, Folded: int64(len(w.ledger[p])), Clock: w.clock}
}

// Places implements [api.Places].
func (w *world) Places() []api.Place {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []api.Place
	for p := range w.partitions {
		place := w.at(p)
		place.Inputs = w.inputs[p]
		all = append(all, place)
	}
	return all
}

// Joined implements [api.Places].
func (w *world) Joined() bool { return !w.joining.Load() }

// Wait implements [api.Places].
func (w *world) Wait(ctx context.Context, p api.Position) error {
	if w.onPosition != nil {
		w.onPosition()
	}
	for {
		w.mu.Lock()
		have := int64(len(w.ledger[p.Partition]))
		if p.Topic != "" {
			have = w.inputs[p.Partition][p.Topic]
		}
		w.mu.Unlock()
		if have >= p.Next {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// Account implements [api.Store].
func (w *world) Account(customer string) (*loyalty.Account, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.accounts[customer]
	if c == nil || w.storeErr != nil {
		return nil, 0, w.storeErr
	}
	return c.a, c.position, nil
}

// Records implements [api.Store].
func (w *world) Records(customer string) (api.Records, error) {
	w.reading()
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.accounts[customer]; c != nil {
		return lockedRecords{c.r, w}, nil
	}
	return lockedRecords{loyalty.NewMemoryRecords(), w}, nil
}

// lockedRecords may be read while the world decides.
type lockedRecords struct {
	*loyalty.MemoryRecords
	w *world
}

// Err implements [api.Records].
func (l lockedRecords) Err() error { return nil }

// Order implements [loyalty.Records].
func (l lockedRecords) Order(id string) *loyalty.Order {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.MemoryRecords.Order(id)
}

// Redemption implements [loyalty.Records].
func (l lockedRecords) Redemption(id string) *loyalty.Redemption {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.MemoryRecords.Redemption(id)
}

// Statement implements [api.Store].
func (w *world) Statement(customer string, before int64, limit int) ([]int64, error) {
	w.reading()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []int64
	offsets := w.account(customer).offsets
	for i := len(offsets) - 1; i >= 0 && len(out) < limit; i-- {
		if before == 0 || offsets[i] < before {
			out = append(out, offsets[i])
		}
	}
	return out, nil
}

// Find implements [api.Store].
func (w *world) Find(customer, event string) (int64, bool, error) {
	w.reading()
	w.mu.Lock()
	defer w.mu.Unlock()
	offset, ok := w.account(customer).found[event]
	return offset, ok, nil
}

func (w *world) reading() {
	if w.onRead != nil {
		w.onRead()
	}
}

// move gives all partitions to another instance.
func (w *world) move() {
	w.edit(func() {
		for n := range w.partitions {
			w.place[n] = api.Place{State: api.Elsewhere, Owner: "http://other:8080"}
		}
	})
}

// Decisions implements [api.Ledger].
func (w *world) Decisions(ctx context.Context, partition int32, offsets []int64) ([]events.Decision, error) {
	if w.onLedger != nil {
		if err := w.onLedger(ctx); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ledgerErr != nil {
		return nil, w.ledgerErr
	}
	var out []events.Decision
	for _, o := range offsets {
		out = append(out, w.ledger[partition][o])
	}
	return out, nil
}

// Cause implements [api.Ledger].
func (w *world) Cause(_ context.Context, c events.Cause) (events.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.causeErr != nil {
		return nil, w.causeErr
	}
	return w.topics[c.Topic][c.Partition][c.Offset], nil
}

// History implements [api.Programs].
func (w *world) History() loyalty.History {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.history
}

// Publish implements [api.Producer].
func (w *world) Publish(ctx context.Context, batch []events.Event) []api.Published {
	out := make([]api.Published, len(batch))
	for i, e := range batch {
		out[i] = w.publish(ctx, e)
	}
	return out
}

func (w *world) publish(ctx context.Context, e events.Event) api.Published {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.publishErr, ctx.Err()); err != nil {
		return api.Published{Err: err}
	}
	cause := w.take(e)
	if !w.silent {
		w.decide(e, cause)
	}
	return api.Published{Topic: cause.Topic, Partition: cause.Partition, Offset: cause.Offset}
}

// take appends an event to its topic.
func (w *world) take(e events.Event) events.Cause {
	topic := schemas.TopicOf(e.EventType())
	p := schemas.Partition(e.Head().Customer, w.partitions)
	if w.topics[string(topic)] == nil {
		w.topics[string(topic)] = map[int32][]events.Event{}
	}
	records := w.topics[string(topic)]
	offset := int64(len(records[p]))
	// Kafka keeps bytes: nobody may change what was published.
	raw, err := events.EncodeJSON(e)
	if err != nil {
		panic(err)
	}
	stored, err := events.DecodeStoredJSON(raw)
	if err != nil {
		panic(err)
	}
	records[p] = append(records[p], stored)
	return events.Cause{Topic: string(topic), Partition: p, Offset: offset, Event: e.Head().ID}
}

func (w *world) decide(e events.Event, cause events.Cause) {
	c := w.account(e.Head().Customer)
	// Readers share what they were given.
	a := c.a.Clone()
	d, out := loyalty.Decide(w.history.At(e.Head().At), a, c.r, loyalty.Input{
		Event: e, Cause: cause, Clock: w.clock, History: w.history,
	})
	c.a = a
	w.append(d, c)
	if w.inputs[cause.Partition] == nil {
		w.inputs[cause.Partition] = map[string]int64{}
	}
	w.inputs[cause.Partition][cause.Topic] = cause.Offset + 1
	for _, other := range out {
		w.decide(other, w.take(other))
	}
}

func (w *world) append(d events.Decision, c *account) {
	p := schemas.Partition(d.Customer, w.partitions)
	d.Partition, d.Offset = p, int64(len(w.ledger[p]))
	w.ledger[p] = append(w.ledger[p], d)
	c.position = d.Offset
	c.offsets = append(c.offsets, d.Offset)
	if _, known := c.found[d.Cause.Event]; !known {
		c.found[d.Cause.Event] = d.Offset
	}
	key := d.Customer + "/" + d.Cause.Event
	for _, ch := range w.waiters[key] {
		ch <- d
	}
	delete(w.waiters, key)
}

// tick moves the clock and does what is due.
func (w *world) tick(at events.Instant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = at
	for customer, c := range w.accounts {
		a := c.a.Clone()
		cause := events.Cause{Topic: "clock", Partition: schemas.Partition(customer, w.partitions), Event: "tick"}
		if d, ok := loyalty.DecideTick(w.history.At(at), w.history, a, c.r, at, cause); ok {
			c.a = a
			w.append(d, c)
		}
	}
}

// Wait for a decision is [api.Decisions]; it has a type of its own because [api.Places] has a Wait as well.
type decisions struct{ *world }

// Wait implements [api.Decisions].
func (w decisions) Wait(ctx context.Context, customer, event string, send func() error) (events.Decision, error) {
	ch := make(chan events.Decision, 1)
	w.mu.Lock()
	key := customer + "/" + event
	w.waiters[key] = append(w.waiters[key], ch)
	hook := w.onWait
	w.mu.Unlock()
	if hook != nil {
		hook()
	}
	if err := send(); err != nil {
		return events.Decision{}, err
	}
	select {
	case d := <-ch:
		return d, nil
	case <-ctx.Done():
		return events.Decision{}, ctx.Err()
	}
}

// edit changes the world under its lock.
func (w *world) edit(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// shop is a server on a world, with a log that tests can read.
type shop struct {
	t *testing.T
	*world
	server *api.Server
	reg    *prometheus.Registry
	log    *bytes.Buffer
}

func open(t *testing.T, change ...func(*api.Config)) *shop {
	t.Helper()
	s := &shop{t: t, world: newWorld(), reg: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	cfg := api.DefaultConfig()
	cfg.Now = func() time.Time { return now }
	cfg.HashKey = api.Secret("0123456789abcdef0123456789abcdef")
	for _, c := range change {
		c(&cfg)
	}
	parts := api.Parts{Places: s.world, Ledger: s.world, Producer: s.world, Decisions: decisions{s.world}, Programs: s.world}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server, err := api.New(cfg, parts, log, s.reg)
	if err != nil {
		t.Fatal(err)
	}
	s.server = server
	return s
}

// hasty is for what will not come.
func hasty(c *api.Config) {
	c.HoldMax, c.WaitMax, c.DecideMax = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
}

// reply is what the server answered.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// send makes a request, and holds the answer to the served document. A header that is given twice is sent twice.
func (s *shop) send(method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	given := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		given.Add(headers[i], headers[i+1])
	}
	maps.Copy(r.Header, given)
	w := httptest.NewRecorder()
	s.server.Handler().ServeHTTP(w, r)
	got := reply{s.t, w.Code, w.Header(), w.Body.Bytes()}
	doc, err := served()
	if err != nil {
		s.t.Fatal(err)
	}
	doc.holds(s.t, r, body, got)
	return got
}

func (s *shop) get(path string, headers ...string) reply {
	s.t.Helper()
	return s.send(http.MethodGet, path, "", headers...)
}

func (s *shop) post(path, body string, headers ...string) reply {
	s.t.Helper()
	return s.send(http.MethodPost, path, body, headers...)
}

// order publishes an order of some dollars and returns the answer.
func (s *shop) order(customer, id string, dollars int) reply {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{
		"type": "OrderPlaced", "id": "placed-" + id, "customer": customer, "at": now.Add(-time.Hour), "order": id,
		"currency": "USD",
		"lines":    []any{map[string]any{"line": "1", "sku": "mug", "quantity": 1, "amount_minor": dollars * 100}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post("/v1/events", string(body)).is(http.StatusAccepted)
}

// is fails the test unless the answer has the status.
func (r reply) is(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("answered %d, want %d: %.500s", r.status, status, r.body)
	}
	return r
}

// problem fails the test unless the answer is a problem with the status and reason, and returns it.
func (r reply) problem(status int, reason api.Reason) api.Problem {
	r.t.Helper()
	r.is(status)
	var p api.Problem
	r.into(&p)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Errorf("a problem has the content type %q", got)
	}
	if p.Reason != reason || p.Status != status || p.Title == "" || p.Detail == "" {
		r.t.Fatalf("the problem is %+v, want reason %s", p, reason)
	}
	return p
}

// into decodes the body; fields that v does not have are an error.
func (r reply) into(v any) {
	r.t.Helper()
	dec := json.NewDecoder(bytes.NewReader(r.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		r.t.Fatalf("reading %s: %v", r.body, err)
	}
}

// balance reads a customer's balance.
func (s *shop) balance(customer string) api.Balance {
	s.t.Helper()
	var b api.Balance
	s.get("/v1/customers/" + customer + "/balance").is(http.StatusOK).into(&b)
	return b
}
