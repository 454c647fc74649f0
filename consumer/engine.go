package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// Engine decides the partitions that the group assigns to this process. Its methods are safe for concurrent use.
type Engine struct {
	cfg       Config
	client    *Client
	projector *projector.Projector
	waiters   *waiters
	fetched   fetchPools

	// Set by Run before the workers start.
	reading              reading
	partitions           int32
	ledgerTopic          string
	deadLetterTopic      string
	deadLetterPartitions int32
	topicIDs             [topicCount][16]byte
	batches              batchBounds
	storeID              string

	// sayWaits says once that dead workers' transactions can't be ended here.
	sayWaits sync.Once

	mu    sync.Mutex
	owned map[int32]*tenure
	// holders have room for the one worker that uses a partition's state.
	holders map[int32]chan struct{}
	workers []*worker
	// joined is set once all workers have been in the group.
	joined bool
}

// New returns an engine that does nothing yet.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Engine{
		cfg:       cfg,
		client:    cfg.Client,
		projector: projector.New(cfg.Client.reader, cfg.Client.codec, cfg.Client.Name(schemas.TopicLedger)),
		waiters:   newWaiters(),
		owned:     make(map[int32]*tenure),
		holders:   make(map[int32]chan struct{}),
	}, nil
}

// Run works until ctx is done, then ends the batches at hand, leaves the group and returns nil. Brokers that don't
// answer, rebalances and lost sessions are waited out; an error means that going on makes no sense: topics that are not
// partitioned alike, refused credentials, another instance of the same name, no state that can be opened at the start.
func (e *Engine) Run(ctx context.Context) error {
	err := e.prepare(ctx)
	if err == nil {
		err = e.awaitProgram(ctx)
	}
	if err == nil {
		err = e.tryState()
	}
	if err == nil {
		err = e.awaitName(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.watchPrograms(ctx) })
	workers := make([]*worker, e.cfg.Workers)
	for n := range workers {
		workers[n] = newWorker(e, n)
		g.Go(func() error { return workers[n].run(ctx) })
	}
	e.mu.Lock()
	e.workers = workers
	e.mu.Unlock()
	if e.cfg.Clock.Every > 0 {
		g.Go(func() error { e.tickAlong(ctx); return nil })
	}
	return g.Wait()
}

// prepare learns what must be known of the cluster.
func (e *Engine) prepare(ctx context.Context) (err error) {
	if err := e.client.CheckPartitions(ctx); err != nil {
		return fmt.Errorf("the topics cannot be used: %w", err)
	}
	if e.storeID, err = e.cfg.Store.ID(); err != nil {
		return err
	}
	if e.partitions, err = e.client.Partitions(ctx); err != nil {
		return err
	}
	e.ledgerTopic, e.deadLetterTopic = e.client.Name(schemas.TopicLedger), e.client.Name(schemas.TopicDeadLetter)
	if e.deadLetterPartitions, err = e.client.reader.Partitions(ctx, e.deadLetterTopic); err != nil {
		return err
	}
	for t, name := range inputNames {
		if e.topicIDs[t], err = e.client.reader.TopicID(ctx, e.client.Name(name)); err != nil {
			return err
		}
	}
	e.reading = reading{codec: e.client.codec, partitions: e.partitions}
	e.batches, err = e.client.batchBounds(ctx)
	return err
}

// noProgramReminder is how often an engine without rules says so.
const noProgramReminder = time.Minute

// awaitProgram returns when there is a program, with an error when the first can't be decided by, or with ctx's error.
func (e *Engine) awaitProgram(ctx context.Context) error {
	for {
		changed := e.cfg.Programs.Changed()
		if err := e.programsErr(); err != nil {
			return err
		}
		if len(e.cfg.Programs.History()) > 0 {
			return nil
		}
		e.cfg.Log.Warn("the engine waits: "+ErrNoProgram.Error(), "topic", e.client.Name(schemas.TopicProgram))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(noProgramReminder):
		}
	}
}

// watchPrograms returns an error when a version was published that this binary can't decide by.
func (e *Engine) watchPrograms(ctx context.Context) error {
	for {
		changed := e.cfg.Programs.Changed()
		if err := e.programsErr(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (e *Engine) programsErr() error {
	if err := e.cfg.Programs.Err(); err != nil {
		return fmt.Errorf("the engine cannot go on: %w", err)
	}
	return nil
}

// tenure is this instance's time as the owner of a partition, as everyone but its worker sees it.
type tenure struct {
	worker *worker
	// generation is the group's in which the partition was given to the worker.
	generation int32

	mu     sync.Mutex
	status PartitionStatus
	// lease and ticksWaiting are what the wall clock must know before it sends a tick.
	lease        clockLog
	ticksWaiting int
}

// hold gives the caller a partition's state to himself, once whoever has it lets go. The group may give a partition to
// one worker before another of this process has heard that it lost it.
func (e *Engine) hold(ctx context.Context, id int32) error {
	select {
	case e.holder(id) <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// letGo is the opposite of hold. No batch is open.
func (e *Engine) letGo(id int32) { <-e.holder(id) }

func (e *Engine) holder(id int32) chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.holders[id] == nil {
		e.holders[id] = make(chan struct{}, 1)
	}
	return e.holders[id]
}

// Phase says how far the taking over of a partition is.
type Phase string

// The phases.
const (
	// Restoring: the state folds what its folder lacks.
	Restoring Phase = "restoring"
	// Running: events are decided.
	Running Phase = "running"
	// Stopped: the partition cannot be decided by this instance, and Err says why.
	Stopped Phase = "stopped"
)

// Phases returns all that there are.
func Phases() []Phase { return []Phase{Restoring, Running, Stopped} }

// PartitionStatus is how an owned partition stands.
type PartitionStatus struct {
	Partition int32 `json:"partition"`
	Phase     Phase `json:"phase"`
	// Ledger is the next ledger offset to fold; End is where the restore goes to.
	Ledger int64          `json:"ledger"`
	End    int64          `json:"end"`
	Clock  events.Instant `json:"clock"`
	// Waiting is how many input records are known to wait.
	Waiting int64 `json:"waiting"`
	// Newest is the highest time in its topic of a record of the last batch; 0: there was none.
	Newest events.Instant `json:"newest,omitempty"`
	// Sweeping is set while what the last tick made due is being worked off. Due is how many customers the last
	// transaction did that for.
	Sweeping bool `json:"sweeping"`
	Due      int  `json:"due,omitempty"`
	// Driver is who drives the clock through history; "" is the wall clock.
	Driver string `json:"driver,omitempty"`
	Err    string `json:"error,omitempty"`
}

func (t *tenure) set(fn func(*PartitionStatus)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn(&t.status)
}

// run notes that the partition has been taken over.
func (t *tenure) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Phase = Running
}

// running reports whether the partition has been taken over, and in which of the group's generations.
func (t *tenure) running() (generation int32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.generation, t.status.Phase == Running
}

// follow takes over what the wall clock must know.
func (t *tenure) follow(lease clockLog, ticksWaiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lease, t.ticksWaiting = lease, ticksWaiting
	t.status.Driver = lease.driver
}

func (t *tenure) get() PartitionStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// Status returns how the owned partitions stand, in order.
func (e *Engine) Status() []PartitionStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]PartitionStatus, 0, len(e.owned))
	for _, t := range e.owned {
		list = append(list, t.get())
	}
	slices.SortFunc(list, func(a, b PartitionStatus) int { return int(a.Partition - b.Partition) })
	return list
}

// Joined reports whether all workers have been in the group since Run began. Until then partitions will move to those that
// come.
func (e *Engine) Joined() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.joined && len(e.workers) > 0 {
		e.joined = !slices.ContainsFunc(e.workers, func(w *worker) bool { return !w.lease.held() })
	}
	return e.joined
}

// Authoritative reports whether this instance owns the partition and nobody else can have taken it over: its state is
// restored, and the group has confirmed the membership within the session timeout.
func (e *Engine) Authoritative(partition int32) bool {
	e.mu.Lock()
	t := e.owned[partition]
	e.mu.Unlock()
	if t == nil {
		return false
	}
	generation, running := t.running()
	return running && t.worker.lease.heldIn(generation)
}

// Await registers for the decision of a customer's event, which must not have been sent yet. The channel gets one
// answer; who no longer wants it calls stop. It returns [ErrNotOwner] when this instance does not decide the customer.
func (e *Engine) Await(ctx context.Context, customer, event string) (answer <-chan Answer, stop func(), err error) {
	n, err := e.client.Partitions(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := schemas.Partition(customer, n)
	answer, stop = e.waiters.add(p, customer, event)
	// Looked at only now: had the partition been lost before, nobody would tell this waiter.
	if !e.Authoritative(p) {
		stop()
		return nil, nil, ErrNotOwner
	}
	return answer, stop, nil
}

// Client returns the client that the engine uses.
func (e *Engine) Client() *Client { return e.client }

// Projector returns the reader of the ledger.
func (e *Engine) Projector() *projector.Projector { return e.projector }

// errStopped is wrapped by what stops one partition, until somebody has mended the cause, and lets the others go on.
var errStopped = errors.New("the partition is not decided")
