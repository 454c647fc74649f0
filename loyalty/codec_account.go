package loyalty

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// What the encodings take, roughly; room for them is made at once.
const (
	accountBytes    = 128
	lotBytes        = 40
	qualifyingBytes = 16
)

// AppendAccount appends a's encoding without the customer: equal accounts have equal bytes.
func AppendAccount(b []byte, a *Account) []byte {
	b = slices.Grow(b, accountBytes+len(a.Lots)*lotBytes+len(a.Qualifying)*qualifyingBytes)
	b = append(b, accountVersion)
	b = appendInt(b, int64(a.Clock))
	b = appendInt(b, int64(a.LatestOrder))
	b = appendText(b, a.Tier)
	b = appendInt(b, int64(a.Grace))
	b = appendInt(b, int64(a.TierSince))
	b = appendInt(b, a.LotLast)
	b = appendCount(b, len(a.Lots))
	before := &Lot{}
	for i := range a.Lots {
		b = appendLot(b, &a.Lots[i], before, a.orderBytes(&a.Lots[i]))
		before = &a.Lots[i]
	}
	b = appendInt(b, int64(a.Deficit))
	t := &a.Totals
	for _, n := range [...]events.Points{t.Issued, t.Redeemed, t.Expired, t.Revoked, t.Reinstated, t.Adjusted,
		t.TransferredIn, t.TransferredOut, t.Forfeited} {
		b = appendInt(b, int64(n))
	}
	b = appendCount(b, len(a.Qualifying))
	same := instants{lots: a.Lots}
	for i := range a.Qualifying {
		q := &a.Qualifying[i]
		b = same.append(b, q.At)
		b = appendExact(b, a.Spend(q))
		b = appendInt(b, int64(q.Points))
	}
	b = appendCount(b, len(a.Counters))
	for i := range a.Counters {
		c := &a.Counters[i]
		b = appendText(b, c.Rule)
		b = append(b, byte(c.Every))
		b = appendInt(b, int64(c.From))
		b = appendInt(b, c.N)
	}
	b = appendCount(b, len(a.Reservations))
	for _, r := range a.Reservations {
		at := len(b)
		b = AppendRedemption(b, r)
		var length [binary.MaxVarintLen64]byte
		b = slices.Insert(b, at, length[:binary.PutUvarint(length[:], uint64(len(b)-at))]...)
	}
	b = appendCount(b, len(a.Waiting))
	for _, e := range a.Waiting {
		j, err := events.EncodeJSON(e)
		if err != nil {
			panic("loyalty: " + err.Error())
		}
		b = appendBytes(b, j)
	}
	b = appendInt(b, int64(a.Profile.Registered))
	b = appendText(b, a.Profile.ReferredBy)
	b = appendBool(b, a.Profile.Marketing)
	b = appendBool(b, a.Profile.Tracking)
	b = appendText(b, a.MergedInto)
	return appendBool(b, a.Erased)
}

// DecodeAccount is the inverse of AppendAccount; the caller sets the customer. It keeps no part of b.
func DecodeAccount(b []byte) (*Account, error) {
	a := new(Account)
	if err := DecodeAccountInto(a, b); err != nil {
		return nil, err
	}
	return a, nil
}

// DecodeAccountInto is DecodeAccount into a new account, or one that was [Account.Reset]. After an error the account is
// worth nothing.
func DecodeAccountInto(a *Account, b []byte) error {
	d := decoder{b: b}
	version := d.version(accountVersion)
	*a = Account{
		Lots: a.Lots, orders: a.orders, Qualifying: a.Qualifying,
		Clock: events.Instant(d.int()), LatestOrder: events.Instant(d.int()),
		Tier: d.text(), Grace: events.Instant(d.int()), TierSince: events.Instant(d.int()), LotLast: d.int(),
	}
	if n := d.count(); n > 0 {
		a.Lots = sized(a.Lots, n)
	}
	a.tally = tally{drop: never}
	before := &Lot{}
	for i := range a.Lots {
		l := &a.Lots[i]
		var order []byte
		if version == accountVersion1 {
			order = d.lot1(l)
		} else {
			order = d.lot(l, before)
		}
		if i == 0 {
			a.orders = slices.Grow(a.orders, min(len(a.Lots)*(len(order)+1), len(d.b)+len(order)))
		}
		l.order = piece{uint32(len(a.orders)), uint32(len(order))}
		a.orders = append(a.orders, order...)
		before = l
		a.tally.add(l)
	}
	a.Deficit = events.Points(d.int())
	t := &a.Totals
	for _, n := range [...]*events.Points{&t.Issued, &t.Redeemed, &t.Expired, &t.Revoked, &t.Reinstated, &t.Adjusted,
		&t.TransferredIn, &t.TransferredOut, &t.Forfeited} {
		*n = events.Points(d.int())
	}
	if n := d.count(); n > 0 {
		a.Qualifying = sized(a.Qualifying, n)
	}
	same := instants{lots: a.Lots}
	a.spendBits = 1
	for i := range a.Qualifying {
		var at events.Instant
		if version == accountVersion1 {
			same.before += events.Instant(d.int())
			at = same.before
		} else {
			at = same.take(&d)
		}
		a.Qualifying[i] = Qualifying{At: at, spend: a.spendOf(d.exact()), Points: events.Points(d.int())}
	}
	if n := d.count(); n > 0 {
		a.Counters = make([]Counter, n)
	}
	for i := range a.Counters {
		a.Counters[i] = Counter{Rule: d.text(), Every: Period(d.byte()), From: events.Instant(d.int()), N: d.int()}
	}
	for range d.count() {
		r, err := DecodeRedemption(d.bytes())
		if err != nil {
			return err
		}
		a.Reservations = append(a.Reservations, r)
	}
	for range d.count() {
		e, err := events.DecodeStoredJSON(d.bytes())
		if err != nil {
			return fmt.Errorf("reading a waiting event: %w", err)
		}
		a.Waiting = append(a.Waiting, e)
	}
	a.Profile = Profile{
		Registered: events.Instant(d.int()), ReferredBy: d.text(), Marketing: d.bool(), Tracking: d.bool(),
	}
	a.MergedInto, a.Erased = d.text(), d.bool()
	return d.done()
}

// What stands in a lot's first byte. Most lots follow the one before by one, hold active points of an order, were active
// at once and had nothing done to them.
const (
	lotNext    = 1 << iota // the id is the one behind the last
	lotOrder               // an order follows
	lotPending             // pending points follow
	lotActive              // active points follow
	lotMoved               // reserved, redeemed and expired points follow
	lotAtOnce              // it was active when it was earned; otherwise when follows
	lotExpires             // it expires as the last does; otherwise when follows
)

// appendLot appends a lot by its differences from the one before.
func appendLot(b []byte, l, before *Lot, order []byte) []byte {
	b = append(b, bit(l.ID == before.ID+1)*lotNext|bit(len(order) > 0)*lotOrder|bit(l.Pending != 0)*lotPending|
		bit(l.Active != 0)*lotActive|bit(l.Reserved|l.Redeemed|l.Expired != 0)*lotMoved|
		bit(l.ActiveAt == l.EarnedAt)*lotAtOnce|bit(l.ExpiresAt == before.ExpiresAt)*lotExpires)
	if l.ID != before.ID+1 {
		b = appendInt(b, l.ID)
	}
	if len(order) > 0 {
		b = appendBytes(b, order)
	}
	if l.Pending != 0 {
		b = appendInt(b, int64(l.Pending))
	}
	if l.Active != 0 {
		b = appendInt(b, int64(l.Active))
	}
	if l.Reserved|l.Redeemed|l.Expired != 0 {
		b = appendInt(appendInt(appendInt(b, int64(l.Reserved)), int64(l.Redeemed)), int64(l.Expired))
	}
	b = appendInt(b, int64(l.EarnedAt-before.EarnedAt))
	if l.ActiveAt != l.EarnedAt {
		b = appendInt(b, int64(l.ActiveAt))
	}
	if l.ExpiresAt != before.ExpiresAt {
		b = appendInt(b, int64(l.ExpiresAt-before.ExpiresAt))
	}
	return b
}

// lot is the inverse of appendLot, but for the order, whose bytes it returns.
func (d *decoder) lot(l, before *Lot) (order []byte) {
	has := d.byte()
	if l.ID = before.ID + 1; has&lotNext == 0 {
		l.ID = d.int()
	}
	if has&lotOrder != 0 {
		order = d.bytes()
	}
	if has&lotPending != 0 {
		l.Pending = events.Points(d.int())
	}
	if has&lotActive != 0 {
		l.Active = events.Points(d.int())
	}
	if has&lotMoved != 0 {
		l.Reserved, l.Redeemed, l.Expired = events.Points(d.int()), events.Points(d.int()), events.Points(d.int())
	}
	l.EarnedAt = before.EarnedAt + events.Instant(d.int())
	if l.ActiveAt = l.EarnedAt; has&lotAtOnce == 0 {
		l.ActiveAt = events.Instant(d.int())
	}
	if l.ExpiresAt = before.ExpiresAt; has&lotExpires == 0 {
		l.ExpiresAt += events.Instant(d.int())
	}
	return order
}

// lot1 is lot for accountVersion1.
func (d *decoder) lot1(l *Lot) (order []byte) {
	l.ID = d.int()
	order = d.bytes()
	l.Pending, l.Active, l.Reserved = events.Points(d.int()), events.Points(d.int()), events.Points(d.int())
	l.Redeemed, l.Expired = events.Points(d.int()), events.Points(d.int())
	l.EarnedAt, l.ActiveAt, l.ExpiresAt = events.Instant(d.int()), events.Instant(d.int()), events.Instant(d.int())
	return order
}

// instants writes and reads the times of what qualifies, which mostly are those at which the lots were earned: 1 is the
// next lot's, otherwise 0 and the difference from the last time follow.
type instants struct {
	lots   []Lot
	before events.Instant
}

// next returns the time of the next lot that was earned after the last time; ok is false when there is none.
func (s *instants) next() (at events.Instant, ok bool) {
	for len(s.lots) > 0 && s.lots[0].EarnedAt <= s.before {
		s.lots = s.lots[1:]
	}
	if len(s.lots) == 0 {
		return 0, false
	}
	return s.lots[0].EarnedAt, true
}

func (s *instants) append(b []byte, at events.Instant) []byte {
	if next, ok := s.next(); ok && next == at {
		b = append(b, 1)
	} else {
		b = appendInt(append(b, 0), int64(at-s.before))
	}
	s.before = at
	return b
}

func (s *instants) take(d *decoder) events.Instant {
	if d.byte() == 1 {
		next, ok := s.next()
		if !ok {
			d.fail()
		}
		s.before = next
	} else {
		s.before += events.Instant(d.int())
	}
	return s.before
}
