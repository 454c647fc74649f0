package consumer_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// restored folds the ledger into a new folder without any engine.
func (w *world) restored(p int32) *state.Partition {
	w.t.Helper()
	versions, err := w.client.Programs(w.ctx())
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := state.DefaultConfig(w.t.TempDir())
	cfg.NextDue = consumer.FixedPrograms(versions...).NextDue
	store, err := state.Open(cfg, testLog(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = store.Close() })
	part, err := store.Partition(p)
	if err != nil {
		w.t.Fatal(err)
	}
	reader := projector.New(w.client.Reader(), w.codec, schemas.TopicLedger.Name(w.prefix))
	if err := reader.Restore(w.ctx(), part, func(int64, int64) {}); err != nil {
		w.t.Fatal(err)
	}
	return part
}

// TestAColdStartEndsInTheSameBytes compares what the engine left in its folder with a fold of the ledger alone.
func TestAColdStartEndsInTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, size := range []struct {
		name       string
		partitions int32
		events     int
		// ledger is where each partition's ledger ends at least: bulk begins at 10,000 offsets.
		ledger int64
	}{
		{"through batches", 2, 2_000, 0},
		{"in bulk", 2, 30_000, 10_000},
	} {
		t.Run(size.name, func(t *testing.T) {
			if size.ledger > 0 {
				racetest.Skip(t) // state's tests fold in bulk
			}
			w := newWorld(t, size.partitions)
			w.publish(heldProgram)
			i := w.start("one", "")
			all := history(5, size.events/40, 40)
			w.send(all[:len(all)/2]...)
			w.decided()
			w.tick(all[len(all)/2].Head().At)
			w.send(all[len(all)/2:]...)
			w.decided()
			i.settled()
			i.cancel()
			if err := <-i.done; err != nil {
				t.Fatal(err)
			}
			i.done <- nil
			for p := range w.partitions {
				live, err := i.store.Partition(p)
				if err != nil {
					t.Fatal(err)
				}
				cold := w.restored(p)
				if err := state.Compare(live, cold); err != nil {
					t.Errorf("partition %d: %v", p, err)
				}
				if end := cold.Position().Ledger; end < size.ledger {
					t.Errorf("partition %d was not restored %s: its ledger ends at %d", p, size.name, end)
				}
				if a, b := live.Position(), cold.Position(); a.Ledger != b.Ledger || a.Chain != b.Chain || a.Clock != b.Clock {
					t.Errorf("partition %d stands at %+v, cold at %+v", p, a, b)
				}
			}
			w.audit()
		})
	}
}

func TestAPartitionWhoseGroupIsAheadOfItsLedgerIsNotDecided(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	w.send(orders(customers(20), t0, 1000)...)
	// The group says that partition 0 was decided, the ledger is empty.
	var offsets kadm.Offsets
	offsets.AddOffset(schemas.TopicOrders.Name(w.prefix), 0, 3, -1)
	if _, err := w.admin.CommitOffsets(w.ctx(), w.prefix+"engine", offsets); err != nil {
		t.Fatal(err)
	}
	i := w.start("one", "")
	eventually(t, "one partition is stopped, the other runs", func() bool {
		s := i.engine.Status()
		return len(s) == 2 && s[0].Phase == consumer.Stopped && s[1].Phase == consumer.Running
	})
	if reason := i.engine.Status()[0].Err; !strings.Contains(reason, "the ledger lacks decisions") {
		t.Errorf("the reason given is %q", reason)
	}
	if i.engine.Authoritative(0) {
		t.Error("a stopped partition is called authoritative")
	}
	eventually(t, "the other partition is decided", func() bool { return len(w.ledger(1)) > 0 })
	if n := len(w.ledger(0)); n > 0 {
		t.Errorf("%d decisions were made in the stopped partition", n)
	}
}

func TestAFolderOfAnotherLedgerIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.send(order("c", "o", t0, 1000))
	w.decided()
	i.settled()
	dir := i.dir
	i.stop()

	other := newWorld(t, 1)
	other.publish(plainProgram)
	j := other.start("one", "")
	other.send(order("d", "o", t0, 1000), order("d", "p", t0, 1000))
	other.decided()
	j.stop()
	j = other.start("one", dir)
	eventually(t, "the partition is stopped", func() bool {
		s := j.engine.Status()
		return len(s) == 1 && s[0].Phase == consumer.Stopped
	})
	if reason := j.engine.Status()[0].Err; !strings.Contains(reason, projector.ErrOtherLedger.Error()) {
		t.Errorf("the reason given is %q", reason)
	}
}

// TestALedgerOfARegistryIsNotGoneOnWithWithoutIt has an instance started without the registry that everybody else has. Its folder
// lacks nothing, and what producers have sent would all be unreadable.
func TestALedgerOfARegistryIsNotGoneOnWithWithoutIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram) // somewhere without the registry
	plain := w.codec
	w.codec = w.withRegistry()
	i := w.start("one", "")
	w.send(order("c", "o", t0, 1000))
	w.decided()
	i.settled()
	i.stop()
	w.send(order("c", "p", t0+1, 1000))

	registered := w.codec
	w.codec = plain
	i = w.start("one", i.dir)
	eventually(t, "the partition is stopped", func() bool {
		s := i.engine.Status()
		return len(s) == 1 && s[0].Phase == consumer.Stopped
	})
	if reason := i.engine.Status()[0].Err; !strings.Contains(reason, schemas.ErrNoRegistry.Error()) {
		t.Errorf("the reason given is %q", reason)
	}
	i.stop()
	w.codec = registered
	i = w.start("one", i.dir)
	w.decided()
	if got := i.active("c"); got != 20 {
		t.Errorf("with the registry the customer has %d points, want 20", got)
	}
	w.client = i.client
	w.audit()
}

// TestAFolderWhoseLastRecordIsHiddenIsNotRefused starts on a ledger where somebody's open transaction hides what the
// folder ends with, as the time does that a commit's markers take.
func TestAFolderWhoseLastRecordIsHiddenIsNotRefused(t *testing.T) {
	t.Parallel() // it mostly waits
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "", oneWorker) // no other takes the partition over meanwhile
	eventually(t, "the engine runs", func() bool { return running(i, 1) })
	other, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID("other"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	rec := &kgo.Record{Topic: schemas.TopicLedger.Name(w.prefix), Value: []byte("never committed")}
	if err := other.ProduceSync(w.ctx(), rec).FirstErr(); err != nil {
		t.Fatal(err)
	}
	w.send(order("c", "o", t0, 1000))
	eventually(t, "the order is decided", func() bool {
		p, ok := i.store.Lookup(0)
		return ok && p.Position().Ledger > rec.Offset+1
	})
	i.stop()

	i = w.start("one", i.dir, oneWorker)
	time.Sleep(time.Second) // several times what one fetch waits
	if s := i.engine.Status(); len(s) == 1 && s[0].Phase != consumer.Restoring {
		t.Errorf("with the ledger's end hidden the partition is %v: %s", s[0].Phase, s[0].Err)
	}
	if err := other.EndTransaction(w.ctx(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine runs again", func() bool { return running(i, 1) })
	w.audit()
}

// TestWhatABrokerTookBackIsForgotten starts on a folder that reflects a decision which the brokers confirmed and then aborted.
func TestWhatABrokerTookBackIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "", oneWorker)
	w.send(order("c", "o", t0, 1000))
	w.decided()
	i.settled()
	part, err := i.store.Partition(0)
	if err != nil {
		t.Fatal(err)
	}
	at := part.Position().Clone()
	i.stop()

	d := w.ledger(0)[0]
	d.Cause.Offset, d.Cause.Event, d.Chain = 1, "e-p", at.Chain
	d.Result, d.Entries, d.Facts = events.Nothing, nil, events.Facts{Type: events.TypeSessionOpened}
	value, err := w.codec.AppendDecision(nil, &d)
	if err != nil {
		t.Fatal(err)
	}
	rec := w.takenBack(schemas.TopicLedger, &kgo.Record{Value: value})
	store, err := state.Open(state.DefaultConfig(i.dir), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if part, err = store.Partition(0); err != nil {
		t.Fatal(err)
	}
	b := part.Begin()
	if err := b.Fold(&d); err != nil {
		t.Fatal(err)
	}
	projector.Advance(&at, &d)
	at.Ledger, at.Chain = rec.Offset+1, sha256.Sum256(rec.Value)
	if err := b.Commit(at, nil); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	i = w.start("one", i.dir, oneWorker)
	eventually(t, "the engine runs", func() bool { return running(i, 1) })
	w.send(order("c", "p", t0+day, 1000))
	w.decided()
	if got := i.active("c"); got != 20 {
		t.Errorf("the customer has %d points, want 20", got)
	}
	w.audit()
}

// takenBack writes a record to a topic in a transaction that is aborted.
func (w *world) takenBack(t schemas.Topic, rec *kgo.Record) *kgo.Record {
	w.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID("other"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	rec.Topic = t.Name(w.prefix)
	if err := cl.ProduceSync(w.ctx(), rec).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	if err := cl.EndTransaction(w.ctx(), kgo.TryAbort); err != nil {
		w.t.Fatal(err)
	}
	return rec
}

// forge writes the ledger of one world to another, with one record changed, and its inputs.
func (w *world) forge(change func(offset int, d *events.Decision)) *world {
	w.t.Helper()
	f := newWorld(w.t, w.partitions)
	f.publish(plainProgram)
	for _, t := range schemas.Inputs() {
		f.copyTopic(w, t, nil)
	}
	n := 0
	f.copyTopic(w, schemas.TopicLedger, func(rec *kgo.Record) {
		var d events.Decision
		if err := w.codec.DecodeDecision(rec.Value, &d); err != nil {
			w.t.Fatal(err)
		}
		change(n, &d)
		n++
		value, err := w.codec.AppendDecision(nil, &d)
		if err != nil {
			w.t.Fatal(err)
		}
		rec.Value = value
	})
	return f
}

// copyTopic copies the records of a one-partition topic, as long as no markers lie between them.
func (w *world) copyTopic(from *world, t schemas.Topic, change func(*kgo.Record)) {
	w.t.Helper()
	var wg sync.WaitGroup
	ctx := w.ctx()
	records, _ := from.records(t, 0, 0)
	for _, rec := range records {
		if change != nil {
			change(rec)
		}
		w.sendRecord(ctx, &wg, t, &kgo.Record{Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp, Partition: 0})
	}
	wg.Wait()
}

// TestVerifyMissesWhatWasSentAndIsNowhere copies a ledger whose transfers topic has lost a record, and what was decided of it.
func TestVerifyMissesWhatWasSentAndIsNowhere(t *testing.T) {
	t.Parallel()
	w := transferred(t)
	f := newWorld(t, 1)
	f.publish(plainProgram)
	for _, topic := range schemas.Inputs() {
		if topic != schemas.TopicTransfers {
			f.copyTopic(w, topic, nil)
		}
	}
	ledger, _ := w.records(schemas.TopicLedger, 0, 0)
	if len(ledger) != 3 {
		t.Fatalf("the ledger has %d records, want those of the order and of both sides of the transfer", len(ledger))
	}
	var wg sync.WaitGroup
	for _, rec := range ledger[:2] {
		f.sendRecord(f.ctx(), &wg, schemas.TopicLedger, &kgo.Record{Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp, Partition: 0})
	}
	wg.Wait()
	report, err := f.client.Verify(f.ctx(), consumer.VerifyConfig{})
	if found := report.Differences(); err != nil || len(found) != 1 || found[0].Offset != 1 || !strings.Contains(found[0].What, `to customer "bob", which is not in accrue.transfers`) {
		t.Fatalf("verify found %v and %v, want the transfer that is nowhere", found, err)
	}
}

// TestVerifyKnowsAMergeInOtherBytes has the account that a merge sends in an encoding of the same that is longer, as an older
// accrue's was.
func TestVerifyKnowsAMergeInOtherBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	w.start("one", "")
	w.send(order("ann", "o", t0, 10_000), &events.AccountsMerged{Header: events.Header{ID: "m", Customer: "ann", At: t0 + minute}, Into: "bob"})
	w.decided()
	f := newWorld(t, 1)
	f.publish(plainProgram)
	for _, topic := range schemas.Inputs() {
		f.copyTopic(w, topic, func(rec *kgo.Record) {
			e, err := w.codec.DecodeEvent(rec.Value)
			if err != nil {
				t.Fatal(err)
			}
			if m, ok := e.(*events.MergeCredited); ok {
				last := len(m.Account) - 1 // a count of 0
				m.Account = append(m.Account[:last], 0x80, 0)
				if rec.Value, err = w.codec.AppendEvent(nil, m); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	ledger, _ := w.records(schemas.TopicLedger, 0, 0)
	var wg sync.WaitGroup
	for _, rec := range ledger[:2] {
		f.sendRecord(f.ctx(), &wg, schemas.TopicLedger, &kgo.Record{Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp, Partition: 0})
	}
	wg.Wait()
	report, err := f.client.Verify(f.ctx(), consumer.VerifyConfig{})
	if found := report.Differences(); err != nil || len(found) > 0 || report.Undecided() != 1 {
		t.Fatalf("verify found %v and %v, and %d undecided, want the survivor's side undecided", found, err, report.Undecided())
	}
}

func TestVerifyFindsWhatWasPlanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	w.start("one", "")
	w.send(shopping(9, 5, 100)...)
	w.decided()
	w.audit()
	for name, plant := range map[string]struct {
		change func(n int, d *events.Decision)
		want   string
		offset int
	}{
		"points that nobody earned": {func(n int, d *events.Decision) {
			if n == 50 && len(d.Entries) > 0 {
				d.Entries[0].Points++
			}
		}, "something else", 50},
		"another result": {func(n int, d *events.Decision) {
			if n == 60 {
				d.Result, d.Reason = events.Refused, "balance_too_low"
			}
		}, "something else", 60},
		"a record that could be read": {func(n int, d *events.Decision) {
			if n == 65 {
				d.Result, d.Reason = events.Unreadable, string(schemas.CodeUnknownSchema)
			}
		}, "something else", 65},
		"a cause decided twice": {func(n int, d *events.Decision) {
			if n == 70 {
				d.Cause.Offset--
			}
		}, "its cause was decided before", 70},
		"a grace that ended": {func(n int, d *events.Decision) {
			if n == 75 {
				d.Facts.Grace = new(events.Instant)
			}
		}, "facts.grace: the ledger has null, deciding gives nothing", 75},
		"a changed hash": {func(n int, d *events.Decision) {
			if n == 80 {
				d.Chain[0] ^= 1
			}
		}, "hash", 80},
	} {
		t.Run(name, func(t *testing.T) {
			chained := events.Hash{}
			f := w.forge(func(n int, d *events.Decision) {
				if name != "a changed hash" {
					d.Chain = chained // whoever forges a record can forge the hashes behind it
				}
				plant.change(n, d)
				value, err := w.codec.AppendDecision(nil, d)
				if err != nil {
					t.Fatal(err)
				}
				chained = sha256.Sum256(value)
			})
			report, err := f.client.Verify(f.ctx(), consumer.VerifyConfig{})
			if err != nil {
				t.Fatal(err)
			}
			found := report.Differences()
			if len(found) != 1 || int(found[0].Offset) != plant.offset || !strings.Contains(found[0].String(), plant.want) {
				t.Fatalf("verify found %v, want %q at %d", found, plant.want, plant.offset)
			}
			t.Log(found[0].String())
		})
	}
}

func TestVerifyTellsWhatTheLedgerDoesNotHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.send(orders(customers(4), t0, 1000)...)
	w.decided()
	i.stop()
	w.send(orders(customers(3), t0+day, 1000)...)
	verify := func() *consumer.VerifyReport {
		report, err := w.client.Verify(w.ctx(), consumer.VerifyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return &report
	}
	if r := verify(); r.Undecided() != 3 || r.Differences() != nil {
		t.Errorf("of 3 undecided orders verify counts %d, with the differences %v", r.Undecided(), r.Differences())
	}
	// The group says that one of them was decided.
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: schemas.TopicOrders.Name(w.prefix), Partition: 0, At: 5, LeaderEpoch: -1, Metadata: "decided=5"})
	if _, err := w.admin.CommitOffsets(w.ctx(), w.prefix+"engine", offsets); err != nil {
		t.Fatal(err)
	}
	found := verify().Differences()
	if len(found) != 1 || found[0].Cause.Offset != 4 || !strings.Contains(found[0].What, "lacks decisions that were made") {
		t.Errorf("of a decision that the ledger lacks verify finds %v", found)
	}
}

func TestANewVersionWithTiersIsReviewedByTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.send(orders(customers(10), t0, 100_000)...)
	w.decided()
	_, err := w.client.PublishProgram(w.ctx(), program.Draft{
		Source: []byte(plainProgram + tiers), File: "test.yaml", EffectiveAt: t0 + day, Immediately: true, Now: t0 + 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the version is known", func() bool { return len(i.programs.History()) == 2 })
	for _, c := range customers(10) {
		w.send(order(c, "p-"+c, t0+2*day, 100))
	}
	w.decided()
	if got := i.account("c-0000").Tier; got != "Silver" {
		t.Errorf("after an order under the new version the tier is %q, want Silver", got)
	}
	w.tick(t0 + 400*day)
	eventually(t, "the tier is gone by a tick", func() bool { a := i.account("c-0000"); return a.Tier == "" || a.Tier == "Base" })
	w.audit()
}

const tiers = `
tiers:
  metric: spend
  window: {rolling_months: 6}
  levels:
    - {name: Base, from: 0}
    - {name: Silver, from: 500, multiplier: 1.5}
`

func TestSumsOfAllAccountsMatchTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.send(history(11, 50, racetest.Of(30, 15))...)
	w.decided()
	i.settled()
	var issued, held events.Points
	for _, d := range w.decisions() {
		for _, e := range d.Entries {
			switch e.Type {
			case events.Earn:
				issued += e.Points
			case events.Confirm, events.Expire, events.Revoke, events.CancelPending, events.Forfeit:
				issued -= e.Points
			case events.Reinstate:
				issued += e.Points
			}
		}
	}
	for _, c := range customers(50) {
		if a := i.account(c); a != nil {
			b := a.Balance()
			held += b.Active + b.Pending + b.Reserved
		}
	}
	if issued != held {
		t.Errorf("the ledger's movements sum to %d points, the accounts hold %d", issued, held)
	}
	w.audit()
}

// forget deletes the beginning of the clock topic, as retention does.
func (w *world) forget(before int64) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: schemas.TopicClock.Name(w.prefix), At: before})
	if _, err := w.admin.DeleteRecords(w.ctx(), offsets); err != nil {
		w.t.Fatal(err)
	}
}

// TestVerifySaysThatTicksAreGone deletes the beginning of the clock topic, as retention does.
func TestVerifySaysThatTicksAreGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(heldProgram)
	i := w.start("one", "")
	w.tick(t0 - day)
	w.tick(t0)
	eventually(t, "the clock moves", func() bool { return i.clock(0) == t0 })
	w.send(order("c", "o", t0, 1000))
	w.decided()
	w.forget(1)
	w.audit() // nothing was decided under the first tick
	w.tick(t0 + 7*day)
	w.tick(t0 + 8*day)
	eventually(t, "the points are active", func() bool { return i.active("c") == 10 && i.clock(0) == t0+8*day })
	w.tick(t0 - 1) // too late to count
	for _, before := range []int64{2, 3, 4} {
		w.forget(before)
		report, err := w.client.Verify(w.ctx(), consumer.VerifyConfig{})
		if !errors.Is(err, consumer.ErrNoCause) {
			t.Errorf("without the ticks below offset %d verify finds %v and %v", before, report.Differences(), err)
		}
	}
}

// TestVerifyTellsWrongClocksFromTicksThatAreGone changes a decision that comes after one under a tick that is left.
func TestVerifyTellsWrongClocksFromTicksThatAreGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	i := w.start("one", "")
	w.tick(t0 - day)
	w.tick(t0)
	eventually(t, "the clock moves", func() bool { return i.clock(0) == t0 })
	w.send(orders(customers(2), t0, 1000)...)
	w.decided()
	var first events.Hash
	f := w.forge(func(n int, d *events.Decision) {
		if n == 0 {
			value, err := w.codec.AppendDecision(nil, d)
			if err != nil {
				t.Fatal(err)
			}
			first = sha256.Sum256(value)
			return
		}
		d.Chain, d.Clock, d.Cause = first, t0-day, events.Cause{Topic: string(schemas.TopicClock)}
	})
	f.forget(1)
	report, err := f.client.Verify(f.ctx(), consumer.VerifyConfig{})
	if found := report.Differences(); err != nil || len(found) != 1 || found[0].Offset != 1 || !strings.Contains(found[0].What, "the clock stood at") {
		t.Errorf("verify finds %v and %v", found, err)
	}
}
