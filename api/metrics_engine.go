package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/accrue-loyalty/accrue/events"
)

// EngineMetrics counts and times what the engine does, for Prometheus. It has the methods of the consumer's hook; labels
// are types, results and reasons, never customers. Methods are safe for concurrent use and don't block.
type EngineMetrics struct {
	decisions   *prometheus.CounterVec
	points      *prometheus.CounterVec
	batch       prometheus.Histogram
	deciding    prometheus.Histogram
	committing  prometheus.Histogram
	latency     prometheus.Histogram
	outcomes    *prometheus.CounterVec
	deadLetters *prometheus.CounterVec
}

// NewEngineMetrics registers the engine's figures with reg.
func NewEngineMetrics(reg prometheus.Registerer) (*EngineMetrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "accrue", Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, from float64, n int) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "accrue", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(from, 2, n)})
	}
	m := &EngineMetrics{
		decisions:   counter("decisions_total", "Decisions, by event type and result.", "type", "result"),
		points:      counter("points_total", "Points moved, by entry type.", "entry"),
		batch:       histogram("batch_records", "Records in a transaction.", 1, 18),
		deciding:    histogram("deciding_seconds", "Time to decide a batch.", 0.0001, 16),
		committing:  histogram("committing_seconds", "Time to produce and commit a batch.", 0.001, 14),
		latency:     histogram("event_to_commit_seconds", "Time from an event's record to the commit of its decision.", 0.001, 18),
		outcomes:    counter("transactions_total", "Transactions, by outcome.", "outcome"),
		deadLetters: counter("dead_letters_total", "Records sent to the dead letters, by reason.", "reason"),
	}
	for _, c := range m.collectors() {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *EngineMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.decisions, m.points, m.batch, m.deciding, m.committing, m.latency, m.outcomes, m.deadLetters}
}

// Decided counts decisions of one type and result; type "" is a record that could not be read.
func (m *EngineMetrics) Decided(t events.Type, r events.Result, n int) {
	m.decisions.WithLabelValues(string(t), string(r)).Add(float64(n))
}

// Moved counts points of one type of entry.
func (m *EngineMetrics) Moved(t events.EntryType, n events.Points) {
	m.points.WithLabelValues(string(t)).Add(float64(n))
}

// Batch takes the figures of one transaction.
func (m *EngineMetrics) Batch(records int, deciding, committing time.Duration) {
	m.batch.Observe(float64(records))
	m.deciding.Observe(deciding.Seconds())
	m.committing.Observe(committing.Seconds())
}

// Latency is the time from a record's timestamp to the commit of its decision.
func (m *EngineMetrics) Latency(d time.Duration) { m.latency.Observe(d.Seconds()) }

// Outcome counts the ends of transactions: committed, aborted, unknown.
func (m *EngineMetrics) Outcome(outcome string) { m.outcomes.WithLabelValues(outcome).Inc() }

// DeadLetters counts records sent to the dead letters.
func (m *EngineMetrics) DeadLetters(reason string, n int) {
	m.deadLetters.WithLabelValues(reason).Add(float64(n))
}
