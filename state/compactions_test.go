package state_test

import (
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/accrue-loyalty/accrue/state"
)

// database wants to run compactions, one after the other.
type database struct {
	mu      sync.Mutex
	waiting int
	granted chan pebble.CompactionGrantHandle
}

func (d *database) GetAllowedWithoutPermission() int { return 2 }

func (d *database) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting > 0, pebble.WaitingCompaction{}
}

func (d *database) Schedule(h pebble.CompactionGrantHandle) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == 0 {
		return false
	}
	d.waiting--
	d.granted <- h
	return true
}

func newDatabase(waiting int) *database {
	return &database{waiting: waiting, granted: make(chan pebble.CompactionGrantHandle, 10)}
}

func TestCompactionsShareTheirPlaces(t *testing.T) {
	all := state.NewCompactions(1)
	first, second := newDatabase(0), newDatabase(1)
	a, _ := all.Join(first)
	defer a.Unregister()
	ok, running := a.TrySchedule()
	if !ok {
		t.Fatal("the first compaction was not allowed")
	}
	b, _ := all.Join(second)
	defer b.Unregister()
	if ok, _ := b.TrySchedule(); ok {
		t.Fatal("two compactions were allowed in one place")
	}
	select {
	case <-second.granted:
		t.Fatal("a compaction was granted beside another")
	case <-time.After(300 * time.Millisecond):
	}
	running.Done()
	(<-second.granted).Done()
}

func TestABrokenDatabaseGivesItsPlaceBack(t *testing.T) {
	all := state.NewCompactions(1)
	broken, other := newDatabase(0), newDatabase(1)
	a, abandon := all.Join(broken)
	ok, running := a.TrySchedule()
	if !ok {
		t.Fatal("the compaction was not allowed")
	}
	abandon()
	b, _ := all.Join(other)
	defer b.Unregister()
	h := <-other.granted
	running.Done() // late, and no longer counted
	if ok, _ := b.TrySchedule(); ok {
		t.Fatal("a place was given back twice")
	}
	if ok, _ := a.TrySchedule(); ok {
		t.Fatal("a broken database was allowed a compaction")
	}
	h.Done()
}
