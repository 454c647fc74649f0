package state

import "github.com/cockroachdb/pebble/v2"

// Compactions lets tests share places as a store does.
type Compactions struct{ all *compactions }

// NewCompactions returns so many places.
func NewCompactions(limit int) Compactions {
	all := newCompactions()
	all.limit = limit
	return Compactions{all}
}

// Join returns the part of another database, which need not wait, and what to call when it breaks.
func (c Compactions) Join(db pebble.DBForCompaction) (part pebble.CompactionScheduler, abandon func()) {
	one := c.all.of()
	one.from = one.from.Add(-compactionsAfter)
	one.Register(1, db)
	return one, one.abandon
}
