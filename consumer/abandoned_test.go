package consumer_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/schemas"
)

// openInLedger returns in how many of the ledger's partitions transactions are open.
func (w *world) openInLedger() int {
	w.t.Helper()
	var ledger kadm.TopicsSet
	for p := range w.partitions {
		ledger.Add(schemas.TopicLedger.Name(w.prefix), p)
	}
	described, err := w.admin.DescribeProducers(w.ctx(), ledger)
	if err != nil {
		w.t.Fatal(err)
	}
	open := make(map[int32]bool)
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset >= 0 {
			open[p.Partition] = true
		}
	})
	return len(open)
}

// ghost opens a transaction in all partitions of the ledger under the name of a worker, and leaves it at that.
func (w *world) ghost(transactionalID string, timeout time.Duration, opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	opts = append(opts,
		kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(transactionalID), kgo.TransactionTimeout(timeout),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(cl.CloseAllowingRebalance)
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	for p := range w.partitions {
		rec := &kgo.Record{Topic: schemas.TopicLedger.Name(w.prefix), Partition: p, Value: []byte("never committed")}
		if err := cl.ProduceSync(w.ctx(), rec).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	return cl
}

const ghostID = schemas.DefaultPrefix + "engine.a.ghost.0"

func TestWhatADeadWorkerLeftOpenIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	w.ghost(ghostID, 10*time.Minute)
	i := w.start("one", "")
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()
	if open := w.openInLedger(); open != 0 {
		t.Errorf("transactions are open in %d partitions", open)
	}
	w.audit()
	if got := i.active(customers(1)[0]); got != 10 {
		t.Errorf("the account has %d points, want 10", got)
	}
}

// Who can't end it waits until the broker does.
func TestWhatADeadWorkerLeftOpenIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]embedded.Fault{
		"where fencing is not allowed":        {Keys: []kmsg.Key{kmsg.InitProducerID}, TxnID: ghostID, Err: kerr.TransactionalIDAuthorizationFailed},
		"where nobody says who writes":        {Keys: []kmsg.Key{kmsg.DescribeProducers}, Err: kerr.UnsupportedVersion},
		"where looking is not allowed":        {Keys: []kmsg.Key{kmsg.DescribeProducers}, Err: kerr.TopicAuthorizationFailed},
		"where transactions are not listed":   {Keys: []kmsg.Key{kmsg.ListTransactions}, Err: kerr.ClusterAuthorizationFailed},
		"where the transaction is not listed": {Keys: []kmsg.Key{kmsg.ListTransactions}, TxnID: ghostID, Err: kerr.TransactionalIDAuthorizationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			w := newWorld(t, 4)
			w.publish(plainProgram)
			const timeout = 2 * time.Second
			began := time.Now()
			w.ghost(ghostID, timeout)
			fault.Count = -1
			refused := w.cluster.Inject(fault)
			w.start("one", "")
			w.send(orders(customers(20), t0, 1000)...)
			w.decided()
			if refused.Hits() == 0 {
				t.Error("nothing was refused")
			}
			if took := time.Since(began); took < timeout {
				t.Errorf("it was not waited for, but ended after %v", took)
			}
			w.audit()
		})
	}
}

// A worker that is in the group ends its transaction itself, whoever has its partitions by now.
func TestWhatALivingWorkerHasOpenIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	topics := make([]string, 0, len(schemas.Inputs()))
	for _, topic := range schemas.Inputs() {
		topics = append(topics, topic.Name(w.prefix))
	}
	living := w.ghost(ghostID, 10*time.Minute,
		kgo.ConsumerGroup(w.prefix+"engine"), kgo.InstanceID("0.a.ghost.folder"), kgo.Balancers(kgo.RangeBalancer()), kgo.ConsumeTopics(topics...),
		kgo.HeartbeatInterval(100*time.Millisecond), // it hears soon of who else joins
	)
	eventually(t, "it is in the group", func() bool { member, _ := living.GroupMetadata(); return member != "" })
	i := w.start("one", "")
	eventually(t, "others restore", func() bool { return len(i.engine.Status()) > 0 })
	if open := w.openInLedger(); open != 4 {
		t.Fatalf("transactions are open in %d partitions, want the worker's in 4", open)
	}
	if err := living.EndTransaction(w.ctx(), kgo.TryAbort); err != nil {
		t.Errorf("it was fenced: %v", err)
	}
	living.CloseAllowingRebalance()
	left, err := w.admin.LeaveGroup(w.ctx(), kadm.LeaveGroup(w.prefix+"engine").InstanceIDs("0.a.ghost.folder"))
	if err != nil || !left.Ok() {
		t.Fatal(err, left)
	}
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()
	w.audit()
}

// A broker that was killed may say of a transaction that it has ended, and has not written so where it was open.
func TestWhatEndedWithoutMarkersIsEndedTheSameWay(t *testing.T) {
	t.Parallel()
	for state, commit := range map[string]bool{"CompleteCommit": true, "CompleteAbort": false} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.publish(plainProgram)
			ghost := w.ghost(ghostID, 10*time.Minute)
			id, epoch, err := ghost.ProducerID(w.ctx())
			if err != nil {
				t.Fatal(err)
			}
			w.saysOfGhost(state, id, epoch+1)
			markers := make(chan kmsg.WriteTxnMarkersRequestMarker, 1)
			fake := w.cluster.Fake()
			fake.ControlKey(int16(kmsg.WriteTxnMarkers), func(req kmsg.Request) (kmsg.Response, error, bool) {
				fake.KeepControl()
				select {
				case markers <- req.(*kmsg.WriteTxnMarkersRequest).Markers[0]:
				default:
				}
				return nil, nil, false
			})
			w.start("one", "")
			m := <-markers
			if m.ProducerID != id || m.ProducerEpoch != epoch || m.Committed != commit || len(m.Topics) != 1 {
				t.Errorf("the markers are %+v, want those of producer %d at epoch %d, committed: %t", m, id, epoch, commit)
			}
			if commit {
				return // what the ghost wrote is no decision
			}
			w.send(orders(customers(20), t0, 1000)...)
			w.decided()
			w.audit()
		})
	}
}

// Where the coordinator may mean another transaction than the one that is open, nothing is written.
func TestWhatEndedOtherwiseGetsNoMarkers(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]int16{"before it": 0, "after it": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.publish(plainProgram)
			ghost := w.ghost(ghostID, 2*time.Second)
			id, epoch, err := ghost.ProducerID(w.ctx())
			if err != nil {
				t.Fatal(err)
			}
			w.saysOfGhost("CompleteCommit", id, epoch+ahead)
			refused := w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.WriteTxnMarkers}, Err: kerr.ClusterAuthorizationFailed, Count: -1})
			w.start("one", "")
			w.send(orders(customers(20), t0, 1000)...)
			w.decided()
			if n := refused.Hits(); n != 0 {
				t.Errorf("markers were to be written %d times", n)
			}
			w.audit()
		})
	}
}

// saysOfGhost has the coordinator describe the ghost's transaction.
func (w *world) saysOfGhost(state string, id int64, epoch int16) {
	fake := w.cluster.Fake()
	fake.ControlKey(int16(kmsg.DescribeTransactions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		asked := req.(*kmsg.DescribeTransactionsRequest)
		if len(asked.TransactionalIDs) != 1 || asked.TransactionalIDs[0] != ghostID {
			return nil, nil, false
		}
		resp := asked.ResponseKind().(*kmsg.DescribeTransactionsResponse)
		said := kmsg.NewDescribeTransactionsResponseTransactionState()
		said.TransactionalID, said.State, said.ProducerID, said.ProducerEpoch = ghostID, state, id, epoch
		resp.TransactionStates = append(resp.TransactionStates, said)
		return resp, nil, true
	})
}

func TestOffsetsThatDoNotComeAreTold(t *testing.T) {
	t.Parallel() // it mostly waits
	w := newWorld(t, 1)
	w.publish(plainProgram)
	var settled atomic.Bool
	fake := w.cluster.Fake()
	fake.ControlKey(int16(kmsg.OffsetFetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		if settled.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
		for _, g := range req.(*kmsg.OffsetFetchRequest).Groups {
			group := kmsg.NewOffsetFetchResponseGroup()
			group.Group = g.Group
			for _, t := range g.Topics {
				topic := kmsg.NewOffsetFetchResponseGroupTopic()
				topic.Topic, topic.TopicID = t.Topic, t.TopicID
				for _, p := range t.Partitions {
					unstable := kmsg.NewOffsetFetchResponseGroupTopicPartition()
					unstable.Partition, unstable.Offset, unstable.ErrorCode = p, -1, kerr.UnstableOffsetCommit.Code
					topic.Partitions = append(topic.Partitions, unstable)
				}
				group.Topics = append(group.Topics, topic)
			}
			resp.Groups = append(resp.Groups, group)
		}
		return resp, nil, true
	})
	log := filepath.Join(t.TempDir(), "log")
	said, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	i := w.start("one", "", oneWorker, func(c *consumer.Config) { c.Log = slog.New(slog.NewTextHandler(said, nil)) })
	eventually(t, "the log says so", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "the group's offsets are not told")
	})
	settled.Store(true)
	eventually(t, "the engine runs", func() bool { return running(i, 1) })
}
