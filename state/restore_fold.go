package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// restoreFold folds the rounds of a restore. What it has between two customers is memory to use again.
type restoreFold struct {
	p      *Partition
	decode func(record []byte, d *events.Decision) error
	format sstable.TableFormat

	decision events.Decision
	snapshot snapshot
	entries  []entry
	tail     [chunkEntries]entry
	orders   []byte
	records  Records
	desk     desk
	evolver  loyalty.Evolver
	// stored are accounts on the disk, whose values lie in values.
	stored []storedAccount
	values []byte
	days   map[int64][]listing
	// next are the records that warm looks at next; warmed is what it has read, so that it reads it.
	next   []int32
	warmed byte
	key    []byte
	value  []byte
}

// storedAccount is where the values have an account that an earlier round or batch has written.
type storedAccount struct{ from, to int }

// customersAtOnce is how many accounts are read before they are folded. The database may be closed in between.
const customersAtOnce = 1024

// warmedAtOnce is how many customers' records are brought into the cache before they are folded: more than a few, and
// fewer than what the second cache of a processor holds.
const warmedAtOnce = 32

// round writes what the gathered decisions make of their accounts to t, and the position behind them.
func (f *restoreFold) round(ctx context.Context, t *tables, g *gathering, position Position) error {
	f.days = map[int64][]listing{}
	chains := g.inKeyOrder()
	for len(chains) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		some := chains[:min(customersAtOnce, len(chains))]
		chains = chains[len(some):]
		if err := f.read(some); err != nil {
			return err
		}
		for i := range some {
			if i%warmedAtOnce == 0 {
				f.warm(g, some[i:min(i+warmedAtOnce, len(some))])
			}
			if err := f.customer(t, g, &some[i], f.stored[i]); err != nil {
				return err
			}
		}
	}
	t.set([]byte(metaPosition), appendPosition(nil, &position))
	f.schedule(t)
	return nil
}

// warm brings the records of some customers into the processor's cache. They lie all over the gathering, and asked for
// together they come in the time of a few.
func (f *restoreFold) warm(g *gathering, chains []chain) {
	const lineBytes = 64
	next := f.next[:0]
	for i := range chains {
		next = append(next, chains[i].first)
	}
	f.next = next
	for len(next) > 0 {
		left := 0
		for _, i := range next {
			x := &g.records[i]
			record := g.record(x)
			for at := 0; at < len(record); at += lineBytes {
				f.warmed += record[at]
			}
			if x.next >= 0 {
				next[left] = x.next
				left++
			}
		}
		next = next[:left]
	}
}

// read fills stored with what is on the disk of the customers, who are in the order of their keys.
func (f *restoreFold) read(chains []chain) (err error) {
	p := f.p
	f.stored, f.values = f.stored[:0], f.values[:0]
	var iter *pebble.Iterator
	defer func() {
		if iter != nil {
			err = errors.Join(err, iter.Close())
			p.leave()
		}
	}()
	for i := range chains {
		f.stored = append(f.stored, storedAccount{})
		f.key = appendKey(f.key[:0], keyAccount, chains[i].customer)
		if !p.filter.maybe(hashKey(f.key)) {
			continue
		}
		if iter == nil {
			if err := p.enter(); err != nil {
				return err
			}
			if iter, err = p.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyAccount}, UpperBound: []byte{keyAccount + 1}}); err != nil {
				p.leave()
				return p.readError(err)
			}
		}
		if !iter.SeekGE(f.key) || !bytes.Equal(iter.Key(), f.key) {
			if err := p.iterError(iter); err != nil {
				return err
			}
			continue
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return p.readError(err)
		}
		from := len(f.values)
		f.values = append(f.values, value...)
		f.stored[i] = storedAccount{from, len(f.values)}
	}
	return nil
}

// customer folds the decisions of one customer and writes what comes of them.
func (f *restoreFold) customer(t *tables, g *gathering, c *chain, stored storedAccount) error {
	p, s := f.p, &f.snapshot
	s.account.Reset(c.customer)
	*s = snapshot{account: s.account, last: -1}
	f.key = appendKey(f.key[:0], keyAccount, c.customer)
	if stored.to > 0 {
		if err := s.decode(c.customer, f.values[stored.from:stored.to]); err != nil {
			return p.checked(err)
		}
	} else {
		p.filter.add(hashKey(f.key))
	}
	records := &f.records
	records.clear()
	f.desk.forget()
	records.open(p, c.customer, s)
	f.desk.arena.reset()
	records.desk, records.new = &f.desk, stored.to == 0
	for i := c.first; i >= 0; i = g.records[i].next {
		x := &g.records[i]
		if err := f.decide(g.record(x), x.offset, s); err != nil {
			return err
		}
	}
	f.value = appendSnapshot(f.value[:0], s)
	t.set(f.key, f.value)
	own := records.own.list
	if len(own) > 1 {
		slices.SortFunc(own, func(a, b write) int { return bytes.Compare(a.key(), b.key()) })
	}
	for i := range own {
		w := &own[i]
		if w.isFiltered() {
			p.filter.add(hashKey(w.key()))
		}
		if w.isDeleted {
			t.delete(w.key())
		} else {
			t.set(w.key(), w.value())
		}
	}
	if due := p.store.cfg.NextDue; due != nil {
		if at := due(&s.account, s.account.Clock); at != 0 {
			f.days[dayOf(at)] = append(f.days[dayOf(at)], listing{at, c.customer})
		}
	}
	return nil
}

// decide evolves the account of s by one decision.
func (f *restoreFold) decide(record []byte, offset int64, s *snapshot) error {
	d := &f.decision
	if err := f.decode(record, d); err != nil {
		return fmt.Errorf("decoding the decision at offset %d: %w", offset, err)
	}
	d.Partition, d.Offset = f.p.number, offset
	records := &f.records
	f.evolver.Evolve(&s.account, records, d)
	if records.err != nil {
		return records.err
	}
	f.entries = records.note(f.entries[:0], d, offset)
	if s.tail == nil {
		// Nobody keeps these: a full tail is copied to its chunk, a short one to the account's value.
		s.tail, s.orders = f.tail[:0], f.orders[:0]
	}
	records.advance(s, f.entries, func(hash uint64) { f.p.filter.add(hash) })
	if cap(s.orders) > cap(f.orders) {
		f.orders = s.orders[:0]
	}
	records.seen, records.noted = records.seen[:0], 0
	records.orders, records.ordersNoted, f.desk.room = records.orders[:0], 0, f.desk.room[:0]
	s.last = offset
	return nil
}

// schedule lists every account of the round that has something due.
func (f *restoreFold) schedule(t *tables) {
	p := f.p
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.schedule
	s.flushes++
	for _, day := range sortedDays(f.days) {
		t.set(scheduleKey(nil, day, s.flushes), appendListings(nil, day, f.days[day]))
		if day > s.today {
			s.ahead = min(s.ahead, day)
			continue
		}
		for _, l := range f.days[day] {
			s.push(l)
		}
	}
	t.set(flushCounterKey(), appendCounter(nil, s.flushes))
}
