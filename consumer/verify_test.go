package consumer_test

import (
	"errors"
	"testing"

	"github.com/accrue-loyalty/accrue/consumer"
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
