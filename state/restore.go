package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
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
// One round is gathered while the one before it is folded on another goroutine. Each ends with its position, which
// Pebble takes over together with the tables, at once: a restore that is cut off goes on from there.
type Restore struct {
	p      *Partition
	decode func(record []byte, d *events.Decision) error
	// limit is the size of a round.
	limit int
	began time.Time
	ended bool

	// gathering is what Add fills. It goes to the folding goroutine by full, and comes back empty by empty.
	gathering   *gathering
	full, empty chan *gathering
	// folded is closed when the folding goroutine has ended, with the reason in err.
	folded chan struct{}
	err    error
	// abandoned tells the folding goroutine to stop.
	abandoned atomic.Bool

	// The folding goroutine's.
	fold      restoreFold
	rounds    int
	decisions int64
}

// gatherings is how many rounds a restore holds in memory: the one that is gathered and the one that is folded.
const gatherings = 2

// filterKeysPerDecision is how many keys the filter gets for a decision, mostly: its order and its event's id.
const filterKeysPerDecision = 2

// errAbandoned ends the folding goroutine.
var errAbandoned = errors.New("the restore was abandoned")

// Restore begins one of about so many decisions, as soon as fewer than [Config.RestoresMax] others are running. decode
// fills d from a record that was handed to Add; d may keep no part of it. It is called on another goroutine. The
// partition has no batch open, and everything committed is written first.
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
	r := &Restore{
		p: p, decode: decode, began: time.Now(),
		limit:     int(p.store.cfg.RestoreBytes) / p.store.cfg.RestoresMax / gatherings,
		gathering: p.store.takeGathering(),
		full:      make(chan *gathering), empty: make(chan *gathering, gatherings),
		folded: make(chan struct{}),
	}
	r.fold = restoreFold{r: r, format: p.db.TableFormat()}
	for range gatherings - 1 {
		r.empty <- p.store.takeGathering()
	}
	go func() {
		defer close(r.folded)
		r.err = r.foldAll()
	}()
	return r, nil
}

// dropCache forgets the decoded accounts, which a restore is about to make old. Everything is written.
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
		sh.ring, sh.hand = sh.ring[:0], 0
		sh.mu.Unlock()
	}
}

// Add takes the next decision of the ledger, as a copy of its record. head is what is needed of it here: the customer and
// the result. Offsets must not go back. Errors of the folding are those of the next Mark, or of Finish.
func (r *Restore) Add(head *events.Decision, offset int64, record []byte) {
	r.gathering.decisions++
	if ofAccount(head) {
		r.gathering.add(head.Customer, offset, record)
	}
}

// Mark says that everything below position was added. When enough has gathered it is folded and written, together with
// the position.
func (r *Restore) Mark(position Position) error {
	if r.gathering.bytes() < r.limit {
		return nil
	}
	return r.hand(position)
}

// hand gives what has gathered to the folding goroutine and waits for an empty gathering.
func (r *Restore) hand(position Position) error {
	if position.Inputs == nil {
		position.Inputs = map[string]int64{}
	}
	r.gathering.position = position
	select {
	case r.full <- r.gathering:
	case <-r.folded:
		return r.err
	}
	select {
	case r.gathering = <-r.empty:
		return nil
	case <-r.folded:
		return r.err
	}
}

// Finish writes the rest and gives the partition back to its owner, at position.
func (r *Restore) Finish(position Position) error {
	defer r.Abandon()
	if err := r.hand(position); err != nil {
		return err
	}
	close(r.full)
	<-r.folded
	if r.err != nil {
		return r.err
	}
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
	r.abandoned.Store(true)
	select {
	case <-r.folded:
	default:
		close(r.full)
		<-r.folded
	}
	r.p.batchOpen = false
	last := r.p.store.restoring.Add(-1) == 0
	if r.err == nil {
		r.empty <- r.gathering
		close(r.empty)
		for g := range r.empty {
			r.p.store.giveGathering(g, last)
		}
	}
	r.gathering = nil
	<-r.p.store.restores
}

// foldAll folds and writes rounds until there are no more.
func (r *Restore) foldAll() error {
	for g := range r.full {
		if r.abandoned.Load() {
			return errAbandoned
		}
		if err := r.p.guarded(func() error { return r.write(g) }); err != nil {
			return fmt.Errorf("restoring partition %d: %w", r.p.number, err)
		}
		g.reset()
		r.empty <- g
	}
	return nil
}

// write makes sorted tables of a round and has Pebble take them over.
func (r *Restore) write(g *gathering) error {
	p, position := r.p, g.position
	if err := position.follows(p.position.Load()); err != nil {
		return err
	}
	r.rounds++
	t := &tables{p: p, round: r.rounds, format: r.fold.format}
	err := r.fold.round(t, g)
	if err = errors.Join(err, t.close()); err != nil {
		return errors.Join(err, t.remove())
	}
	if err := p.ingest(t.paths); err != nil {
		return errors.Join(err, t.remove())
	}
	p.position.Store(&position)
	p.stats.restored.Add(g.decisions)
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
