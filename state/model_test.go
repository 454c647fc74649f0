package state_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

// model is what a partition must contain, in plain maps.
type model struct {
	position  state.Position
	customers map[string]*modelCustomer
}

type modelCustomer struct {
	account     *loyalty.Account
	seen        map[string]events.Fingerprint
	first, last map[string]int64 // event id → offset of the decision that used it up, of the latest that names it
	orders      map[string]int64
	redemptions map[string]int64
	references  map[events.Reference]bool
	expired     map[string]map[int64]events.Points
	statement   []int64
}

func newModelCustomer(name string) *modelCustomer {
	return &modelCustomer{
		account: loyalty.NewAccount(name), seen: map[string]events.Fingerprint{},
		first: map[string]int64{}, last: map[string]int64{},
		orders: map[string]int64{}, redemptions: map[string]int64{}, references: map[events.Reference]bool{},
		expired: map[string]map[int64]events.Points{},
	}
}

func (m *model) clone() *model {
	c := &model{position: m.position.Clone(), customers: map[string]*modelCustomer{}}
	for name, x := range m.customers {
		y := newModelCustomer(name)
		y.account = x.account.Clone()
		y.statement = slices.Clone(x.statement)
		copyMap(y.seen, x.seen)
		copyMap(y.first, x.first)
		copyMap(y.last, x.last)
		copyMap(y.orders, x.orders)
		copyMap(y.redemptions, x.redemptions)
		copyMap(y.references, x.references)
		for order, lots := range x.expired {
			y.expired[order] = map[int64]events.Points{}
			copyMap(y.expired[order], lots)
		}
		c.customers[name] = y
	}
	return c
}

func copyMap[K comparable, V any](to, from map[K]V) {
	for k, v := range from {
		to[k] = v
	}
}

func (m *model) customer(name string) *modelCustomer {
	if m.customers[name] == nil {
		m.customers[name] = newModelCustomer(name)
	}
	return m.customers[name]
}

// machine drives a partition and the model through the same steps.
type machine struct {
	t     *rapid.T
	fs    *vfs.MemFS
	cfg   state.Config
	store *state.Store
	p     *state.Partition
	batch *state.Batch
	// committed is the model of what was committed, working of the open batch; past has every committed one by position.
	committed, working *model
	past               map[int64]*model
	offsets            []int64
	until              events.Instant
}

func modelConfig(t *rapid.T, fs vfs.FS) state.Config {
	cfg := smallConfig(fs)
	cfg.FlushEvents = rapid.SampledFrom([]int{1, 5, 40, 1000}).Draw(t, "flush events")
	cfg.AccountsBytes = rapid.SampledFrom([]int64{0, 64 << 10, 1 << 20}).Draw(t, "accounts bytes")
	cfg.NextDue = nextPending
	return cfg
}

// nextPending makes a lot due when it becomes active.
func nextPending(a *loyalty.Account, _ events.Instant) events.Instant {
	var due events.Instant
	for i := range a.Lots {
		if l := &a.Lots[i]; l.Pending > 0 && (due == 0 || l.ActiveAt < due) {
			due = l.ActiveAt
		}
	}
	return due
}

// TestPartitionBehavesLikePlainMaps runs random steps, crashes among them, and compares everything that can be asked.
func TestPartitionBehavesLikePlainMaps(t *testing.T) {
	racetest.Checks(t, 3) // one goroutine
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewCrashableMem()
		m := &machine{t: t, fs: fs, cfg: modelConfig(t, fs), until: 1000,
			committed: &model{customers: map[string]*modelCustomer{}}, past: map[int64]*model{}}
		m.past[0] = m.committed
		m.open()
		t.Repeat(map[string]func(*rapid.T){
			"decide":       m.decide,
			"decide again": m.decide,
			"many": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					m.decide(t)
				}
			},
			"commit":  m.commit,
			"discard": m.discard,
			"due":     m.due,
			"flush":   m.flush,
			"reopen":  m.reopen,
			"crash":   m.crash,
			"check":   m.check,
		})
		m.commit(t)
		m.check(t)
	})
}

func (m *machine) open() {
	m.store = openStore(m.t, m.cfg)
	m.p = openPartition(m.t, m.store, 3)
}

func (m *machine) begin() {
	if m.batch == nil {
		m.batch, m.working = m.p.Begin(), m.committed.clone()
	}
}

func drawCustomer(t *rapid.T) string {
	// One is the beginning of another, so that keys that are told apart carelessly meet.
	return rapid.SampledFrom([]string{"a", "ab", "a\x00", "abc", "b", "\x01a"}).Draw(t, "customer")
}

func drawID(t *rapid.T, kind string) string {
	return fmt.Sprintf("%s%d", kind, rapid.IntRange(0, 60).Draw(t, kind))
}

// decide makes up a decision with any effects.
func (m *machine) decide(t *rapid.T) {
	m.begin()
	name := drawCustomer(t)
	a, r, err := m.batch.Account(name)
	if err != nil {
		t.Fatalf("reading an account: %v", err)
	}
	x := m.working.customer(name)
	m.compareRecords(t, x, r)
	if !sameAccount(a, x.account) {
		t.Fatalf("the batch has another account of %q", name)
	}
	a.LotLast++
	x.account.LotLast++
	if rapid.Bool().Draw(t, "lot") {
		lot := loyalty.Lot{ID: a.LotLast, Pending: 5, ActiveAt: max(1, m.until+events.Instant(rapid.Int64Range(-200_000_000, 300_000_000).Draw(t, "active at")))}
		a.Lots = append(a.Lots, lot)
		x.account.Lots = append(x.account.Lots, lot)
	}
	for range rapid.IntRange(0, 3).Draw(t, "effects") {
		m.effect(t, x, r)
	}
	d := events.Decision{Customer: name, Result: events.Applied, Cause: events.Cause{Event: drawID(t, "e")}}
	offset := m.working.position.Ledger + rapid.Int64Range(0, 2).Draw(t, "gap")
	if rapid.IntRange(0, 4).Draw(t, "remembered") > 0 {
		payload := events.Fingerprint{byte(rapid.IntRange(1, 3).Draw(t, "payload"))}
		r.PutSeen(d.Cause.Event, payload)
		if _, known := x.seen[d.Cause.Event]; !known {
			x.seen[d.Cause.Event], x.first[d.Cause.Event] = payload, offset
		}
	}
	x.last[d.Cause.Event] = offset
	x.statement = append(x.statement, offset)
	m.batch.Decided(&d)
	m.working.position.Ledger = offset + 1
	m.offsets = append(m.offsets, offset)
}

func (m *machine) effect(t *rapid.T, x *modelCustomer, r *state.Records) {
	switch rapid.IntRange(0, 14).Draw(t, "effect") {
	case 0, 1, 2, 3, 4:
		id, at := drawID(t, "o"), rapid.Int64Range(1, 1000).Draw(t, "at")
		x.orders[id] = at
		r.PutOrder(&loyalty.Order{ID: id, At: events.Instant(at)})
	case 5, 6:
		id, at := drawID(t, "r"), rapid.Int64Range(1, 1000).Draw(t, "at")
		x.redemptions[id] = at
		r.PutRedemption(&loyalty.Redemption{ID: id, LapsesAt: events.Instant(at)})
	case 7, 8, 9:
		ref := events.Reference{Kind: events.Type(drawID(t, "kind")), ID: drawID(t, "b")}
		x.references[ref] = true
		r.PutReference(ref)
	case 10, 11, 12, 13:
		order := drawID(t, "o")
		if x.expired[order] == nil {
			x.expired[order] = map[int64]events.Points{}
		}
		// A lot leaves an account once.
		lot := rapid.Int64Range(1, 30).Draw(t, "lot")
		if _, gone := x.expired[order][lot]; !gone {
			x.expired[order][lot] = events.Points(lot)
			r.AddExpired(order, lot, events.Points(lot))
		}
	case 14:
		clear(x.orders)
		clear(x.redemptions)
		clear(x.references)
		clear(x.expired)
		r.Clear()
	}
}

func (m *machine) commit(t *rapid.T) {
	if m.batch == nil {
		return
	}
	m.working.position.Clock = max(m.working.position.Clock, m.until)
	if err := m.batch.Commit(m.working.position.Clone(), m.offsets); err != nil {
		t.Fatalf("committing: %v", err)
	}
	m.committed = m.working
	m.past[m.committed.position.Ledger] = m.committed
	m.batch, m.working, m.offsets = nil, nil, nil
}

func (m *machine) discard(*rapid.T) {
	if m.batch != nil {
		m.batch.Discard()
		m.batch, m.working, m.offsets = nil, nil, nil
	}
}

// failingRounds are so few that what is due comes to an end: a crash brings all of the day's listings back.
const failingRounds = 50

// due moves the time on and works off what the schedule names, with some batches that fail at first.
func (m *machine) due(t *rapid.T) {
	m.commit(t)
	m.until += events.Instant(rapid.Int64Range(0, 200_000_000).Draw(t, "step"))
	for rounds := 0; ; rounds++ {
		if rounds > 1000 {
			t.Fatalf("Due does not come to an end")
		}
		m.begin()
		customers, more, err := m.p.Due(m.until, rapid.IntRange(1, 4).Draw(t, "limit"))
		if err != nil {
			t.Fatalf("reading what is due: %v", err)
		}
		for _, name := range customers {
			m.activate(t, name)
		}
		// What was handed out and not committed must survive a flush.
		if rapid.IntRange(0, 9).Draw(t, "flushes") == 0 {
			m.flush(t)
		}
		fails := 9
		if rounds < failingRounds {
			fails = rapid.IntRange(0, 9).Draw(t, "fails")
		}
		switch fails {
		case 0:
			until := m.until
			m.crash(t)
			m.until, more = until, true
		case 1, 2:
			m.discard(t)
			more = true
		default:
			m.commit(t)
		}
		if !more && len(customers) == 0 {
			break
		}
	}
	for name, x := range m.committed.customers {
		if at := nextPending(x.account, 0); at != 0 && at <= m.until {
			t.Fatalf("%q had something due at %d, and Due(%d) never named it", name, at, m.until)
		}
	}
}

func (m *machine) activate(t *rapid.T, name string) {
	a, _, err := m.batch.Account(name)
	if err != nil {
		t.Fatalf("reading an account: %v", err)
	}
	x := m.working.customer(name)
	done := false
	a.Lots = slices.Clone(a.Lots) // what it succeeds is still read
	for i := range a.Lots {
		if l := &a.Lots[i]; l.Pending > 0 && l.ActiveAt <= m.until {
			l.Active, l.Pending = l.Pending, 0
			x.account.Lots[i], done = *l, true
		}
	}
	if !done {
		return
	}
	offset := m.working.position.Ledger
	x.statement = append(x.statement, offset)
	m.batch.Decided(&events.Decision{Customer: name, Result: events.Applied})
	m.working.position.Ledger++
	m.offsets = append(m.offsets, offset)
}

func (m *machine) flush(t *rapid.T) {
	if err := m.p.Flush(); err != nil {
		t.Fatalf("flushing: %v", err)
	}
}

func (m *machine) reopen(t *rapid.T) {
	m.commit(t)
	if err := m.store.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
	m.open()
	if got := m.p.Position().Ledger; got != m.committed.position.Ledger {
		t.Fatalf("after a clean close the position is %d, want %d", got, m.committed.position.Ledger)
	}
}

// crash loses some of what was not synced. The partition must be as it was at the position that it has.
func (m *machine) crash(t *rapid.T) {
	m.discard(t)
	survives := rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "survives")
	seed := rapid.Uint64().Draw(t, "crash seed")
	fs := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: survives, RNG: rand.New(rand.NewPCG(seed, 0))})
	_ = m.store.Close()
	m.fs, m.cfg.FS = fs, fs
	m.open()
	position := m.p.Position()
	past := m.past[position.Ledger]
	if past == nil {
		t.Fatalf("after a crash the position is %d, which no commit had", position.Ledger)
	}
	m.committed = past
	m.until = max(position.Clock, 1000)
	m.check(t)
}

// askedStep leaves out most ids under the race detector: a long history with crashes asks for each of them thousands of
// times.
var askedStep = racetest.Of(1, 7)

// check asks everything.
func (m *machine) check(t *rapid.T) {
	if m.batch == nil {
		m.checkSchedule(t)
	}
	for name := range m.committed.customers {
		m.checkCustomer(t, name)
	}
	if a, _, err := m.p.Account("nobody"); a != nil || err != nil {
		t.Fatalf("an unknown customer has the account %v, %v", a, err)
	}
}

func (m *machine) checkSchedule(t *rapid.T) {
	if err := m.p.CheckSchedule(); err != nil {
		t.Fatalf("%v", err)
	}
}

func (m *machine) checkCustomer(t *rapid.T, name string) {
	x := m.committed.customers[name]
	a, last, err := m.p.Account(name)
	if len(x.statement) == 0 {
		if a != nil || err != nil {
			t.Fatalf("%q decided nothing and has the account %v, %v", name, a, err)
		}
		return
	}
	if err != nil || a == nil {
		t.Fatalf("account of %q: %v, %v", name, a, err)
	}
	if !bytes.Equal(encoded(a), encoded(x.account)) || last != x.statement[len(x.statement)-1] {
		t.Fatalf("account of %q at %d is\n%+v, want at %d\n%+v", name, last, a, x.statement[len(x.statement)-1], x.account)
	}
	r, err := m.p.Records(name)
	if err != nil {
		t.Fatalf("records of %q: %v", name, err)
	}
	m.compareRecords(t, x, r)
	m.checkStatement(t, name, x)
	for i := 0; i < 62; i += askedStep {
		event := fmt.Sprintf("e%d", i)
		want, known := x.first[event]
		if !known {
			want, known = x.last[event]
		}
		got, ok, err := m.p.Find(name, event)
		if err != nil || ok != known || got != want {
			t.Fatalf("%q of %q was found at %d, %v, %v; want %d, %v", event, name, got, ok, err, want, known)
		}
	}
}

func (m *machine) checkStatement(t *rapid.T, name string, x *modelCustomer) {
	want := slices.Clone(x.statement)
	slices.Reverse(want)
	var got []int64
	for before := int64(0); ; {
		page, err := m.p.Statement(name, before, 5)
		if err != nil {
			t.Fatalf("statement: %v", err)
		}
		got = append(got, page...)
		if len(page) < 5 {
			break
		}
		if before = page[len(page)-1]; before == 0 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("the statement of %q is %v, want %v", name, got, want)
	}
}

func (m *machine) compareRecords(t *rapid.T, x *modelCustomer, r *state.Records) {
	for i := 0; i < 62; i += askedStep {
		id := func(kind string) string { return fmt.Sprintf("%s%d", kind, i) }
		payload, ok := r.Seen(id("e"))
		if want, known := x.seen[id("e")]; ok != known || payload != want {
			t.Fatalf("Seen(%s) is %v, %v; want %v, %v", id("e"), payload, ok, want, known)
		}
		if o, want := r.Order(id("o")), x.orders[id("o")]; (o == nil) != (want == 0) || o != nil && int64(o.At) != want {
			t.Fatalf("Order(%s) is %v, want one at %d", id("o"), o, want)
		}
		if o, want := r.Redemption(id("r")), x.redemptions[id("r")]; (o == nil) != (want == 0) || o != nil && int64(o.LapsesAt) != want {
			t.Fatalf("Redemption(%s) is %v, want one at %d", id("r"), o, want)
		}
		var sum events.Points
		for _, points := range x.expired[id("o")] {
			sum += points
		}
		if got := r.Expired(id("o")); got != sum {
			t.Fatalf("Expired(%s) is %d, want %d", id("o"), got, sum)
		}
		ref := events.Reference{Kind: events.Type(id("kind")), ID: "b1"}
		if got, want := r.Referenced(ref), x.references[ref]; got != want {
			t.Fatalf("Referenced(%v) is %v, want %v", ref, got, want)
		}
	}
	got, want := r.All(), x.all()
	if err := r.Err(); err != nil {
		t.Fatalf("reading records: %v", err)
	}
	if len(got.Orders) != len(x.orders) || len(got.Redemptions) != len(x.redemptions) ||
		!reflect.DeepEqual(got.References, want.References) || !reflect.DeepEqual(got.Expired, want.Expired) {
		t.Fatalf("All is %+v, want %+v", got, want)
	}
	if !slices.IsSortedFunc(got.Orders, func(a, b *loyalty.Order) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) }) {
		t.Fatalf("All does not sort orders")
	}
}

// all sorts as loyalty's records in memory do.
func (x *modelCustomer) all() *loyalty.RecordSet {
	memory := loyalty.NewMemoryRecords()
	for ref := range x.references {
		memory.PutReference(ref)
	}
	for order, lots := range x.expired {
		for lot := int64(0); lot <= 30; lot++ {
			if points, ok := lots[lot]; ok {
				memory.AddExpired(order, lot, points)
			}
		}
	}
	return memory.All()
}
