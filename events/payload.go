package events

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
)

// PayloadOf identifies what e says: two events have the same payload exactly when their type and all their fields,
// as decoded, are equal (absent equals default). Safe for concurrent use.
func PayloadOf(e Event) Fingerprint {
	buf := canonicalPool.Get().(*[]byte)
	b := appendCanonical((*buf)[:0], e)
	sum := sha256.Sum256(b)
	*buf = b
	canonicalPool.Put(buf)
	return Fingerprint(sum[:16])
}

// canonicalPool recycles the buffers of PayloadOf, which runs once for every event.
var canonicalPool = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// appendCanonical writes the type, then every field in order, strings with their length before them. Orders, which
// are most of the traffic, are written field by field; the JSON form, whose field order is fixed, does for the rest.
func appendCanonical(b []byte, e Event) []byte {
	b = appendText(b, string(e.EventType()))
	o, ok := e.(*OrderPlaced)
	if !ok {
		j, err := json.Marshal(e)
		if err != nil {
			panic(fmt.Sprintf("events: %s has no JSON form: %v", e.EventType(), err))
		}
		return append(b, j...)
	}
	b = appendText(b, o.ID)
	b = appendText(b, o.Customer)
	b = appendInts(b, int64(o.At))
	for _, s := range [...]string{o.Order, o.Currency, o.Channel, o.Store} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(o.Lines)))
	for i := range o.Lines {
		l := &o.Lines[i]
		b = appendText(b, l.Line)
		b = appendText(b, l.SKU)
		b = appendText(b, l.Category)
		b = appendInts(b, l.Quantity, int64(l.Amount), int64(l.Discount))
	}
	b = appendInts(b, int64(o.OrderDiscount), int64(o.Tax), int64(o.Shipping), int64(o.PaidPoints))
	for _, s := range [...]string{o.Redemption, o.EmailHash, o.IPHash, o.AddressHash} {
		b = appendText(b, s)
	}
	return b
}

// appendText is no part of those that call it, nor is appendInts: an order goes through more instructions than the
// processor's cache for them has room for.
//
//go:noinline
func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

//go:noinline
func appendInts(b []byte, list ...int64) []byte {
	for _, n := range list {
		b = binary.AppendVarint(b, n)
	}
	return b
}
