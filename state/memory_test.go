package state_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

// Accounts that grow leave the memory when they take more of it than they may, though they become no more.
func TestMemoryForAccountsIsBounded(t *testing.T) {
	t.Parallel()
	const bound, customers, lots = 512 << 10, 200, 40
	p := memoryPartition(t, func(c *state.Config) { c.AccountsBytes = bound })
	fewest := customers
	for round := range lots {
		b := p.Begin()
		for i := range customers {
			a, _, err := b.Account(fmt.Sprint("customer", i))
			if err != nil {
				t.Fatal(err)
			}
			a.Lots = append(a.Lots, loyalty.Lot{ID: int64(round + 1), Active: 1, EarnedAt: events.Instant(round + 1)})
			b.Decided(&events.Decision{Customer: a.Customer, Result: events.Applied, Offset: p.Position().Ledger + int64(i)})
		}
		if err := b.Commit(state.Position{Ledger: p.Position().Ledger + customers}, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		s := p.Stats()
		if s.AccountBytes > bound || s.AccountBytes < bound/4 {
			t.Fatalf("round %d: %d accounts take %d bytes of %d", round, s.Accounts, s.AccountBytes, bound)
		}
		fewest = min(fewest, s.Accounts)
	}
	if fewest > customers*3/4 {
		t.Errorf("%d of %d accounts were always in memory", fewest, customers)
	}
	for i := range customers {
		if a, _, err := p.Account(fmt.Sprint("customer", i)); err != nil || len(a.Lots) != lots {
			t.Fatalf("customer %d has %+v: %v", i, a, err)
		}
	}
	if s := p.Stats(); s.AccountBytes > bound*5/4 {
		t.Errorf("after reading all %d accounts take %d bytes of %d", s.Accounts, s.AccountBytes, bound)
	}
}

func TestPartitionsShareTheWriteBuffers(t *testing.T) {
	for partitions, want := range map[int]state.Config{
		1: {MemTableBytes: 32 << 20, FlushEvents: 16_000}, 8: {MemTableBytes: 25 << 20, FlushEvents: 16_000},
		64: {MemTableBytes: 3276800, FlushEvents: 2_000}, 100_000: {MemTableBytes: 256 << 10, FlushEvents: 1},
	} {
		got := state.DefaultConfig(t.TempDir())
		got.CacheBytes = 500 << 20
		got.Share(partitions)
		if got.MemTableBytes != want.MemTableBytes || got.FlushEvents != want.FlushEvents {
			t.Errorf("%d partitions: buffers of %d bytes and %d decisions, want %d and %d", partitions, got.MemTableBytes, got.FlushEvents, want.MemTableBytes, want.FlushEvents)
		}
		if err := got.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// What Pebble takes is asked of all partitions, open or not.
func TestBytesApartGrowWithThePartitions(t *testing.T) {
	s := openStore(t, smallConfig(vfs.NewMem()))
	before := s.BytesApart()
	p := openPartition(t, s, 0)
	one := s.BytesApart()
	openPartition(t, s, 1)
	if two := s.BytesApart(); before != 0 || one < 256<<10 || two < 2*one {
		t.Errorf("no partition takes %d bytes, one %d, two %d", before, one, two)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if left := s.BytesApart(); left != one {
		t.Errorf("with one closed it is %d, want %d", left, one)
	}
}
