package state

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

const (
	// chunkEntries decisions make a chunk. More would make every account longer, fewer would make more keys.
	chunkEntries = 8
	// indexFrom is the number of the first chunk whose ids have keys of their own. Older chunks are scanned, which is
	// cheap up to here and saves nearly every customer those keys.
	indexFrom = 64
)

// errValue means that a value is not what this version writes.
var errValue = errors.New("damaged value")

// idHash is the first half of the SHA-256 of an event id, which counts as exact.
type idHash [16]byte

func hashID(id string) idHash {
	// The copy stays on the stack for ids of the usual length.
	var short [128]byte
	sum := sha256.Sum256(append(short[:0], id...))
	return idHash(sum[:16])
}

// entry is one decision of a customer in the statement.
type entry struct {
	id      idHash
	payload events.Fingerprint
	offset  int64
	// order is the tag of the order that the decision brought, whose record lies with the entry; 0: none.
	order uint32
	// seen is set when the decision used the event id up, and payload is given only then.
	seen bool
}

// snapshot is what is known of a customer at one moment. It is never written to once it was published.
type snapshot struct {
	account loyalty.Account
	// tail holds the latest decisions, oldest first; the others are in chunks. orders holds the records of the tail's
	// orders, each behind its length.
	tail   []entry
	orders []byte
	chunks uint32
	// last is the ledger offset of the last decision.
	last int64
}

// What a slot takes in memory beside its snapshot, roughly, and what an entry of a tail does.
const (
	slotBytes  = 320
	entryBytes = 48
)

// bytes returns what the snapshot and its slot take in memory, roughly.
func (s *snapshot) bytes() int64 {
	return int64(slotBytes + s.account.Bytes() + cap(s.tail)*entryBytes + cap(s.orders))
}

// appendSnapshot appends the value of an account's key.
func appendSnapshot(b []byte, s *snapshot) []byte {
	at := len(b)
	b = loyalty.AppendAccount(append(b, lengthRoom...), &s.account)
	b = putLength(b, at)
	b = binary.AppendUvarint(b, uint64(s.chunks))
	b = binary.AppendVarint(b, s.last)
	return appendEntries(b, s.tail, s.orders)
}

func decodeSnapshot(customer string, b []byte) (*snapshot, error) {
	s := &snapshot{}
	if err := s.decode(customer, b); err != nil {
		return nil, err
	}
	return s, nil
}

// decode reads a snapshot into an empty one.
func (s *snapshot) decode(customer string, b []byte) error {
	d := decoder{b: b}
	if err := loyalty.DecodeAccountInto(&s.account, d.take(d.count())); err != nil {
		return fmt.Errorf("%w: an account: %w", errValue, err)
	}
	s.account.Customer = customer
	s.chunks, s.last = uint32(d.uint()), d.int()
	s.tail, s.orders = d.entries(customer)
	if err := d.done("account"); err != nil {
		return fmt.Errorf("an account: %w", err)
	}
	return nil
}

// lengthRoom keeps the place of a length that is known only when what it is the length of stands behind it. Most lengths
// take two bytes.
var lengthRoom = []byte{0, 0}

// putLength writes the length of all that comes behind the room at at.
func putLength(b []byte, at int) []byte {
	size := uint64(len(b) - at - len(lengthRoom))
	if size >= 1<<7 && size < 1<<14 {
		b[at], b[at+1] = byte(size)|1<<7, byte(size>>7)
		return b
	}
	var length [binary.MaxVarintLen64]byte
	return slices.Replace(b, at, at+len(lengthRoom), length[:binary.PutUvarint(length[:], size)]...)
}

// appendEntries appends the value of a chunk's key, which is also how a tail ends an account's. orders are the records
// of the entries' orders, each behind its length; nil: they are left out.
func appendEntries(b []byte, entries []entry, orders []byte) []byte {
	b = append(b, byte(len(entries)))
	var before int64
	for i := range entries {
		e := &entries[i]
		step := uint64(e.offset-before) << 2
		before = e.offset
		if e.seen {
			step |= entrySeen
		}
		ordered := e.order != 0 && orders != nil
		if ordered {
			step |= entryOrdered
		}
		b = binary.AppendUvarint(b, step)
		b = append(b, e.id[:]...)
		if e.seen {
			b = append(b, e.payload[:]...)
		}
		if ordered {
			var record []byte
			record, orders = cutRecord(orders)
			b = appendRecord(b, record)
		}
	}
	return b
}

// The lowest bits of an entry's step.
const (
	entrySeen    = 1
	entryOrdered = 2
)

func decodeChunk(customer string, b []byte) (entries []entry, orders []byte, err error) {
	d := decoder{b: b}
	entries, orders = d.entries(customer)
	return entries, orders, d.done("chunk")
}

// expiredLot is what expired in one lot.
type expiredLot struct {
	lot    int64
	points events.Points
}

func appendExpired(b []byte, lots []expiredLot) []byte {
	for _, l := range lots {
		b = binary.AppendVarint(b, l.lot)
		b = binary.AppendVarint(b, int64(l.points))
	}
	return b
}

func decodeExpired(b []byte) ([]expiredLot, error) {
	d := decoder{b: b}
	var lots []expiredLot
	for len(d.b) > 0 && !d.bad {
		lots = append(lots, expiredLot{lot: d.int(), points: events.Points(d.int())})
	}
	return lots, d.done("expired lots")
}

// decoder reads a value from its front; after a failure it returns zeros and remembers that it failed.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) done(what string) error {
	if d.bad || len(d.b) > 0 {
		return fmt.Errorf("%w: %s", errValue, what)
	}
	return nil
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number of things that take at least a byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) text() string { return string(d.take(d.count())) }

func (d *decoder) entries(customer string) (entries []entry, orders []byte) {
	head := d.take(1)
	if len(head) == 0 || head[0] == 0 {
		return nil, nil
	}
	entries = make([]entry, head[0])
	var offset int64
	var key []byte
	for i := range entries {
		step := d.uint()
		offset += int64(step >> 2)
		e := &entries[i]
		e.offset, e.seen = offset, step&entrySeen != 0
		copy(e.id[:], d.take(len(e.id)))
		if e.seen {
			copy(e.payload[:], d.take(len(e.payload)))
		}
		if step&entryOrdered != 0 {
			record := d.take(d.count())
			key = appendIDKey(key[:0], keyOrder, customer, loyalty.OrderID(record))
			e.order = tagOf(hashKey(key))
			orders = appendRecord(orders, record)
		}
	}
	return entries, orders
}
