package state

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Partition is the state of one partition. Begin, Due, Reschedule, SetListedBy and Restore belong to the goroutine that owns the
// partition; everything else may be called from any.
type Partition struct {
	store  *Store
	number int32
	log    *slog.Logger
	// folder is the database's, in the store's.
	folder string

	// using is held by everybody who uses db, and taken to close it.
	using      sync.RWMutex
	db         *pebble.DB
	compacting *compacting
	closed     bool
	// opening is set until the partition is open, closing before the last flush, broken by a quarantine.
	opening      atomic.Bool
	closing      atomic.Bool
	broken       atomic.Pointer[error]
	brokenSignal chan struct{}

	filter *filter
	// filterFile is held while the filter's file is written. It comes before mu.
	filterFile sync.Mutex

	shards   [shardCount]shard
	position atomic.Pointer[Position]
	stats    counters

	// mu guards what follows: what a commit leaves for the next flush. It is held during a commit, so a flush begins
	// between two of them.
	mu       sync.Mutex
	waiting  waiting
	schedule schedule
	flush    *flush
	// flushed is the number of the last flush that was written, filterKept that of the last flush that the filter's file
	// knows; filterLogged hashes came later, and those up to filterDropped were deleted.
	flushed, filterKept, filterDropped uint64
	filterLogged                       int
	timer                              *time.Timer
	catchUp                            bool
	// noRoomUntil is when a full disk is looked at again, noRoomSaid when the log last said so.
	noRoomUntil, noRoomSaid time.Time

	// batch is the owner's.
	batch     Batch
	batchOpen bool
}

func (s *Store) openPartition(number int32) (*Partition, error) {
	name, err := s.folderOf(number)
	if err != nil {
		return nil, named(err)
	}
	p := &Partition{
		store: s, number: number, folder: name,
		log:          s.log.With(slog.Int("partition", int(number))),
		brokenSignal: make(chan struct{}), compacting: s.compactions.of(),
	}
	p.batch.p = p
	if err := p.roomOnDisk(0); err != nil {
		return nil, err
	}
	p.opening.Store(true)
	err = p.guarded(func() error {
		if err := p.checkManifest(); err != nil {
			return err
		}
		db, err := pebble.Open(p.path(), s.options(p))
		if err != nil {
			return fmt.Errorf("opening %s: %w", p.path(), err)
		}
		p.db = db
		return p.load()
	})
	if errors.Is(err, errOlder) {
		p.log.Info("the state is of an older accrue; it is built again from the ledger", slog.Any("format", err))
		if err := errors.Join(p.db.Close(), s.remove(name)); err != nil {
			return nil, err
		}
		return s.openPartition(number)
	}
	if err != nil {
		return nil, p.notOpened(err)
	}
	p.opening.Store(false)
	if !p.filter.whole.Load() {
		go p.fillFilter()
	}
	return p, nil
}

func (p *Partition) path() string { return p.store.fs.PathJoin(p.store.cfg.Dir, p.folder) }

// load reads what must be known before the first look-up.
func (p *Partition) load() error {
	format, err := p.read([]byte(metaFormat))
	if err != nil {
		return err
	}
	switch {
	case format == nil:
		iter, err := p.db.NewIter(nil)
		if err != nil {
			return err
		}
		empty := !iter.First()
		if err := iter.Close(); err != nil {
			return err
		}
		if !empty {
			// The format is the first that is written, so it was lost, and who knows what with it.
			return fmt.Errorf("%s names no format, but is not empty", p.path())
		}
		if err := p.db.Set([]byte(metaFormat), []byte(formatVersion), pebble.Sync); err != nil {
			return fmt.Errorf("marking %s: %w", p.path(), err)
		}
	case slices.Contains(olderFormats, string(format)):
		return fmt.Errorf("%w: %q", errOlder, format)
	case string(format) != formatVersion:
		return fmt.Errorf("%s: %w: %q, this accrue knows %q", p.path(), ErrFormat, format, formatVersion)
	}
	position := &Position{Inputs: map[string]int64{}}
	stored, err := p.read([]byte(metaPosition))
	if err != nil {
		return err
	}
	if stored != nil {
		if position, err = decodePosition(stored); err != nil {
			return fmt.Errorf("%s: %w", p.path(), err)
		}
	}
	p.position.Store(position)
	if err := p.loadSchedule(); err != nil {
		return err
	}
	return p.loadFilter()
}

// Number returns the partition's number.
func (p *Partition) Number() int32 { return p.number }

// Position returns what the partition reflects. The caller must not write to its Inputs.
func (p *Partition) Position() Position { return *p.position.Load() }

// Err returns the reason why the partition is quarantined (it wraps [ErrQuarantined]), or nil.
func (p *Partition) Err() error {
	if err := p.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// CatchingUp says that a backlog is being worked off: writes wait for more events then, and not for the time.
func (p *Partition) CatchingUp(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp = on
}

// enter lets the caller use db until it calls leave.
func (p *Partition) enter() error {
	if err := p.Err(); err != nil {
		return err
	}
	p.using.RLock()
	if p.closed {
		p.using.RUnlock()
		return fmt.Errorf("partition %d: %w", p.number, ErrClosed)
	}
	return nil
}

func (p *Partition) leave() { p.using.RUnlock() }

// get returns a copy of a value on the disk, or nil.
func (p *Partition) get(key []byte) ([]byte, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	p.stats.gets.Add(1)
	return p.read(key)
}

// read is get for those who have entered.
func (p *Partition) read(key []byte) ([]byte, error) {
	v, closer, err := p.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, p.readError(err)
	}
	defer closer.Close()
	// An empty value is a value.
	return append(make([]byte, 0, len(v)), v...), nil
}

// Close writes what is in memory and closes the partition. Calls that come later get [ErrClosed]. The owner must have
// ended its batch.
func (p *Partition) Close() error {
	defer p.store.forget(p)
	flushed := p.Flush()
	return errors.Join(flushed, p.shut(flushed == nil))
}

// discard closes the partition without writing.
func (p *Partition) discard() {
	defer p.store.forget(p)
	if err := p.shut(false); err != nil {
		p.log.Warn("closing a dropped partition", slog.Any("error", err))
	}
}

// shut closes the database, once. A quarantined one may never end its work, so it is left alone.
func (p *Partition) shut(written bool) error {
	p.closing.Store(true)
	p.mu.Lock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	if p.Err() != nil {
		p.store.abandon(p.folder)
		return nil
	}
	p.waitFlush()
	p.using.Lock()
	defer p.using.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.guarded(func() error {
		if written && p.filterLogged > p.store.cfg.FlushEvents {
			p.keepFilter()
		}
		if err := p.db.Close(); err != nil {
			return fmt.Errorf("closing partition %d: %w", p.number, err)
		}
		return nil
	})
}
