package kafkatest_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/internal/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(kafkatest.Run(m)) }

// The same suite runs on the embedded broker always, and on the real one that
// ACCRUE_KAFKA names.

func TestEmbeddedTransactions(t *testing.T) {
	c, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	transactions(t, c.Brokers()[0])
}

func TestRealBrokerTransactions(t *testing.T) { transactions(t, kafkatest.Broker(t)) }

func TestRealBrokerIsShared(t *testing.T) {
	if a, b := kafkatest.Broker(t), kafkatest.Broker(t); a != b {
		t.Errorf("two brokers in one process: %s and %s", a, b)
	}
}

// transactions aborts one transaction of 100 records, commits another, and
// expects a read-committed reader to see exactly the committed ones, up to the
// high watermark.
func transactions(t *testing.T, bootstrap string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	prefix := kafkatest.Prefix(t)
	topic := prefix + "out"
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.TransactionalID(prefix+"tx"), kgo.DefaultProduceTopic(topic),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 3, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	for _, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			cl.Produce(ctx, kgo.StringRecord(fmt.Sprintf("%t-%02d", commit, i)), func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		if err := cl.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(ctx, commit); err != nil {
			t.Fatal(err)
		}
	}

	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("true-%02d", i))
	}
	at := map[int32]int64{}
	for done := false; !done; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("%v at %v", err, at)
		}
		fs.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				got = append(got, string(r.Value))
			}
		})
		done = true
		ends.Each(func(o kadm.ListedOffset) { done = done && at[o.Partition] >= o.Offset })
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("read %d records, want exactly the 100 committed ones: %v", len(got), got)
	}
}
