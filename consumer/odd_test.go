package consumer_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// explosive is a condition that panics for one customer, as a bug in the rules might.
type explosive struct{ customer string }

func (x explosive) Match(e events.Event) (bool, error) {
	if e.Head().Customer == x.customer {
		panic("a bug")
	}
	return true, nil
}

func TestACustomerWhoCannotBeDecidedIsParkedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	versions, err := w.client.Programs(w.ctx())
	if err != nil {
		t.Fatal(err)
	}
	const bad = "mallory@example.org"
	versions[0].Earn[0].When = explosive{bad}
	said, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	i := w.start("one", "", func(c *consumer.Config) {
		c.Programs = consumer.FixedPrograms(versions...)
		c.Log = slog.New(slog.NewTextHandler(said, nil))
	})
	var all []events.Event
	for n := range 10 {
		at := t0 + events.Instant(n)
		all = append(all, order("good", fmt.Sprintf("g-%d", n), at, 1000), order(bad, fmt.Sprintf("b-%d", n), at, 1000))
	}
	w.send(all...)
	w.decided()
	if got := i.active("good"); got != 100 {
		t.Errorf("the other customer has %d points, want 100", got)
	}
	reasons := w.reasons(events.Parked)
	if reasons["decision_panicked"] != 1 || reasons["behind_parked"] != 9 {
		t.Errorf("parked for %v, want one panic and nine behind it", reasons)
	}
	letters := w.deadLetters()
	if len(letters) != 10 || string(letters[0].Key) != bad {
		t.Errorf("%d dead letters, want 10 of %s", len(letters), bad)
	}
	if report, err := w.client.Verify(w.ctx(), consumer.VerifyConfig{}); err != nil || report.Parked() != 10 {
		t.Errorf("verify counts %d parked records, and says %v", report.Parked(), err)
	}
	text, err := os.ReadFile(said.Name())
	if err != nil {
		t.Fatal(err)
	}
	if text := string(text); !strings.Contains(text, "a customer is parked") || !strings.Contains(text, "topic=accrue.orders offset=1") || strings.Contains(text, bad) {
		t.Errorf("the log is to name the record and not the customer, and says:\n%s", text)
	}
	w.audit()
}

// explosives is a condition that panics for whoever is not good, and counts.
type explosives struct{ met *atomic.Int64 }

func (x explosives) Match(e events.Event) (bool, error) {
	x.met.Add(1)
	if e.Head().Customer != "good" {
		panic("a bug")
	}
	return true, nil
}

func TestABugThatMeetsEverybodyIsNotMetOverAndOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	versions, err := w.client.Programs(w.ctx())
	if err != nil {
		t.Fatal(err)
	}
	var met atomic.Int64
	versions[0].Earn[0].When = explosives{&met}
	var all []events.Event
	n := racetest.Of(200, 100)
	for k, c := range customers(n) {
		at := t0 + events.Instant(k)
		all = append(all, order(c, fmt.Sprintf("o-%d", k), at, 1000), order("good", fmt.Sprintf("g-%d", k), at, 1000))
	}
	w.send(all...)
	i := w.start("one", "", func(c *consumer.Config) {
		c.Programs, c.Log = consumer.FixedPrograms(versions...), slog.New(slog.DiscardHandler)
	})
	w.decided()
	if got := i.active("good"); got != events.Points(10*n) {
		t.Errorf("the customer between them has %d points, want %d", got, 10*n)
	}
	if letters := len(w.deadLetters()); letters != n {
		t.Errorf("%d dead letters, want %d", letters, n)
	}
	if met := met.Load(); met > int64(20*n) {
		t.Errorf("%d orders were decided %d times", 2*n, met)
	}
	w.audit()
}

// TestAbortedRecordsOfProducersAreNotDecided has a producer give up a transaction; what it wrote is in the log all the
// same, and a tick behind it must not wait for it.
func TestAbortedRecordsOfProducersAreNotDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(heldProgram)
	i := w.start("one", "")
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID("shop"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for n, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		o := order("c", fmt.Sprint(n), t0, 1000)
		value, err := w.codec.AppendEvent(nil, o)
		if err != nil {
			t.Fatal(err)
		}
		rec := &kgo.Record{Topic: schemas.TopicOrders.Name(w.prefix), Key: []byte("c"), Value: value, Timestamp: t0.Time()}
		if err := cl.ProduceSync(w.ctx(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(w.ctx(), commit); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the committed orders are decided", func() bool { return len(w.ledger(0)) == 2 })
	w.tick(t0 + 8*day)
	eventually(t, "the tick is applied although aborted records lie before it", func() bool { return i.active("c") == 20 })
	w.audit()
	dir := i.dir
	i.stop()
	i = w.start("one", dir)
	w.send(order("c", "last", t0+8*day, 1000))
	eventually(t, "it goes on after a restart", func() bool { return len(w.ledger(0)) == 4 })
	w.audit()
}

func TestTicksWithNothingToDoLeaveNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "", func(c *consumer.Config) { c.Clock.Every = 10 * time.Millisecond })
	w.send(order("c", "o", t0, 1000))
	w.decided()
	var at events.Instant
	eventually(t, "the clock ticks", func() bool { at = i.clock(0); return at > t0 })
	eventually(t, "it goes on ticking", func() bool { return i.clock(0) > at+100 })
	if n := len(w.ledger(0)); n != 1 {
		t.Errorf("the ledger has %d records, want 1", n)
	}
	eventually(t, "the partition is at its worker", func() bool { at = i.clock(0); return at > t0 })
	dir := i.dir
	i.stop()
	i = w.start("one", dir)
	// The last ticks may be read again; none was lost for good.
	eventually(t, "the clock is where it was", func() bool { return i.clock(0) >= at })
	w.audit()
}

// TestABatchIsDecidedInOrderOfTimeAcrossTopics needs both topics in the first batch. The client may fetch one before the
// other, rarely, and then it is tried again: that the order holds always is TestTheOldestHeadGoesFirst's to show.
func TestABatchIsDecidedInOrderOfTimeAcrossTopics(t *testing.T) {
	t.Parallel()
	var problem string
	for range 5 {
		if problem = decideAcrossTopics(t); problem == "" {
			return
		}
		t.Log(problem)
	}
	t.Fatal("never in order of time: " + problem)
}

// decideAcrossTopics decides orders and their returns, and says which decision is out of order.
func decideAcrossTopics(t *testing.T) (problem string) {
	w := newWorld(t, 1)
	w.publish(plainProgram)
	// The returns were published before their orders, but happened after them. All are there when the engine starts.
	var orders, returns []events.Event
	for n := range 100 {
		o := order("c", fmt.Sprint(n), t0+events.Instant(n)*minute, 1000)
		orders = append(orders, o)
		returns = append(returns, &events.OrderReturned{Header: events.Header{ID: fmt.Sprintf("r-%d", n), Customer: "c", At: o.At + 1}, Order: o.Order, Return: fmt.Sprint(n)})
	}
	w.send(returns...)
	w.send(orders...)
	w.start("one", "", oneWorker)
	w.decided()
	for n, d := range w.ledger(0) {
		want := events.TypeOrderPlaced
		if n%2 == 1 {
			want = events.TypeOrderReturned
		}
		if d.Facts.Type != want || d.Result != events.Applied {
			return fmt.Sprintf("decision %d is %s %s, want %s applied", n, d.Facts.Type, d.Result, want)
		}
	}
	w.audit()
	return ""
}

func TestSingleDecisionsAndTheirCausesCanBeReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.sendSlowly(shopping(4, 5, 300)) // many transactions, so markers lie between
	w.decided()
	all := w.ledger(0)
	var offsets []int64
	for n := len(all) - 1; n >= 0; n -= 7 {
		offsets = append(offsets, all[n].Offset)
	}
	offsets = append(offsets, offsets[0])
	found, err := i.engine.Projector().Decisions(w.ctx(), 0, offsets)
	if err != nil {
		t.Fatal(err)
	}
	for n, d := range found {
		if d.Offset != offsets[n] || d.Partition != 0 {
			t.Fatalf("decision %d is of offset %d, want %d", n, d.Offset, offsets[n])
		}
		e, err := w.client.Cause(w.ctx(), d.Cause)
		if err != nil || e.Head().ID != d.Cause.Event {
			t.Fatalf("the cause of offset %d is %v, %v", d.Offset, e, err)
		}
	}
	used := map[int64]bool{}
	for _, d := range all {
		used[d.Offset] = true
	}
	for offset := range all[len(all)-1].Offset {
		if !used[offset] {
			if _, err := i.engine.Projector().Decisions(w.ctx(), 0, []int64{offset}); !errors.Is(err, projector.ErrNoDecision) {
				t.Errorf("a marker's offset was answered %v", err)
			}
			break
		}
	}
	if _, err := i.engine.Projector().Decisions(w.ctx(), 0, []int64{all[len(all)-1].Offset + 1000}); err == nil {
		t.Error("an offset behind the end was answered")
	}
}

// Somebody else's record in the program topic is not taken for rules, and does not stop the engine.
func TestAStrangeRecordInTheProgramTopicIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	junk := func() {
		for _, value := range [][]byte{[]byte("junk"), nil} {
			if err := cl.ProduceSync(w.ctx(), &kgo.Record{Topic: w.client.Name(schemas.TopicProgram), Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	junk()
	w.publish(plainProgram)
	i := w.start("one", "")
	w.send(order("ann", "o1", t0, 1000))
	w.decided()
	junk()
	w.publish(strings.Replace(plainProgram, "points: 1", "points: 2", 1))
	eventually(t, "the second version is known", func() bool { return len(i.programs.History()) == 2 })
	w.send(order("ann", "o2", t0, 1000))
	w.decided()
	if got := i.active("ann"); got != 30 {
		t.Errorf("ann has %d points, want 30", got)
	}
	w.audit()
}

// An engine that started before there were rules hears that it can't decide by the first ones.
func TestAFirstProgramThatCannotBeUsedEndsTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	i := w.start("one", "")
	source := strings.Replace(plainProgram, "revision: 1", "revision: 99", 1)
	value, err := w.codec.AppendProgram(nil, &events.ProgramPublished{Version: 1, EffectiveAt: 1, PublishedAt: 1, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.producer.ProduceSync(w.ctx(), &kgo.Record{Topic: w.client.Name(schemas.TopicProgram), Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-i.done:
		if err == nil || !strings.Contains(err.Error(), "cannot be used by this accrue") {
			t.Errorf("it ended with %v", err)
		}
		i.done <- nil // for stop
	case <-time.After(10 * time.Second):
		t.Error("it goes on waiting for a program")
	}
}

// TestWhatCameBeforeAParkedRecordIsDecided has two customers break in one batch, which is decided again for each.
func TestWhatCameBeforeAParkedRecordIsDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	versions, err := w.client.Programs(w.ctx())
	if err != nil {
		t.Fatal(err)
	}
	versions[0].Earn[0].When = explosiveOrders{"boom"}
	w.send(
		order("first", "fine", t0, 1000),
		order("first", "boom-1", t0+1, 1000),
		order("second", "boom-2", t0+2, 1000),
		order("first", "late", t0+3, 1000),
	)
	// Another worker that took the partition over would know of nobody who is parked.
	i := w.start("one", "", oneWorker, func(c *consumer.Config) { c.Programs = consumer.FixedPrograms(versions...) })
	w.decided()
	w.send(order("first", "later", t0+4, 1000)) // in a batch after that which parked
	w.decided()
	if got := i.active("first"); got != 10 {
		t.Errorf("who broke has %d points, want the 10 of before", got)
	}
	reasons := w.reasons(events.Parked)
	if reasons["decision_panicked"] != 2 || reasons["behind_parked"] != 2 {
		t.Errorf("parked for %v, want two panics and two behind them", reasons)
	}
	w.audit()
}

// explosiveOrders is a condition that panics for orders whose ids begin so.
type explosiveOrders struct{ prefix string }

func (x explosiveOrders) Match(e events.Event) (bool, error) {
	if strings.HasPrefix(e.(*events.OrderPlaced).Order, x.prefix) {
		panic("a bug")
	}
	return true, nil
}

// TestWhatANewerAccrueSentStopsThePartition has what instances of two versions send each other: a merge in a later encoding, and a
// record of a schema that is not known here.
func TestWhatANewerAccrueSentStopsThePartition(t *testing.T) {
	t.Parallel()
	codec := schemas.NewCodec()
	merge, err := codec.AppendEvent(nil, &events.MergeCredited{
		Header: events.Header{ID: "m", Customer: "bob", At: t0}, From: "ann", Account: []byte{1, 0x7f, 0, 0, 0, 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	unknown := slices.Clone(merge)
	unknown[2]++ // the fingerprint
	for name, value := range map[string][]byte{"a later encoding": merge, "a later schema": unknown} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.publish(plainProgram)
			i := w.start("one", "")
			w.send(order("bob", "o", t0, 1000))
			w.decided()
			var wg sync.WaitGroup
			w.sendRecord(w.ctx(), &wg, schemas.TopicTransfers, &kgo.Record{Key: []byte("bob"), Value: value})
			wg.Wait()
			eventually(t, "the partition is stopped", func() bool {
				s := i.engine.Status()
				return len(s) == 1 && s[0].Phase == consumer.Stopped
			})
			if reason := i.engine.Status()[0].Err; !strings.Contains(reason, "run the newest everywhere") {
				t.Errorf("the reason given is %q", reason)
			}
			if n := len(w.ledger(0)); n != 1 || len(w.deadLetters()) > 0 {
				t.Errorf("%d decisions and %d dead letters, want that of the order alone", n, len(w.deadLetters()))
			}
		})
	}
}
