package state

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// The schedule lists customers by the UTC day of their next due instant. A flush writes one key a day:
//
//	keySchedule, 'd', day (4 bytes), number of the flush (8 bytes) → instant within the day, customer, …
//	keySchedule, 'n' → number of the last flush
//	keySchedule, 'p' → what Partition.SetListedBy was told, zeros while accounts are listed anew
//
// A customer is listed when its next due instant is earlier than every time it is known to stand there for; who knows
// none lists it again. Nothing is ever taken out of a day: once the clock is past it and all of it has been worked off, the
// day is deleted as a whole, in the same write as the accounts that were worked off.
//
// Days are read when they come up: what is due then is handed out, the rest of the day waits in memory. A customer who still
// has something due after being handed out is listed for the day at hand, once for each day.

const (
	dayMillis = 24 * 60 * 60 * 1000
	// dueReadMax listings are read from the disk in one step of Due, which keeps a call to some milliseconds.
	dueReadMax = 8192
)

// listing says that a customer may have something due.
type listing struct {
	due      events.Instant
	customer string
}

// handout is how a customer was handed out: the instant that was asked for, and the day of the listing.
type handout struct {
	until events.Instant
	day   int64
}

// schedule is the part of it in memory. Guarded by Partition.mu.
type schedule struct {
	// unwritten are listings committed since the last flush began, writing those of the flush under way; by day.
	unwritten, writing map[int64][]listing
	// today is the day that is being worked off, -1 before the first: listings of it and of earlier days are also in
	// waiting, by time.
	today   int64
	waiting listings
	// handed are the customers handed out since the last commit; pending are the listings that named them.
	handed  map[string]handout
	pending []listing
	// cursor is the key where reading today goes on, with offset bytes of its value already read; nil: all of today has
	// been read.
	cursor []byte
	offset int
	// ahead is no later than any day after today that has listings.
	ahead int64
	// flushes counts flushes; dropped is the day below which everything was deleted.
	flushes uint64
	dropped int64
	// listedBy is what every account is listed by.
	listedBy events.Hash
}

func dayOf(i events.Instant) int64 { return int64(max(i, 0)) / dayMillis }

func appendDay(b []byte, day int64) []byte {
	return binary.BigEndian.AppendUint32(append(b, keySchedule, 'd'), uint32(day))
}

func scheduleDay(key []byte) (int64, bool) {
	if len(key) < 6 || key[0] != keySchedule || key[1] != 'd' {
		return 0, false
	}
	return int64(binary.BigEndian.Uint32(key[2:])), true
}

func scheduleKey(b []byte, day int64, flush uint64) []byte {
	return binary.BigEndian.AppendUint64(appendDay(b, day), flush)
}

func appendCounter(b []byte, flushes uint64) []byte { return binary.AppendUvarint(b, flushes) }

func flushCounterKey() []byte { return []byte{keySchedule, 'n'} }

func listedByKey() []byte { return []byte{keySchedule, 'p'} }

// loadSchedule makes Due begin at the earliest day on the disk.
func (p *Partition) loadSchedule() error {
	s := &p.schedule
	*s = schedule{today: -1, unwritten: map[int64][]listing{}, handed: map[string]handout{}}
	v, err := p.read(listedByKey())
	if err != nil {
		return err
	}
	copy(s.listedBy[:], v)
	if v, err = p.read(flushCounterKey()); err != nil || v == nil {
		return err
	}
	d := decoder{b: v}
	s.flushes = d.uint()
	p.flushed = s.flushes
	return d.done("flush counter")
}

// begun returns when the day began that is being worked off. All that is due by then is named by the next look.
func (s *schedule) begun() events.Instant { return events.Instant(max(s.today, 0) * dayMillis) }

// add lists a customer. The caller holds Partition.mu.
func (s *schedule) add(due events.Instant, customer string) {
	day := dayOf(due)
	l := listing{due, customer}
	s.unwritten[day] = append(s.unwritten[day], l)
	if day <= s.today {
		s.push(l)
	} else {
		s.ahead = min(s.ahead, day)
	}
}

func (s *schedule) push(l listing) { heap.Push(&s.waiting, l) }

// giveBack undoes what Due handed out since the last commit.
func (s *schedule) giveBack() {
	for _, l := range s.pending {
		s.push(l)
	}
	s.settled()
}

// settled forgets what was handed out.
func (s *schedule) settled() {
	clear(s.pending)
	s.pending = s.pending[:0]
	clear(s.handed)
}

// Due returns up to limit customers who may have something due at or before until; more says that there may be others.
// It never misses one that has, and may name one that has nothing. Every customer returned must be worked off in the
// batch that is open or opened next: its commit strikes them off (listing them anew by their accounts), Discard makes Due
// return them again. A call takes some milliseconds however much is due, and next to nothing when nothing is.
func (p *Partition) Due(until events.Instant, limit int) (customers []string, more bool, err error) {
	if err := p.Err(); err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.schedule
	for budget := dueReadMax; ; {
		for len(s.waiting) > 0 && s.waiting[0].due <= until {
			if len(customers) >= limit {
				return customers, true, nil
			}
			l := heap.Pop(&s.waiting).(listing)
			s.pending = append(s.pending, l)
			if _, twice := s.handed[l.customer]; !twice {
				customers = append(customers, l.customer)
			}
			s.handed[l.customer] = handout{until, dayOf(l.due)}
		}
		if s.cursor == nil && s.ahead > dayOf(until) {
			return customers, false, nil
		}
		if budget <= 0 {
			return customers, true, nil
		}
		n, err := p.readSchedule(dayOf(until), budget)
		if err != nil {
			return customers, true, err
		}
		budget -= n
	}
}

// readSchedule reads on in today, or makes the next day up to last today. It returns how much of the budget it used, at
// least 1. The caller holds mu.
func (p *Partition) readSchedule(last int64, budget int) (used int, err error) {
	if err := p.enter(); err != nil {
		return 0, err
	}
	defer p.leave()
	s := &p.schedule
	from := s.cursor
	if from == nil {
		from = appendDay(nil, s.today+1)
	}
	iter, err := p.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{keySchedule, 'd' + 1}})
	if err != nil {
		return 0, p.readError(err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	valid := iter.First()
	if s.cursor == nil {
		s.ahead = s.memoryAhead()
		if valid {
			if day, ok := scheduleDay(iter.Key()); ok {
				s.ahead = min(s.ahead, day)
			}
		}
		if s.ahead <= last {
			s.begin(s.ahead)
		}
		return 1, p.iterError(iter)
	}
	for ; valid && used < budget; valid = iter.Next() {
		if day, ok := scheduleDay(iter.Key()); !ok || day > s.today {
			break
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return used, p.readError(err)
		}
		if string(iter.Key()) != string(s.cursor) {
			s.cursor, s.offset = append(s.cursor[:0], iter.Key()...), 0
		}
		n, err := s.take(value, budget-used)
		if err != nil {
			return used, p.checked(err)
		}
		used += n
		if s.offset < len(value) {
			return used + 1, nil
		}
		// The next key in order is this one with a zero byte.
		s.cursor, s.offset = append(s.cursor, 0), 0
	}
	if err := p.iterError(iter); err != nil {
		return used, err
	}
	if used < budget {
		s.cursor, s.ahead = nil, s.today+1
	}
	return used + 1, nil
}

// begin makes day today: what memory lists for it waits, what the disk does is read next.
func (s *schedule) begin(day int64) {
	s.today, s.ahead = day, day+1
	s.cursor, s.offset = appendDay(nil, day), 0
	for _, lists := range []map[int64][]listing{s.unwritten, s.writing} {
		for _, l := range lists[day] {
			s.push(l)
		}
	}
}

// memoryAhead returns the earliest day after today that is listed in memory.
func (s *schedule) memoryAhead() int64 {
	ahead := int64(math.MaxInt64)
	for _, lists := range []map[int64][]listing{s.unwritten, s.writing} {
		for day := range lists {
			if day > s.today {
				ahead = min(ahead, day)
			}
		}
	}
	return ahead
}

func (p *Partition) iterError(iter *pebble.Iterator) error {
	if err := iter.Error(); err != nil {
		return p.readError(err)
	}
	return nil
}

// take moves listings of the value at the cursor into memory.
func (s *schedule) take(value []byte, budget int) (n int, err error) {
	day, _ := scheduleDay(s.cursor)
	d := decoder{b: value[s.offset:]}
	for ; n < budget && len(d.b) > 0; n++ {
		due := events.Instant(day*dayMillis) + events.Instant(d.uint())
		customer := d.text()
		if d.bad {
			return n, d.done("schedule")
		}
		s.push(listing{due, customer})
	}
	s.offset = len(value) - len(d.b)
	return n, nil
}

func appendListings(b []byte, day int64, list []listing) []byte {
	for _, l := range list {
		b = binary.AppendUvarint(b, uint64(l.due-events.Instant(day*dayMillis)))
		b = appendText(b, l.customer)
	}
	return b
}

// doneBefore returns the first day that may still have listings to work off. The caller holds Partition.mu.
func (s *schedule) doneBefore() int64 {
	day := max(s.today, 0)
	if len(s.waiting) > 0 {
		day = min(day, dayOf(s.waiting[0].due))
	}
	for _, l := range s.pending {
		day = min(day, dayOf(l.due))
	}
	return day
}

// listings is a heap by due instant.
type listings []listing

func (l listings) Len() int           { return len(l) }
func (l listings) Less(i, j int) bool { return l[i].due < l[j].due }
func (l listings) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *listings) Push(x any)        { *l = append(*l, x.(listing)) }
func (l *listings) Pop() any {
	old := *l
	last := old[len(old)-1]
	old[len(old)-1] = listing{}
	*l = old[:len(old)-1]
	return last
}

func sortedDays(lists map[int64][]listing) []int64 { return slices.Sorted(maps.Keys(lists)) }
