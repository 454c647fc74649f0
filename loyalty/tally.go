package loyalty

import (
	"fmt"
	"math"

	"github.com/accrue-loyalty/accrue/events"
)

// tally is what is known of an account's lots without looking at them: most decisions touch one lot of many. It follows
// from the lots and is never stored. A lot is taken out of it before it is changed ([Account.changeLot]) and added
// again afterwards. While one is missing the numbers of lots differ, and then all lots are counted again.
type tally struct {
	// lots is how many of them the tally counts.
	lots int32
	// below is set when a lot was left with less than zero of something.
	below                     bool
	pending, active, reserved events.Points
	// due is the first instant at which a lot becomes active or expires; 0: none, unknown: look.
	due events.Instant
	// drop is when, at the earliest, an empty lot can be dropped.
	drop events.Instant
}

const (
	unknown events.Instant = -1
	never   events.Instant = math.MaxInt64
)

// counts reports whether the tally knows all of a's lots.
func (t *tally) counts(a *Account) bool { return int(t.lots) == len(a.Lots) }

func (t *tally) add(l *Lot) {
	t.lots++
	t.pending += l.Pending
	t.active += l.Active
	t.reserved += l.Reserved
	t.below = t.below || l.below()
	if t.due != unknown {
		t.due = earliest(t.due, l.due())
	}
	t.drop = min(t.drop, l.gone())
}

func (t *tally) remove(l *Lot) {
	t.lots--
	t.pending -= l.Pending
	t.active -= l.Active
	t.reserved -= l.Reserved
	if t.due != 0 && t.due == l.due() {
		t.due = unknown
	}
}

// earliest returns the first of two instants, either of which may be 0 for none.
func earliest(t, u events.Instant) events.Instant {
	if t == 0 || u != 0 && u < t {
		return u
	}
	return t
}

// below reports whether the lot has less than zero of something.
func (l *Lot) below() bool { return min(l.Pending, l.Active, l.Reserved, l.Redeemed, l.Expired) < 0 }

// due returns the first instant at which a tick does something to the lot; 0: none.
func (l *Lot) due() (t events.Instant) {
	if l.Pending > 0 {
		t = l.ActiveAt
	}
	if l.Active > 0 {
		t = earliest(t, l.ExpiresAt)
	}
	return t
}

// gone returns the clock at which the lot can be dropped: it is empty, and nothing can come back to it.
func (l *Lot) gone() events.Instant {
	switch {
	case l.Pending != 0 || l.Active != 0 || l.Reserved != 0:
		return never
	case l.Redeemed == 0 || l.ExpiresAt == 0:
		return math.MinInt64
	default:
		return l.ExpiresAt
	}
}

// lotsDue returns the first instant at which a lot becomes active or expires; 0: none.
func (a *Account) lotsDue() (due events.Instant) {
	if a.tally.counts(a) && a.tally.due != unknown {
		return a.tally.due
	}
	for i := range a.Lots {
		due = earliest(due, a.Lots[i].due())
	}
	return due
}

// CheckDecided is [Account.Check] for the goroutine that has just called Decide or Evolve. It looks at no lot: each was
// checked when it was changed, and those that were left alone are taken as counted before.
func (a *Account) CheckDecided() error {
	t := &a.tally
	b := events.Balance{Pending: t.pending, Active: t.active, Reserved: t.reserved, Deficit: a.Deficit}
	if t.counts(a) && !t.below && a.accountsFor(b) == nil {
		return nil
	}
	if err := a.Check(); err != nil {
		return err
	}
	return fmt.Errorf("%+v was counted, the lots hold %+v", b, a.Balance())
}
