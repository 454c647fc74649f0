package state_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

const midnight = events.Instant(20_000 * 86_400_000)

// withLots gives n customers a pending lot each, which becomes active at the time that activeAt says.
func withLots(t testing.TB, p *state.Partition, n int, activeAt func(i int) events.Instant) {
	t.Helper()
	for i := 0; i < n; {
		b := p.Begin()
		for range min(5000, n-i) {
			a, _, err := b.Account(fmt.Sprintf("customer-%07d", i))
			if err != nil {
				t.Fatal(err)
			}
			a.Lots = append(a.Lots, loyalty.Lot{ID: 1, Pending: 5, ActiveAt: activeAt(i)})
			b.Decided(&events.Decision{Customer: a.Customer, Result: events.Applied, Offset: p.Position().Ledger + int64(i)})
			i++
		}
		if err := b.Commit(state.Position{Ledger: p.Position().Ledger + 5000}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// workOff does what is due and returns how many customers were named and the longest that a call of Due took.
func workOff(t testing.TB, p *state.Partition, until events.Instant, limit int) (named int, longest time.Duration) {
	t.Helper()
	for more := true; more; {
		b := p.Begin()
		began := time.Now()
		customers, others, err := p.Due(until, limit)
		longest = max(longest, time.Since(began))
		if err != nil {
			t.Fatal(err)
		}
		named += len(customers)
		next := p.Position().Clone()
		for _, c := range customers {
			a, _, err := b.Account(c)
			if err != nil {
				t.Fatal(err)
			}
			a.Lots = slices.Clone(a.Lots) // what it succeeds is still read
			for i := range a.Lots {
				if l := &a.Lots[i]; l.Pending > 0 && l.ActiveAt <= until {
					l.Active, l.Pending = l.Pending, 0
				}
			}
			b.Decided(&events.Decision{Customer: c, Result: events.Applied, Offset: next.Ledger})
			next.Ledger++
		}
		if err := b.Commit(next, nil); err != nil {
			t.Fatal(err)
		}
		more = others || len(customers) > 0
	}
	return named, longest
}

func TestDueNamesEveryCustomerOfALongDay(t *testing.T) {
	t.Parallel()
	n := racetest.Of(30_000, 2_000)
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	cfg.NextDue = nextPending
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	// Half are due at midnight, half in the evening.
	withLots(t, p, n, func(i int) events.Instant { return midnight + events.Instant(i%2*72_000_000) })
	// Now all of it is on the disk only.
	s = openAgain(t, s, cfg)
	p = openPartition(t, s, 0)
	if named, _ := workOff(t, p, midnight-1, 1000); named != 0 {
		t.Fatalf("%d customers were named before the day", named)
	}
	if named, _ := workOff(t, p, midnight, 1000); named != n/2 {
		t.Fatalf("%d customers were named at midnight, want %d", named, n/2)
	}
	if err := p.CheckSchedule(); err != nil {
		t.Fatal(err)
	}
	if named, _ := workOff(t, p, midnight+72_000_000-1, 1000); named != 0 {
		t.Fatalf("%d customers were named in the afternoon", named)
	}
	if named, _ := workOff(t, p, midnight+72_000_000, 1000); named != n/2 {
		t.Fatalf("%d customers were named in the evening, want %d", named, n/2)
	}
}

func TestDueCostsNothingWhenNothingIsDue(t *testing.T) {
	p := memoryPartition(t, func(c *state.Config) { c.NextDue = nextPending })
	withLots(t, p, 1000, func(int) events.Instant { return midnight })
	if _, _, err := p.Due(midnight-90_000_000, 10); err != nil {
		t.Fatal(err)
	}
	allocated := testing.AllocsPerRun(100, func() {
		if customers, more, err := p.Due(midnight-90_000_000, 10); len(customers) > 0 || more || err != nil {
			t.Errorf("Due answers %v, %v, %v", customers, more, err)
		}
	})
	if allocated > 0 {
		t.Errorf("Due allocates %v times though nothing is due", allocated)
	}
}

func TestDaysThatAreWorkedOffLeaveTheDisk(t *testing.T) {
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	cfg.NextDue = nextPending
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	withLots(t, p, 2000, func(i int) events.Instant { return midnight + events.Instant(i%4*86_400_000) })
	if named, _ := workOff(t, p, midnight+4*86_400_000, 500); named != 2000 {
		t.Fatalf("%d customers were named, want 2000", named)
	}
	// A new day takes the place of the last one.
	withLots(t, p, 1, func(int) events.Instant { return midnight + 10*86_400_000 })
	if named, _ := workOff(t, p, midnight+10*86_400_000, 500); named != 1 {
		t.Fatalf("%d customers were named, want 1", named)
	}
	s = openAgain(t, s, cfg)
	named, _ := workOff(t, openPartition(t, s, 0), midnight+20*86_400_000, 500)
	if named > 1 {
		t.Errorf("%d customers of days long past are named after a restart", named)
	}
}

func TestRescheduleListsAccountsByTheNewAnswer(t *testing.T) {
	early := false
	p := memoryPartition(t, func(c *state.Config) {
		c.AccountsBytes = 64 << 10
		c.NextDue = func(a *loyalty.Account, after events.Instant) events.Instant {
			due := nextPending(a, after)
			if early && due != 0 {
				due -= 5 * 86_400_000
			}
			return due
		}
	})
	withLots(t, p, 3000, func(int) events.Instant { return midnight })
	early = true
	if err := p.CheckSchedule(); err == nil {
		t.Fatal("CheckSchedule does not see that all accounts are listed too late")
	}
	steps := 0
	for next := []byte(nil); steps == 0 || next != nil; steps++ {
		var err error
		if next, err = p.Reschedule(next, 1000); err != nil {
			t.Fatal(err)
		}
	}
	if steps < 3 {
		t.Errorf("3,000 accounts took %d steps of 1,000", steps)
	}
	if err := p.CheckSchedule(); err != nil {
		t.Fatal(err)
	}
}

// TestAFlushBeforeTheCommitKeepsWhatWasHandedOut ends after days went by in one look and were written, but before their
// customers were worked off.
func TestAFlushBeforeTheCommitKeepsWhatWasHandedOut(t *testing.T) {
	cfg := smallConfig(vfs.NewMem())
	cfg.NextDue = nextPending
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	withLots(t, p, 10, func(i int) events.Instant { return midnight + events.Instant(i)*86_400_000 })
	until := midnight + 20*86_400_000
	customers, _, err := p.Due(until, 100)
	if err != nil || len(customers) != 10 {
		t.Fatalf("Due names %v, %v", customers, err)
	}
	// Close writes, as a flush at that moment would.
	s = openAgain(t, s, cfg)
	if named, _ := workOff(t, openPartition(t, s, 0), until, 100); named != 10 {
		t.Errorf("%d customers were named after the restart, want 10", named)
	}
}

// TestACustomerWhoStaysOverdueIsListedOnceADay has a customer handed out with every tick and left alone, as the engine does
// with those that are parked, while others are worked off.
func TestACustomerWhoStaysOverdueIsListedOnceADay(t *testing.T) {
	const day, days = 86_400_000, 40
	cfg := smallConfig(vfs.NewMem())
	cfg.NextDue = nextPending
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	withLots(t, p, days, func(i int) events.Instant { return midnight + events.Instant(i*day) })
	const parked = "customer-0000000"
	until := midnight
	for range days {
		for range 10 {
			b := p.Begin()
			customers, _, err := p.Due(until, 1000)
			if err != nil || !slices.Contains(customers, parked) {
				t.Fatalf("at %v Due names %v, %v", until, customers, err)
			}
			next := p.Position().Clone()
			next.Clock = until
			for _, c := range customers {
				if c == parked {
					continue
				}
				a, _, err := b.Account(c)
				if err != nil {
					t.Fatal(err)
				}
				a.Lots = nil
				b.Decided(&events.Decision{Customer: c, Result: events.Applied, Offset: next.Ledger})
				next.Ledger++
			}
			if err := errors.Join(b.Commit(next, nil), p.Flush(), p.CheckSchedule()); err != nil {
				t.Fatal(err)
			}
			until += day / 10
		}
	}
	s = openAgain(t, s, cfg)
	p = openPartition(t, s, 0)
	if err := p.CheckSchedule(); err != nil {
		t.Error(err)
	}
	if n, err := p.Listings(); err != nil || n > 3 {
		t.Errorf("%d listings are on the disk, %v", n, err)
	}
	// No longer parked, it is found.
	if named, _ := workOff(t, p, until, 100); named == 0 {
		t.Error("nobody is named after the restart")
	}
	if err := p.CheckSchedule(); err != nil {
		t.Error(err)
	}
}

func TestWhatAccountsAreListedByIsKeptUntilTheyAreListedAnew(t *testing.T) {
	cfg := smallConfig(vfs.NewMem())
	cfg.NextDue = nextPending
	var by events.Hash
	reopened := func(do func(p *state.Partition)) events.Hash {
		s := openStore(t, cfg)
		do(openPartition(t, s, 0))
		s = openAgain(t, s, cfg)
		defer s.Close()
		return openPartition(t, s, 0).ListedBy()
	}
	if got := reopened(func(p *state.Partition) { withLots(t, p, 10, func(int) events.Instant { return midnight }) }); got != by {
		t.Errorf("accounts that nobody spoke of are said to be listed by %v", got)
	}
	by[0] = 1
	if got := reopened(func(p *state.Partition) { p.SetListedBy(by) }); got != by {
		t.Errorf("after SetListedBy and a restart it is %v", got)
	}
	got := reopened(func(p *state.Partition) {
		if next, err := p.Reschedule(nil, 5); next == nil || err != nil {
			t.Errorf("half of the listing ends at %q, %v", next, err)
		}
	})
	if got != (events.Hash{}) {
		t.Errorf("in the midst of a listing it is still %v", got)
	}
}
