package consumer

import (
	"errors"
	"time"
)

// brokenPause is how long a partition whose state broke is left alone before it is restored; diskPause, how long one that
// could not be opened is: somebody has to see to the disk first.
const (
	brokenPause = 5 * time.Second
	diskPause   = 20 * time.Second
)

// retryAfter has the session begin anew after a pause, or sooner if it was to do so sooner.
func (w *worker) retryAfter(pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
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

// stop gives a partition up and says why. The others go on. A partition whose state broke, and nothing else, is restored
// from the ledger after a while.
func (w *worker) stop(partition int32, reason error) {
	if !errors.Is(reason, errStopped) {
		w.retryAfter(brokenPause)
	}
	w.mu.Lock()
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
