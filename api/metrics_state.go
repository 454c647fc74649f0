package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/accrue-loyalty/accrue/state"
)

// StateMetrics shows the figures of the state, and of the databases under it, to Prometheus. They are read when
// Prometheus asks.
type StateMetrics struct {
	store      func() state.StoreStats
	partitions func() map[int32]state.Stats
	figures    []figure
	shared     []sharedFigure
}

type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*state.Stats) float64
}

type sharedFigure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*state.StoreStats) float64
}

// NewStateMetrics returns a collector of the store's figures and those of its open partitions. Both functions are called
// at every scrape.
func NewStateMetrics(store func() state.StoreStats, partitions func() map[int32]state.Stats) *StateMetrics {
	m := &StateMetrics{store: store, partitions: partitions}
	one := func(name, help string, kind prometheus.ValueType, of func(*state.Stats) float64) {
		m.figures = append(m.figures, figure{
			prometheus.NewDesc("accrue_state_"+name, help, []string{"partition"}, nil), kind, of})
	}
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	one("accounts", "Decoded accounts in memory.", gauge, func(s *state.Stats) float64 { return float64(s.Accounts) })
	one("account_bytes", "What the decoded accounts take, roughly.", gauge, func(s *state.Stats) float64 { return float64(s.AccountBytes) })
	one("pinned_accounts", "Accounts in memory that wait to be written.", gauge, func(s *state.Stats) float64 { return float64(s.Pinned) })
	one("account_hits_total", "Accounts that the owner found in memory.", counter, func(s *state.Stats) float64 { return float64(s.AccountHitsTotal) })
	one("account_misses_total", "Accounts that the owner read from the disk.", counter, func(s *state.Stats) float64 { return float64(s.AccountMissesTotal) })
	one("gets_total", "Look-ups on the disk.", counter, func(s *state.Stats) float64 { return float64(s.GetsTotal) })
	one("unwritten_decisions", "Decisions that wait for the next flush.", gauge, func(s *state.Stats) float64 { return float64(s.UnwrittenDecisions) })
	one("flushes_total", "Flushes.", counter, func(s *state.Stats) float64 { return float64(s.FlushesTotal) })
	one("flush_seconds_total", "Time spent in flushes.", counter, func(s *state.Stats) float64 { return s.FlushTime.Seconds() })
	one("written_keys_total", "Keys written.", counter, func(s *state.Stats) float64 { return float64(s.KeysTotal) })
	one("written_bytes_total", "Bytes of keys and values written.", counter, func(s *state.Stats) float64 { return float64(s.BytesTotal) })
	one("stalls_total", "Commits that waited for a flush.", counter, func(s *state.Stats) float64 { return float64(s.StallsTotal) })
	one("disk_full_total", "Flushes that found no room.", counter, func(s *state.Stats) float64 { return float64(s.DiskFullTotal) })
	one("filter_bytes", "Memory of the filter of seen ids.", gauge, func(s *state.Stats) float64 { return float64(s.FilterBytes) })
	one("quarantined", "1 when the partition's database broke.", gauge, func(s *state.Stats) float64 { return truth(s.Quarantined) })
	one("disk_bytes", "Bytes on the disk.", gauge, func(s *state.Stats) float64 { return float64(s.DiskBytes) })
	one("memtable_bytes", "Bytes of write buffers.", gauge, func(s *state.Stats) float64 { return float64(s.MemTableBytes) })
	one("log_bytes", "Bytes of the write-ahead log.", gauge, func(s *state.Stats) float64 { return float64(s.LogBytes) })
	one("read_amplification", "Tables that a read may have to look into.", gauge, func(s *state.Stats) float64 { return float64(s.ReadAmplification) })
	one("write_amplification", "Bytes written per byte that came in.", gauge, func(s *state.Stats) float64 { return s.WriteAmplification })
	one("compaction_debt_bytes", "Compaction not yet done.", gauge, func(s *state.Stats) float64 { return float64(s.CompactionDebtBytes) })
	one("compactions_total", "Compactions.", counter, func(s *state.Stats) float64 { return float64(s.CompactionsTotal) })

	all := func(name, help string, kind prometheus.ValueType, of func(*state.StoreStats) float64) {
		m.shared = append(m.shared, sharedFigure{prometheus.NewDesc("accrue_state_"+name, help, nil, nil), kind, of})
	}
	all("partitions", "Open partitions.", gauge, func(s *state.StoreStats) float64 { return float64(s.Partitions) })
	all("restoring_partitions", "Partitions being restored.", gauge, func(s *state.StoreStats) float64 { return float64(s.Restoring) })
	all("cache_bytes", "Size of the block cache.", gauge, func(s *state.StoreStats) float64 { return float64(s.CacheBytes) })
	all("cache_hits_total", "Blocks found in the cache.", counter, func(s *state.StoreStats) float64 { return float64(s.CacheHitsTotal) })
	all("cache_misses_total", "Blocks read from the disk.", counter, func(s *state.StoreStats) float64 { return float64(s.CacheMissesTotal) })
	return m
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements [prometheus.Collector].
func (m *StateMetrics) Describe(ch chan<- *prometheus.Desc) {
	for i := range m.figures {
		ch <- m.figures[i].desc
	}
	for i := range m.shared {
		ch <- m.shared[i].desc
	}
}

// Collect implements [prometheus.Collector].
func (m *StateMetrics) Collect(ch chan<- prometheus.Metric) {
	all := m.store()
	for i := range m.shared {
		f := &m.shared[i]
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(&all))
	}
	for partition, s := range m.partitions() {
		name := label(partition)
		for i := range m.figures {
			f := &m.figures[i]
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(&s), name)
		}
	}
}
