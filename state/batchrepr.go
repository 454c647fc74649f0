package state

import (
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// batchRepr puts a batch together in the form that Pebble gives a batch in memory and in its log (see Pebble's package
// batchrepr): twelve bytes of sequence number and count, then the operations. Pebble's own batch is memory that is new
// for each flush, and what is encoded elsewhere is copied into it; this one is used again and encoded into.
type batchRepr struct {
	b     []byte
	count uint32
	key   []byte
}

const batchHeaderBytes = 12

// reset empties the batch and makes sure of room for n bytes.
func (r *batchRepr) reset(n int) {
	r.b = append(slices.Grow(r.b[:0], n), make([]byte, batchHeaderBytes)...)
	r.count = 0
}

// finish returns the batch. Nobody may change it before Pebble has done with it.
func (r *batchRepr) finish() []byte {
	binary.LittleEndian.PutUint32(r.b[batchHeaderBytes-4:], r.count)
	return r.b
}

func (r *batchRepr) begin(kind pebble.InternalKeyKind) {
	r.b = append(r.b, byte(kind))
	r.count++
}

func (r *batchRepr) bytes(p []byte) {
	r.b = append(binary.AppendUvarint(r.b, uint64(len(p))), p...)
}

func (r *batchRepr) set(key, value []byte) {
	r.begin(pebble.InternalKeyKindSet)
	r.bytes(key)
	r.bytes(value)
}

func (r *batchRepr) delete(key []byte) {
	r.begin(pebble.InternalKeyKindDelete)
	r.bytes(key)
}

func (r *batchRepr) deleteRange(from, to []byte) {
	r.begin(pebble.InternalKeyKindRangeDelete)
	r.bytes(from)
	r.bytes(to)
}

// setAccount writes an account's key.
func (r *batchRepr) setAccount(customer string, s *snapshot) {
	r.begin(pebble.InternalKeyKindSet)
	r.key = appendKey(r.key[:0], keyAccount, customer)
	r.bytes(r.key)
	at := len(r.b)
	r.b = appendSnapshot(append(r.b, lengthRoom...), s)
	r.b = putLength(r.b, at)
}
