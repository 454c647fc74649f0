package state

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Restore folds a long stretch of the ledger into a partition, several times as fast as batches do: accounts are worked
// on in place, and what has gathered is written as sorted tables. It takes the place of the owner; readers see nothing of
// it before Finish. Restore few partitions at a time, as many as there are processors, one after the other: all of them
// share [Config.RestoreBytes], and accounts that don't fit are read again and again.
type Restore struct {
	p        *Partition
	accounts map[string]*touched
	// packed are accounts that made room, as they were written: much smaller, and much faster to get than from the disk.
	packed      map[string][]byte
	packedBytes int64
	// bytes is a guess at the memory taken, unwritten of it by what the next round writes.
	bytes     int64
	unwritten int64
	rounds    int
	decisions int64
	began     time.Time
	ended     bool
}

// What things take in memory, roughly, as measured with accounts of five lots.
const (
	restoreAccountBytes  = 800
	restoreDecisionBytes = 300
	restoreWriteBytes    = 40
	restorePackedBytes   = 80
	// restoreTableBytes is where a sorted table ends and the next begins.
	restoreTableBytes = 48 << 20
)

// Restore begins one. The partition has no batch open, and everything committed is written first.
func (p *Partition) Restore() (*Restore, error) {
	if p.batchOpen {
		panic("state: a restore was begun while a batch is open")
	}
	if err := p.Flush(); err != nil {
		return nil, err
	}
	p.dropCache()
	p.batchOpen = true
	p.store.restoring.Add(1)
	return &Restore{p: p, accounts: map[string]*touched{}, began: time.Now()}, nil
}

// dropCache forgets the decoded accounts, which a restore is about to make old. Everything is written.
func (p *Partition) dropCache() {
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		sh.evictions += uint64(len(sh.ring)) + 1
		for _, slot := range sh.ring {
			slot.evicted = true
		}
		clear(sh.slots)
		clear(sh.ring)
		sh.ring, sh.hand = sh.ring[:0], 0
		sh.mu.Unlock()
	}
}

// Fold evolves an account by the next decision of the ledger. Offsets must not go back.
func (r *Restore) Fold(d *events.Decision) error {
	r.decisions++
	if !ofAccount(d) {
		return nil
	}
	t, err := r.touch(d.Customer)
	if err != nil {
		return err
	}
	before := len(t.records.own.list)
	loyalty.Evolve(t.account, &t.records, d)
	if t.records.err != nil {
		return t.records.err
	}
	t.entries = t.records.note(t.entries[:0], d, d.Offset)
	clear(t.records.seen)
	t.records.seen, t.records.noted = t.records.seen[:0], 0
	s := t.records.state
	if s.last < 0 {
		t.records.key = appendKey(t.records.key[:0], keyAccount, d.Customer)
		r.p.filter.add(hashKey(t.records.key))
	}
	s.tail, s.chunks = t.records.advance(s.tail, s.chunks, t.entries, r.p.filter.add)
	s.last = d.Offset
	r.bytes += restoreDecisionBytes
	own := t.records.own.list
	for i := min(before, len(own)); i < len(own); i++ {
		r.unwritten += int64(len(own[i].both)) + restoreWriteBytes
		if own[i].isFiltered() {
			r.p.filter.add(hashKey(own[i].key()))
		}
	}
	t.dirty = true
	return nil
}

func (r *Restore) touch(customer string) (*touched, error) {
	if t := r.accounts[customer]; t != nil {
		return t, nil
	}
	s, err := r.unpack(customer)
	if err != nil {
		return nil, err
	}
	r.bytes += restoreAccountBytes
	if s == nil {
		s = &snapshot{account: loyalty.NewAccount(customer), last: -1}
	}
	t := &touched{customer: customer, account: s.account}
	t.records.open(r.p, customer, s)
	r.accounts[customer] = t
	return t, nil
}

// unpack returns what was written of an account, or nil.
func (r *Restore) unpack(customer string) (*snapshot, error) {
	if value := r.packed[customer]; value != nil {
		return decodeSnapshot(customer, value)
	}
	return r.p.fetch(customer)
}

// pack lets go of the decoded accounts, which are all written.
func (r *Restore) pack(limit int64) {
	if r.packed == nil {
		r.packed = make(map[string][]byte, len(r.accounts))
	}
	var value []byte
	for customer, t := range r.accounts {
		value = appendSnapshot(value[:0], t.records.state)
		if old, ok := r.packed[customer]; ok {
			r.packedBytes -= int64(len(old))
		} else {
			r.packedBytes += restorePackedBytes
		}
		r.packed[customer] = bytes.Clone(value)
		r.packedBytes += int64(len(value))
	}
	if r.packedBytes > limit/2 {
		r.packed, r.packedBytes = nil, 0
	}
	clear(r.accounts)
	r.bytes = r.packedBytes
}

// Mark says that everything below position was folded. When much has gathered it is written, together with the position:
// a restore that is cut off later goes on from there.
func (r *Restore) Mark(position Position) error {
	limit := r.p.store.cfg.RestoreBytes / int64(max(r.p.store.restoring.Load(), 1))
	if r.bytes+r.unwritten < limit {
		return nil
	}
	if err := r.write(&position); err != nil {
		return err
	}
	// Accounts stay if they leave room for records.
	if r.bytes > limit*3/4 {
		r.pack(limit)
	}
	return nil
}

// Finish writes the rest and gives the partition back to its owner, at position.
func (r *Restore) Finish(position Position) error {
	defer r.Abandon()
	if err := r.write(&position); err != nil {
		return err
	}
	r.p.log.Info("restored", slog.Int64("decisions", r.decisions), slog.Int("rounds", r.rounds),
		slog.Duration("took", time.Since(r.began)))
	return nil
}

// Abandon ends the restore at its last Mark that wrote. After Finish it does nothing.
func (r *Restore) Abandon() {
	if r.ended {
		return
	}
	r.ended = true
	r.accounts, r.packed = nil, nil
	r.p.batchOpen = false
	r.p.store.restoring.Add(-1)
}

// write makes sorted tables of everything that changed and has Pebble take them over at once.
func (r *Restore) write(position *Position) error {
	p := r.p
	if position.Inputs == nil {
		position.Inputs = map[string]int64{}
	}
	if err := position.follows(p.position.Load()); err != nil {
		return fmt.Errorf("restoring partition %d: %w", p.number, err)
	}
	r.rounds++
	if err := p.guarded(func() error { return r.ingest(position) }); err != nil {
		return fmt.Errorf("restoring partition %d: %w", p.number, err)
	}
	p.position.Store(position)
	p.stats.restored.Add(r.decisions)
	r.unwritten = 0
	for _, t := range r.accounts {
		t.dirty, t.written = false, 0
		t.records.own.reset()
	}
	return nil
}

func (r *Restore) ingest(position *Position) error {
	p := r.p
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	list := r.dirty()
	t := &tables{p: p, round: r.rounds}
	for _, kind := range []byte{keyAccount, keyReference, keyChunk, keyIndex, keyMeta, keyOrder, keyRedemption, keySchedule,
		keyExpired} {
		switch kind {
		case keyMeta:
			t.set([]byte(metaPosition), appendPosition(nil, position))
		case keySchedule:
			p.mu.Lock()
			r.schedule(t, list)
			p.mu.Unlock()
		default:
			r.records(t, kind, list)
		}
	}
	if err := t.close(); err != nil {
		return errors.Join(err, t.remove())
	}
	if err := p.db.Ingest(context.Background(), t.paths); err != nil {
		return errors.Join(err, t.remove())
	}
	return t.remove()
}

// dirty lists the accounts that changed in the order of their keys.
func (r *Restore) dirty() []*touched {
	list := make([]*touched, 0, len(r.accounts))
	for _, t := range r.accounts {
		if t.dirty {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *touched) int { return compareCustomers(a.customer, b.customer) })
	for _, t := range list {
		slices.SortFunc(t.records.own.list, func(a, b write) int { return bytes.Compare(a.key(), b.key()) })
		t.records.own.index = nil
	}
	return list
}

// compareCustomers orders customers as their keys are: the length comes first, as the bytes of a varint.
func compareCustomers(a, b string) int {
	if len(a) != len(b) {
		return cmp.Compare(string(appendText(nil, a)[:2]), string(appendText(nil, b)[:2]))
	}
	return cmp.Compare(a, b)
}

// records writes what the accounts have of one kind.
func (r *Restore) records(t *tables, kind byte, list []*touched) {
	if kind == keyAccount {
		var key, value []byte
		for _, x := range list {
			key = appendKey(key[:0], keyAccount, x.customer)
			value = appendSnapshot(value[:0], x.records.state)
			t.set(key, value)
		}
		return
	}
	for _, x := range list {
		own := x.records.own.list
		for ; x.written < len(own) && own[x.written].both[0] == kind; x.written++ {
			w := &own[x.written]
			if w.isDeleted {
				t.delete(w.key())
			} else {
				t.set(w.key(), w.value())
			}
		}
	}
}

// schedule lists every account that has something due. The caller holds Partition.mu.
func (r *Restore) schedule(t *tables, list []*touched) {
	p, s := r.p, &r.p.schedule
	s.flushes++
	days := map[int64][]listing{}
	if due := p.store.cfg.NextDue; due != nil {
		for _, x := range list {
			if at := due(x.account, x.account.Clock); at != 0 {
				days[dayOf(at)] = append(days[dayOf(at)], listing{at, x.customer})
			}
		}
	}
	for _, day := range sortedDays(days) {
		t.set(scheduleKey(nil, day, s.flushes), appendListings(nil, day, days[day]))
		if day > s.today {
			s.ahead = min(s.ahead, day)
			continue
		}
		for _, l := range days[day] {
			s.push(l)
		}
	}
	t.set(flushCounterKey(), appendCounter(nil, s.flushes))
}

// tables writes keys that come in order to files of a bounded size. Its first error stays and is close's.
type tables struct {
	p     *Partition
	round int
	paths []string
	w     *sstable.Writer
	size  int
	err   error
}

func (t *tables) set(key, value []byte) {
	if t.ready(len(key) + len(value)) {
		t.err = t.w.Set(key, value)
	}
}

func (t *tables) delete(key []byte) {
	if t.ready(len(key)) {
		t.err = t.w.Delete(key)
	}
}

func (t *tables) ready(size int) bool {
	if t.w != nil && t.size > restoreTableBytes {
		t.finish()
	}
	if t.err != nil {
		return false
	}
	t.size += size
	if t.w != nil {
		return true
	}
	fs := t.p.store.fs
	name := fs.PathJoin(t.p.store.cfg.Dir, fmt.Sprintf("restore-%s-%d-%d", t.p.folder, t.round, len(t.paths)))
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.err = err
		return false
	}
	t.paths = append(t.paths, name)
	o := t.p.store.options(t.p).MakeWriterOptions(0, t.p.db.TableFormat())
	t.w, t.size = sstable.NewWriter(objstorageprovider.NewFileWritable(f), o), size
	return true
}

func (t *tables) finish() {
	if t.w != nil {
		t.err = errors.Join(t.err, t.w.Close())
		t.w, t.size = nil, 0
	}
}

func (t *tables) close() error {
	t.finish()
	return t.err
}

// remove deletes the files that Pebble has not taken.
func (t *tables) remove() error {
	var errs []error
	for _, path := range t.paths {
		if err := t.p.store.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
