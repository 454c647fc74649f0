package consumer_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/internal/sim"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/schemas"
)

// heldProgram holds points for a week and lets them expire after a month.
const heldProgram = `
program: test
revision: 1
currency: USD
timezone: UTC
point_value: 0.01
hold: 7 days
expiry: {after: 1 month}
late_events: {accept_within: 30 days}
redemption: {minimum: 1, step: 1, reservation_ttl: 30 minutes}
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
`

// tick sends a tick of the wall clock to all partitions.
func (w *world) tick(at events.Instant) {
	w.t.Helper()
	var wg sync.WaitGroup
	for p := range w.partitions {
		value, err := w.codec.AppendEvent(nil, &events.Tick{Header: events.Header{ID: "tick-" + at.String(), At: at}})
		if err != nil {
			w.t.Fatal(err)
		}
		w.sendRecord(w.ctx(), &wg, schemas.TopicClock, &kgo.Record{Value: value, Partition: p, Timestamp: at.Time()})
	}
	wg.Wait()
}

func TestTicksActivateAndExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(heldProgram)
	i := w.start("one", "")
	names := customers(20)
	w.send(orders(names, t0, 1000)...)
	w.decided()
	w.tick(t0 + 7*day)
	eventually(t, "the points are active", func() bool {
		return !slices.ContainsFunc(names, func(c string) bool { return i.active(c) != 10 })
	})
	w.tick(t0 + 60*day)
	eventually(t, "the points have expired", func() bool {
		return !slices.ContainsFunc(names, func(c string) bool { return i.account(c).Totals.Expired != 10 })
	})
	w.audit()
}

// TestAHalfDoneTickCannotBeSeen has events decided while a tick with much to do is worked off in small portions. Those that
// have waited for one portion do not wait for another.
func TestAHalfDoneTickCannotBeSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(heldProgram)
	i := w.start("one", "", oneWorker, func(c *consumer.Config) { c.Limits.Due = time.Millisecond })
	names := customers(racetest.Of(12_000, 3000))
	w.send(orders(names, t0, 1000)...)
	w.decided()
	w.tick(t0 + 7*day)
	eventually(t, "the tick has begun", func() bool { s := i.engine.Status(); return len(s) == 1 && s[0].Sweeping })
	at := t0 + 7*day + 1
	var redemptions []events.Event
	for n := 0; n < len(names); n += 7 {
		c := names[n]
		redemptions = append(redemptions, &events.RedemptionRequested{Header: events.Header{ID: "r-" + c, Customer: c, At: at}, Redemption: "r-" + c, Points: 10})
	}
	w.send(redemptions...)
	w.decided()
	eventually(t, "the tick is done", func() bool { s := i.engine.Status(); return len(s) == 1 && !s[0].Sweeping })
	interleaved, redeemed, alone := false, false, false
	for _, batch := range transactions(w.ledger(0)) {
		asked, swept := map[string]bool{}, map[string]bool{}
		for _, d := range batch {
			switch d.Facts.Type {
			case events.TypeRedemptionRequested:
				redeemed, asked[d.Customer] = true, true
				if d.Result != events.Applied {
					t.Fatalf("a redemption of points that the tick had made active was answered %s %s", d.Result, d.Reason)
				}
			case events.TypeTick:
				interleaved, swept[d.Customer] = interleaved || redeemed, true
			}
		}
		maps.DeleteFunc(swept, func(customer string, _ bool) bool { return asked[customer] })
		alone = alone || len(asked) > 0 && len(swept) == 0
	}
	if !interleaved {
		t.Error("the tick was worked off in one piece: the test shows nothing")
	}
	if !alone {
		t.Error("the redemptions waited for what others were due in their own batch")
	}
	w.audit()
}

// transactions splits a partition's decisions where there are markers of commits between them.
func transactions(ledger []events.Decision) (all [][]events.Decision) {
	from := 0
	for i := range ledger {
		if i+1 == len(ledger) || ledger[i+1].Offset != ledger[i].Offset+1 {
			all, from = append(all, ledger[from:i+1]), i+1
		}
	}
	return all
}

// largestBatch keeps the size of the largest batch.
type largestBatch struct {
	consumer.NoMetrics
	records atomic.Int64
}

func (m *largestBatch) Batch(records int, _, _ time.Duration) {
	m.records.Store(max(m.records.Load(), int64(records))) // there is one worker
}

// TestThePartitionsOfAWorkerShareTheTimeForWhatIsDue gives them time for one look at the schedule.
func TestThePartitionsOfAWorkerShareTheTimeForWhatIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(heldProgram)
	var largest largestBatch
	i := w.start("one", "", oneWorker, func(c *consumer.Config) { c.Limits.Due, c.Metrics = time.Nanosecond, &largest })
	names := customers(3000)
	w.send(orders(names, t0, 1000)...)
	w.decided()
	largest.records.Store(0)
	w.tick(t0 + 7*day)
	eventually(t, "the tick is done in all partitions", func() bool {
		return !slices.ContainsFunc(i.engine.Status(), func(s consumer.PartitionStatus) bool { return s.Clock != t0+7*day || s.Sweeping })
	})
	if n := len(w.decisions()); n != 6000 {
		t.Errorf("the ledger has %d decisions, want 6000", n)
	}
	const look = 256
	if n := largest.records.Load(); n > look {
		t.Errorf("a batch has %d decisions, want %d at most", n, look)
	}
	w.audit()
}

func TestARestartInTheMiddleOfATickFinishesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(heldProgram)
	i := w.start("one", "", func(c *consumer.Config) { c.Limits.Due = time.Millisecond })
	names := customers(racetest.Of(3000, 1200))
	w.send(orders(names, t0, 1000)...)
	w.decided()
	w.tick(t0 + 7*day)
	eventually(t, "the tick has begun", func() bool { return slices.ContainsFunc(names, func(c string) bool { return i.active(c) > 0 }) })
	dir := i.dir
	i.stop()
	before := len(w.decisions())
	i = w.start("one", dir)
	eventually(t, "all points are active", func() bool {
		return running(i, 2) && !slices.ContainsFunc(names, func(c string) bool { return i.active(c) != 10 })
	})
	want := 2 * len(names)
	t.Logf("stopped after %d of %d decisions", before, want)
	if n := len(w.decisions()); n != want {
		t.Errorf("the ledger has %d decisions, want %d", n, want)
	}
	w.audit()
}

// TestARestartDoesNotDecideClockRecordsAgain has a record that cannot be read behind a tick that waits for the end of another:
// it is decided at once, and read again after the restart, with the tick.
func TestARestartDoesNotDecideClockRecordsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(heldProgram)
	i := w.start("one", "", oneWorker, func(c *consumer.Config) { c.Limits.Due = time.Nanosecond })
	w.send(orders(customers(racetest.Of(3000, 1500)), t0, 1000)...)
	w.decided()
	w.tick(t0 + 7*day)
	w.tick(t0 + 8*day)
	var wg sync.WaitGroup
	w.sendRecord(w.ctx(), &wg, schemas.TopicClock, &kgo.Record{Value: []byte("rubbish")})
	wg.Wait()
	eventually(t, "the record is decided", func() bool { return len(w.deadLetters()) > 0 })
	dir := i.dir
	i.stop()
	i = w.start("one", dir)
	eventually(t, "the ticks are worked off", func() bool { return i.clock(0) == t0+8*day && !i.engine.Status()[0].Sweeping })
	if n := w.reasons(events.Unreadable)["unknown_framing"]; n != 1 || len(w.deadLetters()) != 1 {
		t.Errorf("the record was decided %d times, with %d dead letters", n, len(w.deadLetters()))
	}
	w.audit()
}

func TestATickDoesNotOvertakeABacklog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(heldProgram)
	// Everything is there before the engine starts; one record a batch makes the polls as small as can be.
	const want = 300
	var backlog []events.Event
	for n := range want {
		backlog = append(backlog, order("c", fmt.Sprint(n), t0+events.Instant(n), 1000))
	}
	w.send(backlog...)
	w.tick(t0 + 90*day)
	w.start("one", "", func(c *consumer.Config) { c.Limits.Records = 1 })
	w.decided()
	for _, d := range w.ledger(0) {
		if d.Result == events.Stale {
			t.Fatalf("the order at offset %d became stale: the tick overtook it", d.Cause.Offset)
		}
	}
	eventually(t, "the tick is done", func() bool { return len(w.ledger(0)) > want })
	w.audit()
}

// TestDrivingTheClockDecidesAsTheSimulationDoes imports history day by day and compares with the engine in memory.
func TestDrivingTheClockDecidesAsTheSimulationDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(heldProgram)
	i := w.start("one", "", func(c *consumer.Config) { c.Clock.Every = 20 * time.Millisecond })
	names := customers(25)
	all := shopping(3, 25, racetest.Of(500, 200))
	for n := range all { // five a day, over more than the month after which points expire
		all[n].Head().At = t0 + events.Instant(n)*(day/5)
	}
	driver, err := w.client.DriveClock(w.ctx(), all[0].Head().At, "orders", false)
	if err != nil {
		t.Fatal(err)
	}
	next := t0 + day
	var today []events.Event
	for _, e := range all {
		for e.Head().At >= next {
			w.send(today...)
			w.decided()
			if err := driver.Tick(w.ctx(), next); err != nil {
				t.Fatal(err)
			}
			today = nil
			next += day
		}
		today = append(today, e)
	}
	w.send(today...)
	w.decided()
	if err := driver.Tick(w.ctx(), next); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last tick is worked off", func() bool {
		s := i.engine.Status()
		return len(s) == 4 && !slices.ContainsFunc(s, func(s consumer.PartitionStatus) bool { return s.Clock != next || s.Sweeping })
	})

	p, err := program.Parse([]byte(heldProgram), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	simulated, err := sim.New(sim.Config{Programs: loyalty.History{p}, DailyTicks: true})
	if err != nil {
		t.Fatal(err)
	}
	for n, e := range all {
		if err := simulated.Apply(e, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := simulated.Until(next); err != nil {
		t.Fatal(err)
	}
	for _, c := range names {
		want := loyalty.Summarize(p, simulated.Account(c), next)
		got := loyalty.Summarize(p, i.account(c), next)
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("%s:\n simulated %+v\n the engine %+v", c, want, got)
		}
	}
	w.audit()

	// Once the clock is given back, the wall drives it, and history can no longer be driven.
	if err := driver.Close(w.ctx(), true); err != nil {
		t.Fatal(err)
	}
	now := events.InstantOf(time.Now())
	eventually(t, "the wall clock has taken over", func() bool { return i.clock(0) > now })
	if _, err := w.client.DriveClock(w.ctx(), t0, "others", false); !errors.Is(err, consumer.ErrClockAhead) {
		t.Errorf("driving the clock through the past of a live system was answered %v", err)
	}
	states, err := w.client.Clocks(w.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if !states[0].Live {
		t.Errorf("the clock is not called live: %+v", states[0])
	}
	w.audit()
}

func TestOneDrivesTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(heldProgram)
	// One worker: a second that joins late would take a partition over, which then reads its clock anew.
	i := w.start("one", "", oneWorker, func(c *consumer.Config) { c.Clock.Every = 10 * time.Millisecond })
	w.send(order("a", "1", t0, 1000), order("b", "1", t0, 1000), order("c", "1", t0, 1000), order("d", "1", t0, 1000))
	w.decided()
	// The system is in use and at today's time. Driving it on from now is allowed.
	eventually(t, "the wall clock ticks", func() bool { return i.clock(0) > 0 || i.clock(1) > 0 })
	ahead := events.InstantOf(time.Now()) + day
	driver, err := w.client.DriveClock(w.ctx(), ahead, "ahead", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.DriveClock(w.ctx(), ahead, "ahead", false); !errors.Is(err, consumer.ErrClockTaken) {
		t.Errorf("a second driver was answered %v", err)
	}
	if err := driver.Tick(w.ctx(), ahead); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the driver's tick counts", func() bool {
		return !slices.ContainsFunc(i.engine.Status(), func(s consumer.PartitionStatus) bool { return s.Clock != ahead })
	})
	// Somebody's tick of the wall clock that lands in the log all the same does not count.
	w.tickNow(ahead + day)
	time.Sleep(100 * time.Millisecond)
	for _, s := range i.engine.Status() {
		if s.Clock != ahead || !strings.Contains(s.Driver, "/") {
			t.Errorf("partition %d stands at %s, driven by %q", s.Partition, s.Clock, s.Driver)
		}
	}
	if err := driver.Close(w.ctx(), true); err != nil {
		t.Fatal(err)
	}
	w.tickNow(ahead + 2*day)
	eventually(t, "the wall clock counts again", func() bool {
		return !slices.ContainsFunc(i.engine.Status(), func(s consumer.PartitionStatus) bool { return s.Clock != ahead+2*day })
	})
	w.audit()
}

// tickNow sends ticks that carry the present time, as the wall clock's do.
func (w *world) tickNow(ats ...events.Instant) {
	w.t.Helper()
	var wg sync.WaitGroup
	ctx := w.ctx()
	for _, at := range ats {
		value, err := w.codec.AppendEvent(nil, &events.Tick{Header: events.Header{ID: "tick-" + at.String(), At: at}})
		if err != nil {
			w.t.Fatal(err)
		}
		for p := range w.partitions {
			w.sendRecord(ctx, &wg, schemas.TopicClock, &kgo.Record{Value: value, Partition: p, Timestamp: time.Now()})
		}
	}
	wg.Wait()
}

// secondsFrom returns n times, a second apart.
func secondsFrom(at events.Instant, n int) []events.Instant {
	all := make([]events.Instant, n)
	for i := range all {
		all[i] = at + events.Instant(1000*i)
	}
	return all
}

// lowestFetched returns the lowest offset of the topic that was asked for from now on.
func (w *world) lowestFetched(topic schemas.Topic) func() int64 {
	w.t.Helper()
	name := topic.Name(w.prefix)
	id, err := w.client.Reader().TopicID(w.ctx(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	var mu sync.Mutex
	lowest := int64(math.MaxInt64)
	w.cluster.Fake().ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.Fake().KeepControl()
		mu.Lock()
		defer mu.Unlock()
		for _, t := range req.(*kmsg.FetchRequest).Topics {
			for _, p := range t.Partitions {
				if t.Topic == name || t.TopicID == id {
					lowest = min(lowest, p.FetchOffset)
				}
			}
		}
		return nil, nil, false
	})
	return func() int64 { mu.Lock(); defer mu.Unlock(); return lowest }
}

// TestATakeOverDoesNotReadOldTicks ticks for a while with nothing to do. That leaves no trace in the ledger.
func TestATakeOverDoesNotReadOldTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "", oneWorker)
	w.send(order("c", "o", t0, 1000))
	w.decided()
	const n = 100
	ticks := secondsFrom(t0+minute, n)
	last := ticks[n-1]
	w.tickNow(ticks...)
	eventually(t, "all ticks are taken", func() bool { return i.clock(0) == last })
	w.send(order("c", "p", last, 1000)) // the positions are committed with it
	w.decided()
	dir := i.dir
	i.stop()
	lowest := w.lowestFetched(schemas.TopicClock)
	i = w.start("one", dir, oneWorker)
	eventually(t, "the partition runs", func() bool { return running(i, 1) })
	if at := i.clock(0); at != last {
		t.Errorf("the clock stands at %s, want %s", at, last)
	}
	if at := lowest(); at < n-1 {
		t.Errorf("the clock was read from offset %d, though its last tick is at %d", at, n-1)
	}
	w.audit()
}

// TestTheClockIsWhereItWasAfterARestart leaves the clock where many later records neither move it nor change who drives
// it, and nothing is decided that would tell.
func TestTheClockIsWhereItWasAfterARestart(t *testing.T) {
	t.Parallel()
	for name, through := range map[string]bool{"a history is open": false, "it was driven ahead": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.publish(plainProgram)
			i := w.start("one", "", oneWorker)
			w.send(order("c", "o", t0, 1000))
			w.decided()
			driver, err := w.client.DriveClock(w.ctx(), t0, "shop", false)
			if err == nil {
				err = driver.Tick(w.ctx(), t0+day)
			}
			if err == nil {
				err = driver.Close(w.ctx(), through)
			}
			if err != nil {
				t.Fatal(err)
			}
			// More than are read back where nothing says which to read: earlier than the clock, or not to count.
			from := t0 + 30*day
			if through {
				from = t0
			}
			w.tickNow(secondsFrom(from, 5000)...)
			for range 2 {
				w.decided() // the ticks' offsets are committed, too
				dir := i.dir
				i.stop()
				i = w.start("one", dir, oneWorker)
				eventually(t, "the partition runs", func() bool { return running(i, 1) })
				if at := i.clock(0); at != t0+day {
					t.Fatalf("the clock stands at %s, want %s", at, t0+day)
				}
			}
			w.tickNow(t0 + 60*day)
			want := t0 + day
			if through {
				want = t0 + 60*day
			}
			w.send(order("c", "p", t0+day, 1000))
			w.decided()
			eventually(t, fmt.Sprintf("after another tick the clock stands at %s", want), func() bool { return i.clock(0) == want })
			w.audit()
		})
	}
}

// TestAnOpenHistoryKeepsTheWallClockWaiting lets an import end in the middle. A tick of today would make the rest stale.
func TestAnOpenHistoryKeepsTheWallClockWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(heldProgram)
	ticking := func(c *consumer.Config) { c.Clock.Every = 10 * time.Millisecond }
	i := w.start("one", "", ticking)
	clocksAt := func(what string, at events.Instant) {
		t.Helper()
		eventually(t, what, func() bool {
			return !slices.ContainsFunc(i.engine.Status(), func(s consumer.PartitionStatus) bool { return s.Clock != at })
		})
	}
	driver, err := w.client.DriveClock(w.ctx(), t0, "shop", false)
	if err != nil {
		t.Fatal(err)
	}
	w.send(order("a", "1", t0, 1000), order("b", "1", t0, 1000), order("c", "1", t0, 1000), order("d", "1", t0, 1000))
	w.decided()
	if err := driver.Tick(w.ctx(), t0+day); err != nil {
		t.Fatal(err)
	}
	clocksAt("the driver's tick counts", t0+day)
	if err := driver.Close(w.ctx(), false); err != nil {
		t.Fatal(err)
	}
	w.tickNow(t0 + 90*day)
	dir := i.dir
	i.stop()
	i = w.start("one", dir, oneWorker, ticking) // taken over once: what is being taken over has no clock
	eventually(t, "it is back", func() bool { return running(i, 2) })
	clocksAt("the clock is where it was", t0+day)
	time.Sleep(200 * time.Millisecond) // twenty ticks
	for _, s := range i.engine.Status() {
		if s.Clock != t0+day {
			t.Fatalf("the clock of partition %d stands at %s: the wall has ticked", s.Partition, s.Clock)
		}
	}
	for _, first := range []events.Instant{t0, t0 + 30*day} {
		if _, err := w.client.DriveClock(w.ctx(), first, "another shop", false); !errors.Is(err, consumer.ErrClockOpen) {
			t.Errorf("driving through another history from %s was answered %v", first, err)
		}
	}

	driver, err = w.client.DriveClock(w.ctx(), t0, "shop", false)
	if err != nil {
		t.Fatalf("the history can't be gone on with: %v", err)
	}
	if err := driver.Tick(w.ctx(), t0+2*day); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.ReleaseClock(w.ctx()); !errors.Is(err, consumer.ErrClockTaken) || !strings.Contains(err.Error(), "more unless it renews that") {
		t.Errorf("releasing the clock while it is driven was answered %v", err)
	}
	if states, err := w.client.Clocks(w.ctx()); err != nil || states[0].Until < events.InstantOf(time.Now().Add(50*time.Second)) {
		t.Errorf("the clocks are %+v (%v), want a lease of a minute", states, err)
	}
	clocksAt("the history goes on", t0+2*day)
	if through, err := w.client.DrivenThrough(w.ctx(), "shop"); err != nil || through {
		t.Errorf("the history is called through: %v, %v", through, err)
	}
	if err := driver.Close(w.ctx(), true); err != nil {
		t.Fatal(err)
	}
	now := events.InstantOf(time.Now())
	eventually(t, "the wall clock ticks", func() bool { return i.clock(0) > now && i.clock(1) > now })
	for history, want := range map[string]bool{"shop": true, "another shop": false} {
		if through, err := w.client.DrivenThrough(w.ctx(), history); err != nil || through != want {
			t.Errorf("DrivenThrough(%s) is %v, %v", history, through, err)
		}
	}
	w.audit()
}

func TestAnOpenHistoryCanBeGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(heldProgram)
	i := w.start("one", "", func(c *consumer.Config) { c.Clock.Every = 10 * time.Millisecond })
	if released, err := w.client.ReleaseClock(w.ctx()); err != nil || released {
		t.Errorf("a clock that nobody has was released: %v, %v", released, err)
	}
	driver, err := w.client.DriveClock(w.ctx(), t0, "shop", false)
	if err != nil {
		t.Fatal(err)
	}
	w.send(order("a", "1", t0, 1000), order("b", "1", t0, 1000), order("c", "1", t0, 1000), order("d", "1", t0, 1000))
	w.decided()
	if err := driver.Close(w.ctx(), false); err != nil {
		t.Fatal(err)
	}
	if driver, err = w.client.DriveClock(w.ctx(), t0, "shop, mended", true); err == nil {
		err = driver.Close(w.ctx(), false)
	}
	if err != nil {
		t.Fatalf("another history does not take its place: %v", err)
	}
	if released, err := w.client.ReleaseClock(w.ctx()); err != nil || !released {
		t.Fatalf("the clock was not released: %v, %v", released, err)
	}
	now := events.InstantOf(time.Now())
	eventually(t, "the wall clock ticks", func() bool { return i.clock(0) > now && i.clock(1) > now })
	w.audit()
}

// TestTicksThatAreNotTakenDoNotPileUp has the brokers refuse all ticks for a while.
func TestTicksThatAreNotTakenDoNotPileUp(t *testing.T) {
	t.Parallel()
	const every, refused = 2 * time.Millisecond, 300 * time.Millisecond
	w := newWorld(t, 1)
	w.publish(plainProgram)
	name := schemas.TopicClock.Name(w.prefix)
	fault := w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: name, Err: kerr.NotLeaderForPartition, Count: -1})
	i := w.start("one", "", oneWorker, func(c *consumer.Config) { c.Clock.Every = every })
	w.send(order("c", "o", events.InstantOf(time.Now()), 1000))
	w.decided()
	time.Sleep(refused)
	began := time.Now()
	fault.Remove()
	eventually(t, "the clock goes", func() bool { return i.clock(0) != 0 })
	span, err := w.client.Reader().Span(w.ctx(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(time.Since(began)/every) + 2; span.End > most {
		t.Errorf("%d ticks were sent in the time of %d", span.End, most)
	}
}
