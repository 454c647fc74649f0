package projector_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/projector"
)

// TestALeaderThatIsGoneIsForgotten takes the leader of two topics out of the cluster. First it can't be found by its name
// for a while, as a container that is started anew; then the metadata names it no longer.
func TestALeaderThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	topics := []string{"ledger", "orders"}
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const leader, next = 2, 0
	addresses := c.ListenAddrs()
	var (
		mu   sync.Mutex
		open []net.Conn // to the leader
		lost int        // so many dials of it fail
	)
	cl, err := kgo.NewClient(kgo.SeedBrokers(addresses[next]), kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if address != addresses[leader] {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		if lost > 0 {
			lost--
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}}
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			open = append(open, conn)
		}
		return conn, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	r := projector.NewReader(cl)
	move := func(to int32) {
		t.Helper()
		for _, topic := range topics {
			if err := c.MoveTopicPartition(topic, 0, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(what string) {
		t.Helper()
		for _, topic := range topics {
			chunk, err := r.Fetch(ctx, topic, 0, 0, 1<<20)
			if err != nil || len(chunk.Records) != 1 {
				t.Errorf("%s: %d records of %s, %v", what, len(chunk.Records), topic, err)
			}
		}
	}
	move(leader)
	for _, topic := range topics {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	read("with its first leader")
	mu.Lock()
	lost = 2
	for _, conn := range open {
		_ = conn.Close()
	}
	mu.Unlock()
	read("while its name is not known")
	if lost > 0 {
		t.Errorf("%d dials less than were to fail", lost)
	}
	move(next)
	if err := c.RemoveNode(leader); err != nil {
		t.Fatal(err)
	}
	read("with the next leader")
}

// TestAPartitionWithoutLeaderHoldsUpNoOther has a partition lose its leader while another of the topic is read.
func TestAPartitionWithoutLeaderHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "ledger", Partition: 0, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ask := kmsg.NewPtrMetadataRequest()
	of := kmsg.NewMetadataRequestTopic()
	of.Topic = kmsg.StringPtr("ledger")
	ask.Topics = append(ask.Topics, of)
	known, err := ask.RequestWith(ctx, cl)
	if err != nil {
		t.Fatal(err)
	}
	for i := range known.Topics[0].Partitions {
		if p := &known.Topics[0].Partitions[i]; p.Partition == 1 {
			p.Leader, p.ErrorCode = -1, kerr.LeaderNotAvailable.Code
		}
	}
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		answer := *known
		answer.SetVersion(req.GetVersion())
		return &answer, nil, true
	})
	r := projector.NewReader(cl)
	if n, err := r.Partitions(ctx, "ledger"); err != nil || n != 2 {
		t.Errorf("%d partitions, %v", n, err)
	}
	waiting, leave := context.WithTimeout(ctx, 200*time.Millisecond)
	defer leave()
	if _, err := r.Fetch(waiting, "ledger", 1, 0, 1<<20); err == nil {
		t.Error("a partition without leader was read")
	}
	if chunk, err := r.Fetch(ctx, "ledger", 0, 0, 1<<20); err != nil || len(chunk.Records) != 1 {
		t.Errorf("%d records of the other, %v", len(chunk.Records), err)
	}
}

// An answer with less than all that was aborted still leaves it out.
func TestAbortedRecordsAreNotRead(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("one"), kgo.DefaultProduceTopic("ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	const batches = 5
	for _, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for range batches {
			if err := cl.ProduceSync(t.Context(), kgo.StringRecord("a decision")).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := cl.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	r := projector.NewReader(cl)
	for at := range int64(2*batches + 2) {
		for _, bytesMax := range []int32{1, 100, 300, 1 << 20} {
			chunk, err := r.Fetch(t.Context(), "ledger", 0, at, bytesMax)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range chunk.Records {
				if !rec.Attrs.IsControl() && rec.Offset <= batches {
					t.Errorf("of %d bytes from offset %d on, the aborted record %d was read", bytesMax, at, rec.Offset)
				}
			}
		}
	}
}
