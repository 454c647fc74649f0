package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// brokenPause is how long a partition whose state broke is left alone before it is restored. Where a partition can't be
// taken over the pause grows to takeOverPauseMax: each try disturbs the worker's other partitions.
const (
	brokenPause      = 5 * time.Second
	takeOverPauseMax = time.Minute
)

// forGood reports whether what stops a partition stays until somebody has mended it and started the instance again. All
// else may have passed by the next try: brokers and the registry come back, a disk is given room.
func forGood(reason error) bool {
	for _, lasting := range []error{errStopped, projector.ErrChain, projector.ErrOtherLedger, projector.ErrLedgerCut, schemas.ErrUnreadable} {
		if errors.Is(reason, lasting) {
			return true
		}
	}
	return false
}

// ErrTopicMadeAnew means that an input topic was deleted and made anew while the engine ran. Clients never take up a topic
// of another identity under a name that they know, so nothing of it would be decided, nor published by this process.
var ErrTopicMadeAnew = errors.New("a topic was deleted and made anew")

// madeAnew reports whether an input topic is another than when the engine started. One that is gone may be on its way.
func (e *Engine) madeAnew(ctx context.Context, topic string) bool {
	if _, err := e.client.reader.Partitions(ctx, topic); err != nil { // it asks anew
		return false
	}
	id, err := e.client.reader.TopicID(ctx, topic)
	return err == nil && !slices.Contains(e.topicIDs[:], id)
}

// errTakeUp ends a session because partitions were given up that may be taken over by now.
var errTakeUp = errors.New("partitions that were given up are taken over again")

// orMadeAnew returns err, or [ErrTopicMadeAnew] if that can be what is behind it: a session that began while the topic was gone
// reads the new one, in which records are missing that were decided, and its commits name the other.
func (e *Engine) orMadeAnew(ctx context.Context, err error) error {
	if !errors.Is(err, kerr.UnknownTopicID) && !errors.Is(err, errTakeUp) && !errors.Is(err, errStopped) {
		return err
	}
	for _, name := range inputNames {
		if topic := e.client.Name(name); e.madeAnew(ctx, topic) {
			return fmt.Errorf("%w: %s", ErrTopicMadeAnew, topic)
		}
	}
	return err
}

// tookOver has the partitions that could not be taken over, if there are any, tried again after a pause.
func (w *worker) tookOver(all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if all {
		w.takeOverPause = 0
		return
	}
	w.takeOverPause = min(max(2*w.takeOverPause, brokenPause), takeOverPauseMax)
	w.retryAfter(w.takeOverPause)
}

// retryAfter has the session begin anew after a pause, or sooner if it was to do so sooner. The caller holds mu.
func (w *worker) retryAfter(pause time.Duration) {
	if at := time.Now().Add(pause); w.retryAt.IsZero() || at.Before(w.retryAt) {
		w.retryAt = at
	}
}

// retries reports, once, that the time has come.
func (w *worker) retries() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retryAt.IsZero() || time.Now().Before(w.retryAt) {
		return false
	}
	w.retryAt = time.Time{}
	return true
}

// stop gives a partition up and says why. The others go on. Unless the reason is for good, the partition is restored from
// the ledger after a while.
func (w *worker) stop(partition int32, reason error) {
	w.mu.Lock()
	if !forGood(reason) {
		w.retryAfter(brokenPause)
	}
	had := w.parts[partition] != nil
	delete(w.parts, partition)
	w.mu.Unlock()
	if had {
		w.e.letGo(partition)
	}
	w.pause(partition)
	w.e.stopped(partition, w, reason)
}

// pause keeps the records of a partition from being fetched.
func (w *worker) pause(partition int32) {
	w.session.Client().PauseFetchPartitions(w.topicsOf(partition))
}

// resume is the opposite of pause.
func (w *worker) resume(partition int32) {
	w.session.Client().ResumeFetchPartitions(w.topicsOf(partition))
}

func (w *worker) topicsOf(partition int32) map[string][]int32 {
	all := make(map[string][]int32, topicCount)
	for _, t := range inputNames {
		all[w.e.client.Name(t)] = []int32{partition}
	}
	return all
}

// throttle stops fetching for partitions whose records can't be decided for now, before they fill the memory.
func (w *worker) throttle(p *partition) {
	full := p.waiting.count() > w.e.cfg.Limits.Records
	switch {
	case full && !p.paused:
		w.pause(p.id)
	case !full && p.paused:
		w.resume(p.id)
	}
	p.paused = full
}
