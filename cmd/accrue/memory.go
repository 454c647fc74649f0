package main

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"github.com/accrue-loyalty/accrue/state"
)

// memory is what an instance may use, in bytes.
type memory struct {
	total int64
	// cache is Pebble's: blocks and write buffers.
	cache int64
	// accounts and restore are the largest things in Go's heap: decoded accounts, or what a restore has gathered of them.
	accounts, restore int64
}

// divide divides what an instance may use in all.
func divide(total int64) *memory {
	m := &memory{total: total, cache: total * 3 / 10, restore: total * 3 / 10}
	// Beside accounts there are records on their way, and garbage.
	m.accounts = max((total-m.cache-onTheWay)/2, total/10)
	return m
}

const (
	// onTheWay is what fetching, deciding, producing and writing keep busy, with some ten partitions and a backlog.
	onTheWay  = 350 << 20
	gcPercent = 200
)

// limitHeap lets garbage pile up as long as there is room, which saves the collector work, and no further: until ctx ends,
// Go's heap gets what Pebble leaves. What the user set by Go's own variables stays.
func (m *memory) limitHeap(ctx context.Context, store *state.Store) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(gcPercent)
	// A tenth is for what neither counts, and for what Pebble takes until it is looked at again.
	most := m.total - m.total/10
	limit := most
	debug.SetMemoryLimit(limit)
	if !pebbleApart {
		return
	}
	// Setting the limit stops the world, so it is not done for a trifle.
	const every, trifle = time.Second, 8 << 20
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := max(most-store.BytesApart(), m.total/2); max(now-limit, limit-now) > trifle {
			limit = now
			debug.SetMemoryLimit(limit)
		}
	}
}
