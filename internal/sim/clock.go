package sim

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// ErrUntilTooEarly says that a simulation was to end before its last event.
var ErrUntilTooEarly = errors.New("the end lies before the last event")

// Until ends the simulation at t: with daily ticks the midnights up to t, then t itself. t may not lie before the
// highest event time.
func (e *Engine) Until(t events.Instant) error {
	if t < e.latest {
		return fmt.Errorf("%w: it is %s, the last event %s", ErrUntilTooEarly, t, e.latest)
	}
	if e.cfg.DailyTicks {
		if err := e.passMidnights(t); err != nil {
			return err
		}
	}
	e.latest = t
	return e.ownTick(t)
}

// passMidnights ticks at each local midnight after the highest event time, up to and including at. Before the first
// event there is none.
func (e *Engine) passMidnights(at events.Instant) error {
	if e.latest == 0 {
		return nil
	}
	calendar := e.Program(e.latest).Calendar
	for m := calendar.Next(e.latest, loyalty.Day); m <= at; m = calendar.Next(m, loyalty.Day) {
		if err := e.ownTick(m); err != nil {
			return err
		}
	}
	return nil
}

// ownTick is a tick that is in no source.
func (e *Engine) ownTick(at events.Instant) error {
	cause := events.Cause{Topic: string(schemas.TopicClock), Offset: e.ticks, Event: "tick-" + at.String()}
	e.ticks++
	return e.tick(at, cause)
}

// tick moves the clock and does what has become due, account by account, in order of the customers' bytes. A tick
// before the clock does nothing; one at the clock's own time does what has become due meanwhile.
func (e *Engine) tick(at events.Instant, cause events.Cause) error {
	if at < e.clock {
		return nil
	}
	p := e.Program(at)
	if !e.ticked {
		e.ticked = true
		for _, a := range e.accounts {
			e.plan(a)
		}
	}
	e.clock = at
	for _, a := range e.schedule.take(at) {
		d, ok := loyalty.DecideTick(p, e.cfg.Programs, a.Account, a.records, at, cause)
		e.plan(a)
		if !ok {
			continue
		}
		if err := e.append(a, &d); err != nil {
			return err
		}
	}
	return nil
}

// plan puts a on the schedule for its next due time. Reviews up to the clock were done by the ticks.
func (e *Engine) plan(a *account) {
	if !e.ticked {
		return // the first tick plans everybody
	}
	due := loyalty.NextDue(e.cfg.Programs, a.Account, e.clock)
	if due != a.due {
		a.due = due
		if due != 0 {
			heap.Push(&e.schedule, appointment{due, a})
		}
	}
}

// schedule is a heap of appointments. An account that has moved its due time leaves the old appointment behind; it is
// dropped when its time comes.
type schedule []appointment

type appointment struct {
	due     events.Instant
	account *account
}

// take removes the accounts due at or before t and returns them sorted by customer.
func (s *schedule) take(t events.Instant) []*account {
	var due []*account
	for len(*s) > 0 && (*s)[0].due <= t {
		next := heap.Pop(s).(appointment)
		if next.account.due == next.due {
			next.account.due = 0
			due = append(due, next.account)
		}
	}
	slices.SortFunc(due, func(a, b *account) int { return cmp.Compare(a.Customer, b.Customer) })
	return due
}

// Len implements [heap.Interface].
func (s schedule) Len() int { return len(s) }

// Less implements [heap.Interface].
func (s schedule) Less(i, j int) bool { return s[i].due < s[j].due }

// Swap implements [heap.Interface].
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push implements [heap.Interface].
func (s *schedule) Push(x any) { *s = append(*s, x.(appointment)) }

// Pop implements [heap.Interface].
func (s *schedule) Pop() any {
	old := *s
	last := old[len(old)-1]
	*s = old[:len(old)-1]
	return last
}
