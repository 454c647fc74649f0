package consumer

import (
	"errors"
	"sync"

	"github.com/accrue-loyalty/accrue/events"
)

// ErrNotOwner means that this instance does not, or no longer, decide the customer's partition.
var ErrNotOwner = errors.New("another instance decides this customer")

// Answer is what a waiter gets.
type Answer struct {
	// Decision is complete, with its position in the ledger.
	Decision events.Decision
	// Err is [ErrNotOwner] when the partition was lost before the event was decided. The event may be decided all the
	// same, by the next owner.
	Err error
}

// waiters hold who waits for which event's decision.
type waiters struct {
	mu  sync.Mutex
	all map[waitKey][]*waiter
	// byPartition counts them, so that batches of partitions for which nobody waits are not searched.
	byPartition map[int32]int
}

type waitKey struct{ customer, event string }

type waiter struct {
	partition int32
	answer    chan Answer
}

func newWaiters() *waiters {
	return &waiters{all: make(map[waitKey][]*waiter), byPartition: make(map[int32]int)}
}

// add returns a channel that gets one answer, and a function to stop waiting.
func (w *waiters) add(partition int32, customer, event string) (<-chan Answer, func()) {
	key := waitKey{customer, event}
	one := &waiter{partition: partition, answer: make(chan Answer, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[key] = append(w.all[key], one)
	w.byPartition[partition]++
	return one.answer, func() { w.remove(key, one) }
}

func (w *waiters) remove(key waitKey, one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.all[key] {
		if other == one {
			w.all[key] = append(w.all[key][:i], w.all[key][i+1:]...)
			w.gone(key, one.partition)
			return
		}
	}
}

func (w *waiters) gone(key waitKey, partition int32) {
	if len(w.all[key]) == 0 {
		delete(w.all, key)
	}
	if w.byPartition[partition]--; w.byPartition[partition] == 0 {
		delete(w.byPartition, partition)
	}
}

// waited reports whether anybody waits for events of the partition.
func (w *waiters) waited(partition int32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byPartition[partition] > 0
}

// awaits reports whether somebody waits for d. Who waits does so from before the event was sent.
func (w *waiters) awaits(d *events.Decision) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all[waitKey{d.Customer, d.Cause.Event}]) > 0
}

// decided answers who waits for d.
func (w *waiters) decided(d *events.Decision) {
	key := waitKey{d.Customer, d.Cause.Event}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.all[key] {
		one.answer <- Answer{Decision: *d}
		w.byPartition[one.partition]--
		if w.byPartition[one.partition] == 0 {
			delete(w.byPartition, one.partition)
		}
	}
	delete(w.all, key)
}

// lost tells everybody who waits for events of the partition that it has another owner.
func (w *waiters) lost(partition int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, ones := range w.all {
		kept := ones[:0]
		for _, one := range ones {
			if one.partition == partition {
				one.answer <- Answer{Err: ErrNotOwner}
			} else {
				kept = append(kept, one)
			}
		}
		if len(kept) == 0 {
			delete(w.all, key)
		} else {
			w.all[key] = kept
		}
	}
	delete(w.byPartition, partition)
}
