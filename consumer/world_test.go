package consumer_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/internal/faultydisk"
	"github.com/accrue-loyalty/accrue/internal/kafkatest"
	"github.com/accrue-loyalty/accrue/internal/racetest/racekafka"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// plainProgram gives a point a dollar at once, for a year.
const plainProgram = `
program: test
revision: 1
currency: USD
timezone: UTC
point_value: 0.01
expiry: {after: 12 months}
redemption: {minimum: 1, step: 1, reservation_ttl: 30 minutes}
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
  - {id: goodwill, on: ComplaintResolved, points: 'event.goodwill_points', max: 1000}
`

// t0 is when the tests' history begins.
const t0 events.Instant = 1767225600000 // 2026-01-01T00:00:00Z

const (
	minute = events.Instant(60_000)
	day    = 24 * 60 * minute
)

// world is a broker with accrue's topics.
type world struct {
	t          testing.TB
	cluster    *embedded.Cluster // nil on a real broker
	brokers    []string
	prefix     string
	partitions int32
	codec      *schemas.Codec
	client     *consumer.Client
	producer   *kgo.Client
	admin      *kadm.Client
	// line is how instances that are started reach the broker; nil: by a line that is never cut.
	line *line
	// disk is where states live; nil: the operating system's files.
	disk *faultydisk.Disk

	mu   sync.Mutex
	sent consumer.Offsets
	// lasts are where the last decision of each partition was found.
	lasts map[int32]lastDecision
	// instances are those of this process that were started and not stopped.
	instances []*instance
}

// newWorld starts an embedded broker.
func newWorld(t testing.TB, partitions int32) *world {
	t.Helper()
	c, err := embedded.Start(embedded.Config{Faults: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	w := newWorldAt(t, c.Brokers(), schemas.DefaultPrefix, partitions)
	w.cluster = c
	return w
}

// newRealWorld uses the broker that the environment names.
func newRealWorld(t testing.TB, partitions int32) *world {
	t.Helper()
	return newWorldAt(t, []string{kafkatest.Broker(t)}, kafkatest.Prefix(t), partitions)
}

func newWorldAt(t testing.TB, brokers []string, prefix string, partitions int32) *world {
	t.Helper()
	w := &world{t: t, brokers: brokers, prefix: prefix, partitions: partitions, codec: schemas.NewCodec(), sent: consumer.Offsets{}, lasts: map[int32]lastDecision{}}
	cl, err := kgo.NewClient(append(racekafka.Options(), kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	w.producer, w.admin = cl, kadm.NewClient(cl)
	for _, plan := range schemas.Plans(1) {
		n := partitions
		if plan.Partitions > 0 {
			n = plan.Partitions
		}
		configs := make(map[string]*string)
		for _, s := range plan.Settings {
			configs[s.Key] = kadm.StringPtr(s.Value)
		}
		if _, err := w.admin.CreateTopic(w.ctx(), n, 1, configs, plan.Topic.Name(prefix)); err != nil {
			t.Fatalf("creating %s: %v", plan.Topic, err)
		}
	}
	w.client = w.newClient()
	return w
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) newClient(opts ...kgo.Opt) *consumer.Client {
	w.t.Helper()
	cfg := consumer.DefaultKafkaConfig(w.brokers...)
	cfg.Options = append(append(cfg.Options, racekafka.Options()...), opts...)
	cfg.Prefix = w.prefix
	cfg.SessionTimeout = 6 * time.Second
	c, err := consumer.NewClient(cfg, w.codec)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

// publish publishes a program that is in effect from the beginning.
func (w *world) publish(source string) {
	w.t.Helper()
	_, err := w.client.PublishProgram(w.ctx(), program.Draft{Source: []byte(source), File: "test.yaml", EffectiveAt: 1, Immediately: true, Now: events.InstantOf(time.Now())})
	if err != nil {
		w.t.Fatal(err)
	}
}

// send publishes events to their topics, with their own times as the records' timestamps.
func (w *world) send(list ...events.Event) {
	w.t.Helper()
	var wg sync.WaitGroup
	ctx := w.ctx()
	for _, e := range list {
		value, err := w.codec.AppendEvent(nil, e)
		if err != nil {
			w.t.Fatal(err)
		}
		h := e.Head()
		w.sendRecord(ctx, &wg, schemas.TopicOf(e.EventType()), &kgo.Record{
			Key: schemas.Key(h.Customer), Value: value, Partition: schemas.Partition(h.Customer, w.partitions), Timestamp: h.At.Time(),
		})
	}
	wg.Wait()
}

func (w *world) sendRecord(ctx context.Context, wg *sync.WaitGroup, t schemas.Topic, rec *kgo.Record) {
	rec.Topic = t.Name(w.prefix)
	wg.Add(1)
	w.producer.Produce(ctx, rec, func(rec *kgo.Record, err error) {
		defer wg.Done()
		if err != nil {
			w.t.Errorf("sending to %s: %v", rec.Topic, err)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent.Add(t, rec.Partition, rec.Offset)
	})
}

// inLedger waits until everything that was sent is decided, by whomever.
func (w *world) inLedger() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := w.client.WaitDecided(ctx, w.sent, func(int64) {}); err != nil {
		w.t.Fatal(err)
	}
}

// decided waits until everything that was sent is decided, and in the state of this process's instances: Kafka has the
// decisions a moment earlier.
func (w *world) decided() {
	w.t.Helper()
	w.inLedger()
	for p := range w.partitions {
		last, ok := w.lastDecision(p)
		if !ok {
			continue
		}
		eventually(w.t, fmt.Sprintf("somebody's state has all of %s-%d", schemas.TopicLedger.Name(w.prefix), p), func() bool {
			return slices.ContainsFunc(w.instances, func(i *instance) bool {
				part, ok := i.store.Lookup(p)
				return ok && part.Position().Ledger > last
			})
		})
	}
}

// lastDecision is how far a partition of the ledger was read, and the offset of the last decision up to there.
type lastDecision struct{ read, offset int64 }

// lastDecision returns the offset of a partition's last decision; false: there is none.
func (w *world) lastDecision(p int32) (int64, bool) {
	w.t.Helper()
	last, known := w.lasts[p]
	if !known {
		last.offset = -1
	}
	var added []*kgo.Record
	added, last.read = w.records(schemas.TopicLedger, p, last.read)
	if len(added) > 0 {
		last.offset = added[len(added)-1].Offset
	}
	w.lasts[p] = last
	return last.offset, last.offset >= 0
}

// records reads what a partition has from an offset on, and returns where it ended.
func (w *world) records(t schemas.Topic, p int32, from int64) (all []*kgo.Record, end int64) {
	w.t.Helper()
	name := t.Name(w.prefix)
	span, err := w.client.Reader().Span(w.ctx(), name, p)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.client.Reader().Read(w.ctx(), name, p, from, span.End, func(c projector.Chunk) error {
		for _, rec := range c.Records {
			if !rec.Attrs.IsControl() {
				all = append(all, rec)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all, span.End
}

// ledger reads a partition of the ledger.
func (w *world) ledger(partition int32) []events.Decision {
	w.t.Helper()
	records, _ := w.records(schemas.TopicLedger, partition, 0)
	all := make([]events.Decision, len(records))
	for i, rec := range records {
		if err := w.codec.DecodeDecision(rec.Value, &all[i]); err != nil {
			w.t.Fatal(err)
		}
		all[i].Partition, all[i].Offset = partition, rec.Offset
	}
	return all
}

// decisions reads the whole ledger.
func (w *world) decisions() []events.Decision {
	w.t.Helper()
	var all []events.Decision
	for p := range w.partitions {
		all = append(all, w.ledger(p)...)
	}
	return all
}

// instance is a running engine with its folder.
type instance struct {
	w        *world
	engine   *consumer.Engine
	store    *state.Store
	programs *consumer.Programs
	client   *consumer.Client
	dir      string
	cancel   context.CancelFunc
	done     chan error
}

// start runs an engine named name over the folder dir ("": a new one).
func (w *world) start(name, dir string, change ...func(*consumer.Config)) *instance {
	w.t.Helper()
	if dir == "" {
		dir = w.t.TempDir()
	}
	i := &instance{w: w, dir: dir, done: make(chan error, 1)}
	log := testLog(w.t)
	if w.line != nil {
		i.client = w.newClient(kgo.Dialer(w.line.dial))
	} else {
		i.client = w.newClient()
	}
	var err error
	if i.programs, err = i.client.FollowPrograms(w.ctx(), log); err != nil {
		w.t.Fatal(err)
	}
	stateCfg := state.DefaultConfig(dir)
	if w.disk != nil {
		w.disk.Hold(&stateCfg)
	}
	if _, bench := w.t.(*testing.B); !bench {
		stateCfg.CacheBytes, stateCfg.MemTableBytes = 16<<20, 4<<20
	}
	stateCfg.NextDue = i.programs.NextDue
	if i.store, err = state.Open(stateCfg, log); err != nil {
		w.t.Fatal(err)
	}
	cfg := consumer.DefaultConfig()
	cfg.Client, cfg.Programs, cfg.Store, cfg.Instance, cfg.Log = i.client, i.programs, i.store, name, log
	cfg.Clock.Every = 0
	for _, c := range change {
		c(&cfg)
	}
	if i.engine, err = consumer.New(cfg); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	w.instances = append(w.instances, i)
	go func() { i.done <- i.engine.Run(ctx) }()
	w.t.Cleanup(i.stop)
	return i
}

// stop ends the engine as a planned shutdown does. It may be called twice.
func (i *instance) stop() {
	if i.cancel == nil {
		return
	}
	i.cancel()
	i.cancel = nil
	i.w.instances = slices.DeleteFunc(i.w.instances, func(other *instance) bool { return other == i })
	if err := <-i.done; err != nil {
		i.w.t.Errorf("the engine ended with %v", err)
	}
	if err := i.store.Close(); err != nil {
		i.w.t.Errorf("closing the store: %v", err)
	}
	i.programs.Close()
	i.client.Close()
}

// settled waits until the instance's state has everything that the ledger has.
func (i *instance) settled() {
	i.w.t.Helper()
	for p := range i.w.partitions {
		last, ok := i.w.lastDecision(p)
		if !ok {
			continue
		}
		part, err := i.store.Partition(p)
		if err != nil {
			i.w.t.Fatal(err)
		}
		eventually(i.w.t, "the state is at the ledger's end", func() bool { return part.Position().Ledger > last })
	}
}

// account returns a customer's account from the instance's state.
func (i *instance) account(customer string) *loyalty.Account {
	i.w.t.Helper()
	p, err := i.store.Partition(schemas.Partition(customer, i.w.partitions))
	if err != nil {
		i.w.t.Fatal(err)
	}
	a, _, err := p.Account(customer)
	if err != nil {
		i.w.t.Fatal(err)
	}
	return a
}

// clock returns where a partition's clock stands, 0 while it is on its way from one worker to another.
func (i *instance) clock(p int32) events.Instant {
	for _, s := range i.engine.Status() {
		if s.Partition == p {
			return s.Clock
		}
	}
	return 0
}

func (i *instance) active(customer string) events.Points {
	a := i.account(customer)
	if a == nil {
		return 0
	}
	return a.Balance().Active
}

// testLog writes to the test's log, from warnings up unless ACCRUE_TEST_LOG says otherwise.
func testLog(t testing.TB) *slog.Logger {
	level := slog.LevelWarn
	if v := os.Getenv("ACCRUE_TEST_LOG"); v != "" {
		_ = level.UnmarshalText([]byte(strings.ToUpper(v)))
	}
	out := &testWriter{t: t}
	t.Cleanup(func() { out.over.Store(true) })
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
}

// testWriter drops what is logged after the test.
type testWriter struct {
	t    testing.TB
	over atomic.Bool
}

func (w *testWriter) Write(b []byte) (int, error) {
	if !w.over.Load() {
		w.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

func order(customer, id string, at events.Instant, cents int64) *events.OrderPlaced {
	return &events.OrderPlaced{
		Header: events.Header{ID: "e-" + id, Customer: customer, At: at},
		Order:  id, Currency: "USD",
		Lines: []events.Line{{Line: "1", Quantity: 1, Amount: events.Money(cents)}},
	}
}

// orders is an order of each customer, of the same time and amount.
func orders(customers []string, at events.Instant, cents int64) []events.Event {
	all := make([]events.Event, len(customers))
	for i, c := range customers {
		all[i] = order(c, "o-"+c, at, cents)
	}
	return all
}

// eventually fails unless ok becomes true soon.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 30 s: %s", what)
}

func customers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("c-%04d", i)
	}
	return all
}

// reasons counts the decisions of one result by their reasons.
func (w *world) reasons(result events.Result) map[string]int {
	counts := map[string]int{}
	for _, d := range w.decisions() {
		if d.Result == result {
			counts[d.Reason]++
		}
	}
	return counts
}

// deadLetters reads all dead letters.
func (w *world) deadLetters() (all []*kgo.Record) {
	w.t.Helper()
	for p := range w.partitions {
		letters, _ := w.records(schemas.TopicDeadLetter, p, 0)
		all = append(all, letters...)
	}
	return all
}
