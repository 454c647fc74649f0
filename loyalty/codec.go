package loyalty

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// codecVersion is the first byte of every encoded value. An unknown one is refused, never guessed at.
const codecVersion = 1

// ErrEncoding is returned for bytes that are no encoding of this version.
var ErrEncoding = errors.New("loyalty: not an encoding of this version of accrue; rebuild the store from the ledger")

// What the encodings take, roughly; room for them is made at once.
const (
	accountBytes    = 128
	lotBytes        = 48
	qualifyingBytes = 16
)

// AppendAccount appends a's encoding without the customer: equal accounts have equal bytes.
func AppendAccount(b []byte, a *Account) []byte {
	b = slices.Grow(b, accountBytes+len(a.Lots)*lotBytes+len(a.Qualifying)*qualifyingBytes)
	b = append(b, codecVersion)
	b = appendInt(b, int64(a.Clock))
	b = appendInt(b, int64(a.LatestOrder))
	b = appendText(b, a.Tier)
	b = appendInt(b, int64(a.Grace))
	b = appendInt(b, int64(a.TierSince))
	b = appendInt(b, a.LotLast)
	b = appendCount(b, len(a.Lots))
	for i := range a.Lots {
		l := &a.Lots[i]
		b = appendInt(b, l.ID)
		b = appendText(b, l.Order)
		b = appendInt(b, int64(l.Pending))
		b = appendInt(b, int64(l.Active))
		b = appendInt(b, int64(l.Reserved))
		b = appendInt(b, int64(l.Redeemed))
		b = appendInt(b, int64(l.Expired))
		b = appendInt(b, int64(l.EarnedAt))
		b = appendInt(b, int64(l.ActiveAt))
		b = appendInt(b, int64(l.ExpiresAt))
	}
	b = appendInt(b, int64(a.Deficit))
	t := &a.Totals
	for _, n := range [...]events.Points{t.Issued, t.Redeemed, t.Expired, t.Revoked, t.Reinstated, t.Adjusted,
		t.TransferredIn, t.TransferredOut, t.Forfeited} {
		b = appendInt(b, int64(n))
	}
	b = appendCount(b, len(a.Qualifying))
	var before events.Instant
	for i := range a.Qualifying {
		q := &a.Qualifying[i]
		b = appendInt(b, int64(q.At-before))
		before = q.At
		b = appendExact(b, q.Spend)
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
	d := decoder{b: b}
	d.version()
	a := &Account{
		Clock: events.Instant(d.int()), LatestOrder: events.Instant(d.int()),
		Tier: d.text(), Grace: events.Instant(d.int()), TierSince: events.Instant(d.int()), LotLast: d.int(),
	}
	if n := d.count(); n > 0 {
		a.Lots = make([]Lot, n)
	}
	a.tally = tally{drop: never}
	// The lots' orders are pieces of one string, which spares an allocation for each.
	var orders strings.Builder
	for i := range a.Lots {
		l := &a.Lots[i]
		l.ID = d.int()
		order := d.bytes()
		if i == 0 {
			orders.Grow(min(len(a.Lots)*(len(order)+1), len(d.b)+len(order)))
		}
		orders.Write(order)
		l.Order = orders.String()[orders.Len()-len(order):]
		l.Pending, l.Active, l.Reserved = events.Points(d.int()), events.Points(d.int()), events.Points(d.int())
		l.Redeemed, l.Expired = events.Points(d.int()), events.Points(d.int())
		l.EarnedAt, l.ActiveAt, l.ExpiresAt = events.Instant(d.int()), events.Instant(d.int()), events.Instant(d.int())
		a.tally.add(l)
	}
	a.Deficit = events.Points(d.int())
	t := &a.Totals
	for _, n := range [...]*events.Points{&t.Issued, &t.Redeemed, &t.Expired, &t.Revoked, &t.Reinstated, &t.Adjusted,
		&t.TransferredIn, &t.TransferredOut, &t.Forfeited} {
		*n = events.Points(d.int())
	}
	if n := d.count(); n > 0 {
		a.Qualifying = make([]Qualifying, n)
	}
	var before events.Instant
	for i := range a.Qualifying {
		before += events.Instant(d.int())
		a.Qualifying[i] = Qualifying{At: before, Spend: d.exact(), Points: events.Points(d.int())}
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
			return nil, err
		}
		a.Reservations = append(a.Reservations, r)
	}
	for range d.count() {
		e, err := events.DecodeStoredJSON(d.bytes())
		if err != nil {
			return nil, fmt.Errorf("reading a waiting event: %w", err)
		}
		a.Waiting = append(a.Waiting, e)
	}
	a.Profile = Profile{
		Registered: events.Instant(d.int()), ReferredBy: d.text(), Marketing: d.bool(), Tracking: d.bool(),
	}
	a.MergedInto, a.Erased = d.text(), d.bool()
	return a, d.done()
}

// AppendOrder appends o's encoding.
func AppendOrder(b []byte, o *Order) []byte {
	b = append(b, codecVersion)
	b = appendText(b, o.ID)
	b = append(b, bit(o.Placed)|bit(o.Ended)<<1|bit(o.Cancelled)<<2|bit(o.Whole)<<3|bit(o.Referrer != "")<<4)
	b = appendInt(b, int64(o.Version))
	b = appendInt(b, int64(o.At))
	b = appendInt(b, int64(o.Fulfilled))
	b = appendInt(b, int64(o.Deducted))
	b = appendText(b, o.Rate)
	b = appendInt(b, int64(o.Absorbed))
	b = appendCount(b, len(o.Lines))
	for i := range o.Lines {
		l := &o.Lines[i]
		b = appendText(b, l.Line)
		b = appendInt(b, int64(l.Amount))
		b = appendInt(b, int64(l.Discount))
		b = appendInt(b, int64(l.Returned))
	}
	b = appendCount(b, len(o.Grants))
	for i := range o.Grants {
		g := &o.Grants[i]
		b = appendText(b, g.Rule)
		b = appendInt(b, int64(g.Granted))
		b = appendInt(b, int64(g.Taken))
		b = appendInt(b, g.Lot)
		b = append(b, bit(g.Fixed)|bit(g.At != 0)<<1)
		if g.At != 0 {
			b = appendInt(b, int64(g.At))
		}
		b = appendBool(b, g.Lines != nil)
		if g.Lines != nil {
			b = appendCount(b, len(g.Lines))
			for _, n := range g.Lines {
				b = appendInt(b, int64(n))
			}
		}
	}
	b = appendTexts(b, o.Redemptions)
	if o.Referrer != "" {
		b = appendText(appendText(b, o.Referee), o.Referrer)
	}
	return b
}

// OrderID returns the id in what AppendOrder wrote, as a part of it; nil: it is damaged.
func OrderID(b []byte) []byte {
	d := decoder{b: b}
	d.version()
	return d.bytes()
}

// DecodeOrder is the inverse of AppendOrder. It keeps no part of b.
func DecodeOrder(b []byte) (*Order, error) {
	d := decoder{b: b}
	d.version()
	o := &Order{ID: d.text()}
	flags := d.byte()
	var referred bool
	for i, set := range [...]*bool{&o.Placed, &o.Ended, &o.Cancelled, &o.Whole, &referred} {
		*set = flags&(1<<i) != 0
	}
	o.Version = int32(d.int())
	o.At, o.Fulfilled = events.Instant(d.int()), events.Instant(d.int())
	o.Deducted, o.Rate, o.Absorbed = events.Money(d.int()), d.text(), events.Points(d.int())
	if n := d.count(); n > 0 {
		o.Lines = make([]OrderLine, n)
	}
	for i := range o.Lines {
		o.Lines[i] = OrderLine{Line: d.text(), Amount: events.Money(d.int()), Discount: events.Money(d.int()),
			Returned: events.Money(d.int())}
	}
	if n := d.count(); n > 0 {
		o.Grants = make([]Grant, n)
	}
	for i := range o.Grants {
		g := &o.Grants[i]
		*g = Grant{Rule: d.text(), Granted: events.Points(d.int()), Taken: events.Points(d.int()), Lot: d.int()}
		flags := d.byte()
		g.Fixed = flags&1 != 0
		if flags&2 != 0 {
			g.At = events.Instant(d.int())
		}
		if d.bool() {
			g.Lines = make([]int32, d.count())
			for i := range g.Lines {
				g.Lines[i] = int32(d.int())
			}
		}
	}
	o.Redemptions = d.texts()
	if referred {
		o.Referee, o.Referrer = d.text(), d.text()
	}
	return o, d.done()
}

// AppendRedemption appends r's encoding.
func AppendRedemption(b []byte, r *Redemption) []byte {
	b = append(b, codecVersion)
	b = appendText(b, r.ID)
	b = appendText(b, string(r.State))
	b = appendTexts(b, r.Orders)
	b = appendInt(b, int64(r.LapsesAt))
	b = appendCount(b, len(r.Parts))
	for i := range r.Parts {
		p := &r.Parts[i]
		b = appendInt(b, p.Lot)
		b = appendInt(b, int64(p.Points))
		b = appendInt(b, int64(p.Given))
		b = appendText(b, p.Order)
		b = appendInt(b, int64(p.EarnedAt))
		b = appendInt(b, int64(p.ActiveAt))
		b = appendInt(b, int64(p.ExpiresAt))
	}
	return b
}

// DecodeRedemption is the inverse of AppendRedemption. It keeps no part of b.
func DecodeRedemption(b []byte) (*Redemption, error) {
	d := decoder{b: b}
	d.version()
	r := &Redemption{ID: d.text(), State: events.RedemptionState(d.text()), Orders: d.texts(), LapsesAt: events.Instant(d.int())}
	if n := d.count(); n > 0 {
		r.Parts = make([]RedemptionPart, n)
	}
	for i := range r.Parts {
		r.Parts[i] = RedemptionPart{Lot: d.int(), Points: events.Points(d.int()), Given: events.Points(d.int()),
			Order: d.text(), EarnedAt: events.Instant(d.int()), ActiveAt: events.Instant(d.int()), ExpiresAt: events.Instant(d.int())}
	}
	return r, d.done()
}

func compareReferences(a, b events.Reference) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}
