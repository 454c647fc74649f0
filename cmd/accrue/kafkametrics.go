package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
)

// kafkaMetrics returns what measures the Kafka client of a worker. A worker gets a new client when its session ended.
func kafkaMetrics(reg prometheus.Registerer) func(worker int) kgo.Hook {
	return func(worker int) kgo.Hook {
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"worker": strconv.Itoa(worker)}, reg)
		return kprom.NewMetrics("accrue_kafka", kprom.Registerer(replacing{labelled}))
	}
}

// replacing lets the metrics of a worker's new client take the place of the old one's, which may not be closed yet.
type replacing struct{ prometheus.Registerer }

// Register implements [prometheus.Registerer].
func (r replacing) Register(c prometheus.Collector) error {
	err := r.Registerer.Register(c)
	var taken prometheus.AlreadyRegisteredError
	if !errors.As(err, &taken) {
		return err
	}
	r.Unregister(taken.ExistingCollector)
	return r.Registerer.Register(c)
}

// MustRegister implements [prometheus.Registerer].
func (r replacing) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(fmt.Sprintf("registering Kafka metrics: %v", err))
		}
	}
}
