package state

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

var _ loyalty.Records = (*Records)(nil)

// Records are what is kept of one customer beside the account. They implement [loyalty.Records] over the committed
// state; what is put is seen by later reads of the same Records and becomes part of the state when it came from a
// [Batch] that commits, otherwise never. Not for concurrent use.
type Records struct {
	p        *Partition
	customer string
	// state is the committed one; nil: nobody has heard of the customer.
	state *snapshot
	// new says that nothing of the customer is on the disk or waits for it, though there is a state.
	new  bool
	own  writes
	desk *desk
	// seen are ids put since; the first noted of them are in the batch's entries already.
	seen  []ownSeen
	noted int
	// orders are changes of orders; the first ordersNoted of them know their entry.
	orders      []orderPut
	ordersNoted int
	err         error
}

// desk is what the records of a batch, or of a restore, use one after the other.
type desk struct {
	// arena is where records are put that become part of the state, room where orders are while the batch is open; key
	// and value are for putting keys and values together.
	arena      arena
	room       []byte
	key, value []byte
	// asked are the records whose event was asked for last, id its hash; while answered is set, payload and known are
	// what Seen said of it. It is asked for several times in a row.
	asked    *Records
	event    string
	id       idHash
	answered bool
	known    bool
	payload  events.Fingerprint
	// coming are the hashes of the events that will be asked for next, in order.
	coming []comingID
	// missing are the records that had no order of the id absent when they were asked last; absentTag is its tag.
	missing   *Records
	absent    string
	absentTag uint32
}

// roomMax bytes of room are kept for the next batch.
const roomMax = 4 << 20

// comingID is the hash of an event's id that was worked out ahead.
type comingID struct {
	event string
	id    idHash
}

// expect works out the ids' hashes, one after the other.
func (k *desk) expect(heads []*events.Header) {
	k.coming = k.coming[:0]
	for _, h := range heads {
		k.coming = append(k.coming, comingID{h.ID, hashID(h.ID)})
	}
}

// idOf returns the hash of an event's id.
func (k *desk) idOf(event string) idHash {
	for i := range k.coming {
		if c := &k.coming[i]; c.event == event {
			return c.id
		}
	}
	return hashID(event)
}

// forget drops what was asked and the orders.
func (k *desk) forget() {
	clear(k.coming)
	k.coming = k.coming[:0]
	k.asked, k.event, k.missing, k.absent = nil, "", nil, ""
	if k.room = k.room[:0]; cap(k.room) > roomMax {
		k.room = nil
	}
}

type ownSeen struct {
	id      idHash
	payload events.Fingerprint
}

func (r *Records) open(p *Partition, customer string, s *snapshot) {
	r.p, r.customer, r.state = p, customer, s
}

// clear forgets everything but the memory it took.
func (r *Records) clear() {
	clear(r.own.list)
	clear(r.orders)
	*r = Records{own: writes{list: r.own.list[:0]}, seen: r.seen[:0], orders: r.orders[:0], desk: r.desk}
}

// Err returns the first error of a read; what was read since is not to be trusted.
func (r *Records) Err() error { return r.err }

func (r *Records) fail(err error) {
	if r.err == nil {
		r.err = r.p.checked(fmt.Errorf("a customer's records: %w", err))
	}
}

func (r *Records) hash(event string) idHash {
	k := r.desk
	if k.asked != r || k.event != event || event == "" {
		k.asked, k.event, k.id, k.answered = r, event, k.idOf(event), false
	}
	return k.id
}

// lookup returns the value of r.desk.key, or nil.
func (r *Records) lookup() []byte { return r.lookupHashed(hashKey(r.desk.key)) }

func (r *Records) lookupHashed(hash uint64) []byte {
	if i := r.own.findHashed(r.desk.key, uint32(hash)); i >= 0 {
		return r.own.list[i].value()
	}
	if r.state == nil || r.new || !r.p.filter.maybe(hash) {
		return nil
	}
	v, err := r.committed(r.desk.key)
	if err != nil {
		r.fail(err)
	}
	return v
}

// committed returns the value of a key in what waits in memory or on the disk, or nil.
func (r *Records) committed(key []byte) ([]byte, error) {
	if v, ok := r.p.shardOf(r.customer).record(r.customer, key); ok {
		return v, nil
	}
	return r.p.get(key)
}

// Seen implements [loyalty.Records].
func (r *Records) Seen(event string) (events.Fingerprint, bool) {
	id, k := r.hash(event), r.desk
	if !k.answered {
		k.payload, k.known = r.look(id)
		k.answered = true
	}
	return k.payload, k.known
}

func (r *Records) look(id idHash) (events.Fingerprint, bool) {
	for i := len(r.seen) - 1; i >= 0; i-- {
		if r.seen[i].id == id {
			return r.seen[i].payload, true
		}
	}
	e := r.find(id)
	if e == nil {
		return events.Fingerprint{}, false
	}
	return e.payload, true
}

// find looks for an id that was used up in the committed state.
func (r *Records) find(id idHash) *entry {
	s := r.state
	if s == nil {
		return nil
	}
	for i := len(s.tail) - 1; i >= 0; i-- {
		if e := &s.tail[i]; e.id == id && e.seen {
			return e
		}
	}
	if s.chunks == 0 {
		return nil
	}
	r.desk.key = appendSeenKey(r.desk.key[:0], r.customer, id)
	if !r.p.filter.maybe(hashKey(r.desk.key)) {
		return nil
	}
	e, err := r.findInChunks(id)
	if err != nil {
		r.fail(err)
	}
	return e
}

// PutSeen implements [loyalty.Records]. The first decision of an event stays the one that is remembered.
func (r *Records) PutSeen(event string, payload events.Fingerprint) {
	if _, known := r.Seen(event); !known {
		r.seen = append(r.seen, ownSeen{r.desk.id, payload})
		r.desk.payload, r.desk.known = payload, true
	}
}

// Redemption implements [loyalty.Records].
func (r *Records) Redemption(id string) *loyalty.Redemption {
	r.desk.key = appendIDKey(r.desk.key[:0], keyRedemption, r.customer, id)
	v := r.lookup()
	if v == nil {
		return nil
	}
	x, err := loyalty.DecodeRedemption(v)
	if err != nil {
		r.fail(fmt.Errorf("redemption: %w", err))
		return nil
	}
	return x
}

// PutRedemption implements [loyalty.Records].
func (r *Records) PutRedemption(x *loyalty.Redemption) {
	r.desk.key = appendIDKey(r.desk.key[:0], keyRedemption, r.customer, x.ID)
	r.desk.value = loyalty.AppendRedemption(r.desk.value[:0], x)
	r.own.put(&r.desk.arena, r.desk.key, r.desk.value)
}

// Referenced implements [loyalty.Records].
func (r *Records) Referenced(ref events.Reference) bool {
	r.desk.key = appendReferenceKey(r.desk.key[:0], r.customer, ref)
	return r.lookup() != nil
}

// PutReference implements [loyalty.Records].
func (r *Records) PutReference(ref events.Reference) {
	r.desk.key = appendReferenceKey(r.desk.key[:0], r.customer, ref)
	r.own.put(&r.desk.arena, r.desk.key, []byte{})
}

func (r *Records) expired(order string) []expiredLot {
	r.desk.key = appendIDKey(r.desk.key[:0], keyExpired, r.customer, order)
	lots, err := decodeExpired(r.lookup())
	if err != nil {
		r.fail(fmt.Errorf("order %q: %w", order, err))
	}
	return lots
}

// Expired implements [loyalty.Records].
func (r *Records) Expired(order string) events.Points {
	var sum events.Points
	for _, l := range r.expired(order) {
		sum += l.points
	}
	return sum
}

// AddExpired implements [loyalty.Records].
func (r *Records) AddExpired(order string, lot int64, points events.Points) {
	lots := append(r.expired(order), expiredLot{lot, points})
	slices.SortStableFunc(lots, func(a, b expiredLot) int { return cmp.Compare(a.lot, b.lot) })
	r.desk.key = appendIDKey(r.desk.key[:0], keyExpired, r.customer, order)
	r.own.put(&r.desk.arena, r.desk.key, appendExpired(nil, lots))
}

// All implements [loyalty.Records]: each kind sorted by id, expired lots by order and lot.
func (r *Records) All() *loyalty.RecordSet {
	set := &loyalty.RecordSet{}
	for _, record := range r.allOrders() {
		o, err := loyalty.DecodeOrder(record)
		if err != nil {
			r.fail(fmt.Errorf("order: %w", err))
			continue
		}
		set.Orders = append(set.Orders, o)
	}
	for key, value := range r.everything(keyRedemption, keyReference, keyExpired) {
		_, rest, _ := splitKey([]byte(key))
		var err error
		switch key[0] {
		case keyRedemption:
			var x *loyalty.Redemption
			if x, err = loyalty.DecodeRedemption(value); err == nil {
				set.Redemptions = append(set.Redemptions, x)
			}
		case keyReference:
			d := decoder{b: rest}
			kind := d.text()
			set.References = append(set.References, events.Reference{Kind: events.Type(kind), ID: string(d.b)})
		case keyExpired:
			var lots []expiredLot
			lots, err = decodeExpired(value)
			for _, l := range lots {
				set.Expired = append(set.Expired, loyalty.ExpiredLot{Order: string(rest), Lot: l.lot, Points: l.points})
			}
		}
		if err != nil {
			r.fail(err)
		}
	}
	slices.SortFunc(set.Orders, func(a, b *loyalty.Order) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(set.Redemptions, func(a, b *loyalty.Redemption) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(set.References, func(a, b events.Reference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	slices.SortStableFunc(set.Expired, func(a, b loyalty.ExpiredLot) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Lot, b.Lot))
	})
	return set
}

// Clear implements [loyalty.Records].
func (r *Records) Clear() {
	for key := range r.everything(keyOrder, keyRedemption, keyReference, keyExpired) {
		r.own.put(&r.desk.arena, []byte(key), nil)
	}
	r.clearOrders()
}

// everything returns all that has keys of the given kinds, by key.
func (r *Records) everything(kinds ...byte) map[string][]byte {
	found := map[string][]byte{}
	prefixes := [][]byte{}
	for _, kind := range kinds {
		prefixes = append(prefixes, appendKey(nil, kind, r.customer))
	}
	if r.state != nil && !r.new {
		// Memory first: what leaves it while the disk is read is on the disk as it was in memory.
		older, newer := r.p.shardOf(r.customer).recordsOf(r.customer)
		for _, prefix := range prefixes {
			if err := r.p.scan(prefix, func(key, value []byte) {
				found[string(key)] = append([]byte{}, value...)
			}); err != nil {
				r.fail(err)
			}
		}
		overlay(found, older, prefixes)
		overlay(found, newer, prefixes)
	}
	overlay(found, r.own.list, prefixes)
	return found
}

// overlay applies writes to keys with one of the prefixes.
func overlay(found map[string][]byte, list []write, prefixes [][]byte) {
	for i := range list {
		w := &list[i]
		if !slices.ContainsFunc(prefixes, func(prefix []byte) bool { return bytes.HasPrefix(w.key(), prefix) }) {
			continue
		}
		if w.isDeleted {
			delete(found, string(w.key()))
		} else {
			found[string(w.key())] = w.value()
		}
	}
}

// recordsOf returns what memory knows of a customer's records.
func (s *shard) recordsOf(customer string) (older, newer []write) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	slot := s.slots[customer]
	if slot == nil {
		return nil, nil
	}
	return slices.Clone(slot.flushing.list), slices.Clone(slot.fresh.list)
}

// scan calls f for every key on the disk that begins with prefix.
func (p *Partition) scan(prefix []byte, f func(key, value []byte)) (err error) {
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	iter, err := p.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	if err != nil {
		return p.readError(err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for iter.First(); iter.Valid(); iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return p.readError(err)
		}
		f(iter.Key(), value)
	}
	if err := iter.Error(); err != nil {
		return p.readError(err)
	}
	return nil
}
