package state

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Reschedule lists up to limit accounts anew, those whose keys follow after, and returns where to go on: nil when that
// was the last. It is for a change of what NextDue answers, such as a new version of the program; until it has gone
// through, accounts that nobody touches stand on the schedule for what the old answer was. No batch may be open.
func (p *Partition) Reschedule(after []byte, limit int) (next []byte, err error) {
	if p.batchOpen {
		panic("state: rescheduling while a batch is open")
	}
	if after == nil {
		// The keys on the disk are to name every account; later ones are listed by the new answer anyway.
		if err := p.Flush(); err != nil {
			return nil, err
		}
		after = []byte{keyAccount}
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	iter, err := p.db.NewIter(&pebble.IterOptions{LowerBound: after, UpperBound: []byte{keyAccount + 1}})
	if err != nil {
		return nil, p.readError(err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.arm()
	if w := &p.waiting; !w.moved {
		w.moved, w.since = true, time.Now()
	}
	for iter.First(); iter.Valid(); iter.Next() {
		if limit--; limit < 0 {
			return append([]byte(nil), iter.Key()...), nil
		}
		customer, _, _ := splitKey(iter.Key())
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, p.readError(err)
		}
		var s *snapshot
		if slot, _ := p.shardOf(customer).cached(customer); slot != nil {
			s = slot.state.Load()
		} else {
			if s, err = decodeSnapshot(customer, value); err != nil {
				return nil, fmt.Errorf("listing accounts of partition %d: %w", p.number, err)
			}
		}
		p.list(p.slotOf(customer), s.account.Clock, s)
	}
	return nil, p.iterError(iter)
}
