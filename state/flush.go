package state

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// catchUpFactor is how many more decisions wait for a flush while a backlog is worked off: large writes fold more
	// rewrites of the same account.
	catchUpFactor = 2
	// behindFactor bounds what waits in memory while a flush is under way; then the owner waits for it.
	behindFactor = 4
	// diskReserve is what must be free beyond a flush's own size: Pebble writes its buffers and compactions too.
	diskReserve = 64 << 20
	// diskPerDecision is a generous guess at what a decision needs in the log and in tables.
	diskPerDecision = 2 << 10
	// noRoomEvery is how often the log says that a partition waits for room.
	noRoomEvery = 10 * time.Second
	// flushesMax is how many partitions of a store write at a time.
	flushesMax = 2
	// entryOverhead is the most that Pebble's batch adds to a key and value of usual size; batchSlack leaves room for
	// the schedule and the position.
	entryOverhead = 8
	batchSlack    = 256 << 10
)

// flushRoom is memory for what a flush writes. What is written is in memory twice then, so few flushes run at a time.
type flushRoom struct {
	// values are the accounts' keys and values, one behind the other.
	values []byte
	ends   []accountEnds
}

// accountEnds are where an account's key and value end.
type accountEnds struct{ key, value int }

// encode fills the room. It comes before the batch is made, because a batch that must grow is copied to twice the size.
func (r *flushRoom) encode(f *flush) {
	r.values, r.ends = r.values[:0], r.ends[:0]
	for i, slot := range f.slots {
		r.values = appendKey(r.values, keyAccount, slot.customer)
		key := len(r.values)
		r.values = appendSnapshot(r.values, f.states[i])
		r.ends = append(r.ends, accountEnds{key, len(r.values)})
	}
}

// flush is one write of everything committed up to a moment.
type flush struct {
	position  *Position
	slots     []*slot
	states    []*snapshot
	decisions int
	// recordBytes is what the records take in Pebble's batch.
	recordBytes int
	// listings by day; those before doneBefore are not written, and the days from dropFrom up to it are deleted.
	listings             map[int64][]listing
	dropFrom, doneBefore int64
	// number is this flush's. hashes are what it adds to the filter; those of flushes up to dropHashes are in the filter's
	// file and still in the database.
	number, dropHashes uint64
	hashes             []uint64
	// done is closed when err is known.
	done chan struct{}
	err  error
}

// flushIfDue begins a flush when enough waits, and makes the owner wait when a flush can't keep up.
func (p *Partition) flushIfDue() error {
	p.mu.Lock()
	limit := p.store.cfg.FlushEvents
	if p.catchUp {
		limit *= catchUpFactor
	}
	running := p.flush
	waits := p.waiting.decisions
	due := running == nil && waits >= limit || !p.catchUp && p.overdue()
	if due && (time.Now().After(p.noRoomUntil) || p.tooMuchWaits()) {
		p.startFlush()
	} else {
		p.arm()
	}
	p.mu.Unlock()
	if running != nil && waits >= behindFactor*limit {
		p.stats.stalls.Add(1)
		<-running.done
		return running.err
	}
	return nil
}

func (p *Partition) overdue() bool {
	return p.waiting.moved && time.Since(p.waiting.since) >= p.store.cfg.FlushInterval
}

// arm makes sure that what waits is written in time though no commit may follow. The caller holds mu.
func (p *Partition) arm() {
	if !p.waiting.moved || p.flush != nil || p.closing.Load() {
		return
	}
	interval := p.store.cfg.FlushInterval
	if p.catchUp {
		interval *= catchUpFactor
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(interval, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if !p.closing.Load() {
				p.startFlush()
			}
		})
		return
	}
	p.timer.Reset(interval)
}

// Flush writes everything committed so far and waits until Pebble has it. What Pebble has survives the process, not the
// machine: the ledger makes good for that.
func (p *Partition) Flush() error {
	for {
		p.mu.Lock()
		running := p.flush
		mine := running == nil && p.waiting.moved
		if mine {
			running = p.startFlush()
		}
		p.mu.Unlock()
		if running == nil {
			if mine {
				return fmt.Errorf("writing partition %d: %w", p.number, ErrDiskFull)
			}
			return p.Err()
		}
		select {
		case <-running.done:
		case <-p.brokenSignal:
			return p.Err()
		}
		if running.err != nil || mine {
			return running.err
		}
	}
}

// waitFlush waits for a flush under way.
func (p *Partition) waitFlush() {
	p.mu.Lock()
	running := p.flush
	p.mu.Unlock()
	if running != nil {
		select {
		case <-running.done:
		case <-p.brokenSignal:
		}
	}
}

// startFlush takes what waits and writes it in the background. It returns nil when there is nothing to write, a flush is
// under way or the disk has no room. The caller holds mu.
func (p *Partition) startFlush() *flush {
	if p.flush != nil || !p.waiting.moved || p.Err() != nil {
		return nil
	}
	if err := p.roomOnDisk(p.waiting.decisions); err != nil {
		p.diskFull(err)
		return nil
	}
	f := p.capture()
	p.flush = f
	if p.timer != nil {
		p.timer.Stop()
	}
	go func() {
		room := <-p.store.writing
		f.err = p.guarded(func() error { return p.write(f, room) })
		if p.Err() != nil {
			room = &flushRoom{} // whatever hangs in the broken database may still use the other
		}
		p.store.writing <- room
		p.mu.Lock()
		defer p.mu.Unlock()
		if f.err == nil {
			p.release(f)
		} else if !errors.Is(f.err, ErrClosed) {
			p.quarantine(f.err)
		}
		p.flush = nil
		close(f.done)
		p.arm()
		go p.keepFilterLong()
	}()
	return f
}

// roomOnDisk refuses to write so many decisions when the disk can hardly hold them. A file system that can't tell is
// trusted.
func (p *Partition) roomOnDisk(decisions int) error {
	usage, err := p.store.fs.GetDiskUsage(p.store.cfg.Dir)
	if err != nil {
		return nil
	}
	need := uint64(diskReserve + decisions*diskPerDecision)
	if usage.AvailBytes >= need {
		return nil
	}
	return fmt.Errorf("%w: %s has %d MiB left, %d are wanted", ErrDiskFull, p.store.cfg.Dir, usage.AvailBytes>>20, need>>20)
}

// diskFull waits for room, until too much waits in memory. The caller holds mu.
func (p *Partition) diskFull(err error) {
	p.stats.diskFull.Add(1)
	if p.tooMuchWaits() {
		p.quarantine(err)
		return
	}
	now := time.Now()
	p.noRoomUntil = now.Add(p.store.cfg.FlushInterval)
	if now.Sub(p.noRoomSaid) >= noRoomEvery {
		p.noRoomSaid = now
		p.log.Error("state is not written; it waits in memory until there is room", slog.Any("error", err), slog.Int("decisions", p.waiting.decisions))
	}
	p.arm()
}

// tooMuchWaits reports whether memory holds all that it may for a disk that is full. The caller holds mu.
func (p *Partition) tooMuchWaits() bool {
	return p.waiting.decisions >= behindFactor*catchUpFactor*p.store.cfg.FlushEvents
}

// capture takes what waits. The caller holds mu, so no commit is half in it.
func (p *Partition) capture() *flush {
	w, s := &p.waiting, &p.schedule
	s.flushes++
	f := &flush{
		position: p.position.Load(), slots: w.slots, decisions: w.decisions, recordBytes: w.recordBytes,
		listings: s.unwritten, dropFrom: s.dropped, doneBefore: s.doneBefore(), number: s.flushes,
		hashes: w.hashes, done: make(chan struct{}),
	}
	if p.filterKept > p.filterDropped {
		f.dropHashes, p.filterDropped = p.filterKept, p.filterKept
	}
	f.states = make([]*snapshot, len(w.slots))
	for i, slot := range w.slots {
		f.states[i] = slot.state.Load()
		slot.dirty = false
		sh := p.shardOf(slot.customer)
		sh.mu.Lock()
		slot.flushing, slot.fresh = slot.fresh, slot.flushing
		sh.mu.Unlock()
	}
	s.writing, s.unwritten = s.unwritten, map[int64][]listing{}
	s.dropped = f.doneBefore
	*w = waiting{slots: make([]*slot, 0, len(w.slots)), hashes: make([]uint64, 0, len(w.hashes))}
	return f
}

// release lets go of what is on the disk now. The caller holds mu.
func (p *Partition) release(f *flush) {
	p.schedule.writing = nil
	for _, slot := range f.slots {
		sh := p.shardOf(slot.customer)
		sh.mu.Lock()
		slot.flushing.reset()
		sh.mu.Unlock()
		slot.pins.Add(-1)
	}
	limit := p.store.accountsPerShard()
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		sh.evict(limit, max(len(sh.ring)-limit, 0))
		sh.mu.Unlock()
	}
	p.flushed = f.number
	p.filterLogged += len(f.hashes)
	p.stats.flushes.Add(1)
	p.stats.flushed.Add(int64(f.decisions))
}

// write puts a flush into one atomic batch.
func (p *Partition) write(f *flush, room *flushRoom) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	began := time.Now()
	room.encode(f)
	b := p.db.NewBatchWithSize(f.recordBytes + len(room.values) + len(f.slots)*entryOverhead + 8*len(f.hashes) + batchSlack)
	defer func() { _ = b.Close() }()
	if err := p.fill(b, f, room); err != nil {
		return fmt.Errorf("writing partition %d: %w", p.number, err)
	}
	p.stats.keys.Add(int64(b.Count()))
	p.stats.bytes.Add(int64(b.Len()))
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("writing partition %d: %w", p.number, err)
	}
	p.stats.flushNanos.Add(int64(time.Since(began)))
	return nil
}

func (p *Partition) fill(b *pebble.Batch, f *flush, room *flushRoom) error {
	var errs []error
	set := func(key, value []byte) {
		if err := b.Set(key, value, nil); err != nil {
			errs = append(errs, err)
		}
	}
	at := 0
	for i, slot := range f.slots {
		ends := room.ends[i]
		set(room.values[at:ends.key], room.values[ends.key:ends.value])
		at = ends.value
		// Nobody changes what is flushing, so reading it needs no lock.
		for j := range slot.flushing.list {
			w := &slot.flushing.list[j]
			if !w.isDeleted {
				set(w.key(), w.value())
			} else if err := b.Delete(w.key(), nil); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if f.dropFrom < f.doneBefore {
		if err := b.DeleteRange(appendDay(nil, 0), appendDay(nil, f.doneBefore), nil); err != nil {
			errs = append(errs, err)
		}
	}
	var key, value []byte
	for _, day := range sortedDays(f.listings) {
		if day < f.doneBefore {
			continue
		}
		key = scheduleKey(key[:0], day, f.number)
		value = appendListings(value[:0], day, f.listings[day])
		set(key, value)
	}
	set(filterKey(f.number), appendHashes(nil, f.hashes))
	if f.dropHashes > 0 {
		if err := b.DeleteRange([]byte{keyFilter}, filterKey(f.dropHashes+1), nil); err != nil {
			errs = append(errs, err)
		}
	}
	set(flushCounterKey(), appendCounter(nil, f.number))
	set([]byte(metaPosition), appendPosition(nil, f.position))
	return errors.Join(errs...)
}
