package consumer_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/schemas"
)

// An instance that is away for a moment takes its partition up again while the other still restores it. The client does not
// tell the other of that loss.
func TestAPartitionWhoseTakeOverWasCutShortIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	first, second := w.start("a", "", oneWorker), w.start("b", "", oneWorker)
	eventually(t, "each runs a partition", func() bool { return running(first, 1) && running(second, 1) })
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()
	theirs := first.engine.Status()[0].Partition

	// Whoever restores that partition waits for the end of this transaction.
	hiding, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID("hiding"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer hiding.Close()
	if err := hiding.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	rec := &kgo.Record{Topic: schemas.TopicLedger.Name(w.prefix), Partition: theirs, Value: []byte("never committed")}
	if err := hiding.ProduceSync(w.ctx(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
	first.stop()
	eventually(t, "the other restores it", func() bool {
		s := second.engine.Status()
		return len(s) == 2 && s[theirs].Phase == consumer.Restoring
	})

	first = w.start("a", first.dir, oneWorker)
	eventually(t, "the other has its own partition only", func() bool { return running(second, 1) })
	if err := hiding.EndTransaction(w.ctx(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first has its partition again", func() bool { return running(first, 1) })
	w.audit()
}
