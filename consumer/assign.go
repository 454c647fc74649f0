package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/state"
)

// assigned takes over the partitions that the group has given to this member: it restores their state to the end of the
// ledger and returns where to read the inputs on. Until it returns nothing is fetched. ctx ends when the group takes the
// partitions away again; what was restored by then is kept in the folder.
func (w *worker) assigned(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	ids := make(map[int32]bool)
	for _, partitions := range offsets {
		for id := range partitions {
			ids[id] = true
		}
	}
	<-w.opened
	w.expectOffsets(nil) // they are there
	w.lease.askNow()     // it ended when this member joined
	// The assignment is whole. What is left of the one before is not ours any more, and may be in use.
	w.deciding.Lock()
	w.drop(nil)
	w.deciding.Unlock()
	_, generation := w.session.Client().GroupMetadata()
	committed, err := w.e.client.committed(ctx)
	if err != nil {
		return nil, err
	}
	g, taking := errgroup.WithContext(ctx)
	g.SetLimit(takeOversAtOnce)
	taken := make(chan *partition, len(ids))
	var again atomic.Bool
	for id := range ids {
		tenure := w.e.begin(id, w, generation)
		g.Go(func() error {
			if err := w.e.hold(taking, id); err != nil {
				return err
			}
			p, err := w.takeOver(taking, id, tenure, committed)
			if err == nil {
				taken <- p
				return nil
			}
			w.e.letGo(id)
			if taking.Err() != nil {
				return taking.Err()
			}
			if err = w.e.orMadeAnew(taking, err); !forGood(err) {
				again.Store(true)
			}
			w.e.stopped(id, w, err)
			return nil
		})
	}
	err = g.Wait()
	close(taken)
	if err = cmp.Or(err, ctx.Err()); err != nil {
		for p := range taken {
			w.e.letGo(p.id)
		}
		return nil, err
	}
	w.tookOver(!again.Load())
	start := make(map[string]map[int32]kgo.Offset)
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range taken {
		p.generation = generation
		w.parts[p.id] = p
		w.resume(p.id) // it may have been stopped earlier in this session
		for t, at := range p.fetched {
			if start[p.names[t]] == nil {
				start[p.names[t]] = make(map[int32]kgo.Offset)
			}
			start[p.names[t]][p.id] = kgo.NewOffset().At(at)
		}
		p.tenure.run()
		w.e.cfg.Log.Info("partition taken over", "partition", p.id, "worker", w.n, "ledger", p.now.position.Ledger, "clock", p.now.clock.at.String())
	}
	return start, nil
}

// takeOversAtOnce bounds how many partitions a worker takes over side by side. How many of them may be restored in bulk
// at the same time is up to the state: [state.Config.RestoresMax].
const takeOversAtOnce = 4

// revoked gives up partitions. It runs between batches.
func (w *worker) revoked(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	ids := make(map[int32]bool)
	for _, partitions := range lost {
		for _, id := range partitions {
			ids[id] = true
		}
	}
	w.expectOffsets(nil)
	w.drop(ids)
}

// lost gives up partitions when the client takes its membership for lost: the coordinator said so, or could not be reached.
// The client joins the group anew when this returns, and only then may the partitions become somebody else's before the
// lease has run out. So while there is no word from the coordinator reads go on; nothing is polled meanwhile.
func (w *worker) lost(ctx context.Context, cl *kgo.Client, lost map[string][]int32) {
	w.lease.linger(w.working)
	w.revoked(ctx, cl, lost)
}

// drop gives up the partitions in ids, or all of them when ids is nil.
func (w *worker) drop(ids map[int32]bool) {
	w.mu.Lock()
	var dropped []int32
	for id := range w.parts {
		if ids == nil || ids[id] {
			delete(w.parts, id)
			dropped = append(dropped, id)
		}
	}
	w.mu.Unlock()
	for _, id := range dropped {
		w.e.letGo(id)
		w.e.end(id, w)
	}
	for id := range ids {
		w.e.end(id, w)
	}
}

// dropStale gives up partitions of an earlier generation of the group, also those whose taking over was cut short or did
// not work. The client does not tell of every loss: not of a second one before the next transaction's end.
func (w *worker) dropStale() {
	_, now := w.session.Client().GroupMetadata()
	stale := make(map[int32]bool)
	w.mu.Lock()
	for id, p := range w.parts {
		if p.generation != now {
			stale[id] = true
		}
	}
	w.mu.Unlock()
	if len(stale) > 0 {
		w.drop(stale)
	}
	w.e.endStale(w, now)
}

// begin notes that the worker takes a partition over, in a generation of the group.
func (e *Engine) begin(id int32, w *worker, generation int32) *tenure {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := &tenure{worker: w, generation: generation, status: PartitionStatus{Partition: id, Phase: Restoring}}
	e.owned[id] = t
	return t
}

// end notes that the worker no longer owns a partition. Who waits for its decisions may do so at another worker by now.
func (e *Engine) end(id int32, w *worker) {
	e.mu.Lock()
	t := e.owned[id]
	mine := t != nil && t.worker == w
	if mine {
		delete(e.owned, id)
	}
	e.mu.Unlock()
	if mine {
		e.waiters.lost(id)
	}
}

// endStale notes that the worker no longer owns what the group gave it in another generation than the given one. It may be
// taking partitions over in this one.
func (e *Engine) endStale(w *worker, generation int32) {
	var ended []int32
	e.mu.Lock()
	for id, t := range e.owned {
		if t.worker == w && t.generation != generation {
			delete(e.owned, id)
			ended = append(ended, id)
		}
	}
	e.mu.Unlock()
	for _, id := range ended {
		e.waiters.lost(id)
	}
}

// stopped notes that a partition can't be decided here.
func (e *Engine) stopped(id int32, w *worker, reason error) {
	e.cfg.Log.Error("the partition is stopped; the others go on", "partition", id, "error", reason)
	e.mu.Lock()
	t := e.owned[id]
	e.mu.Unlock()
	if t != nil && t.worker == w {
		t.set(func(s *PartitionStatus) { s.Phase, s.Err = Stopped, reason.Error() })
		e.waiters.lost(id)
	}
}

// takeOver restores a partition and works out where its inputs go on.
func (w *worker) takeOver(ctx context.Context, id int32, tenure *tenure, committed offsetsCommitted) (*partition, error) {
	e := w.e
	if id >= e.partitions {
		return nil, fmt.Errorf("%w: the ledger has %d partitions, and some input topic has got more: what is there is not decided, and customers' records are on other partitions than before: `accrue topics check` names the topic",
			errStopped, e.partitions)
	}
	programs := e.cfg.Programs.history.Load()
	store, fresh, err := e.restore(ctx, id, tenure)
	if err != nil {
		return nil, err
	}
	p := &partition{
		e: e, id: id, store: store, tenure: tenure,
		parked: make(map[origin]parking), parkedCustomers: make(map[string]struct{}), quiet: make(map[string]struct{}),
	}
	for t, name := range inputNames {
		p.names[t] = e.client.Name(name)
	}
	if fresh {
		store.SetListedBy(listingBy(*programs))
	}
	if len(*programs) == 1 {
		p.listedBy = programs // the folder can't have been listed by any other
	}
	if err := p.startFrom(ctx, committed); err != nil {
		return nil, err
	}
	return p, nil
}

// restore opens a partition's state and restores it to the end of the ledger. fresh says that the folder had nothing of it.
//
// A broker may take back a commit that it has confirmed: see [Client.endUnmarked] for how its markers get lost. Where the
// worker had begun its next transaction by then, the end of that one ends both. Who reads the ledger has not seen the
// decisions, so they are forgotten, and their causes are decided anew.
func (e *Engine) restore(ctx context.Context, id int32, tenure *tenure) (store *state.Partition, fresh bool, err error) {
	if store, err = e.openState(id); err != nil {
		return nil, false, err
	}
	fresh = store.Position().Ledger == 0
	err = e.projector.Restore(ctx, store, func(position, end int64) {
		tenure.set(func(s *PartitionStatus) { s.Ledger, s.End = position, end })
	})
	if errors.Is(err, projector.ErrTakenBack) {
		e.cfg.Log.Error("a broker took back what it had confirmed, and what may have been answered for; the partition's state is rebuilt from the ledger, and that is decided anew", "partition", id, "error", err)
		if err = e.cfg.Store.Drop(id); err == nil {
			return e.restore(ctx, id, tenure)
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("restoring from the ledger: %w", err)
	}
	return store, fresh, nil
}

// openState opens a partition's state. State that broke is dropped: the ledger has it all.
func (e *Engine) openState(id int32) (*state.Partition, error) {
	p, err := e.cfg.Store.Partition(id)
	if err == nil {
		err = p.Err()
	}
	if !errors.Is(err, state.ErrQuarantined) {
		return p, err
	}
	e.cfg.Log.Error("the state of a partition is broken; it is rebuilt from the ledger", "partition", id, "error", err)
	if err := e.cfg.Store.Drop(id); err != nil {
		return nil, err
	}
	return e.cfg.Store.Partition(id)
}

// ErrNoState means that no partition's state can be opened here, as on a full disk.
var ErrNoState = errors.New("no partition's state can be opened")

// tryState returns [ErrNoState] unless the state of some partition can be opened. It is asked before the workers join the
// group: partitions that it gave to an instance that can open none would be answered by nobody while others could have them.
// One that runs keeps its partitions, and tries again what a disk refuses for a while.
func (e *Engine) tryState() error {
	kept, err := e.cfg.Store.Kept()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoState, err)
	}
	ids := kept // they are opened anyway, in all likelihood
	for id := range e.partitions {
		if !slices.Contains(kept, id) {
			ids = append(ids, id)
		}
	}
	var first error
	for i, id := range ids {
		_, err := e.openState(id)
		if err == nil && i >= len(kept) {
			err = e.cfg.Store.Drop(id)
		}
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return fmt.Errorf("%w: %w", ErrNoState, first)
}
