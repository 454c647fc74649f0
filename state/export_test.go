package state

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// Compactions lets tests share places as a store does.
type Compactions struct{ all *compactions }

// NewCompactions returns so many places.
func NewCompactions(limit int) Compactions {
	all := newCompactions()
	all.limit = limit
	return Compactions{all}
}

// Join returns the part of another database, which need not wait, and what to call when it breaks.
func (c Compactions) Join(db pebble.DBForCompaction) (part pebble.CompactionScheduler, abandon func()) {
	one := c.all.of()
	one.from = one.from.Add(-compactionsAfter)
	one.Register(1, db)
	return one, one.abandon
}

// BeginRead does what a reader does up to where it has the account from the disk, and returns the rest.
func (p *Partition) BeginRead(customer string) (end func(), err error) {
	sh := p.shardOf(customer)
	_, evictions := sh.cached(customer)
	s, err := p.fetch(customer)
	return func() {
		if s != nil {
			sh.fill(customer, s, evictions, p.store.bytesPerShard())
		}
	}, err
}

// Listings counts what the schedule has on the disk.
func (p *Partition) Listings() (n int, err error) {
	err = p.scan([]byte{keySchedule, 'd'}, func(key, value []byte) {
		s := schedule{cursor: key}
		if _, failed := s.take(value, len(value)); failed != nil {
			panic(failed)
		}
		n += len(s.waiting)
	})
	return n, err
}

// Dump flushes and writes all keys and values but the schedule's and the filter's to w, a line each, in the order of the keys.
func (p *Partition) Dump(w io.Writer) error {
	if err := p.Flush(); err != nil {
		return err
	}
	var failed error
	for kind := 0; kind < 0xff; kind++ {
		if kind == keySchedule || kind == keyFilter {
			continue
		}
		err := p.scan([]byte{byte(kind)}, func(key, value []byte) {
			_, err := fmt.Fprintf(w, "%s %x\n", describeKey(key), value)
			failed = errors.Join(failed, err)
		})
		if err := errors.Join(failed, err); err != nil {
			return fmt.Errorf("dumping partition %d: %w", p.number, err)
		}
	}
	return nil
}
