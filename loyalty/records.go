package loyalty

import (
	"cmp"
	"maps"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Records are the parts of one account that grow with its history. Decide and Evolve read and write them as they go;
// whoever calls those decides whether the writes are kept. An implementation clones or encodes what a Put is given,
// because the caller uses the memory again; what a getter returned may be changed by the caller only in a clone.
//
// An implementation that cannot read remembers its error and answers "unknown"; its owner must look at that error
// before it uses the decision.
type Records interface {
	// Seen returns the payload of an event that was decided before.
	Seen(event string) (events.Fingerprint, bool)
	PutSeen(event string, payload events.Fingerprint)
	// Order returns the record of an order or review, or nil.
	Order(id string) *Order
	PutOrder(*Order)
	// Redemption returns a redemption that no longer holds points, or nil.
	Redemption(id string) *Redemption
	PutRedemption(*Redemption)
	// Referenced reports whether a business id was used up.
	Referenced(events.Reference) bool
	PutReference(events.Reference)
	// Expired sums what expired in lots of an order that are gone from the account.
	Expired(order string) events.Points
	AddExpired(order string, lot int64, points events.Points)
	// All returns every order, redemption, reference and expired sum, in a fixed order, for a merge.
	All() *RecordSet
	// Clear forgets what All returns; seen events stay.
	Clear()
}

// RecordSet is all records of an account but the seen events.
type RecordSet struct {
	Orders      []*Order
	Redemptions []*Redemption
	References  []events.Reference
	Expired     []ExpiredLot
}

// ExpiredLot is what expired in a lot that is gone.
type ExpiredLot struct {
	Order  string
	Lot    int64
	Points events.Points
}

// MemoryRecords keeps records in maps.
type MemoryRecords struct {
	seen        map[string]events.Fingerprint
	orders      map[string]*Order
	redemptions map[string]*Redemption
	references  map[events.Reference]struct{}
	expired     map[string][]ExpiredLot
}

// NewMemoryRecords returns empty records.
func NewMemoryRecords() *MemoryRecords {
	return &MemoryRecords{
		seen:        map[string]events.Fingerprint{},
		orders:      map[string]*Order{},
		redemptions: map[string]*Redemption{},
		references:  map[events.Reference]struct{}{},
		expired:     map[string][]ExpiredLot{},
	}
}

// Seen implements [Records].
func (m *MemoryRecords) Seen(event string) (events.Fingerprint, bool) {
	p, ok := m.seen[event]
	return p, ok
}

// PutSeen implements [Records].
func (m *MemoryRecords) PutSeen(event string, payload events.Fingerprint) { m.seen[event] = payload }

// Order implements [Records].
func (m *MemoryRecords) Order(id string) *Order { return m.orders[id] }

// PutOrder implements [Records].
func (m *MemoryRecords) PutOrder(o *Order) { m.orders[o.ID] = o.Clone() }

// Redemption implements [Records].
func (m *MemoryRecords) Redemption(id string) *Redemption { return m.redemptions[id] }

// PutRedemption implements [Records].
func (m *MemoryRecords) PutRedemption(r *Redemption) { m.redemptions[r.ID] = r.Clone() }

// Referenced implements [Records].
func (m *MemoryRecords) Referenced(r events.Reference) bool { _, ok := m.references[r]; return ok }

// PutReference implements [Records].
func (m *MemoryRecords) PutReference(r events.Reference) { m.references[r] = struct{}{} }

// Expired implements [Records].
func (m *MemoryRecords) Expired(order string) events.Points {
	var sum events.Points
	for _, e := range m.expired[order] {
		sum += e.Points
	}
	return sum
}

// AddExpired implements [Records].
func (m *MemoryRecords) AddExpired(order string, lot int64, points events.Points) {
	m.expired[order] = append(m.expired[order], ExpiredLot{order, lot, points})
}

// All implements [Records]: sorted by key.
func (m *MemoryRecords) All() *RecordSet {
	s := &RecordSet{}
	for _, id := range slices.Sorted(maps.Keys(m.orders)) {
		s.Orders = append(s.Orders, m.orders[id])
	}
	for _, id := range slices.Sorted(maps.Keys(m.redemptions)) {
		s.Redemptions = append(s.Redemptions, m.redemptions[id])
	}
	s.References = slices.SortedFunc(maps.Keys(m.references), compareReferences)
	for _, order := range slices.Sorted(maps.Keys(m.expired)) {
		s.Expired = append(s.Expired, m.expired[order]...)
	}
	slices.SortStableFunc(s.Expired, func(a, b ExpiredLot) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Lot, b.Lot))
	})
	return s
}

// Clear implements [Records].
func (m *MemoryRecords) Clear() {
	clear(m.orders)
	clear(m.redemptions)
	clear(m.references)
	clear(m.expired)
}
