package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/schemas"
)

// worker is one member of the group. Its goroutine decides the partitions that the group assigns to it.
type worker struct {
	e     *Engine
	n     int
	lease *lease

	// session may be used by the client's callbacks once opened is closed. abort ends what it waits for.
	session *kgo.GroupTransactSession
	abort   context.CancelFunc
	opened  chan struct{}
	// working is done when the session is to end as planned.
	working context.Context

	// deciding is held from a poll to the end of the batch it began, and by whoever takes partitions away: what the
	// worker's goroutine finds in parts may be used for the length of a batch.
	deciding sync.Mutex
	// mu guards what follows: the client's callbacks add and remove partitions.
	mu    sync.Mutex
	parts map[int32]*partition
	// retryAt is when a session begins anew to take up partitions that were given up; zero: none were. takeOverPause is what
	// was waited after the last assignment of which some could not be taken over.
	retryAt       time.Time
	takeOverPause time.Duration
	overdue       *time.Timer // says that the group's offsets do not come

	// out is the session's own: the client of one that ended may still tell of its records.
	out *outbox
	// committedAt is when offsets were last committed, with or without decisions; lastBatch, how many decisions went
	// with them.
	committedAt time.Time
	lastBatch   int
	// turns are those of the partitions, and of events and what is due.
	turns
}

func newWorker(e *Engine, n int) *worker {
	return &worker{e: e, n: n, lease: newLease(), parts: make(map[int32]*partition)}
}

// Pauses between a session that failed and the next.
const (
	sessionPauseFirst = 100 * time.Millisecond
	sessionPauseMax   = 5 * time.Second
)

// run opens sessions until ctx is done, or another instance is to go on instead of this one.
func (w *worker) run(ctx context.Context) (ended error) {
	defer func() {
		if !errors.Is(ended, ErrFolderTaken) && !errors.Is(context.Cause(ctx), ErrFolderTaken) {
			w.leave()
		}
	}()
	pause := sessionPauseFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := w.e.orMadeAnew(ctx, w.runSession(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if hopeless(err) {
			return err
		}
		if errors.Is(err, kerr.FencedInstanceID) && w.placeTaken(ctx) {
			return w.e.errFolderTaken()
		}
		if w.e.mustYield(ctx, err) {
			return w.e.errNameTaken()
		}
		if time.Since(began) > sessionPauseMax {
			pause = sessionPauseFirst
		}
		w.e.cfg.Log.Warn("the session ended; a new one will begin from what the ledger says", "worker", w.n, "pause", pause, "error", err)
		sleep(ctx, pause)
		pause = min(2*pause, sessionPauseMax)
	}
	return nil
}

// hopeless reports whether repeating makes no sense until somebody has changed something.
func hopeless(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.GroupAuthorizationFailed) ||
		errors.Is(err, kerr.TransactionalIDAuthorizationFailed) || errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, ErrTopicMadeAnew)
}

// transactionalID is stable over restarts, so that a new session ends what the one before it left open.
func (w *worker) transactionalID() string {
	return w.e.client.cfg.transactionalID(w.e.cfg.Instance, w.n)
}

// memberID makes the member static: a restarted process takes its partitions up again at once instead of waiting for
// its predecessor's session to run out. That is safe only if the predecessor is dead, so the name contains the identity
// of the state's folder, which one process at a time can hold; another process of the same instance name with another
// folder is another member.
//
// The range balancer goes through the members by this name, so the worker's number stands first: where there are fewer
// partitions than members, or some members get one more, they are spread over the instances.
func (w *worker) memberID() string {
	return fmt.Sprintf("%d.%s.%s", w.n, w.e.cfg.Instance, w.e.storeID)
}

// rebalanceTimeout is how long the group waits for a member that ends its batch.
const rebalanceTimeout = 60 * time.Second

// rebalanceNoticed is how often a member asks whether the group rebalances. The members that have heard of it have given
// their partitions up and wait for those that have not, so this is how long nobody answers for any partition.
const rebalanceNoticed = 500 * time.Millisecond

func (w *worker) open() (*kgo.GroupTransactSession, error) {
	cfg := &w.e.client.cfg
	b, err := newBalancer(card{Instance: w.e.cfg.Instance, Worker: w.n, API: w.e.cfg.API}, w.lease.end)
	if err != nil {
		return nil, err
	}
	topics := make([]string, 0, topicCount)
	for _, t := range inputNames {
		topics = append(topics, w.e.client.Name(t))
	}
	opts := append(cfg.common(),
		kgo.ConsumerGroup(cfg.group()),
		kgo.ConsumeTopics(topics...),
		kgo.InstanceID(w.memberID()),
		kgo.Balancers(b),
		kgo.SessionTimeout(cfg.SessionTimeout),
		kgo.HeartbeatInterval(min(rebalanceNoticed, cfg.SessionTimeout/heartbeatsInSession)),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(w.endAbandoned),
		kgo.AdjustFetchOffsetsFn(w.assigned),
		kgo.OnPartitionsRevoked(w.revoked),
		kgo.OnPartitionsLost(w.lost),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// A fetch that began before all partitions were assigned keeps the others waiting for as long.
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes(w.e.partitions)),
		kgo.KeepControlRecords(),
		kgo.WithPools(&w.e.fetched),
		kgo.TransactionalID(w.transactionalID()),
		kgo.TransactionTimeout(cfg.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchMaxBytesFn(w.e.batchMaxBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		// A batch is produced as a whole before it is waited for.
		kgo.MaxBufferedRecords(outboxMax),
	)
	if hook := w.e.cfg.Hook; hook != nil {
		opts = append(opts, kgo.WithHooks(hook(w.n)))
	}
	ctx, abort := context.WithCancel(context.Background())
	session, err := kgo.NewGroupTransactSession(append(opts, kgo.WithContext(ctx))...)
	if err != nil {
		abort()
		return nil, err
	}
	w.abort = abort
	return session, nil
}

// outboxMax bounds what a transaction may produce; beyond it producing waits for the broker.
const outboxMax = 1 << 20

// runSession works until ctx is done or the session can't go on.
func (w *worker) runSession(ctx context.Context) error {
	w.opened, w.working, w.out = make(chan struct{}), ctx, &outbox{}
	session, err := w.open()
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	w.session = session
	close(w.opened)
	leaseCtx, endLease := context.WithCancel(ctx)
	leaseDone := make(chan struct{})
	defer func() {
		w.lease.linger(ctx)
		endLease()
		<-leaseDone
		w.close()
	}()
	go func() {
		defer close(leaseDone)
		cfg := &w.e.client.cfg
		w.lease.keep(leaseCtx, session.Client(), cfg.group(), w.memberID(), cfg.SessionTimeout)
	}()
	w.endUnmarked(ctx)
	// Nothing is read before a transaction that a dead process left open under our id has been ended.
	if _, _, err := session.Client().ProducerID(ctx); err != nil {
		return fmt.Errorf("ending what an earlier session left open: %w", err)
	}
	for ctx.Err() == nil {
		if err := w.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close ends the session. The member stays in the group.
func (w *worker) close() {
	// The client would wait for the answer to a join, and the group gives none before all its members have joined.
	timer := time.AfterFunc(closeTimeout, w.abort)
	w.session.CloseAllowingRebalance()
	timer.Stop()
	w.abort()
	w.expectOffsets(nil)
	w.drop(nil)
}

// closeTimeout is how long the end of a session waits for the group. No batch is open by then.
const closeTimeout = time.Second

// leave takes the member out of the group, so that others take its partitions over at once. A member that only failed
// stays, and comes back. Where another process has the member's id, it would take that one out.
func (w *worker) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	leave := kadm.LeaveGroup(w.e.client.cfg.group()).InstanceIDs(w.memberID()).Reason("planned shutdown")
	if _, err := w.e.client.admin.LeaveGroup(ctx, leave); err != nil {
		w.e.cfg.Log.Warn("the group was not told of the shutdown; it will notice", "worker", w.n, "error", err)
	}
}

// leaveTimeout bounds what a shutdown waits for the group's coordinator.
const leaveTimeout = 2 * time.Second

// offsetsEvery is how often offsets are committed that no decision takes along, as when ticks have nothing to do.
const offsetsEvery = 5 * time.Second

// step polls once and takes what came to its commit.
func (w *worker) step(ctx context.Context) error {
	w.space(ctx)
	fetches := w.poll(ctx)
	defer w.session.AllowRebalance()
	w.deciding.Lock()
	defer w.deciding.Unlock()
	w.dropStale()
	if ctx.Err() != nil {
		return nil
	}
	if w.retries() {
		return errTakeUp
	}
	if err := w.fetchErrors(ctx, fetches); err != nil {
		return err
	}
	batch, err := w.admit(ctx, fetches)
	if err != nil {
		return err
	}
	if len(batch) > 0 {
		if err := w.transact(ctx, batch); err != nil {
			return err
		}
	}
	w.lookAfter()
	return nil
}

// lookAfter does what partitions need between batches.
func (w *worker) lookAfter() {
	w.mu.Lock()
	parts := slices.Collect(maps.Values(w.parts))
	w.mu.Unlock()
	for _, p := range parts {
		if err := p.store.Err(); err != nil {
			w.stop(p.id, err)
			continue
		}
		w.throttle(p)
		if err := p.reschedule(); err != nil {
			w.stop(p.id, err)
		}
	}
}

// commitSpacing is the least time between two commits while there is little to do. A broker often refuses the first
// record of a transaction that begins right after another's commit, and the client then waits longer than this.
const commitSpacing = 5 * time.Millisecond

// space waits until enough time has passed since a small batch was committed. A lone event after a quiet time does not
// wait, nor does a backlog.
func (w *worker) space(ctx context.Context) {
	if w.lastBatch < smallBatch {
		if rest := commitSpacing - time.Since(w.committedAt); rest > 0 {
			sleep(ctx, rest)
		}
	}
}

// smallBatch is the number of decisions below which a batch says that there is no backlog.
const smallBatch = 256

// idlePoll is how long a poll waits for records: then partitions are looked at whose time has come without any.
const idlePoll = time.Second

// poll waits for records, unless some partition has something to do without any. The group does not rebalance until it
// is allowed to.
func (w *worker) poll(ctx context.Context) kgo.Fetches {
	limit := w.e.cfg.Limits.Records
	wait, cancel := context.WithTimeout(ctx, idlePoll)
	defer cancel()
	var fetches kgo.Fetches
	if w.busy() {
		fetches = w.session.PollRecords(nil, limit) //nolint:staticcheck // nil means: don't wait
	} else {
		fetches = w.session.PollRecords(wait, limit)
	}
	if len(fetches) == 0 {
		// A poll that found nothing does not hold rebalances back, but one that was given no time does.
		cancel()
		fetches = w.session.PollRecords(wait, limit)
	}
	return fetches
}

// busy reports whether some partition has work that no new record brings.
func (w *worker) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.parts {
		if p.busy() {
			return true
		}
	}
	return false
}

// fetchErrors returns an error when the session can't go on, and stops partitions that can't.
func (w *worker) fetchErrors(ctx context.Context, fetches kgo.Fetches) error {
	var fatal error
	fetches.EachError(func(topic string, partition int32, err error) {
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		case errors.Is(err, kgo.ErrClientClosed), errors.Is(err, kerr.FencedInstanceID), hopeless(err):
			fatal = err
		case errors.Is(err, kerr.OffsetOutOfRange):
			w.stop(partition, fmt.Errorf("%s-%d no longer has the records that come next: retention deleted them before they were decided: %w", topic, partition, err))
		case errors.Is(err, kerr.UnknownTopicID) && w.e.madeAnew(ctx, topic):
			fatal = fmt.Errorf("%w: %s", ErrTopicMadeAnew, topic)
		default:
			w.e.cfg.Log.Warn("fetching records; it will be tried again", "topic", topic, "partition", partition, "error", err)
		}
	})
	return fatal
}

// admit hands the polled records to their partitions and returns the partitions that have something to do.
func (w *worker) admit(ctx context.Context, fetches kgo.Fetches) ([]*partition, error) {
	var failed error
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		w.mu.Lock()
		p := w.parts[f.Partition]
		w.mu.Unlock()
		if p == nil || len(f.Records) == 0 || failed != nil {
			return
		}
		t, ok := schemas.ParseTopic(w.e.client.cfg.Prefix, f.Topic)
		if !ok {
			return
		}
		if err := p.admit(ctx, t, &f.FetchPartition); err != nil {
			if errors.Is(err, errStopped) {
				w.stop(f.Partition, err)
			} else {
				failed = err
			}
		}
	})
	if failed != nil {
		return nil, failed
	}
	w.mu.Lock()
	parts := slices.Collect(maps.Values(w.parts))
	w.mu.Unlock()
	late := time.Since(w.committedAt) >= offsetsEvery
	parts = slices.DeleteFunc(parts, func(p *partition) bool {
		toTell := late && p.positions(&p.now) != p.told
		return !p.ready() && !toTell
	})
	slices.SortFunc(parts, func(a, b *partition) int { return int(a.id - b.id) })
	return parts, nil
}
