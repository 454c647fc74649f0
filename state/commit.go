package state

import (
	"fmt"
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// waiting is what was committed since the last flush began, beside the slots' records.
type waiting struct {
	// slots are the accounts, each once.
	slots []*slot
	// decisions count what the next flush has to do, recordBytes are the records' keys and values; moved is set when the
	// position has changed.
	decisions, recordBytes int
	// hashes are what the filter has got since.
	hashes []uint64
	moved  bool
	since  time.Time
	// listedBy is set when that has changed.
	listedBy *events.Hash
}

// move says that there is something to write.
func (w *waiting) move() {
	if !w.moved {
		w.moved, w.since = true, time.Now()
	}
}

// Commit publishes the batch, after Kafka has committed its decisions at the given ledger offsets, one for each call of
// Decided (nil: the decisions carry their own). Readers see it when Commit returns, the disk within FlushInterval. next
// is the position behind the batch; its Inputs are the partition's from now on.
//
// The batch has ended also where there is an error. That means that the batch is not in the state and the partition must
// be given up: the ledger has what it lacks.
func (b *Batch) Commit(next Position, offsets []int64) error {
	p := b.p
	offsets, err := b.commits(&next, offsets)
	if err != nil {
		b.Discard()
		return err
	}
	if next.Inputs == nil {
		next.Inputs = map[string]int64{}
	}
	p.mu.Lock()
	limit := p.store.bytesPerShard()
	for n, t := range b.touched {
		if n%Ahead == 0 {
			b.prefetchCommit(b.touched[n:min(n+Ahead, len(b.touched))])
		}
		if len(t.entries) == 0 {
			continue
		}
		for i := range t.entries {
			t.entries[i].offset = offsets[t.entries[i].offset]
		}
		p.publish(t, limit)
	}
	err = p.settleDue()
	p.position.Store(&next)
	p.waiting.move()
	p.waiting.decisions += len(offsets)
	b.end()
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.flushIfDue()
}

// commits returns the ledger offset of each decision, unless the batch can't be committed.
func (b *Batch) commits(next *Position, offsets []int64) ([]int64, error) {
	if err := b.Err(); err != nil {
		return nil, fmt.Errorf("committing a batch after a failed read: %w", err)
	}
	if err := b.p.Err(); err != nil {
		return nil, err
	}
	if err := next.follows(b.p.position.Load()); err != nil {
		return nil, fmt.Errorf("committing partition %d: %w", b.p.number, err)
	}
	return b.offsets(offsets)
}

// publish makes a touched account the committed one.
func (p *Partition) publish(t *touched, limit int64) {
	r := &t.records
	s := t.next
	s.last = t.entries[len(t.entries)-1].offset
	if r.state != nil {
		s.tail, s.orders, s.chunks = r.state.tail, r.state.orders, r.state.chunks
	} else {
		r.desk.key = appendKey(r.desk.key[:0], keyAccount, r.customer)
		p.know(hashKey(r.desk.key))
	}
	r.advance(s, t.entries, p.know)
	for i := range r.own.list {
		w := &r.own.list[i]
		if w.isFiltered() {
			p.know(hashKey(w.key()))
		}
	}

	sh := p.shardOf(r.customer)
	sh.mu.Lock()
	slot := t.slot
	if slot == nil || slot.evicted {
		slot = sh.place(r.customer, limit)
	}
	sh.hold(slot, s)
	if !slot.dirty {
		slot.dirty = true
		slot.pins.Add(1)
		p.waiting.slots = append(p.waiting.slots, slot)
	}
	for i := range r.own.list {
		slot.fresh.add(r.own.list[i])
		p.waiting.recordBytes += len(r.own.list[i].both) + entryOverhead
	}
	sh.mu.Unlock()
	p.list(slot, s.account.Clock, s)
}

// know adds a key to the filter and to what the next flush writes of it. The caller holds mu.
func (p *Partition) know(hash uint64) {
	if p.filter.add(hash) {
		p.waiting.hashes = append(p.waiting.hashes, hash)
	}
}

// list puts the customer on the schedule unless it stands there for a time that is early enough. The caller holds mu.
func (p *Partition) list(slot *slot, after events.Instant, s *snapshot) {
	if p.store.cfg.NextDue == nil {
		return
	}
	handed, ok := p.schedule.handed[slot.customer]
	if ok {
		// What stood for it on the schedule was taken off when it was handed out.
		delete(p.schedule.handed, slot.customer)
		after = max(after, handed.until)
		if slot.listed <= handed.until {
			slot.listed = 0
		}
	}
	due := p.store.cfg.NextDue(&s.account, after)
	if due == 0 {
		return
	}
	// What stays overdue, as of a parked customer, moves along with the days, so that those behind can leave the disk.
	if due = max(due, p.schedule.begun()); slot.listed != 0 && due >= slot.listed {
		return
	}
	slot.listed = due
	if ok && handed.day == dayOf(due) {
		p.schedule.push(listing{due, slot.customer}) // the disk has it for that day
		return
	}
	p.schedule.add(due, slot.customer)
}

// settleDue lists the customers anew that were handed out and had nothing to decide. The caller holds mu.
func (p *Partition) settleDue() error {
	var failed error
	for customer := range p.schedule.handed {
		s, _, err := p.find(customer)
		if err != nil {
			failed = err
			break
		}
		if s == nil {
			continue
		}
		p.list(p.slotOf(customer), s.account.Clock, s)
	}
	p.schedule.settled()
	if failed != nil {
		return fmt.Errorf("listing customers of partition %d anew: %w", p.number, failed)
	}
	return nil
}

// slotOf returns the customer's place in the cache, or one outside of it.
func (p *Partition) slotOf(customer string) *slot {
	sh := p.shardOf(customer)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if s := sh.slots[customer]; s != nil {
		return s
	}
	return &slot{customer: customer}
}
