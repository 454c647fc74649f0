package state

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// counters count since the partition was opened.
type counters struct {
	hits, misses, gets, stalls, diskFull atomic.Int64
	flushes, keys, bytes, flushNanos     atomic.Int64
}

// Stats are the figures of one partition. Those called total count from its opening.
type Stats struct {
	// Accounts and Pinned are the decoded accounts in memory, and those of them that wait to be written. AccountBytes is
	// what all of them take, roughly.
	Accounts, Pinned int
	AccountBytes     int64
	// AccountHitsTotal and AccountMissesTotal count accounts that the owner found in memory, and reads of the disk.
	AccountHitsTotal, AccountMissesTotal int64
	// GetsTotal counts look-ups on the disk of any kind.
	GetsTotal int64
	// UnwrittenDecisions wait for the next flush.
	UnwrittenDecisions int
	// FlushesTotal, KeysTotal and BytesTotal are what was written; FlushTime is how long it took in all.
	FlushesTotal, KeysTotal, BytesTotal int64
	FlushTime                           time.Duration
	// StallsTotal counts commits that had to wait for a flush, DiskFullTotal flushes that found no room.
	StallsTotal, DiskFullTotal int64
	// FilterBytes is the memory of the filter of seen ids; FilterWhole is false while it is being filled.
	FilterBytes int64
	FilterWhole bool
	// DueInMemory are listings of the schedule that wait for their time today.
	DueInMemory int
	// Quarantined says that the partition broke; the figures below are zero then.
	Quarantined bool

	// What follows is Pebble's own: bytes on the disk, of the write buffers, of the log; tables that a read may have to
	// look into; compaction not yet done; how often bytes were written per byte that came in.
	DiskBytes, MemTableBytes, LogBytes uint64
	ReadAmplification                  int
	CompactionDebtBytes                uint64
	CompactionsTotal                   int64
	WriteAmplification                 float64
}

// Stats returns the partition's figures.
func (p *Partition) Stats() Stats {
	c := &p.stats
	s := Stats{
		AccountHitsTotal: c.hits.Load(), AccountMissesTotal: c.misses.Load(), GetsTotal: c.gets.Load(),
		FlushesTotal: c.flushes.Load(), KeysTotal: c.keys.Load(), BytesTotal: c.bytes.Load(),
		FlushTime:   time.Duration(c.flushNanos.Load()),
		StallsTotal: c.stalls.Load(), DiskFullTotal: c.diskFull.Load(),
		FilterBytes: p.filter.bytes(), FilterWhole: p.filter.whole.Load(),
		Quarantined: p.Err() != nil,
	}
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.RLock()
		s.Accounts += len(sh.ring)
		s.AccountBytes += sh.bytes
		sh.mu.RUnlock()
	}
	p.mu.Lock()
	s.Pinned = len(p.waiting.slots)
	s.UnwrittenDecisions = p.waiting.decisions
	if p.flush != nil {
		s.UnwrittenDecisions += p.flush.decisions
	}
	s.DueInMemory = len(p.schedule.waiting)
	p.mu.Unlock()
	m := p.metrics()
	if m == nil {
		return s
	}
	s.DiskBytes, s.MemTableBytes, s.LogBytes = m.DiskSpaceUsage(), m.MemTable.Size, m.WAL.Size
	// Pebble has what the log that is being written took when it was begun.
	s.DiskBytes += max(m.WAL.Size, m.WAL.PhysicalSize) - m.WAL.PhysicalSize
	s.ReadAmplification, s.CompactionDebtBytes = m.ReadAmp(), m.Compact.EstimatedDebt
	s.CompactionsTotal = m.Compact.Count
	total := m.Total()
	s.WriteAmplification = total.WriteAmp()
	return s
}

// metrics returns Pebble's, nil when the partition is closed or broken.
func (p *Partition) metrics() *pebble.Metrics {
	var m *pebble.Metrics
	if err := p.guarded(func() error {
		if err := p.enter(); err != nil {
			return err
		}
		defer p.leave()
		m = p.db.Metrics()
		return nil
	}); err != nil {
		return nil
	}
	return m
}

// StoreStats are the figures that all partitions share.
type StoreStats struct {
	// Partitions are open, Restoring of them being restored.
	Partitions, Restoring int
	// CacheBytes, CacheHitsTotal and CacheMissesTotal are the block cache's.
	CacheBytes                       int64
	CacheHitsTotal, CacheMissesTotal int64
}

// Stats returns the figures that all partitions share.
func (s *Store) Stats() StoreStats {
	m := s.cache.Metrics()
	return StoreStats{
		Partitions: int(s.open.Load()), Restoring: int(s.restoring.Load()),
		CacheBytes: m.Size, CacheHitsTotal: m.Hits, CacheMissesTotal: m.Misses,
	}
}

// BytesApart returns what Pebble's blocks and write buffers take. With cgo they are not in Go's heap.
func (s *Store) BytesApart() int64 {
	n := s.cache.Metrics().Size
	s.mu.Lock()
	partitions := slices.Collect(maps.Values(s.partitions))
	s.mu.Unlock()
	for _, p := range partitions {
		if m := p.metrics(); m != nil {
			n += int64(m.MemTable.Size + m.MemTable.ZombieSize)
		}
	}
	return n
}
