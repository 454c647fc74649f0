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
