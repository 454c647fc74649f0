package consumer_test

import (
	"testing"

	"github.com/accrue-loyalty/accrue/events"
)

// TestATakeOverListsNothingAnewThatIsListedByTheSameVersions restarts an instance under two versions of the program. The
// second version is listed by once.
func TestATakeOverListsNothingAnewThatIsListedByTheSameVersions(t *testing.T) {
	t.Parallel()
	const accounts, hour = 200, 60 * minute
	w := newWorld(t, 2)
	w.publish(heldProgram)
	i := w.start("one", "", oneWorker)
	w.send(orders(customers(accounts), t0+hour, 1000)...)
	w.decided()
	first, _ := i.store.Lookup(0)
	before := first.ListedBy()
	w.publish(heldProgram + "# again\n")
	listed := func() bool {
		for id := range w.partitions {
			if p, ok := i.store.Lookup(id); !ok || p.ListedBy() == before || p.ListedBy() == (events.Hash{}) {
				return false
			}
		}
		return true
	}
	for n := range 3 {
		eventually(t, "all accounts are listed by the new version", listed)
		i.stop()
		i = w.start("one", i.dir, oneWorker)
		w.send(order("c-0000", string(rune('a'+n)), t0+hour, 1000)) // so that time for listing goes by
		w.decided()
	}
	eventually(t, "all accounts are listed by the new version", listed)
	w.tick(t0 + 7*day) // nothing is due for another hour, but the day's listings are read
	inMemory := func() (n int) {
		for id := range w.partitions {
			if p, ok := i.store.Lookup(id); ok {
				n += p.Stats().DueInMemory
			}
		}
		return n
	}
	eventually(t, "the day's listings are read", func() bool { return inMemory() >= accounts })
	if n := inMemory(); n > accounts+10 {
		t.Errorf("%d accounts have %d listings", accounts, n)
	}
}
