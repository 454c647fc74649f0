package consumer_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// history makes a mixed life of n customers: orders, returns of some, goodwill, redemptions, transfers, merges; in order
// of time. The same seed makes the same.
func history(seed uint64, n, perCustomer int) []events.Event {
	r := rand.New(rand.NewPCG(seed, 1))
	all := make([]events.Event, 0, n*perCustomer)
	names := customers(n)
	at := t0
	ended := map[string]bool{}
	for i := range n * perCustomer {
		at += events.Instant(r.Int64N(int64(2 * minute)))
		c := names[r.IntN(n)]
		head := func(kind string) events.Header {
			return events.Header{ID: fmt.Sprintf("%s-%d", kind, i), Customer: c, At: at}
		}
		switch k := r.IntN(100); {
		case k < 70:
			o := order(c, fmt.Sprintf("o-%d", i), at, 100+r.Int64N(20_000))
			all = append(all, o)
			if r.IntN(5) == 0 {
				all = append(all, &events.OrderReturned{Header: events.Header{ID: fmt.Sprintf("r-%d", i), Customer: c, At: at + minute}, Order: o.Order, Return: fmt.Sprintf("r-%d", i)})
			}
		case k < 80:
			points := events.Points(r.IntN(50))
			all = append(all, &events.ComplaintResolved{Header: head("goodwill"), Complaint: fmt.Sprintf("k-%d", i), GoodwillPoints: int64(points)})
		case k < 90:
			id := fmt.Sprintf("red-%d", i)
			all = append(all, &events.RedemptionRequested{Header: head("redeem"), Redemption: id, Points: events.Points(1 + r.IntN(100))})
			if r.IntN(2) == 0 {
				all = append(all, &events.RedemptionConfirmed{Header: events.Header{ID: "confirm-" + id, Customer: c, At: at + 1}, Redemption: id})
			}
		case k < 97:
			all = append(all, &events.TransferRequested{Header: head("transfer"), Transfer: fmt.Sprintf("t-%d", i), To: names[r.IntN(n)], Points: events.Points(1 + r.IntN(20))})
		default:
			into := names[r.IntN(n)]
			if into != c && !ended[into] && !ended[c] && len(ended) < n/4 {
				ended[c] = true
				all = append(all, &events.AccountsMerged{Header: head("merge"), Into: into})
			}
		}
	}
	return all
}

// audit ends every test: nothing differs when everything is decided once more, accounts keep their invariants, and no
// point was created or lost between customers.
func (w *world) audit() {
	w.t.Helper()
	report, err := w.client.Verify(w.ctx(), consumer.VerifyConfig{})
	if err != nil {
		w.t.Fatalf("verifying: %v", err)
	}
	for _, d := range report.Differences() {
		w.t.Errorf("verify: %s", &d)
	}
	causes := map[events.Cause]bool{}
	for _, d := range w.decisions() {
		if d.Cause.Topic != string(schemas.TopicClock) {
			if causes[d.Cause] {
				w.t.Errorf("decided twice: %v", d.Cause)
			}
			causes[d.Cause] = true
		}
	}
}

// accounts returns the encoded accounts of an instance, by customer.
func (i *instance) accounts(names []string) map[string][]byte {
	i.w.t.Helper()
	i.settled()
	all := map[string][]byte{}
	for _, c := range names {
		if a := i.account(c); a != nil {
			all[c] = loyalty.AppendAccount(nil, a)
		}
	}
	return all
}

func sameAccounts(t testing.TB, want, got map[string][]byte) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d accounts, want %d", len(got), len(want))
	}
	for c, b := range want {
		if !bytes.Equal(b, got[c]) {
			t.Errorf("the account of %s differs", c)
		}
	}
}

func TestOrdersAreDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	var counts counted
	i := w.start("one", "", func(c *consumer.Config) { c.Metrics = &counts })
	w.send(orders(customers(50), t0, 1000)...)
	w.decided()
	for _, c := range customers(50) {
		if got := i.active(c); got != 10 {
			t.Errorf("%s has %d points, want 10", c, got)
		}
	}
	if n := len(w.decisions()); n != 50 {
		t.Errorf("the ledger has %d decisions, want 50", n)
	}
	eventually(t, "50 orders and 500 points are counted", func() bool { return counts.orders.Load() == 50 && counts.earned.Load() == 500 })
	w.audit()
}

// counted counts orders that earned, and points.
type counted struct {
	consumer.NoMetrics
	orders, earned atomic.Int64
}

func (c *counted) Decided(t events.Type, r events.Result, n int) {
	if t == events.TypeOrderPlaced && r == events.Applied {
		c.orders.Add(int64(n))
	}
}

func (c *counted) Moved(t events.EntryType, n events.Points) {
	if t == events.Earn {
		c.earned.Add(int64(n))
	}
}

func TestAMixedHistoryEndsAlikeAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	all := history(1, 40, 20)
	i := w.start("one", "")
	w.send(all[:len(all)/2]...)
	w.decided()
	dir := i.dir
	i.stop()
	w.send(all[len(all)/2:]...)
	i = w.start("one", dir)
	w.decided()
	w.audit()
	warm := i.accounts(customers(40))
	i.stop()

	cold := w.start("one", "")
	eventually(t, "the cold start is done", func() bool { return running(cold, 4) })
	sameAccounts(t, warm, cold.accounts(customers(40)))
}

// running reports whether the engine decides n partitions.
func running(i *instance, n int) bool {
	status := i.engine.Status()
	return len(status) == n && !slices.ContainsFunc(status, func(s consumer.PartitionStatus) bool { return s.Phase != consumer.Running })
}

func TestDuplicatesOfAWholeTopicChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	i := w.start("one", "")
	all := history(2, 20, 20)
	w.send(all...)
	w.decided()
	before := map[string]events.Balance{}
	for _, c := range customers(20) {
		if a := i.account(c); a != nil {
			before[c] = a.Balance()
		}
	}
	w.send(all...)
	w.decided()
	for c, want := range before {
		if got := i.account(c).Balance(); got != want {
			t.Errorf("%s has %+v after the repetition, had %+v", c, got, want)
		}
	}
	w.audit()
}

func TestUnreadableRecordsGoToTheDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	i := w.start("one", "")
	good, err := w.codec.AppendEvent(nil, order("c", "o", t0, 1000))
	if err != nil {
		t.Fatal(err)
	}
	p := schemas.Partition("c", 2)
	var wg sync.WaitGroup
	w.sendRecord(w.ctx(), &wg, schemas.TopicOrders, &kgo.Record{Key: []byte("c"), Value: []byte("rubbish"), Partition: p, Timestamp: t0.Time()})
	w.sendRecord(w.ctx(), &wg, schemas.TopicOrders, &kgo.Record{Key: []byte("other"), Value: good, Partition: p, Timestamp: t0.Time()})
	w.sendRecord(w.ctx(), &wg, schemas.TopicOrders, &kgo.Record{Key: []byte("c"), Value: good, Partition: 1 - p, Timestamp: t0.Time()})
	w.sendRecord(w.ctx(), &wg, schemas.TopicTransfers, &kgo.Record{Key: []byte("c"), Value: good, Partition: p, Timestamp: t0.Time()})
	w.sendRecord(w.ctx(), &wg, schemas.TopicReturns, &kgo.Record{Key: []byte("c"), Value: good, Partition: p, Timestamp: t0.Time()})
	w.sendRecord(w.ctx(), &wg, schemas.TopicClock, &kgo.Record{Value: []byte("rubbish"), Partition: p, Timestamp: t0.Time()})
	wg.Wait()
	w.send(order("c", "o2", t0+1, 1000))
	w.decided()
	eventually(t, "all records are decided", func() bool { return len(w.decisions()) == 7 })
	if got := i.active("c"); got != 10 {
		t.Errorf("c has %d points, want 10: the good order alone counts", got)
	}
	reasons := w.reasons(events.Unreadable)
	for reason, want := range map[string]int{"unknown_framing": 2, "wrong_key": 1, "wrong_partition": 1, "wrong_topic": 2} {
		if reasons[reason] != want {
			t.Errorf("the reason %s was given %d times, want %d: %v", reason, reasons[reason], want, reasons)
		}
	}
	letters := w.deadLetters()
	if len(letters) != 6 {
		t.Errorf("%d dead letters, want 6", len(letters))
	}
	w.audit()
}

// TestWhatWasUnknownMayBecomeKnown has a record of a schema that the engine did not know, and verifies with a registry that
// does.
func TestWhatWasUnknownMayBecomeKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	w.start("one", "")
	known := w.withRegistry()
	value, err := known.AppendEvent(nil, order("c", "o", t0, 1000))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	w.sendRecord(w.ctx(), &wg, schemas.TopicOrders, &kgo.Record{Key: []byte("c"), Value: value, Timestamp: t0.Time()})
	wg.Wait()
	w.send(order("c", "o2", t0+1, 1000))
	w.decided()
	if d := w.ledger(0)[0]; d.Result != events.Unreadable || d.Reason != string(schemas.CodeUnknownSchema) {
		t.Fatalf("a record of an unknown schema is decided as %s %s", d.Result, d.Reason)
	}
	w.codec = known
	report, err := w.newClient().Verify(w.ctx(), consumer.VerifyConfig{})
	if err != nil || report.Records != 2 || report.Unknown() != 1 || report.Differences() != nil {
		t.Errorf("verify finds %v in %d records, %v", report.Differences(), report.Records, err)
	}
}

// A broker counts the bytes of a compressed batch, so it takes records that are larger than what a dead letter may be.
func TestARecordThatIsTooLargeForTheDeadLettersStopsNobody(t *testing.T) {
	racetest.Skip(t) // so many bytes are slow to compress there
	t.Parallel()
	for name, rec := range map[string]kgo.Record{
		"a large value":       {Key: []byte("c"), Value: bytes.Repeat([]byte{1}, 9<<20)},
		"a value at the edge": {Key: []byte("c"), Value: bytes.Repeat([]byte{1}, schemas.DeadLetterBytesMax-100)},
		"a large key":         {Key: bytes.Repeat([]byte{1}, 9<<20)},
		"a large header":      {Key: []byte("c"), Headers: []kgo.RecordHeader{{Key: "h", Value: bytes.Repeat([]byte{1}, 9<<20)}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.publish(plainProgram)
			producer, err := kgo.NewClient(
				kgo.SeedBrokers(w.brokers...), kgo.ProducerBatchMaxBytes(32<<20), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
			)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(producer.Close)
			rec.Topic = schemas.TopicOrders.Name(w.prefix)
			if err := producer.ProduceSync(w.ctx(), &rec).FirstErr(); err != nil {
				t.Fatal(err)
			}
			i := w.start("one", "")
			w.send(order("c", "o", t0, 1000))
			w.decided()
			if got := i.active("c"); got != 10 {
				t.Errorf("c has %d points, want 10", got)
			}
			letters := w.deadLetters()
			if len(letters) != 1 {
				t.Fatalf("%d dead letters, want 1", len(letters))
			}
			var headers []schemas.Header
			for _, h := range letters[0].Headers {
				headers = append(headers, schemas.Header{Key: h.Key, Value: h.Value})
			}
			l, _, err := schemas.ParseDeadLetter(headers)
			if err != nil || l.Omitted < schemas.DeadLetterBytesMax-100 || l.Offset != rec.Offset || len(letters[0].Value) > 0 {
				t.Errorf("the dead letter is %+v with %d bytes, %v", l, len(letters[0].Value), err)
			}
			w.audit()
		})
	}
}

func TestTransfersAndMergesCrossPartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	i := w.start("one", "")
	names := customers(8)
	w.send(orders(names, t0, 10_000)...)
	w.decided()
	at := t0 + minute
	var transfers []events.Event
	for n, c := range names {
		to := names[(n+1)%len(names)]
		transfers = append(transfers, &events.TransferRequested{Header: events.Header{ID: "t-" + c, Customer: c, At: at}, Transfer: "t-" + c, To: to, Points: 30})
	}
	w.send(transfers...)
	w.decided()
	for _, c := range names {
		if got := i.active(c); got != 100 {
			t.Errorf("%s has %d points after giving and getting 30, want 100", c, got)
		}
	}
	w.send(&events.AccountsMerged{Header: events.Header{ID: "m", Customer: names[0], At: at + minute}, Into: names[5]})
	w.decided()
	if got := i.active(names[5]); got != 200 {
		t.Errorf("the survivor has %d points, want 200", got)
	}
	// What still comes for the ended customer is decided as the survivor's.
	w.send(order(names[0], "late", at+2*minute, 1000))
	w.decided()
	if got := i.active(names[5]); got != 210 {
		t.Errorf("the survivor has %d points after an order of the ended customer, want 210", got)
	}
	w.audit()
}

// A member that does not answer keeps the others' joins waiting for a minute, but not an instance that is to end.
func TestAnInstanceEndsWhileTheGroupRebalances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	group := w.prefix + "engine"
	deaf, err := kgo.NewClient(
		kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(schemas.TopicOrders.Name(w.prefix)),
		kgo.Balancers(kgo.RangeBalancer()), kgo.BlockRebalanceOnPoll(),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(deaf.CloseAllowingRebalance)
	w.send(orders(customers(20), t0, 1000)...)
	if got := deaf.PollFetches(w.ctx()); got.Err() != nil {
		t.Fatal(got.Err())
	}
	i := w.start("one", "")
	eventually(t, "the group waits for its member", func() bool {
		groups, err := w.admin.DescribeGroups(w.ctx(), group)
		return err == nil && groups[group].State == "PreparingRebalance" && len(groups[group].Members) > 1
	})
	began := time.Now()
	i.stop()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

// The client tells of a revocation once before the end of a transaction: not of a second one. Whoever has lost a partition
// that way must not answer for it beside its new owner.
func TestAPartitionHasOneOwnerWhenRebalancesFollowEachOther(t *testing.T) {
	t.Parallel()
	for range racetest.Of(4, 2) {
		w := newWorld(t, 1)
		w.publish(plainProgram)
		b := w.start("b", "", oneWorker)
		eventually(t, "it is the owner", func() bool { return b.engine.Authoritative(0) })
		// Who comes behind it gets nothing, and the owner stays.
		joined := make(chan struct{}, 16)
		behind, err := kgo.NewClient(
			kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup(w.prefix+"engine"), kgo.ConsumeTopics(schemas.TopicOrders.Name(w.prefix)),
			kgo.InstanceID("0.c.behind"), kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(100*time.Millisecond),
			kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { joined <- struct{}{} }),
		)
		if err != nil {
			t.Fatal(err)
		}
		<-joined
		eventually(t, "it is the owner again", func() bool { return b.engine.Authoritative(0) })
		a := w.start("a", "", oneWorker)
		eventually(t, "the partition has moved", func() bool {
			if a.engine.Authoritative(0) && b.engine.Authoritative(0) && a.engine.Authoritative(0) {
				t.Error("both answer for the partition")
				return true
			}
			return a.engine.Authoritative(0)
		})
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end) && !t.Failed(); time.Sleep(time.Millisecond) {
			if b.engine.Authoritative(0) && a.engine.Authoritative(0) {
				t.Error("both answer for the partition")
			}
		}
		behind.Close()
		a.stop()
		b.stop()
	}
}
