package state

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/accrue-loyalty/accrue/events"
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
	p.waiting.move()
	if p.schedule.listedBy != (events.Hash{}) {
		p.setListedBy(events.Hash{})
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
				return nil, p.checked(fmt.Errorf("listing accounts of partition %d: %w", p.number, err))
			}
		}
		p.list(p.slotOf(customer), s.account.Clock, s)
	}
	return nil, p.iterError(iter)
}

// ListedBy returns what SetListedBy was told last, also before the partition was opened; zero when accounts were to be
// listed anew since.
func (p *Partition) ListedBy() events.Hash {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.schedule.listedBy
}

// SetListedBy says that every account is listed by what by stands for, after a Reschedule that has gone through. It is
// written together with the listings, or after them.
func (p *Partition) SetListedBy(by events.Hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.arm()
	p.waiting.move()
	p.setListedBy(by)
}

// setListedBy is SetListedBy for those who hold mu.
func (p *Partition) setListedBy(by events.Hash) { p.schedule.listedBy, p.waiting.listedBy = by, &by }
