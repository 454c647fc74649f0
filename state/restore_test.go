package state_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/state"
)

// renamed gives the customers of a ledger names of many lengths.
func renamed(ledger []events.Decision) []events.Decision {
	var all []events.Decision
	for i := range ledger {
		d := ledger[i]
		if n := len(d.Customer); n > 0 {
			d.Customer += strings.Repeat("x", int(d.Customer[n-1]-'0')*23)
		}
		all = append(all, d)
	}
	return all
}

// Keys begin with the customer's length as a varint, which has two bytes from 128 on.
func TestARestoreOfCustomersWithNamesOfAnyLength(t *testing.T) {
	t.Parallel()
	prog := parseProgram(t)
	e := newEngine(t, memoryPartition(t, func(c *state.Config) { c.NextDue = dueBy(prog) }), prog, 11, 60)
	e.run(racetest.Of(3000, 800))
	ledger := renamed(e.ledger)
	e.ledger = ledger
	batches := memoryPartition(t, func(c *state.Config) { c.NextDue = dueBy(prog) })
	foldInBatches(t, batches, e, 100)
	for _, bytes := range []int64{1 << 20, 64 << 20} {
		folded := memoryPartition(t, func(c *state.Config) { c.NextDue, c.RestoreBytes, c.RestoresMax = dueBy(prog), bytes, 4 })
		restore(t, folded, e, 100)
		requireEqual(t, batches, folded)
	}
}

func restoring(t *testing.T, p *state.Partition, decode func([]byte, *events.Decision) error) *state.Restore {
	t.Helper()
	r, err := p.Restore(t.Context(), 0, decode)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRestoresBeyondTheMaximumWait(t *testing.T) {
	cfg := smallConfig(vfs.NewMem())
	cfg.RestoresMax = 1
	s := openStore(t, cfg)
	first, second := openPartition(t, s, 0), openPartition(t, s, 1)
	r := restoring(t, first, codec.DecodeDecision)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := second.Restore(short, 0, codec.DecodeDecision); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second restore began beside the first: %v", err)
	}
	began := make(chan error)
	go func() {
		r, err := second.Restore(context.Background(), 0, codec.DecodeDecision)
		if err == nil {
			err = r.Finish(t.Context(), second.Position())
		}
		began <- err
	}()
	if err := r.Finish(t.Context(), first.Position()); err != nil {
		t.Fatal(err)
	}
	if err := <-began; err != nil {
		t.Fatalf("the second restore, after the first: %v", err)
	}
	if n := s.Stats().Restoring; n != 0 {
		t.Fatalf("%d restores are said to run", n)
	}
}

func TestARestoreThatFailsLeavesWhatWasWritten(t *testing.T) {
	t.Parallel()
	p := memoryPartition(t, func(c *state.Config) { c.RestoreBytes = 1 << 20 })
	broken := errors.New("cannot be decoded")
	r := restoring(t, p, func(record []byte, d *events.Decision) error {
		if string(record) == "broken" {
			return broken
		}
		return codec.DecodeDecision(record, d)
	})
	bad := racetest.Of(20_000, 8_000)
	w := newWorkload(1, 100)
	var err error
	for i := 0; err == nil && i < 100_000; i++ {
		d := w.next()
		if i == bad {
			r.Add(d, d.Offset, []byte("broken"))
		} else {
			addTo(t, r, d)
		}
		err = r.Mark(t.Context(), state.Position{Ledger: d.Offset + 1})
	}
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), fmt.Sprint("offset ", bad+1)) {
		t.Fatalf("got %v, want that the decision at %d cannot be decoded", err, bad+1)
	}
	r.Abandon()
	r.Abandon() // again does nothing
	if at := p.Position().Ledger; at == 0 || at > int64(bad+1) {
		t.Fatalf("the position is %d, want that of a round before the broken record", at)
	}
	// The partition is its owner's again.
	p.Begin().Discard()
}

// What a killed restore left in the folder is no table of any database, so nobody else would remove it.
func TestTablesOfAKilledRestoreAreRemoved(t *testing.T) {
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	s := openStore(t, cfg)
	openPartition(t, s, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := fs.Create("state/restore-000-1-0", vfs.WriteCategoryUnspecified)
	if err == nil {
		err = left.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := openStore(t, cfg).Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("state")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "restore-") {
			t.Errorf("%s is still there", name)
		}
	}
}

// TestReadsDuringARestoreLeaveNoOldAccount has one reader fill the cache while a restore gathers, and another one that has
// read the disk by then fill it after the restore has written.
func TestReadsDuringARestoreLeaveNoOldAccount(t *testing.T) {
	prog := parseProgram(t)
	live := memoryPartition(t, func(c *state.Config) { c.NextDue = dueBy(prog) })
	e := newEngine(t, live, prog, 11, 20)
	e.run(400)
	p := memoryPartition(t, func(c *state.Config) { c.NextDue = dueBy(prog) })
	for _, part := range [][]events.Decision{e.ledger[:200], e.ledger[200:]} {
		r := restoring(t, p, codec.DecodeDecision)
		var late []func()
		for i := range 20 {
			customer := fmt.Sprintf("customer-%05d", i)
			end, err := p.BeginRead(customer)
			if err == nil && i%2 == 0 {
				_, _, err = p.Account(customer)
			}
			if err != nil {
				t.Fatal(err)
			}
			late = append(late, end)
		}
		for i := range part {
			addTo(t, r, &part[i])
		}
		if err := r.Finish(t.Context(), state.Position{Ledger: part[len(part)-1].Offset + 1}); err != nil {
			t.Fatal(err)
		}
		for _, end := range late {
			end()
		}
	}
	for i := range 20 {
		customer := fmt.Sprintf("customer-%05d", i)
		want, _, err := live.Account(customer)
		if err != nil {
			t.Fatal(err)
		}
		got, at, err := p.Account(customer)
		if err != nil {
			t.Fatal(err)
		}
		if (got == nil) != (want == nil) || got != nil && !sameAccount(got, want) {
			t.Errorf("the account of %s is read as of offset %d, the position is %d", customer, at, p.Position().Ledger)
		}
	}
}
