package state

import (
	"fmt"
	"strings"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// find returns the committed snapshot of a customer, or nil, and its slot when it is in memory: then others may hold the
// snapshot too.
func (p *Partition) find(customer string) (*snapshot, *slot, error) {
	if slot, _ := p.shardOf(customer).cached(customer); slot != nil {
		p.stats.hits.Add(1)
		return slot.state.Load(), slot, nil
	}
	// What is read keeps the name, and the caller's may be a part of something larger.
	s, err := p.fetch(strings.Clone(customer))
	return s, nil, err
}

// fetch reads a snapshot from the disk.
func (p *Partition) fetch(customer string) (*snapshot, error) {
	key := appendKey(make([]byte, 0, 64), keyAccount, customer)
	if !p.filter.maybe(hashKey(key)) {
		return nil, nil
	}
	p.stats.misses.Add(1)
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	p.stats.gets.Add(1)
	v, err := p.read(key)
	if err != nil || v == nil {
		return nil, err
	}
	s, err := decodeSnapshot(customer, v)
	return s, p.checked(err)
}

// snapshot is find for readers: what it reads from the disk is cached.
func (p *Partition) snapshot(customer string) (*snapshot, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	sh := p.shardOf(customer)
	slot, evictions := sh.cached(customer)
	if slot != nil {
		return slot.state.Load(), nil
	}
	s, err := p.fetch(customer)
	if err != nil || s == nil {
		return nil, err
	}
	return sh.fill(customer, s, evictions, p.store.bytesPerShard()), nil
}

// Account returns a customer's account as of the last commit, with the ledger offset of the customer's last decision;
// nil when nobody has heard of the customer. It is shared: nobody may write to it. A cached account takes less than a
// microsecond. An account that was erased or merged is returned too, and says so.
func (p *Partition) Account(customer string) (a *loyalty.Account, position int64, err error) {
	s, err := p.snapshot(customer)
	if err != nil || s == nil {
		return nil, 0, err
	}
	return &s.account, s.last, nil
}

// Records returns read access to the committed orders, redemptions and so on of a customer. What is put into it is
// seen by its own later reads only. Look at its Err after reading. Not for concurrent use.
func (p *Partition) Records(customer string) (*Records, error) {
	s, err := p.snapshot(customer)
	if err != nil {
		return nil, err
	}
	r := &Records{desk: new(desk)}
	r.open(p, customer, s)
	return r, nil
}

// Statement returns the ledger offsets of up to limit decisions of a customer, newest first: those below the offset
// before, or the newest when before is 0 or less.
func (p *Partition) Statement(customer string, before int64, limit int) ([]int64, error) {
	r, err := p.Records(customer)
	if err != nil {
		return nil, err
	}
	offsets, err := r.statement(before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading a statement: %w", err)
	}
	return offsets, nil
}

// Find returns the ledger offset of the decision that an event id of a customer led to: the one that used the id up,
// or else the latest that names it.
func (p *Partition) Find(customer, event string) (offset int64, ok bool, err error) {
	r, err := p.Records(customer)
	if err != nil {
		return 0, false, err
	}
	if offset, ok, err = r.locate(event); err != nil {
		return 0, false, fmt.Errorf("finding an event: %w", err)
	}
	return offset, ok, nil
}
