package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// An order's record lies with the statement's entry of the decision that brought it: first in the account's tail, then in
// a chunk. So it costs no key of its own, and a return, which mostly follows soon, finds it in memory. It has a key
// instead, which is looked at first,
//   - when it changes after its entry has left the tail,
//   - when a decision brings several orders, as a merge does,
//   - when its entry goes to a chunk from indexFrom on, where looking through all chunks would take too long.
//
// Where a record lies follows from the customer's decisions alone, not from how they were cut into batches.

// orderPut is a change of a customer's orders that a decision has made.
type orderPut struct {
	// record is the order's; nil: all orders were cleared.
	record []byte
	tag    uint32
	// isNew says that there was no order of that id.
	isNew bool
	// entry is the index of the decision's last entry among those that are to be added to the statement.
	entry int32
}

// tagOf shortens the hash of an order's key, never to 0.
func tagOf(hash uint64) uint32 { return max(uint32(hash), 1) }

func appendRecord(b, record []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(record))), record...)
}

// cutRecord returns the first of some records, and the others.
func cutRecord(orders []byte) (record, rest []byte) {
	n, size := binary.Uvarint(orders)
	end := size + int(n)
	return orders[size:end:end], orders[end:]
}

// eachOrder goes through records.
func eachOrder(orders []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(orders) > 0 {
			var record []byte
			if record, orders = cutRecord(orders); !yield(record) {
				return
			}
		}
	}
}

// orderIn returns the record of an order that lies with one of the entries, or nil, and where in orders it begins, its
// length included.
func orderIn(entries []entry, orders []byte, tag uint32, id string) (found []byte, at int) {
	last := -1
	for i := range entries {
		if entries[i].order == tag {
			last = i
		}
	}
	for i := 0; i <= last; i++ {
		if entries[i].order == 0 {
			continue
		}
		record, rest := cutRecord(orders[at:])
		if entries[i].order == tag && string(loyalty.OrderID(record)) == id {
			return record, at
		}
		at = len(orders) - len(rest)
	}
	return nil, 0
}

// order returns the record of an order, or nil, and its tag.
func (r *Records) order(id string) (record []byte, tag uint32) {
	r.desk.key = appendIDKey(r.desk.key[:0], keyOrder, r.customer, id)
	hash := hashKey(r.desk.key)
	tag = tagOf(hash)
	for i := len(r.orders) - 1; i >= 0; i-- {
		put := &r.orders[i]
		if put.record == nil {
			return nil, tag
		}
		if put.tag == tag && string(loyalty.OrderID(put.record)) == id {
			return put.record, tag
		}
	}
	s := r.state
	if s == nil {
		return nil, tag
	}
	if record, _ = orderIn(s.tail, s.orders, tag, id); record != nil {
		return record, tag
	}
	if record = r.lookupHashed(hash); record != nil || s.chunks == 0 || !r.p.filter.maybe(hash) {
		return record, tag
	}
	return r.orderInChunks(tag, id), tag
}

// orderInChunks looks through the chunks that hold orders, newest first.
func (r *Records) orderInChunks(tag uint32, id string) []byte {
	for n := min(r.state.chunks, indexFrom); n > 0; n-- {
		entries, orders, err := r.chunk(n - 1)
		if err != nil {
			r.fail(err)
			return nil
		}
		if record, _ := orderIn(entries, orders, tag, id); record != nil {
			return record
		}
	}
	return nil
}

// Order implements [loyalty.Records].
func (r *Records) Order(id string) *loyalty.Order {
	record, tag := r.order(id)
	if record == nil {
		k := r.desk
		k.missing, k.absent, k.absentTag = r, id, tag
		return nil
	}
	o, err := loyalty.DecodeOrder(record)
	if err != nil {
		r.fail(fmt.Errorf("order: %w", err))
		return nil
	}
	return o
}

// PutOrder implements [loyalty.Records]. An order that stays as it is is not put: whether a decision puts all that it has
// looked at or only what it has changed makes no difference then.
func (r *Records) PutOrder(o *loyalty.Order) {
	at := len(r.desk.room)
	r.desk.room = loyalty.AppendOrder(r.desk.room, o)
	put := orderPut{record: r.desk.room[at:len(r.desk.room):len(r.desk.room)]}
	if k := r.desk; k.missing == r && k.absent == o.ID {
		put.tag, put.isNew = k.absentTag, true
		k.missing = nil
	} else {
		var before []byte
		if before, put.tag = r.order(o.ID); bytes.Equal(before, put.record) {
			r.desk.room = r.desk.room[:at]
			return
		}
		put.isNew = before == nil
	}
	r.orders = append(r.orders, put)
}

// settle puts the orders of one decision, whose last entry is the last of s's tail, where they belong.
func (r *Records) settle(s *snapshot, puts []orderPut) {
	brought := 0
	for i := range puts {
		if puts[i].isNew {
			brought++
		}
	}
	for i := range puts {
		put := &puts[i]
		if put.record == nil {
			r.settleClear(s)
			continue
		}
		if put.isNew && brought == 1 {
			s.tail[len(s.tail)-1].order = put.tag
			if need := len(put.record) + binary.MaxVarintLen16; len(s.orders) > 0 && cap(s.orders)-len(s.orders) < need {
				// Whoever has two orders gets room for a chunk's.
				s.orders = slices.Grow(s.orders, max(chunkEntries*need-len(s.orders), need))
			}
			s.orders = appendRecord(s.orders, put.record)
			continue
		}
		id := string(loyalty.OrderID(put.record))
		if before, at := orderIn(s.tail, s.orders, put.tag, id); before != nil {
			// Readers may hold the array.
			_, behind := cutRecord(s.orders[at:])
			s.orders = append(appendRecord(append(make([]byte, 0, len(s.orders)+len(put.record)), s.orders[:at]...), put.record), behind...)
			continue
		}
		r.desk.key = appendIDKey(r.desk.key[:0], keyOrder, r.customer, id)
		r.own.put(&r.desk.arena, r.desk.key, put.record)
	}
}

// settleClear takes the orders out of the tail and out of what was written since the last commit. [Records.Clear] has
// done so with everything older.
func (r *Records) settleClear(s *snapshot) {
	if len(s.orders) > 0 {
		tail := append(make([]entry, 0, chunkEntries), s.tail...)
		for i := range tail {
			tail[i].order = 0
		}
		s.tail, s.orders = tail, nil
	}
	for i := range r.own.list {
		w := &r.own.list[i]
		switch {
		case w.isDeleted:
		case w.both[0] == keyOrder:
			r.own.put(nil, w.key(), nil)
		case w.both[0] == keyChunk:
			r.clearChunk(w.key(), w.value())
		}
	}
}

// clearChunk writes a chunk without its orders, if it has any.
func (r *Records) clearChunk(key, value []byte) {
	entries, orders, err := decodeChunk(r.customer, value)
	if err != nil {
		r.fail(err)
	} else if orders != nil {
		r.own.put(nil, key, appendEntries(nil, entries, nil))
	}
}

// allOrders returns the records of all orders by id.
func (r *Records) allOrders() map[string][]byte {
	found := map[string][]byte{}
	add := func(orders []byte) {
		for record := range eachOrder(orders) {
			found[string(loyalty.OrderID(record))] = record
		}
	}
	if s := r.state; s != nil {
		for n := range min(s.chunks, indexFrom) {
			_, orders, err := r.chunk(n)
			if err != nil {
				r.fail(err)
				return nil
			}
			add(orders)
		}
		add(s.orders)
		for key, record := range r.everything(keyOrder) {
			_, id, _ := splitKey([]byte(key))
			found[string(id)] = record
		}
	}
	for i := range r.orders {
		if record := r.orders[i].record; record == nil {
			clear(found)
		} else {
			found[string(loyalty.OrderID(record))] = record
		}
	}
	return found
}

// clearOrders forgets all orders, up to what settle does when the decision is added to the statement.
func (r *Records) clearOrders() {
	if s := r.state; s != nil {
		for n := range min(s.chunks, indexFrom) {
			value, err := r.chunkValue(n)
			if err != nil {
				r.fail(err)
				return
			}
			r.clearChunk(appendChunkKey(nil, r.customer, n), value)
		}
	}
	r.orders = append(r.orders, orderPut{})
}
