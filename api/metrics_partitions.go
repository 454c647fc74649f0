package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/accrue-loyalty/accrue/events"
)

// PartitionFigures is where a partition of this instance stands.
type PartitionFigures struct {
	Partition int32
	Phase     string
	// Ledger is the ledger offset that the partition has come to, End where its restore ends.
	Ledger, End int64
	// Waiting is how many input records wait, Newest the time of the last one decided, 0 for none.
	Waiting int64
	Newest  events.Instant
	// Due is how many customers the last transaction did for what a tick had made due.
	Due int
}

// PartitionMetrics shows Prometheus where each partition of this instance stands, also those that have no state because it
// can't be opened. It is read when Prometheus asks, so a partition that has moved leaves nothing behind, and the lag of one
// that is stuck grows.
type PartitionMetrics struct {
	phases []string
	of     func() []PartitionFigures
	now    func() time.Time

	phase, lagRecords, lagSeconds, restored, target, due *prometheus.Desc
}

// NewPartitionMetrics returns a collector over the phases that there are. of returns the figures of each partition that the
// instance owns, and is called at every scrape.
func NewPartitionMetrics(phases []string, of func() []PartitionFigures, now func() time.Time) *PartitionMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("accrue_"+name, help, append([]string{"partition"}, labels...), nil)
	}
	return &PartitionMetrics{
		phases: phases, of: of, now: now,
		phase:      desc("partition_phase", "1 for the phase that a partition of this instance is in: restoring, running, or stopped, which is worth an alert.", "phase"),
		lagRecords: desc("lag_records", "Records known to wait."),
		lagSeconds: desc("lag_seconds", "Age of the last record decided while others wait; 0 when none does."),
		restored:   desc("restore_position", "Ledger offset that the partition has come to."),
		target:     desc("restore_target", "Ledger offset that its restore ends at; the position, once it runs."),
		due:        desc("due_customers", "Customers for whom the last transaction did what a tick had made due."),
	}
}

// Describe implements [prometheus.Collector].
func (m *PartitionMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.phase, m.lagRecords, m.lagSeconds, m.restored, m.target, m.due} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *PartitionMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, p := range m.of() {
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{label(p.Partition)}, labels...)...)
		}
		for _, phase := range m.phases {
			gauge(m.phase, truth(phase == p.Phase), phase)
		}
		var lag time.Duration
		if p.Waiting > 0 && p.Newest != 0 {
			lag = max(m.now().Sub(p.Newest.Time()), 0) // producers' clocks may be ahead
		}
		gauge(m.lagRecords, float64(p.Waiting))
		gauge(m.lagSeconds, lag.Seconds())
		gauge(m.restored, float64(p.Ledger))
		gauge(m.target, float64(p.End))
		gauge(m.due, float64(p.Due))
	}
}

func label(partition int32) string { return strconv.Itoa(int(partition)) }
