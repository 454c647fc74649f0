package state

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/accrue-loyalty/accrue/events"
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
	// entryOverhead is the most that a batch adds to a key and value of usual size, accountBytes what an account takes
	// in it, roughly; batchSlack leaves room for the schedule and the position.
	entryOverhead = 8
	accountBytes  = 512
	batchSlack    = 16 << 10
)

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
	listedBy           *events.Hash // nil: as before
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
			room = &batchRepr{} // whatever hangs in the broken database may still use the other
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
		hashes: w.hashes, listedBy: w.listedBy, done: make(chan struct{}),
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
	limit := p.store.bytesPerShard()
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		sh.evict(limit, len(sh.ring))
		sh.mu.Unlock()
	}
	p.flushed = f.number
	p.filterLogged += len(f.hashes)
	p.stats.flushes.Add(1)
}

// write puts a flush into one atomic batch.
func (p *Partition) write(f *flush, room *batchRepr) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	began := time.Now()
	p.encode(room, f)
	p.stats.keys.Add(int64(room.count))
	p.stats.bytes.Add(int64(len(room.b)))
	if err := p.apply(room); err != nil {
		return fmt.Errorf("writing partition %d: %w", p.number, err)
	}
	p.stats.flushNanos.Add(int64(time.Since(began)))
	return nil
}

// apply writes a batch. Its memory is used again only when Pebble has copied it, as it does unless the batch is large.
func (p *Partition) apply(room *batchRepr) error {
	data := room.finish()
	room.b = nil
	var b pebble.Batch
	if err := b.SetRepr(data); err != nil {
		return err
	}
	if err := p.db.Apply(&b, pebble.NoSync); err != nil {
		return err
	}
	if b.Len() == len(data) {
		room.b = data
	}
	return nil
}

// encode makes a flush a batch.
func (p *Partition) encode(b *batchRepr, f *flush) {
	b.reset(f.recordBytes + len(f.slots)*accountBytes + 8*len(f.hashes) + batchSlack)
	for i, slot := range f.slots {
		b.setAccount(slot.customer, f.states[i])
		// Nobody changes what is flushing, so reading it needs no lock.
		for j := range slot.flushing.list {
			w := &slot.flushing.list[j]
			if w.isDeleted {
				b.delete(w.key())
			} else {
				b.set(w.key(), w.value())
			}
		}
	}
	if f.dropFrom < f.doneBefore {
		b.deleteRange(appendDay(nil, 0), appendDay(nil, f.doneBefore))
	}
	var key, value []byte
	for _, day := range sortedDays(f.listings) {
		if day < f.doneBefore {
			continue
		}
		key = scheduleKey(key[:0], day, f.number)
		value = appendListings(value[:0], day, f.listings[day])
		b.set(key, value)
	}
	b.set(filterKey(f.number), appendHashes(nil, f.hashes))
	if f.dropHashes > 0 {
		b.deleteRange([]byte{keyFilter}, filterKey(f.dropHashes+1))
	}
	if f.listedBy != nil {
		b.set(listedByKey(), f.listedBy[:])
	}
	b.set(flushCounterKey(), appendCounter(nil, f.number))
	b.set([]byte(metaPosition), appendPosition(nil, f.position))
}
