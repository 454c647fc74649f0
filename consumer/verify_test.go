package consumer_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

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

// TestVerifyFindsWhatNobodySent has somebody write to the topic that the engine believes.
func TestVerifyFindsWhatNobodySent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	w.start("one", "")
	w.send(order("ann", "o", t0, 10_000), &events.TransferRequested{
		Header: events.Header{ID: "t", Customer: "ann", At: t0 + minute}, Transfer: "t", To: "bob", Points: 30,
	})
	w.decided()
	w.audit()
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
