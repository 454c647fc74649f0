package state

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// differencesMax is how many differences Compare names.
const differencesMax = 10

// Compare writes what waits in both partitions and returns an error that names the first keys in which they differ, or
// accounts that the schedule of one of them misses. The keys of schedule and filter depend on when they were written, so
// they are not compared. Two partitions that reflect the same ledger, however they came about, must be equal. For tests and
// audits; nobody may commit meanwhile.
func Compare(a, b *Partition) error {
	var problems []error
	for _, p := range []*Partition{a, b} {
		if err := p.Flush(); err != nil {
			return err
		}
		if err := p.CheckSchedule(); err != nil {
			problems = append(problems, err)
		}
	}
	for _, span := range [][2]byte{{0, keyFilter}, {keyFilter + 1, keySchedule}, {keySchedule + 1, 0xff}} {
		found, err := compareSpan(a, b, []byte{span[0]}, []byte{span[1]})
		if err != nil {
			return err
		}
		problems = append(problems, found...)
	}
	if len(problems) > differencesMax {
		problems = append(problems[:differencesMax], fmt.Errorf("… and %d more", len(problems)-differencesMax))
	}
	return errors.Join(problems...)
}

func compareSpan(a, b *Partition, from, to []byte) (problems []error, err error) {
	var iters [2]*pebble.Iterator
	for i, p := range []*Partition{a, b} {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		iter, err := p.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
		if err != nil {
			return nil, err
		}
		defer func() { _ = iter.Close() }()
		iter.First()
		iters[i] = iter
	}
	x, y := iters[0], iters[1]
	for x.Valid() || y.Valid() {
		order := 0
		switch {
		case !y.Valid():
			order = -1
		case !x.Valid():
			order = 1
		default:
			order = bytes.Compare(x.Key(), y.Key())
		}
		switch {
		case order < 0:
			problems = append(problems, fmt.Errorf("%s: only in the first, as %x", describeKey(x.Key()), x.Value()))
			x.Next()
		case order > 0:
			problems = append(problems, fmt.Errorf("%s: only in the second, as %x", describeKey(y.Key()), y.Value()))
			y.Next()
		default:
			if !bytes.Equal(x.Value(), y.Value()) {
				problems = append(problems, fmt.Errorf("%s: %x in the first, %x in the second", describeKey(x.Key()), x.Value(), y.Value()))
			}
			x.Next()
			y.Next()
		}
	}
	return problems, errors.Join(x.Error(), y.Error())
}

func describeKey(key []byte) string {
	customer, rest, ok := splitKey(key)
	if !ok || key[0] == keyMeta {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%c|%q|%q", key[0], customer, rest)
}

// CheckSchedule returns an error that names accounts for which Due would come too late or never. It reads everything;
// for tests and audits, and nobody may commit meanwhile.
func (p *Partition) CheckSchedule() error {
	due := p.store.cfg.NextDue
	if due == nil {
		return nil
	}
	if err := p.Flush(); err != nil {
		return err
	}
	listed, err := p.outstanding()
	if err != nil {
		return err
	}
	var problems []error
	clock := p.Position().Clock
	p.mu.Lock()
	named := max(clock, p.schedule.begun())
	p.mu.Unlock()
	err = p.scan([]byte{keyAccount}, func(key, value []byte) {
		customer, _, _ := splitKey(key)
		s, err := decodeSnapshot(customer, value)
		if err != nil {
			problems = append(problems, err)
			return
		}
		// A tick that had nothing to do for the account left no trace in it.
		want := due(&s.account, max(s.account.Clock, clock))
		if want == 0 {
			return
		}
		// For what is overdue any time will do that is over.
		if got, ok := listed[customer]; !ok || got > max(want, named) {
			problems = append(problems, fmt.Errorf("partition %d: %q is due at %v, listed for %v", p.number, customer, want, got))
		}
	})
	if len(problems) > differencesMax {
		problems = problems[:differencesMax]
	}
	return errors.Join(append(problems, err)...)
}

// outstanding returns for each customer the earliest time at which Due will name it.
func (p *Partition) outstanding() (map[string]events.Instant, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.schedule
	listed := map[string]events.Instant{}
	note := func(l listing) {
		if at, ok := listed[l.customer]; !ok || l.due < at {
			listed[l.customer] = l.due
		}
	}
	for _, lists := range [][]listing{s.waiting, s.pending} {
		for _, l := range lists {
			note(l)
		}
	}
	for day, list := range s.unwritten {
		for _, l := range list {
			if day > s.today {
				note(l)
			}
		}
	}
	from := s.cursor
	if from == nil {
		from = appendDay(nil, s.today+1)
	}
	err := p.scan([]byte{keySchedule, 'd'}, func(key, value []byte) {
		if bytes.Compare(key, from) < 0 {
			return
		}
		day, _ := scheduleDay(key)
		other := schedule{cursor: append([]byte(nil), key...)}
		if bytes.Equal(key, s.cursor) {
			other.offset = s.offset
		}
		if _, err := other.take(value, len(value)); err != nil {
			p.log.Error("schedule of day " + fmt.Sprint(day) + " is damaged")
		}
		for _, l := range other.waiting {
			note(l)
		}
	})
	return listed, err
}
