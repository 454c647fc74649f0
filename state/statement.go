package state

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// chunk returns chunk n of the customer.
func (r *Records) chunk(n uint32) (entries []entry, orders []byte, err error) {
	v, err := r.chunkValue(n)
	if err != nil {
		return nil, nil, err
	}
	if entries, orders, err = decodeChunk(r.customer, v); err != nil {
		return nil, nil, r.p.checked(fmt.Errorf("chunk %d of a customer: %w", n, err))
	}
	return entries, orders, nil
}

// stored returns the value of a key that the filter is not asked for, or nil.
func (r *Records) stored(key []byte) ([]byte, error) {
	if v, ok := r.own.get(key); ok {
		return v, nil
	}
	return r.committed(key)
}

func (r *Records) chunkValue(n uint32) ([]byte, error) {
	v, err := r.stored(appendChunkKey(make([]byte, 0, 64), r.customer, n))
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, r.p.checked(fmt.Errorf("%w: chunk %d of a customer is missing", errValue, n))
	}
	return v, nil
}

// findInChunks looks for an id that was used up: by its own key in later chunks, one by one in the others, newest first.
func (r *Records) findInChunks(id idHash) (*entry, error) {
	chunks := r.state.chunks
	if chunks > indexFrom {
		n, ok, err := r.indexed(id)
		if err != nil {
			return nil, err
		}
		if ok {
			entries, _, err := r.chunk(n)
			return pick(entries, id), err
		}
		chunks = indexFrom
	}
	for chunks > 0 {
		chunks--
		entries, _, err := r.chunk(chunks)
		if err != nil {
			return nil, err
		}
		if e := pick(entries, id); e != nil {
			return e, nil
		}
	}
	return nil, nil
}

func (r *Records) indexed(id idHash) (n uint32, ok bool, err error) {
	r.desk.key = appendIndexKey(r.desk.key[:0], r.customer, id)
	v, err := r.stored(r.desk.key)
	if err != nil || v == nil {
		return 0, false, err
	}
	d := decoder{b: v}
	n = uint32(d.uint())
	return n, true, d.done("index")
}

func pick(entries []entry, id idHash) *entry {
	for i := range entries {
		if entries[i].id == id && entries[i].seen {
			return &entries[i]
		}
	}
	return nil
}

// statement returns up to limit ledger offsets below before, newest first.
func (r *Records) statement(before int64, limit int) ([]int64, error) {
	s := r.state
	if s == nil || limit <= 0 {
		return nil, nil
	}
	if before <= 0 {
		before = math.MaxInt64
	}
	offsets := collect(nil, s.tail, before, limit)
	if len(offsets) == limit || s.chunks == 0 {
		return offsets, nil
	}
	n, err := r.chunksBelow(before)
	for n > 0 && len(offsets) < limit && err == nil {
		n--
		var entries []entry
		if entries, _, err = r.chunk(n); err == nil {
			offsets = collect(offsets, entries, before, limit)
		}
	}
	return offsets, err
}

// chunksBelow returns how many chunks begin below the offset, by bisection.
func (r *Records) chunksBelow(before int64) (uint32, error) {
	if before == math.MaxInt64 {
		return r.state.chunks, nil
	}
	low, high := uint32(0), r.state.chunks
	for low < high {
		middle := low + (high-low)/2
		entries, _, err := r.chunk(middle)
		if err != nil {
			return 0, err
		}
		if len(entries) > 0 && entries[0].offset < before {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// collect appends the offsets below before, newest first. A decision that used up several ids counts once.
func collect(offsets []int64, entries []entry, before int64, limit int) []int64 {
	for i := len(entries) - 1; i >= 0 && len(offsets) < limit; i-- {
		offset := entries[i].offset
		if offset < before && (len(offsets) == 0 || offsets[len(offsets)-1] != offset) {
			offsets = append(offsets, offset)
		}
	}
	return offsets
}

// locate returns the ledger offset of the decision that used the event id up, or else of the latest that names it.
func (r *Records) locate(event string) (offset int64, ok bool, err error) {
	if offset, ok, err = r.locateID(event); ok || err != nil {
		return offset, ok, err
	}
	return r.locateID(loyalty.SentID(event))
}

func (r *Records) locateID(event string) (offset int64, ok bool, err error) {
	id := r.hash(event)
	if e := r.find(id); e != nil || r.err != nil {
		if r.err != nil {
			return 0, false, r.err
		}
		return e.offset, true, nil
	}
	if r.state == nil {
		return 0, false, nil
	}
	if offset, ok = naming(r.state.tail, id); ok {
		return offset, true, nil
	}
	// Refused as stale or conflicting: only the latest chunks are worth looking through.
	oldest := uint32(0)
	if r.state.chunks > indexFrom {
		oldest = r.state.chunks - indexFrom
	}
	for n := r.state.chunks; n > oldest; n-- {
		entries, _, err := r.chunk(n - 1)
		if err != nil {
			return 0, false, err
		}
		if offset, ok = naming(entries, id); ok {
			return offset, true, nil
		}
	}
	return 0, false, nil
}

func naming(entries []entry, id idHash) (offset int64, ok bool) {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].id == id {
			return entries[i].offset, true
		}
	}
	return 0, false
}

// advance adds entries to the statement of s, which nobody else knows yet, and settles the orders that their decisions
// have put. Full tails become chunks and go to r's writes; added is called for what the filter has to know of them.
func (r *Records) advance(s *snapshot, entries []entry, added func(hash uint64)) {
	puts := r.orders
	for i := range entries {
		if s.tail == nil {
			s.tail = make([]entry, 0, chunkEntries)
		}
		// The arrays behind a published tail and its orders may be appended to: readers look at their own length only.
		s.tail = append(s.tail, entries[i])
		n := 0
		for n < len(puts) && puts[n].entry == int32(i) {
			n++
		}
		if n > 0 {
			r.settle(s, puts[:n])
			puts = puts[n:]
		}
		if len(s.tail) == chunkEntries {
			r.cut(s, added)
		}
	}
}

// cut makes the tail a chunk.
func (r *Records) cut(s *snapshot, added func(hash uint64)) {
	orders := s.orders
	if s.chunks >= indexFrom {
		orders = nil
	}
	r.desk.key = appendChunkKey(r.desk.key[:0], r.customer, s.chunks)
	r.desk.value = appendEntries(r.desk.value[:0], s.tail, orders)
	r.own.put(&r.desk.arena, r.desk.key, r.desk.value)
	for i := range s.tail {
		e := &s.tail[i]
		if e.seen {
			r.desk.key = appendSeenKey(r.desk.key[:0], r.customer, e.id)
			added(hashKey(r.desk.key))
			if s.chunks >= indexFrom {
				r.desk.key = appendIndexKey(r.desk.key[:0], r.customer, e.id)
				r.own.put(&r.desk.arena, r.desk.key, binary.AppendUvarint(nil, uint64(s.chunks)))
			}
		}
	}
	for record := range eachOrder(s.orders) {
		r.desk.key = appendIDKey(r.desk.key[:0], keyOrder, r.customer, loyalty.OrderID(record))
		if s.chunks >= indexFrom {
			r.own.put(&r.desk.arena, r.desk.key, record)
		} else {
			added(hashKey(r.desk.key))
		}
	}
	s.chunks++
	s.tail, s.orders = nil, nil
}
