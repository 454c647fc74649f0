package loyalty

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/accrue-loyalty/accrue/events"
)

// codecVersion is the first byte of encoded orders and redemptions, accountVersion that of accounts. An unknown one is
// refused, never guessed at. Accounts of version 1 are still read: topics have them in merges.
const (
	codecVersion    = 1
	accountVersion1 = 1
	accountVersion  = 2
)

// ErrEncoding is returned for bytes that are no encoding of this version.
var ErrEncoding = errors.New("loyalty: not an encoding of this version of accrue; rebuild the store from the ledger")

// ErrNewer is the [ErrEncoding] of what a later version wrote, as a merge may bring it.
var ErrNewer = fmt.Errorf("%w: a newer one wrote it", ErrEncoding)

// AppendOrder appends o's encoding.
func AppendOrder(b []byte, o *Order) []byte {
	b = append(b, codecVersion)
	b = appendText(b, o.ID)
	b = append(b, bit(o.Placed)|bit(o.Ended)<<1|bit(o.Cancelled)<<2|bit(o.Whole)<<3|bit(o.Referrer != "")<<4|bit(o.PlacedAs != "")<<5)
	b = appendInts(b, int64(o.Version), int64(o.At), int64(o.Fulfilled), int64(o.Deducted))
	b = appendText(b, o.Rate)
	b = appendInt(b, int64(o.Absorbed))
	b = appendCount(b, len(o.Lines))
	for i := range o.Lines {
		l := &o.Lines[i]
		b = appendText(b, l.Line)
		b = appendInts(b, int64(l.Amount), int64(l.Discount), int64(l.Returned))
	}
	b = appendCount(b, len(o.Grants))
	for i := range o.Grants {
		g := &o.Grants[i]
		b = appendText(b, g.Rule)
		b = appendInts(b, int64(g.Granted), int64(g.Taken), g.Lot)
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
	if o.PlacedAs != "" {
		b = appendText(b, o.PlacedAs)
	}
	return b
}

// OrderID returns the id in what AppendOrder wrote, as a part of it; nil: it is damaged.
func OrderID(b []byte) []byte {
	d := decoder{b: b}
	d.version(codecVersion)
	return d.bytes()
}

// DecodeOrder is the inverse of AppendOrder. It keeps no part of b.
func DecodeOrder(b []byte) (*Order, error) {
	d := decoder{b: b}
	d.version(codecVersion)
	o := &Order{ID: d.text()}
	flags := d.byte()
	var referred, renamed bool
	for i, set := range [...]*bool{&o.Placed, &o.Ended, &o.Cancelled, &o.Whole, &referred, &renamed} {
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
	if renamed {
		o.PlacedAs = d.text()
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
	d.version(codecVersion)
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
