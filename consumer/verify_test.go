package consumer_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// withRegistry returns a codec that writes with the schema registry of the world's broker.
func (w *world) withRegistry() *schemas.Codec {
	w.t.Helper()
	registry := schemas.DefaultRegistryConfig(w.cluster.RegistryURL())
	registry.Register = true
	known, err := schemas.OpenCodec(w.ctx(), registry)
	if err != nil {
		w.t.Fatal(err)
	}
	return known
}

// A ledger that cannot be read for want of a registry is not one that differs.
func TestVerifyWithoutTheRegistryCouldNotBeDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	without := w.client
	w.codec = w.withRegistry()
	w.start("one", "")
	w.send(order("c", "o", t0, 1000))
	w.decided()
	report, err := without.Verify(w.ctx(), consumer.VerifyConfig{})
	if !errors.Is(err, schemas.ErrNoRegistry) || report.Differences() != nil {
		t.Errorf("without the registry verify finds %v and %v", report.Differences(), err)
	}
}

// TestVerifyTellsLostCausesFromSkippedOnes has a ledger that begins with another record than the first of its topic, which is
// behind one that was taken back.
func TestVerifyTellsLostCausesFromSkippedOnes(t *testing.T) {
	t.Parallel()
	broker := newWorld(t, 1)
	for cause, want := range map[int64]string{
		0: "is at offset 2: the cause is not in the topic",
		3: "is at offset 2: its decision is missing",
	} {
		w := newWorldAt(t, broker.brokers, fmt.Sprintf("lost-%d.", cause), 1)
		w.publish(plainProgram)
		w.takenBack(schemas.TopicOrders, &kgo.Record{Key: []byte("c"), Value: []byte("x")})
		w.send(orders(customers(2), t0, 1000)...)
		w.write(&events.Decision{Cause: events.Cause{Topic: string(schemas.TopicOrders), Offset: cause}, Customer: "c-0000"})
		report, err := w.client.Verify(w.ctx(), consumer.VerifyConfig{})
		if found := report.Differences(); err != nil || len(found) != 1 || !strings.Contains(found[0].What, want) {
			t.Errorf("of a first decision on offset %d verify finds %v and %v, want that it %s", cause, found, err, want)
		}
	}
}

// write appends a decision to the ledger.
func (w *world) write(d *events.Decision) {
	w.t.Helper()
	value, err := w.codec.AppendDecision(nil, d)
	if err != nil {
		w.t.Fatal(err)
	}
	var wg sync.WaitGroup
	w.sendRecord(w.ctx(), &wg, schemas.TopicLedger, &kgo.Record{Key: []byte(d.Customer), Value: value, Partition: d.Partition})
	wg.Wait()
}

// transferred returns a world in which ann has given points to bob.
func transferred(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	w.start("one", "")
	w.send(order("ann", "o", t0, 10_000), &events.TransferRequested{
		Header: events.Header{ID: "t", Customer: "ann", At: t0 + minute}, Transfer: "t", To: "bob", Points: 30,
	})
	w.decided()
	w.audit()
	return w
}

// TestVerifyFindsWhatNobodySent has somebody write to the topic that the engine believes.
func TestVerifyFindsWhatNobodySent(t *testing.T) {
	t.Parallel()
	w := transferred(t)
	w.send(&events.TransferCredited{
		Header: events.Header{ID: "transfer:ann:u", Customer: "mallory", At: t0 + minute}, Transfer: "u", From: "ann",
		Lots: []events.CreditedLot{{Points: 1_000_000, EarnedAt: t0}},
	})
	w.decided()
	report, err := w.client.Verify(w.ctx(), consumer.VerifyConfig{})
	if found := report.Differences(); err != nil || len(found) != 1 || found[0].Customer != "mallory" || !strings.Contains(found[0].What, "was sent by no decision") {
		t.Errorf("verify finds %v and %v, want the transfer that nobody sent", found, err)
	}
}

// TestVerifyLooksAtWhatWasThereWhenItBegan publishes a version, and has it used, while one partition is verified and another
// waits.
func TestVerifyLooksAtWhatWasThereWhenItBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()
	var once sync.Once
	report, err := w.client.Verify(w.ctx(), consumer.VerifyConfig{AtOnce: 1, Progress: func(int32, int64, int64) {
		once.Do(func() {
			w.publish(strings.Replace(plainProgram, "points: 1", "points: 2", 1))
			eventually(t, "the second version is known", func() bool { return len(i.programs.History()) == 2 })
			w.send(orders(customers(20), t0+day, 500)...)
			w.decided()
		})
	}})
	if err != nil || report.Differences() != nil || report.Records != 20 {
		t.Errorf("verify finds %v in %d records, and %v", report.Differences(), report.Records, err)
	}
	w.audit()
}

// TestVerifyMissesWhatTicksMadeDue has ledgers that end before what ticks brought about.
func TestVerifyMissesWhatTicksMadeDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(heldProgram)
	i := w.start("one", "")
	w.send(orders(customers(3), t0, 1000)...)
	w.decided()
	later := strings.Replace(heldProgram, "points: 1", "points: 2", 1)
	w.publish(later)
	eventually(t, "the second version is known", func() bool { return len(i.programs.History()) == 2 })
	w.tick(t0 + 7*day)
	eventually(t, "the points are active", func() bool { return i.active("c-0000") == 10 && i.active("c-0001") == 10 && i.active("c-0002") == 10 })
	w.tick(t0 + 8*day)
	eventually(t, "the clock moves on", func() bool { return i.clock(0) == t0+8*day })
	w.audit()
	f := newWorld(t, 1)
	f.publish(heldProgram)
	f.publish(later)
	for _, topic := range schemas.Inputs() {
		f.copyTopic(w, topic, nil)
	}
	all := w.ledger(0)
	for n := range all[:4] {
		f.write(&all[n])
	}
	verify := func() *consumer.VerifyReport {
		report, err := f.client.Verify(f.ctx(), consumer.VerifyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return &report
	}
	if r := verify(); r.Due() != 2 || r.Differences() != nil {
		t.Errorf("while a tick may be worked off, verify counts %d customers with something due, and finds %v", r.Due(), r.Differences())
	}
	f.clockNoted("tick=0 since=0")
	if r := verify(); r.Due() != 2 || r.Differences() != nil {
		t.Errorf("while the group is at that tick, verify counts %d customers with something due, and finds %v", r.Due(), r.Differences())
	}
	f.clockNoted("tick=1 since=1")
	if found := verify().Differences(); len(found) != 1 || found[0].Cause.Offset != 0 || found[0].Customer == all[3].Customer ||
		!strings.Contains(found[0].What, "1 entries, the first ACTIVATE of 10 points; so it lacks those of 1 other") {
		t.Errorf("once the tick was worked off, verify finds %v", found)
	}
	f = newWorldAt(t, w.brokers, "broken.", 1)
	f.publish(heldProgram)
	var wg sync.WaitGroup
	f.sendRecord(f.ctx(), &wg, schemas.TopicClock, &kgo.Record{Value: []byte("rubbish")})
	wg.Wait()
	f.tick(t0)
	f.clockNoted("tick=1 since=1")
	if found := verify().Differences(); len(found) != 1 || found[0].Cause.Offset != 0 || !strings.Contains(found[0].What, "cannot be read") {
		t.Errorf("of a record of the clock that cannot be read, verify finds %v", found)
	}
}

// clockNoted commits a note that goes with the clock's offset.
func (w *world) clockNoted(note string) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: schemas.TopicClock.Name(w.prefix), At: 2, LeaderEpoch: -1, Metadata: note})
	if _, err := w.admin.CommitOffsets(w.ctx(), w.prefix+"engine", offsets); err != nil {
		w.t.Fatal(err)
	}
}
