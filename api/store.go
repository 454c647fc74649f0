package api

import (
	"context"
	"time"

	"github.com/accrue-loyalty/accrue/state"
)

// StoreOf makes a [Store] of a partition's state.
func StoreOf(p *state.Partition) Store { return partitionStore{p} }

type partitionStore struct{ *state.Partition }

// Records implements [Store].
func (s partitionStore) Records(customer string) (Records, error) {
	r, err := s.Partition.Records(customer)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Pauses between two looks at a position that is waited for: commits come every few milliseconds under load, and one
// that takes longer need not be seen to the millisecond.
const (
	foldedPauseFirst = time.Millisecond
	foldedPauseLast  = 20 * time.Millisecond
)

// WaitFolded returns once the state has folded a position, or with ctx's error, or when the partition is of no more use.
func WaitFolded(ctx context.Context, p *state.Partition, want Position) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for next := foldedPauseFirst; ; next = min(2*next, foldedPauseLast) {
		if reached(p.Position(), want) {
			return nil
		}
		if err := p.Err(); err != nil {
			return err
		}
		pause.Reset(next)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
}

func reached(have state.Position, want Position) bool {
	if want.Topic == "" {
		return have.Ledger >= want.Next
	}
	return have.Inputs[want.Topic] >= want.Next
}
