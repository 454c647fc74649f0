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

// ticked returns once all partitions' clocks stand at t. What that made due may still be worked off; events are decided
// as if it had been.
func (i *instance) ticked(ctx context.Context, t events.Instant) error {
	return i.all(ctx, func(s consumer.PartitionStatus) bool { return s.Clock >= t })
}

// swept returns once everything that was due is done.
func (i *instance) swept(ctx context.Context) error {
	return i.all(ctx, func(s consumer.PartitionStatus) bool { return !s.Sweeping })
}

// all returns once all partitions are this process's, and ok.
func (i *instance) all(ctx context.Context, ok func(consumer.PartitionStatus) bool) error {
	return until(ctx, func() bool {
		n := int32(0)
		for _, s := range i.engine.Status() {
			if ok(s) {
				n++
			}
		}
		return n == i.places.count
	})
}

// settled returns once this process has joined the group with all its workers, owns all partitions, decides them and
// answers for them: what /readyz says where there is one instance. The worker that comes first may own them all for a
// moment, before they move to the others.
func (i *instance) settled(ctx context.Context) error {
	return until(ctx, func() bool {
		if !i.engine.Joined() {
			return false
		}
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
