package consumer_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/schemas"
)

// shopping makes orders, fulfilments and cancellations of n customers. They share one topic, so that however they are
// split into batches, each customer's account ends in the same bytes.
func shopping(seed uint64, n, events_ int) []events.Event {
	r := rand.New(rand.NewPCG(seed, 2))
	names := customers(n)
	open := map[string][]string{}
	all := make([]events.Event, 0, events_)
	at := t0
	for i := range events_ {
		at += events.Instant(r.Int64N(int64(minute)))
		c := names[r.IntN(n)]
		head := events.Header{ID: fmt.Sprintf("s-%d", i), Customer: c, At: at}
		switch mine := open[c]; {
		case len(mine) > 0 && r.IntN(10) == 0:
			all = append(all, &events.OrderCancelled{Header: head, Order: mine[r.IntN(len(mine))]})
		case len(mine) > 0 && r.IntN(10) == 0:
			all = append(all, &events.OrderFulfilled{Header: head, Order: mine[r.IntN(len(mine))]})
		default:
			o := order(c, fmt.Sprintf("o-%d", i), at, 100+r.Int64N(20_000))
			open[c] = append(mine, o.Order)
			all = append(all, o)
		}
	}
	return all
}

// undisturbed returns what shopping ends in when nothing fails.
func undisturbed(t *testing.T, all []events.Event, names []string) map[string][]byte {
	t.Helper()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	i := w.start("calm", "")
	w.send(all...)
	w.decided()
	return i.accounts(names)
}

// sendSlowly sends in small portions, so that a fault meets batches under way.
func (w *world) sendSlowly(all []events.Event) {
	for len(all) > 0 {
		n := min(20, len(all))
		w.send(all[:n]...)
		all = all[n:]
		time.Sleep(2 * time.Millisecond)
	}
}

func oneWorker(c *consumer.Config) { c.Workers = 1 }

// TestFaultsChangeNothing injects one kind of fault into a run under load and compares the end with a calm run.
func TestFaultsChangeNothing(t *testing.T) {
	t.Parallel()
	names := customers(30)
	all := shopping(7, 30, racetest.Of(1200, 400))
	want := undisturbed(t, all, names)
	const txn = schemas.DefaultPrefix + "engine.one.0"

	faults := map[string]func(*testing.T, *world){
		"the outcome of commits is unknown": func(t *testing.T, w *world) {
			f := w.cluster.UnknownOutcome(txn, 3)
			t.Cleanup(func() {
				if f.Hits() == 0 {
					t.Error("no outcome was unknown")
				}
			})
		},
		"commits are taken for aborts": func(t *testing.T, w *world) {
			f := w.cluster.Misreported(txn, 3)
			t.Cleanup(func() {
				if f.Hits() == 0 {
					t.Error("nothing was misreported")
				}
			})
		},
		"answers to commits are lost": func(t *testing.T, w *world) {
			f := w.cluster.LostAnswer(txn, 3)
			t.Cleanup(func() {
				if f.Hits() == 0 {
					t.Error("no answer was lost")
				}
			})
		},
		"the producer is fenced": func(t *testing.T, w *world) {
			for range 3 {
				time.Sleep(50 * time.Millisecond)
				if err := w.cluster.Fence(w.ctx(), txn); err != nil {
					t.Error(err)
				}
			}
		},
		"the ledger refuses records": func(t *testing.T, w *world) {
			w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: schemas.TopicLedger.Name(w.prefix), Err: kerr.InvalidRecord, Count: 3})
		},
		"offsets are refused because the generation is over": func(t *testing.T, w *world) {
			w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.IllegalGeneration, Count: 3})
		},
		"the coordinator is not available": func(t *testing.T, w *world) {
			w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.EndTxn}, Err: kerr.CoordinatorNotAvailable, Count: 10})
		},
		"transactions are refused": func(t *testing.T, w *world) {
			w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError, Count: 3})
		},
	}
	for name, inject := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits: for pauses before another try
			w := newWorld(t, 4)
			w.publish(plainProgram)
			i := w.start("one", "", oneWorker)
			eventually(t, "the engine runs", func() bool { return running(i, 4) })
			sent := make(chan struct{})
			go func() { defer close(sent); w.sendSlowly(all) }()
			inject(t, w)
			<-sent
			w.decided()
			w.audit()
			sameAccounts(t, want, i.accounts(names))
		})
	}
}

// TestATakeOverThatFailsIsTriedAgain has the broker refuse one question of a take-over, with an answer that says nothing.
func TestATakeOverThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel() // it mostly waits
	w := newWorld(t, 1)
	w.publish(plainProgram)
	w.send(order("c", "o", t0, 1000))
	w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: schemas.TopicLedger.Name(w.prefix), Err: kerr.UnknownServerError, Count: 1})
	i := w.start("one", "", oneWorker)
	eventually(t, "the partition is stopped, and says why", func() bool {
		s := i.engine.Status()
		return len(s) == 1 && s[0].Phase == consumer.Stopped && strings.Contains(s[0].Err, kerr.UnknownServerError.Message)
	})
	eventually(t, "the partition runs", func() bool { return running(i, 1) })
	w.decided()
	w.audit()
}

func TestPartitionsMoveBetweenInstances(t *testing.T) {
	t.Parallel()
	names := customers(30)
	all := shopping(8, 30, racetest.Of(3000, 1200))
	want := undisturbed(t, all, names)
	w := newWorld(t, 4)
	w.publish(plainProgram)
	one := w.start("one", "")
	sent := make(chan struct{})
	go func() { defer close(sent); w.sendSlowly(all) }()
	two := w.start("two", "")
	eventually(t, "the partitions are shared", func() bool { return len(one.engine.Status()) == 2 && len(two.engine.Status()) == 2 })
	dir := one.dir
	one.stop()
	eventually(t, "the second has all", func() bool { return running(two, 4) })
	one = w.start("one", dir)
	eventually(t, "the first is back", func() bool { return running(one, 2) })
	two.stop()
	<-sent
	w.decided()
	eventually(t, "the first has all", func() bool { return running(one, 4) })
	w.audit()
	sameAccounts(t, want, one.accounts(names))
}

// TestPartitionsMoveWhileNothingHappens: the client tells of a loss once between the ends of two transactions.
func TestPartitionsMoveWhileNothingHappens(t *testing.T) {
	t.Parallel() // it mostly waits
	names := customers(30)
	w := newWorld(t, 4)
	w.publish(plainProgram)
	one := w.start("one", "", oneWorker)
	eventually(t, "the first has all", func() bool { return running(one, 4) })
	two := w.start("two", "", oneWorker)
	eventually(t, "the partitions are shared", func() bool { return running(one, 2) && running(two, 2) })
	two.stop()
	eventually(t, "the first has all again", func() bool { return running(one, 4) })
	three := w.start("three", "", oneWorker)
	eventually(t, "the partitions are shared again", func() bool { return running(one, 2) && running(three, 2) })
	w.send(orders(names, t0, 1000)...)
	w.decided()
	for p := range int32(4) {
		if one.engine.Authoritative(p) && three.engine.Authoritative(p) {
			t.Errorf("partition %d: one and three both say that they own it", p)
		}
		// Who has just joined may not have heard yet that the group counts on it.
		eventually(t, fmt.Sprintf("partition %d is owned", p), func() bool { return one.engine.Authoritative(p) != three.engine.Authoritative(p) })
	}
	w.tick(t0 + 400*day) // everything expires, once
	eventually(t, "the tick is worked off", func() bool { return len(w.decisions()) == 2*len(names) })
	w.audit()
}

// TestAWorkerWaitsForTheOtherToLetGo takes a partition from a worker in the middle of a commit, for another one of the
// same process.
func TestAWorkerWaitsForTheOtherToLetGo(t *testing.T) {
	t.Parallel() // it mostly waits
	names := customers(30)
	all := shopping(9, 30, 400)
	want := undisturbed(t, all, names)
	w := newWorld(t, 4)
	w.publish(plainProgram)
	i := w.start("one", "", func(c *consumer.Config) { c.Workers = 2 })
	eventually(t, "the engine runs", func() bool { return running(i, 4) })
	w.send(all[:200]...)
	w.decided()
	id, err := i.store.ID()
	if err != nil {
		t.Fatal(err)
	}
	stalled := w.cluster.Inject(embedded.Fault{
		Keys: []kmsg.Key{kmsg.EndTxn}, TxnID: schemas.DefaultPrefix + "engine.one.0", Err: kerr.CoordinatorLoadInProgress, Count: -1,
	})
	w.send(all[200:300]...)
	eventually(t, "a commit is stalled", func() bool { return stalled.Hits() > 0 })
	leave := kadm.LeaveGroup(schemas.DefaultPrefix + "engine").InstanceIDs(fmt.Sprintf("0.one.%s", id))
	left, err := w.admin.LeaveGroup(w.ctx(), leave)
	if err == nil {
		err = left.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	stalled.Remove()
	w.send(all[300:]...)
	w.decided()
	w.audit()
	sameAccounts(t, want, i.accounts(names))
}

func TestOwnersAreNamedByTheGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	one := w.start("one", "", func(c *consumer.Config) { c.API = "http://one:8080" })
	two := w.start("two", "", func(c *consumer.Config) { c.API = "http://two:8080" })
	eventually(t, "the partitions are shared", func() bool { return running(one, 2) && running(two, 2) })
	eventually(t, "both have joined with all their workers", func() bool { return one.engine.Joined() && two.engine.Joined() })
	for p := range int32(4) {
		eventually(t, "the owner is known and says so itself", func() bool {
			o, ok, err := w.client.OwnerOf(w.ctx(), p)
			if err != nil {
				t.Fatal(err)
			}
			mine, other := one, two
			if o.Instance == "two" {
				mine, other = two, one
			}
			return ok && o.API == "http://"+o.Instance+":8080" && mine.engine.Authoritative(p) && !other.engine.Authoritative(p)
		})
	}
}

func TestWaitersGetTheirDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	i := w.start("one", "", oneWorker) // no other takes the partition while somebody waits
	eventually(t, "the engine is authoritative", func() bool { return i.engine.Authoritative(schemas.Partition("c", 4)) })
	answer, stop, err := i.engine.Await(w.ctx(), "c", "e-o")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	w.send(order("c", "o", t0, 1000))
	select {
	case a := <-answer:
		if a.Err != nil || a.Decision.Result != events.Applied || a.Decision.Balance.Active != 10 {
			t.Errorf("the answer is %+v", a)
		}
		if got := i.active("c"); got != 10 {
			t.Errorf("when the answer came, state had %d points, want 10", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no answer came")
	}
}
