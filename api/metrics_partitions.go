package api

import "github.com/prometheus/client_golang/prometheus"

// PartitionMetrics shows Prometheus which phase each partition of this instance is in, also of those that have no state
// because it can't be opened. It is read when Prometheus asks, so a partition that has moved leaves nothing behind.
type PartitionMetrics struct {
	phases []string
	of     func() map[int32]string
	desc   *prometheus.Desc
}

// NewPartitionMetrics returns a collector over the phases that there are. of returns the phase of each partition that the
// instance owns, and is called at every scrape.
func NewPartitionMetrics(phases []string, of func() map[int32]string) *PartitionMetrics {
	return &PartitionMetrics{phases, of, prometheus.NewDesc("accrue_partition_phase",
		"1 for the phase that a partition of this instance is in: restoring, running, or stopped, which is worth an alert.",
		[]string{"partition", "phase"}, nil)}
}

// Describe implements [prometheus.Collector].
func (m *PartitionMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.desc }

// Collect implements [prometheus.Collector].
func (m *PartitionMetrics) Collect(ch chan<- prometheus.Metric) {
	for partition, now := range m.of() {
		for _, phase := range m.phases {
			ch <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, truth(phase == now), label(partition), phase)
		}
	}
}
