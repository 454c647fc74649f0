package state

import (
	"sync"
	"sync/atomic"

	"github.com/accrue-loyalty/accrue/events"
)

// shardCount splits the customers of a partition, so that a commit holds up few readers and those only briefly.
const shardCount = 64

// shard holds committed state of some of a partition's customers: the decoded accounts and the records that are not on
// the disk yet.
//
// Lock order: Partition.mu before shard.mu. A reader takes shard.mu only.
type shard struct {
	mu    sync.RWMutex
	slots map[string]*slot
	// ring is the slots in no order, for the second chance; hand is where the next look for a victim begins. bytes is the
	// sum of theirs.
	ring  []*slot
	hand  int
	bytes int64
	// evictions counts slots that left. A reader who read the disk meanwhile must not cache what it found: the account
	// may have been changed, written and evicted since.
	evictions uint64
}

// slot is one customer's place in the cache.
type slot struct {
	customer string
	state    atomic.Pointer[snapshot]
	// bytes is what the slot and its state take, roughly. Guarded by shard.mu.
	bytes int64
	// used gives the slot its second chance.
	used atomic.Bool
	// pins counts why the slot must stay: it waits to be written, it is being written. Raised under shard.mu.
	pins atomic.Int32
	// dirty says that the slot is among those that wait to be written. Guarded by Partition.mu.
	dirty bool
	// listed is the earliest instant at which the schedule is known to have the customer; 0: unknown. Guarded by
	// Partition.mu.
	listed events.Instant
	// fresh are the customer's records committed since the last flush began, flushing those of the flush under way.
	// Guarded by shard.mu. While there are any, the slot is pinned.
	fresh, flushing writes
	// evicted is set when the slot has left its shard. Guarded by shard.mu.
	evicted bool
}

func (p *Partition) shardOf(customer string) *shard { return &p.shards[shardIndex(customer)] }

func shardIndex(customer string) int {
	// FNV-1a over the customer, folded to the number of shards.
	h := uint32(2166136261)
	for i := range len(customer) {
		h = (h ^ uint32(customer[i])) * 16777619
	}
	return int((h ^ h>>15) % shardCount)
}

// cached returns the customer's slot, or nil, with the count to hand to fill.
func (s *shard) cached(customer string) (*slot, uint64) {
	s.mu.RLock()
	slot, evictions := s.slots[customer], s.evictions
	s.mu.RUnlock()
	if slot != nil && !slot.used.Load() {
		slot.used.Store(true)
	}
	return slot, evictions
}

// fill caches what was read from the disk and returns what readers should use: the cached one, when somebody was faster.
func (s *shard) fill(customer string, read *snapshot, evictions uint64, limit int64) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := s.slots[customer]; slot != nil {
		return slot.state.Load()
	}
	if s.evictions == evictions && limit > 0 {
		s.hold(s.place(customer, limit), read)
	}
	return read
}

// place returns the customer's slot, making one and room for it. The caller holds mu and has the slot hold a state.
func (s *shard) place(customer string, limit int64) *slot {
	if slot := s.slots[customer]; slot != nil {
		return slot
	}
	// Two steps at most for each slot that comes, so that the ring shrinks again after a time with many pins.
	s.evict(limit, 2)
	fresh := &slot{customer: customer}
	if s.slots == nil {
		s.slots = map[string]*slot{}
	}
	s.slots[customer] = fresh
	s.ring = append(s.ring, fresh)
	return fresh
}

// hold stores a state in a slot of the shard. The caller holds mu. Room for what has grown is made by the next flush.
func (s *shard) hold(slot *slot, state *snapshot) {
	slot.state.Store(state)
	bytes := state.bytes()
	s.bytes += bytes - slot.bytes
	slot.bytes = bytes
}

// evict drops slots until they take no more than limit bytes, looking at no more than a few for each victim. The caller
// holds mu.
func (s *shard) evict(limit int64, victims int) {
	const looksPerVictim = 8
	for looks := victims * looksPerVictim; s.bytes > limit && len(s.ring) > 0 && looks > 0 && victims > 0; looks-- {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		slot := s.ring[s.hand]
		switch {
		case slot.pins.Load() > 0:
			s.hand++
		case slot.used.Load():
			slot.used.Store(false)
			s.hand++
		default:
			last := len(s.ring) - 1
			s.ring[s.hand] = s.ring[last]
			s.ring[last] = nil
			s.ring = s.ring[:last]
			delete(s.slots, slot.customer)
			s.bytes -= slot.bytes
			slot.evicted = true
			s.evictions++
			victims--
		}
	}
}

// record returns what memory knows of a customer's record that may not be on the disk yet; found is set for deletions
// too.
func (s *shard) record(customer string, key []byte) (value []byte, found bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	slot := s.slots[customer]
	if slot == nil {
		return nil, false
	}
	if value, found = slot.fresh.get(key); found {
		return value, true
	}
	return slot.flushing.get(key)
}
