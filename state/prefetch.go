package state

import (
	"math/bits"

	"github.com/accrue-loyalty/accrue/events"
)

// Memory that is in no cache of the processor's takes as long to read as some hundred instructions, and little of a
// customer is in one when the next event comes. Who reads the same part of several customers in a row waits for all of
// them at once. So what is about to be needed is read before, part by part; what is read is of no interest.

// Ahead is how many customers are waited for at once.
const Ahead = 16

// Prefetch does what can be done before these events are decided, Ahead of them at most. It makes no difference but in
// time. Customers who are not in memory are left out.
func (b *Batch) Prefetch(heads []*events.Header) {
	read := 0
	slots := b.p.slotsOf(heads)
	var states [Ahead]*snapshot
	for i, slot := range slots {
		if slot != nil {
			states[i] = slot.state.Load()
		}
	}
	for _, s := range states {
		if s != nil {
			read += s.touch()
		}
	}
	for _, s := range states {
		if s != nil {
			read += s.account.TouchLists() + s.touchTail()
		}
	}
	for _, t := range b.spare[max(len(b.spare)-len(heads), 0):] {
		read += t.touch()
	}
	b.read += read
	b.desk.expect(heads)
	for i, slot := range slots {
		if slot != nil && b.accounts[slot.customer] == nil {
			b.copied(slot.customer, states[i], slot)
		}
	}
}

// slotsOf returns where customers are in memory.
func (p *Partition) slotsOf(heads []*events.Header) (slots [Ahead]*slot) {
	var at [Ahead]int
	var needed uint64 // a bit for each shard
	for i, h := range heads {
		at[i] = shardIndex(h.Customer)
		needed |= 1 << at[i]
	}
	// Locking has the processor wait for all reads before it, so all locks are taken first. Nobody who has a shard's lock
	// waits for another's but here.
	for rest := needed; rest != 0; rest &= rest - 1 {
		p.shards[bits.TrailingZeros64(rest)].mu.RLock()
	}
	for i, h := range heads {
		slots[i] = p.shards[at[i]].slots[h.Customer]
	}
	for rest := needed; rest != 0; rest &= rest - 1 {
		p.shards[bits.TrailingZeros64(rest)].mu.RUnlock()
	}
	for _, slot := range slots {
		if slot != nil && !slot.used.Load() {
			slot.used.Store(true)
		}
	}
	return slots
}

// prefetchCommit reads what committing the touched accounts will read, Ahead of them at most.
func (b *Batch) prefetchCommit(touched []*touched) {
	read := 0
	for _, t := range touched {
		read += t.touch()
	}
	for _, t := range touched {
		if t.next != nil {
			read += t.next.touch()
		}
		if t.slot != nil {
			read += len(t.slot.customer) + len(t.slot.fresh.list) + len(t.slot.flushing.list)
		}
		if t.records.state != nil {
			read += t.records.state.touchTail()
		}
	}
	b.read += read
}

func (t *touched) touch() int {
	return len(t.records.customer) + len(t.records.own.list) + len(t.records.orders) + len(t.entries) +
		int(t.first.entry[0].order) + int(t.first.order[0].entry)
}

func (s *snapshot) touch() int { return s.account.Touch() + int(s.last) }

// touchTail reads the tail, which is looked through for ids, and where the next decision adds to it and to the orders.
func (s *snapshot) touchTail() (read int) {
	for i := range s.tail {
		read += int(s.tail[i].order)
	}
	if n := len(s.tail); n < cap(s.tail) {
		e := &s.tail[:n+1][n]
		read += int(e.offset) + int(e.order)
	}
	if n := len(s.orders); n > 0 {
		read += int(s.orders[n-1])
	}
	return read
}
