package consumer_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/internal/faultydisk"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/schemas"
)

// TestAPartitionWhoseStateBreaksIsRebuiltFromTheLedger makes the disk fail under one partition while events are decided.
// The others go on, and what comes back is what a calm run ends in.
func TestAPartitionWhoseStateBreaksIsRebuiltFromTheLedger(t *testing.T) {
	t.Parallel()
	const broken = 1
	names := customers(20)
	all := shopping(9, 20, racetest.Of(3000, 1200))
	want := undisturbed(t, all, names)

	w := newWorld(t, 4)
	w.disk = faultydisk.New("/st/001/") // a test's own folder is named 001, too
	w.publish(plainProgram)
	i := w.start("one", filepath.Join(t.TempDir(), "st"), oneWorker)
	w.send(all[:300]...)
	w.decided()

	w.disk.Fire(true)
	w.send(all[300:]...)
	eventually(t, "the partition is stopped", func() bool {
		for _, s := range i.engine.Status() {
			if s.Partition == broken {
				return s.Phase == consumer.Stopped
			}
		}
		return false
	})
	for _, s := range i.engine.Status() {
		if s.Partition != broken && s.Phase != consumer.Running {
			t.Errorf("partition %d, whose disk is well, is %v: %s", s.Partition, s.Phase, s.Err)
		}
	}

	w.disk.Fire(false)
	eventually(t, "the partition is back", func() bool { return running(i, 4) })
	w.decided()
	w.audit()
	sameAccounts(t, want, i.accounts(names))
}

// TestAPartitionThatCantBeReadIsRebuiltFromTheLedger makes a bad spot of one partition's tables, which the operating system
// can't read however often it is asked.
func TestAPartitionThatCantBeReadIsRebuiltFromTheLedger(t *testing.T) {
	t.Parallel()
	names := customers(400)
	w := newWorld(t, 2)
	w.disk = faultydisk.New("/st/001/")
	w.publish(plainProgram)
	i := w.start("one", filepath.Join(t.TempDir(), "st"), oneWorker)
	w.send(orders(names, t0, 1000)...)
	w.decided()
	i.stop()
	i = w.start("one", i.dir, oneWorker)
	eventually(t, "both partitions run", func() bool { return running(i, 2) })

	w.disk.Spoil()
	for _, c := range names {
		w.send(order(c, "again-"+c, t0+minute, 1000))
	}
	w.decided()
	eventually(t, "both partitions run again", func() bool { return running(i, 2) })
	w.audit()
	for _, c := range names {
		if got := i.active(c); got != 20 {
			t.Errorf("%s has %d points, want 20", c, got)
		}
	}
}

// TestAPartitionWhoseFolderIsDamagedIsRebuiltFromTheLedger spoils a folder between two starts, so that it can't be opened.
func TestAPartitionWhoseFolderIsDamagedIsRebuiltFromTheLedger(t *testing.T) {
	t.Parallel()
	for name, pattern := range map[string]string{"the manifest": "MANIFEST*", "the markers": "marker*", "the options": "OPTIONS*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names := customers(20)
			w := newWorld(t, 2)
			w.publish(plainProgram)
			i := w.start("one", "", oneWorker)
			w.send(shopping(9, 20, 300)...)
			w.decided()
			want := i.accounts(names)
			i.stop()

			files, err := filepath.Glob(filepath.Join(i.dir, "001", pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no file is like %s: %v", pattern, err)
			}
			for _, f := range files {
				if err := os.WriteFile(f, []byte("garbage"), 0o600); err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(pattern, "marker") {
					if err := os.Remove(f); err != nil {
						t.Fatal(err)
					}
				}
			}
			again := w.start("one", i.dir, oneWorker)
			eventually(t, "both partitions are decided", func() bool { return running(again, 2) })
			w.audit()
			sameAccounts(t, want, again.accounts(names))
		})
	}
}

// TestAnInstanceThatCanOpenNoStateDoesNotJoin starts one whose disk takes nothing beside one that is well. Had it joined, half
// of the partitions would be stopped.
func TestAnInstanceThatCanOpenNoStateDoesNotJoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	well := w.start("well", "", oneWorker)
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()

	w.disk = faultydisk.New("/ill/00") // the partitions' folders
	w.disk.Fire(true)
	dir := filepath.Join(t.TempDir(), "ill")
	ill := w.start("ill", dir, oneWorker)
	err := <-ill.done
	ill.done <- nil // for stop
	if !errors.Is(err, consumer.ErrNoState) || !strings.Contains(err.Error(), "the disk is on fire") {
		t.Errorf("the engine ended with %v", err)
	}
	if !running(well, 4) {
		t.Errorf("the other instance's partitions are %+v", well.engine.Status())
	}
	ill.stop()

	w.disk.Fire(false)
	again := w.start("ill", dir, oneWorker)
	eventually(t, "the instance takes its share", func() bool { return running(again, 2) })
	if kept, err := again.store.Kept(); err != nil || len(kept) != 2 {
		t.Errorf("the folder has partitions %v (%v), want the two that it was given", kept, err)
	}
	w.audit()
}

// TestAnInstanceThatCanOpenSomeStatesServesThem starts one that can't open one of the states that it keeps.
func TestAnInstanceThatCanOpenSomeStatesServesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.disk = faultydisk.New("/st/000")
	w.publish(plainProgram)
	i := w.start("one", filepath.Join(t.TempDir(), "st"), oneWorker)
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()
	i.stop()
	w.disk.Fire(true)
	i = w.start("one", i.dir, oneWorker)
	eventually(t, "the three others run", func() bool {
		run := 0
		for _, s := range i.engine.Status() {
			if s.Phase == consumer.Running {
				run++
			}
		}
		return run == 3
	})
	w.disk.Fire(false)
	w.audit()
}

// TestATopicMadeAnewEndsTheEngine deletes an input topic under a running engine and makes it anew. The clients of the process
// would neither read nor write the new one, for ever.
func TestATopicMadeAnewEndsTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.send(order("c", "o", t0, 1000))
	w.decided()
	orders := schemas.TopicOrders.Name(w.prefix)
	if _, err := w.admin.DeleteTopics(w.ctx(), orders); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // what is gone may be on its way: the engine goes on
	select {
	case err := <-i.done:
		t.Fatalf("while the topic is gone the engine ended with %v", err)
	default:
	}
	// Asking takes a while, in which the engine gives its partitions up. The session that takes them up reads the new topic.
	refused := fmt.Errorf("committing: %w", kerr.UnknownTopicID)
	if err := i.engine.OrMadeAnew(w.ctx(), refused); !errors.Is(err, refused) {
		t.Errorf("while the topic is gone a commit that was refused ends the engine with %v", err)
	}
	if _, err := w.admin.CreateTopic(w.ctx(), 2, 1, nil, orders); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-i.done:
		i.done <- nil // for the end of the test
		if !errors.Is(err, consumer.ErrTopicMadeAnew) || !strings.Contains(err.Error(), orders) {
			t.Errorf("the engine ended with %v", err)
		}
		if err := i.engine.OrMadeAnew(w.ctx(), refused); !errors.Is(err, consumer.ErrTopicMadeAnew) || !strings.Contains(err.Error(), orders) {
			t.Errorf("a commit that was refused ends the engine with %v", err)
		}
	case <-w.ctx().Done():
		t.Fatal("the engine goes on without the topic")
	}
}

// TestUndecidedRecordsThatAreGoneAreSaid has retention delete records of a topic of which none was decided. There is nothing in
// the ledger that would miss them.
func TestUndecidedRecordsThatAreGoneAreSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	w.send(order("c", "o", t0, 1000), order("c", "p", t0, 1000))
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: schemas.TopicOrders.Name(w.prefix), At: 1})
	if _, err := w.admin.DeleteRecords(w.ctx(), offsets); err != nil {
		t.Fatal(err)
	}
	said := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	i := w.start("one", "", func(c *consumer.Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	w.decided()
	if got := i.active("c"); got != 10 {
		t.Errorf("the customer has %d points, want 10 for the order that is left", got)
	}
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(text); !strings.Contains(text, "retention has deleted") || !strings.Contains(text, "begins=1") {
		t.Errorf("the log says:\n%s", text)
	}
}

// TestPartitionsThatTheLedgerLacksAreStoppedForGood adds a partition to an input topic under a running engine. Trying it again
// would begin the worker's session anew, which disturbs its other partitions, once a minute for ever.
func TestPartitionsThatTheLedgerLacksAreStoppedForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	i := w.start("one", "", func(c *consumer.Config) { c.Client = w.newClient(kgo.MetadataMaxAge(time.Second)) })
	w.send(order("c", "o", t0, 1000))
	w.decided()
	if _, err := w.admin.CreatePartitions(w.ctx(), 1, schemas.TopicOrders.Name(w.prefix)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new partition is stopped, and the others run", func() bool {
		said, run := "", 0
		for _, s := range i.engine.Status() {
			if s.Phase == consumer.Running {
				run++
			} else {
				said += s.Err
			}
		}
		return run == 2 && strings.Contains(said, "the ledger has 2 partitions, and some input topic has got more")
	})
}
