package main

import (
	"context"
	"time"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
)

// How often what happens in this process is looked at.
const inProcessPause = 200 * time.Microsecond

// decided returns once this process has decided everything below upTo. It is what asking Kafka would answer, without
// asking.
func (i *instance) decided(ctx context.Context, upTo consumer.Offsets) error {
	return until(ctx, func() bool {
		for topic, partitions := range upTo {
			for id, next := range partitions {
				p, ok := i.store.Lookup(id)
				if !ok || p.Position().Inputs[string(topic)] < next {
					return false
				}
			}
		}
		return true
	})
}

// ticked returns once all partitions' clocks stand at t, and what that made due is done.
func (i *instance) ticked(ctx context.Context, t events.Instant) error {
	return until(ctx, func() bool {
		all := i.engine.Status()
		for _, s := range all {
			if s.Clock < t || s.Sweeping {
				return false
			}
		}
		return int32(len(all)) == i.places.count
	})
}

// owned returns once this process owns all partitions, decides them and answers for them.
func (i *instance) owned(ctx context.Context) error {
	return until(ctx, func() bool {
		for id := range i.places.count {
			if !i.engine.Authoritative(id) {
				return false
			}
		}
		return true
	})
}

// until asks until ok, or returns ctx's error.
func until(ctx context.Context, ok func() bool) error {
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(inProcessPause):
		}
	}
	return nil
}
