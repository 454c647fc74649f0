package loyalty

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Summary is the balance line of one account.
type Summary struct {
	Customer string        `json:"customer"`
	Active   events.Points `json:"active"`
	Pending  events.Points `json:"pending"`
	Reserved events.Points `json:"reserved"`
	Deficit  events.Points `json:"deficit"`
	Tier     string        `json:"tier"`
	// QualifyingMinor is the spend that counts for tiers, in minor units, floored; 0 without tiers.
	QualifyingMinor int64 `json:"qualifying_minor"`
	// QualifyingPoints is set when tiers count points.
	QualifyingPoints *events.Points `json:"qualifying_points,omitempty"`
	Totals           Totals         `json:"totals"`
	// Expiring is ascending, one entry for each instant after the partition clock.
	Expiring []Expiring `json:"expiring"`
}

// Expiring is what of the active points goes at one instant.
type Expiring struct {
	At     events.Instant `json:"at"`
	Points events.Points  `json:"points"`
}

// Summarize returns a's balance as of the partition clock (not before the latest order's time).
func Summarize(p *Program, a *Account, clock events.Instant) Summary {
	return SummarizeIn([]Expiring{}, p, a, clock)
}

// SummarizeIn is [Summarize] with Expiring in the memory of room.
func SummarizeIn(room []Expiring, p *Program, a *Account, clock events.Instant) Summary {
	b := a.Balance()
	s := Summary{
		Customer: a.Customer, Active: b.Active, Pending: b.Pending, Reserved: b.Reserved, Deficit: b.Deficit,
		Tier: p.tierName(a.Tier), Totals: a.Totals,
	}
	if p.Tiers != nil {
		spend, points := a.qualifying(p.window(max(clock, a.LatestOrder)))
		s.QualifyingMinor, _ = spend.Floor()
		if p.Tiers.Metric == MetricPoints {
			s.QualifyingPoints = &points
		}
	}
	s.Expiring = a.expiring(room[:0], clock)
	return s
}

// expiring appends what goes after the clock to none.
func (a *Account) expiring(none []Expiring, clock events.Instant) []Expiring {
	all := none
	for i := range a.Lots {
		l := &a.Lots[i]
		if l.Active == 0 || l.ExpiresAt == 0 || l.ExpiresAt <= clock {
			continue
		}
		at, found := len(all), false
		if at > 0 && all[at-1].At >= l.ExpiresAt { // as nearly no lot goes before one that is older
			at, found = slices.BinarySearchFunc(all, l.ExpiresAt, func(x Expiring, t events.Instant) int { return cmp.Compare(x.At, t) })
		}
		if !found {
			all = slices.Insert(all, at, Expiring{At: l.ExpiresAt})
		}
		all[at].Points += l.Active
	}
	return all
}

// Check returns an error naming the first invariant that a breaks: the totals balance, and no bucket is below zero.
func (a *Account) Check() error {
	for i := range a.Lots {
		if l := &a.Lots[i]; l.below() {
			return fmt.Errorf("lot %d is below zero: %+v", l.ID, *l)
		}
	}
	return a.accountsFor(a.Balance())
}

// accountsFor returns an error unless the totals say that the account holds b.
func (a *Account) accountsFor(b events.Balance) error {
	t := &a.Totals
	in := t.Issued + t.Adjusted + t.TransferredIn + t.Reinstated
	out := b.Pending + b.Active + b.Reserved + t.Redeemed + t.Expired + t.Revoked + t.Forfeited + t.TransferredOut - a.Deficit
	// What goes beyond 64 bits comes out on the other side.
	wrapped := b.Pending|b.Active|b.Reserved|t.Issued|t.Redeemed|t.Expired|t.Revoked|t.Reinstated|t.TransferredIn|t.TransferredOut|t.Forfeited < 0
	if in != out || a.Deficit < 0 || wrapped {
		return fmt.Errorf("%d points came in, %d are accounted for (balance %+v, totals %+v)", in, out, b, *t)
	}
	return nil
}

// takes reports whether n more points fit into the account, and into the total of such as came in before, have. What
// came in, less what was adjusted down, bounds every bucket and what may leave them.
func (a *Account) takes(have, n events.Points) bool {
	t := &a.Totals
	const plenty = math.MaxInt64 / 8
	if max(n, t.Issued, t.Adjusted, t.TransferredIn, t.Reinstated) < plenty {
		return true
	}
	in := ExactInt(int64(n))
	for _, total := range [...]events.Points{t.Issued, t.Adjusted, t.TransferredIn, t.Reinstated} {
		in = in.Add(ExactInt(int64(total)))
	}
	return have <= math.MaxInt64-n && in.Cmp(ExactInt(math.MaxInt64)) <= 0
}

// visibleOrder returns the order's id for people and entries, "" for what belongs to a review or referral: the facts name
// that.
func visibleOrder(key string) string {
	if len(key) > 0 && key[0] == 0 {
		return ""
	}
	return key
}
