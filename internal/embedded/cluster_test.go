package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/embedded"
)

func start(t testing.TB, cfg embedded.Config) *embedded.Cluster {
	t.Helper()
	c, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func client(t testing.TB, c *embedded.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Brokers()...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopics(t testing.TB, c *embedded.Cluster, partitions int32, names ...string) {
	t.Helper()
	adm := kadm.NewClient(client(t, c))
	rs, err := adm.CreateTopics(t.Context(), partitions, 1, nil, names...)
	if err := errors.Join(err, rs.Error()); err != nil {
		t.Fatal(err)
	}
}

// session opens the way the consumer package works: one transactional id, own
// positions, rebalances held back while a batch is processed.
func session(t testing.TB, c *embedded.Cluster, txnID, group string, topics ...string) *kgo.GroupTransactSession {
	t.Helper()
	s, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(c.Brokers()...),
		kgo.TransactionalID(txnID),
		kgo.TransactionTimeout(10*time.Second),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.BlockRebalanceOnPoll(),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseAllowingRebalance) // a plain Close waits for AllowRebalance
	return s
}

// readCommitted returns the values of the topic out up to its high watermark, sorted,
// and how many control records lay among them.
func readCommitted(t testing.TB, c *embedded.Cluster) (values []string, controls int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cl := client(t, c, kgo.ConsumeTopics("out"), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, "out")
	if err != nil {
		t.Fatal(err)
	}
	at := map[int32]int64{}
	for done := false; !done; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err0(); err != nil {
			t.Fatalf("reading: %v (positions %v)", err, at)
		}
		fs.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if r.Attrs.IsControl() {
				controls++
				return
			}
			values = append(values, string(r.Value))
		})
		done = true
		ends.Each(func(o kadm.ListedOffset) { done = done && at[o.Partition] >= o.Offset })
	}
	slices.Sort(values)
	return values, controls
}

func produce(t testing.TB, c *embedded.Cluster, n int) {
	t.Helper()
	cl := client(t, c)
	for i := range n {
		cl.Produce(t.Context(), &kgo.Record{Topic: "in", Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%03d", i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// echo copies from in to out in transactions until n records were committed,
// aborting every other transaction on the way.
func echo(t testing.TB, s *kgo.GroupTransactSession, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for round, committed := 0, 0; committed < n; round++ {
		fs := s.PollRecords(ctx, 7)
		if err := fs.Err0(); err != nil {
			t.Fatal(err)
		}
		if err := s.Begin(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			s.Produce(ctx, &kgo.Record{Topic: "out", Key: r.Key, Value: r.Value}, nil)
		})
		ok, err := s.End(ctx, kgo.TransactionEndTry(round%2 == 1))
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			committed += fs.NumRecords()
		}
		s.AllowRebalance()
	}
}

func TestExactlyOnceEcho(t *testing.T) {
	c := start(t, embedded.Config{})
	createTopics(t, c, 3, "in", "out")
	produce(t, c, 100)
	s := session(t, c, "echo.0", "echo", "in")
	echo(t, s, 100)

	values, controls := readCommitted(t, c)
	if len(values) != 100 || len(slices.Compact(values)) != 100 {
		t.Fatalf("read %d records, want 100 different ones: %v", len(values), values)
	}
	if controls == 0 {
		t.Error("no control record was shown, and a restore judges completion by them")
	}
	offsets, err := kadm.NewClient(s.Client()).FetchOffsets(t.Context(), "echo")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	offsets.Each(func(o kadm.OffsetResponse) { total += o.At })
	if total != 100 {
		t.Errorf("the group committed %d offsets in all, want 100", total)
	}
}

func TestTwoInstancesShareAGroup(t *testing.T) {
	c := start(t, embedded.Config{})
	createTopics(t, c, 4, "in", "out")
	produce(t, c, 40)
	s1 := session(t, c, "share.0", "share", "in")
	echo(t, s1, 40)
	session(t, c, "share.1", "share", "in")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			s1.PollRecords(ctx, 1)
			s1.AllowRebalance()
		}
	}()
	if _, err := c.Fake().WaitGroupStable(ctx, "share", 2); err != nil {
		t.Fatalf("the second member did not get in: %v", err)
	}
	cancel()
}

// What a session says of a transaction that the broker has committed is not
// always the truth; the consumer therefore reads the ledger's tail after any
// End that did not commit.
func TestSessionsAndUnknownOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		inject func(*embedded.Cluster) *embedded.WireFault
		says   bool
		errs   error
	}{
		"an error, and committed":           {func(c *embedded.Cluster) *embedded.WireFault { return c.UnknownOutcome("tx", 1) }, false, kerr.RequestTimedOut},
		"not committed, no error, and yet":  {func(c *embedded.Cluster) *embedded.WireFault { return c.Misreported("tx", 1) }, false, nil},
		"committed, after asking once more": {func(c *embedded.Cluster) *embedded.WireFault { return c.LostAnswer("tx", 1) }, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := start(t, embedded.Config{Faults: true})
			createTopics(t, cluster, 1, "in", "out")
			produce(t, cluster, 1)
			s := session(t, cluster, "tx", "g", "in")
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if fs := s.PollFetches(ctx); fs.NumRecords() != 1 {
				t.Fatalf("polled %d records: %v", fs.NumRecords(), fs.Err())
			}
			if err := s.Begin(); err != nil {
				t.Fatal(err)
			}
			s.Produce(ctx, &kgo.Record{Topic: "out", Value: []byte("one")}, nil)
			f := c.inject(cluster)
			committed, err := s.End(ctx, kgo.TryCommit)
			if committed != c.says || !errors.Is(err, c.errs) {
				t.Errorf("End = %t, %v; want %t, %v", committed, err, c.says, c.errs)
			}
			if f.Hits() != 1 {
				t.Errorf("the fault struck %d times, want once", f.Hits())
			}
			if values, _ := readCommitted(t, cluster); len(values) != 1 {
				t.Errorf("the topic holds %d committed records, want 1", len(values))
			}
		})
	}
}

func TestFaults(t *testing.T) {
	begin := func(t *testing.T) (*embedded.Cluster, *kgo.Client) {
		c := start(t, embedded.Config{Faults: true})
		createTopics(t, c, 1, "out")
		cl := client(t, c, kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("out"),
			kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }))
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), kgo.StringRecord("one")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		return c, cl
	}
	committed := func(t *testing.T, c *embedded.Cluster, want int) {
		t.Helper()
		if values, _ := readCommitted(t, c); len(values) != want {
			t.Errorf("the topic holds %d committed records, want %d", len(values), want)
		}
	}

	t.Run("faults of other transactional ids leave this one alone", func(t *testing.T) {
		c, cl := begin(t)
		f := c.UnknownOutcome("another", 1)
		if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Error(err)
		}
		if f.Hits() != 0 {
			t.Errorf("the fault struck %d times", f.Hits())
		}
	})

	t.Run("a fenced producer cannot commit", func(t *testing.T) {
		c, cl := begin(t)
		if err := c.Fence(t.Context(), "tx"); err != nil {
			t.Fatal(err)
		}
		err := cl.EndTransaction(t.Context(), kgo.TryCommit)
		if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
			t.Errorf("EndTransaction = %v, want the producer fenced", err)
		}
		committed(t, c, 0)
	})

	t.Run("a refused commit has not happened", func(t *testing.T) {
		c, cl := begin(t)
		c.Inject(embedded.Fault{TxnID: "tx", Err: kerr.TransactionAbortable})
		if err := cl.EndTransaction(t.Context(), kgo.TryCommit); !errors.Is(err, kerr.TransactionAbortable) {
			t.Errorf("EndTransaction = %v, want TRANSACTION_ABORTABLE", err)
		}
		// kgo does not send another EndTxn now: the transaction stays open,
		// and readers wait, until the transactional id is initialised anew.
		if err := c.Fence(t.Context(), "tx"); err != nil {
			t.Fatal(err)
		}
		committed(t, c, 0)
	})
}
