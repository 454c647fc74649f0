package state

import (
	"runtime"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactions share the processors among the databases of a store, where Pebble would let each database take its own
// share. A database that has just been opened waits: whoever starts again after a crash has better things to do.
//
// Lock order: a database's own locks, then compactions.mu. Databases are called without it, each from a goroutine of its
// own, because the locks of one that broke may be held for ever.
type compactions struct {
	mu      sync.Mutex
	running int
	// limit is how many run at a time in all.
	limit     int
	databases map[*compacting]struct{}
}

const (
	// compactionsAfter is how long a database is left alone after it was opened.
	compactionsAfter = 5 * time.Second
	// compactionsEvery is how often a database that waits asks again if nothing else makes it.
	compactionsEvery = 200 * time.Millisecond
)

func newCompactions() *compactions {
	return &compactions{limit: max(runtime.GOMAXPROCS(0)/2, 1), databases: map[*compacting]struct{}{}}
}

// compacting is one database's part. It implements [pebble.CompactionScheduler], and stands for each compaction that it
// allows.
type compacting struct {
	all  *compactions
	db   pebble.DBForCompaction
	from time.Time
	// running are its compactions, abandoned is set when they may never end. Guarded by compactions.mu.
	running   int
	abandoned bool
	poke      chan struct{}
	stop      chan struct{}
	stopped   chan struct{}
}

func (all *compactions) of() *compacting {
	return &compacting{
		all: all, from: time.Now().Add(compactionsAfter),
		poke: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// Register implements [pebble.CompactionScheduler].
func (c *compacting) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	c.all.mu.Lock()
	c.all.databases[c] = struct{}{}
	c.all.mu.Unlock()
	go c.grant()
}

// Unregister implements [pebble.CompactionScheduler].
func (c *compacting) Unregister() {
	close(c.stop)
	<-c.stopped
	c.all.mu.Lock()
	delete(c.all.databases, c)
	c.all.mu.Unlock()
}

// TrySchedule implements [pebble.CompactionScheduler]. The database holds its locks.
func (c *compacting) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	if !c.take() {
		return false, nil
	}
	return true, c
}

// take takes a place for a compaction.
func (c *compacting) take() bool {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if c.abandoned || c.all.running >= c.all.limit || c.running >= c.db.GetAllowedWithoutPermission() || time.Now().Before(c.from) {
		return false
	}
	c.all.running++
	c.running++
	return true
}

// UpdateGetAllowedWithoutPermission implements [pebble.CompactionScheduler].
func (c *compacting) UpdateGetAllowedWithoutPermission() { c.ask() }

func (c *compacting) ask() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// grant lets the database begin compactions that it was denied.
func (c *compacting) grant() {
	defer close(c.stopped)
	again := time.NewTicker(compactionsEvery)
	defer again.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-c.poke:
		case <-again.C:
		}
		for {
			waiting, _ := c.db.GetWaitingCompaction()
			if !waiting || !c.take() {
				break
			}
			if !c.db.Schedule(c) {
				c.give()
				break
			}
		}
	}
}

// give gives a place back.
func (c *compacting) give() {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if c.abandoned {
		return
	}
	c.running--
	c.all.running--
}

// abandon gives back what a database that broke has taken: its compactions may never end.
func (c *compacting) abandon() {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	if !c.abandoned {
		c.abandoned = true
		c.all.running -= c.running
		delete(c.all.databases, c)
	}
}

// Started implements [pebble.CompactionGrantHandle].
func (c *compacting) Started() {}

// MeasureCPU implements [pebble.CompactionGrantHandle].
func (c *compacting) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements [pebble.CompactionGrantHandle].
func (c *compacting) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements [pebble.CompactionGrantHandle].
func (c *compacting) Done() {
	c.give()
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	for other := range c.all.databases {
		other.ask()
	}
}
