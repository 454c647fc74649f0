package state_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

func dueBy(p *loyalty.Program) func(*loyalty.Account, events.Instant) events.Instant {
	return func(a *loyalty.Account, after events.Instant) events.Instant {
		return loyalty.NextDue(loyalty.History{p}, a, after)
	}
}

// TestEveryWayOfFoldingEndsInTheSameBytes decides a history live and folds its ledger in batches and by a restore, each
// cut up differently.
func TestEveryWayOfFoldingEndsInTheSameBytes(t *testing.T) {
	t.Parallel()
	prog := parseProgram(t)
	open := func(t *testing.T, change func(*state.Config)) *state.Partition {
		return memoryPartition(t, func(c *state.Config) {
			c.NextDue = dueBy(prog)
			change(c)
		})
	}
	for _, c := range []struct {
		name              string
		customers, events int
	}{
		{"many customers", 400, racetest.Of(6000, 1200)},
		{"few customers with long histories", 3, racetest.Of(5000, 600)},
	} {
		t.Run(c.name, func(t *testing.T) {
			live := open(t, func(c *state.Config) { c.FlushEvents, c.AccountsBytes = 97, 64<<10 })
			e := newEngine(t, live, prog, 42, c.customers)
			e.run(c.events)
			requireResults(t, e.ledger)

			t.Run("in batches", func(t *testing.T) {
				folded := open(t, func(c *state.Config) { c.FlushEvents, c.AccountsBytes = 1000, 0 })
				foldInBatches(t, folded, e, 333)
				requireEqual(t, live, folded)
			})
			t.Run("by a restore in one round", func(t *testing.T) {
				folded := open(t, func(*state.Config) {})
				restore(t, folded, e, 0)
				requireEqual(t, live, folded)
			})
			t.Run("by a restore in many rounds", func(t *testing.T) {
				folded := open(t, func(c *state.Config) { c.RestoreBytes, c.RestoresMax = 1<<20, 4 })
				restore(t, folded, e, 100)
				if n := folded.Position().Ledger; n != live.Position().Ledger {
					t.Fatalf("the restore ends at %d, want %d", n, live.Position().Ledger)
				}
				requireEqual(t, live, folded)
			})
			t.Run("by a restore whose tail came in batches", func(t *testing.T) {
				folded := open(t, func(*state.Config) {})
				half := *e
				half.ledger = e.ledger[:len(e.ledger)/2]
				half.next = state.Position{Ledger: half.ledger[len(half.ledger)-1].Offset + 1}
				restore(t, folded, &half, 0)
				rest := *e
				rest.ledger = e.ledger[len(e.ledger)/2:]
				foldInBatches(t, folded, &rest, 50)
				requireEqual(t, live, folded)
			})
		})
	}
}

// requireResults makes sure that the history has what the test is about.
func requireResults(t *testing.T, ledger []events.Decision) {
	t.Helper()
	results := map[events.Result]int{}
	ticks, merged := 0, 0
	for i := range ledger {
		results[ledger[i].Result]++
		if ledger[i].Facts.Type == events.TypeTick {
			ticks++
		}
		if ledger[i].Facts.Merged != nil {
			merged++
		}
	}
	t.Logf("%d decisions: %v, %d by ticks, %d merged", len(ledger), results, ticks, merged)
	for _, r := range []events.Result{events.Applied, events.Duplicate, events.Refused, events.Waiting, events.Stale} {
		if results[r] == 0 {
			t.Errorf("no decision is %s", r)
		}
	}
	if ticks == 0 {
		t.Error("no decision is a tick's")
	}
}

func foldInBatches(t *testing.T, p *state.Partition, e *engine, size int) {
	t.Helper()
	for i := 0; i < len(e.ledger); i += size {
		b := p.Begin()
		part := e.ledger[i:min(i+size, len(e.ledger))]
		for j := range part {
			if err := b.Fold(&part[j]); err != nil {
				t.Fatal(err)
			}
		}
		next := state.Position{Ledger: part[len(part)-1].Offset + 1}
		if i+size >= len(e.ledger) {
			next = e.next.Clone()
		}
		if err := b.Commit(next, nil); err != nil {
			t.Fatal(err)
		}
	}
}

var codec = schemas.NewCodec()

func addTo(t testing.TB, r *state.Restore, d *events.Decision) {
	t.Helper()
	record, err := codec.AppendDecision(nil, d)
	if err != nil {
		t.Fatal(err)
	}
	r.Add(d, d.Offset, record)
}

func restore(t *testing.T, p *state.Partition, e *engine, mark int) {
	t.Helper()
	r, err := p.Restore(t.Context(), 1000, codec.DecodeDecision)
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.ledger {
		addTo(t, r, &e.ledger[i])
		if mark > 0 && i%mark == mark-1 {
			if err := r.Mark(t.Context(), state.Position{Ledger: e.ledger[i].Offset + 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Finish(t.Context(), e.next.Clone()); err != nil {
		t.Fatal(err)
	}
}

func requireEqual(t *testing.T, live, folded *state.Partition) {
	t.Helper()
	if err := state.Compare(live, folded); err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	if err := live.Dump(&a); err != nil {
		t.Fatal(err)
	}
	if err := folded.Dump(&b); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() || a.Len() == 0 {
		t.Fatal("the dumps differ though Compare found nothing")
	}
}

func TestCompareNamesWhatDiffers(t *testing.T) {
	prog := parseProgram(t)
	var parts [2]*state.Partition
	for i := range parts {
		parts[i] = memoryPartition(t, func(c *state.Config) { c.NextDue = dueBy(prog) })
		newEngine(t, parts[i], prog, 7, 5).run(100 + i)
	}
	err := state.Compare(parts[0], parts[1])
	if err == nil || !strings.Contains(err.Error(), "customer-") {
		t.Fatalf("Compare says %v, want the customer that differs", err)
	}
}

// TestAnInterruptedRestoreGoesOn closes the store in the middle of a restore that has written a round.
func TestAnInterruptedRestoreGoesOn(t *testing.T) {
	t.Parallel()
	prog := parseProgram(t)
	live := memoryPartition(t, func(c *state.Config) { c.NextDue = dueBy(prog) })
	n := racetest.Of(8000, 4000)
	e := newEngine(t, live, prog, 5, 300)
	e.run(n)

	cfg := smallConfig(vfs.NewMem())
	cfg.NextDue, cfg.RestoreBytes = dueBy(prog), 1<<20
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	r, err := p.Restore(t.Context(), 1000, codec.DecodeDecision)
	if err != nil {
		t.Fatal(err)
	}
	before := e.ledger[:n*7/8]
	for i := range before {
		addTo(t, r, &e.ledger[i])
		if err := r.Mark(t.Context(), state.Position{Ledger: e.ledger[i].Offset + 1}); err != nil {
			t.Fatal(err)
		}
	}
	r.Abandon()
	s = openAgain(t, s, cfg)
	p = openPartition(t, s, 0)
	reached := p.Position().Ledger
	if reached == 0 || reached > before[len(before)-1].Offset+1 {
		t.Fatalf("the position is %d, want one that a Mark wrote", reached)
	}
	rest := *e
	for rest.ledger[0].Offset < reached {
		rest.ledger = rest.ledger[1:]
	}
	restore(t, p, &rest, 100)
	requireEqual(t, live, p)
}
