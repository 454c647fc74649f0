package analytics_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// onFetch is a hook that calls fn when the first records are asked for.
type onFetch struct {
	once sync.Once
	fn   func()
}

func (f *onFetch) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if kmsg.Key(key) == kmsg.Fetch {
		f.once.Do(f.fn)
	}
}

// The reading begins while all is stable up to the record of a transaction that was aborted, whose marker lies behind
// the record of one that is still open: the end is at 1, and the record 0 never comes.
//
//	0 a's record · 1 b's record · 2 a is aborted · (the reading begins) · 3 b is committed
func TestReadingEndsBehindAnAbortedRecord(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	open := func(id string) *kgo.Client {
		cl, err := kgo.NewClient(append(w.source.Options, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(id))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		value, err := w.codec.AppendDecision(nil, &events.Decision{Customer: id, Result: events.Applied})
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: schemas.TopicLedger.Name(prefix), Partition: 0, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		return cl
	}
	a, b := open("a"), open("b")
	if err := a.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	w.source.Options = append(w.source.Options, kgo.WithHooks(&onFetch{fn: func() {
		go func() { _ = b.EndTransaction(context.Background(), kgo.TryCommit) }()
	}}))
	n := 0
	if err := w.source.Decisions(ctx, func(*events.Decision) error { n++; return nil }); err != nil || n != 0 {
		t.Errorf("read %d decisions, %v", n, err)
	}
}
