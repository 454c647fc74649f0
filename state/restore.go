package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// Restore folds a long stretch of the ledger into a partition, several times as fast as batches do. It takes the place of
// the owner; readers see nothing of it before Finish.
//
// Decisions are not folded in the order of the ledger but customer by customer: Add only gathers their records, and when
// enough have gathered, each customer's are folded one after the other. So an account is decoded once a round and lies in
// the processor's cache while it changes, nothing that the collector would have to look through piles up, and what comes
// out is in the order of the keys, as Pebble wants its tables. It may be done because a decision is about one customer
// and says all that its account needs.
//
// Each round ends with its position, which Pebble takes over together with the tables, at once: a restore that is cut off
// goes on from there. Gathering waits while a round is folded: a second round in memory would halve both, and an account
// that comes in two rounds is decoded and written twice. Other partitions keep the other processors busy.
type Restore struct {
	p *Partition
	// limit is the size of a round.
	limit     int
	began     time.Time
	ended     bool
	gathering *gathering
	fold      restoreFold
	rounds    int
	decisions int64
}

// filterKeysPerDecision is how many keys the filter gets for a decision, mostly: its order and its event's id.
const filterKeysPerDecision = 2

// Restore begins one of about so many decisions, as soon as fewer than [Config.RestoresMax] others are running. decode
// fills d from a record that was handed to Add; d may keep no part of it. The partition has no batch open, and everything
// committed is written first. The restore belongs to the owner's goroutine.
func (p *Partition) Restore(ctx context.Context, decisions int64, decode func(record []byte, d *events.Decision) error) (*Restore, error) {
	if p.batchOpen {
		panic("state: a restore was begun while a batch is open")
	}
	if err := p.Flush(); err != nil {
		return nil, err
	}
	select {
	case p.store.restores <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.store.restoring.Add(1)
	p.dropCache()
	p.filter.expect(decisions * filterKeysPerDecision)
	p.batchOpen = true
	return &Restore{
		p: p, began: time.Now(),
		limit:     int(p.store.cfg.RestoreBytes) / p.store.cfg.RestoresMax,
		gathering: p.store.takeGathering(),
		fold:      restoreFold{p: p, decode: decode, format: p.db.TableFormat()},
	}, nil
}

// dropCache forgets the decoded accounts, which a restore is about to make old, or has just made so: readers fill the cache
// meanwhile. One that has read the disk before the restore wrote to it, and has not filled the cache yet, finds that slots
// have left since and doesn't. Everything is written.
func (p *Partition) dropCache() {
	for i := range p.shards {
		sh := &p.shards[i]
		sh.mu.Lock()
		sh.evictions += uint64(len(sh.ring)) + 1
		for _, slot := range sh.ring {
			slot.evicted = true
		}
		clear(sh.slots)
		clear(sh.ring)
		sh.ring, sh.hand, sh.bytes = sh.ring[:0], 0, 0
		sh.mu.Unlock()
	}
}

// Add takes the next decision of the ledger, as a copy of its record. head is what is needed of it here: the customer and
// the result. Offsets must not go back.
func (r *Restore) Add(head *events.Decision, offset int64, record []byte) {
	r.gathering.decisions++
	if ofAccount(head) {
		r.gathering.add(head.Customer, offset, record)
	}
}

// Mark says that everything below position was added. When enough has gathered it is folded and written, together with
// the position. After an error, that of ctx too, the restore is to be abandoned.
func (r *Restore) Mark(ctx context.Context, position Position) error {
	if r.gathering.bytes() < r.limit {
		return nil
	}
	return r.round(ctx, position)
}

// Finish writes the rest and gives the partition back to its owner, at position.
func (r *Restore) Finish(ctx context.Context, position Position) error {
	defer r.Abandon()
	if err := r.round(ctx, position); err != nil {
		return err
	}
	r.p.keepFilterOpen()
	r.p.log.Info("restored", slog.Int64("decisions", r.decisions), slog.Int("rounds", r.rounds),
		slog.Duration("took", time.Since(r.began)))
	return nil
}

// Abandon ends the restore at the last position that was written. After Finish it does nothing.
func (r *Restore) Abandon() {
	if r.ended {
		return
	}
	r.ended = true
	r.p.batchOpen = false
	r.p.store.giveGathering(r.gathering, r.p.store.restoring.Add(-1) == 0)
	<-r.p.store.restores
}

// round folds and writes what has gathered.
func (r *Restore) round(ctx context.Context, position Position) error {
	if position.Inputs == nil {
		position.Inputs = map[string]int64{}
	}
	if err := r.p.guarded(func() error { return r.write(ctx, position) }); err != nil {
		r.gathering = nil // a quarantine may have left its reader asleep
		return fmt.Errorf("restoring partition %d: %w", r.p.number, err)
	}
	r.gathering.reset()
	return nil
}

// write makes sorted tables of a round and has Pebble take them over.
func (r *Restore) write(ctx context.Context, position Position) error {
	p, g := r.p, r.gathering
	if err := position.follows(p.position.Load()); err != nil {
		return err
	}
	r.rounds++
	t := &tables{p: p, round: r.rounds, format: r.fold.format}
	err := r.fold.round(ctx, t, g, position)
	if err = errors.Join(err, t.close()); err != nil {
		return errors.Join(err, t.remove())
	}
	if err := p.ingest(t.paths); err != nil {
		return errors.Join(err, t.remove())
	}
	p.dropCache()
	p.position.Store(&position)
	p.mu.Lock()
	p.flushed = p.schedule.flushes
	p.mu.Unlock()
	r.decisions += g.decisions
	return t.remove()
}

func (p *Partition) ingest(paths []string) error {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	return p.db.Ingest(context.Background(), paths)
}
