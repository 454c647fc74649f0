package loyalty

import (
	"cmp"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// spend takes active points of a lot.
func (a *Account) spend(lot int64, n events.Points) {
	l := a.lot(lot)
	l.Active -= n
	a.tally.add(l)
}

// lot returns a lot that is known to be there, to change it like [Account.changeLot].
func (a *Account) lot(id int64) *Lot {
	if l := a.changeLot(id); l != nil {
		return l
	}
	panic("loyalty: a decision names a lot that the account does not have")
}

// changeLot is findLot for a caller that changes the lot and then adds it to the tally again.
func (a *Account) changeLot(id int64) *Lot {
	l := a.findLot(id)
	if l == nil {
		return nil
	}
	a.tally.remove(l)
	if a.lotsShared == 0 || id > a.Lots[a.lotsShared-1].ID {
		return l
	}
	a.ownLots()
	return a.findLot(id)
}

// findLot returns a lot to look at, or nil.
func (a *Account) findLot(id int64) *Lot {
	if id > a.LotLast {
		return nil // Most lots that are asked for are about to be made, and the others in no cache.
	}
	i, ok := slices.BinarySearchFunc(a.Lots, id, func(l Lot, id int64) int { return cmp.Compare(l.ID, id) })
	if !ok {
		return nil
	}
	return &a.Lots[i]
}

// addActive adds the entry's points to its lot.
func (f *fold) addActive(e *events.Entry, order string) {
	l := f.addLot(e, order)
	l.Active += e.Points
	f.a.tally.add(l)
}

// addLot returns the entry's lot, which it adds when it is new or had been dropped. Lots stay sorted by id. Like
// [Account.changeLot]'s it is not in the tally.
func (f *fold) addLot(e *events.Entry, order string) *Lot {
	if l := f.a.changeLot(e.Lot); l != nil {
		return l
	}
	return f.a.insertLot(Lot{ID: e.Lot, Order: order, EarnedAt: e.EarnedAt, ActiveAt: e.ActiveAt, ExpiresAt: e.ExpiresAt})
}

func (a *Account) insertLot(l Lot) *Lot {
	if l.ID > a.LotLast {
		a.LotLast = l.ID
		if len(a.Lots) == cap(a.Lots) {
			a.growLots()
		}
		a.Lots = append(a.Lots, l)
		return &a.Lots[len(a.Lots)-1]
	}
	a.ownLots()
	i, _ := slices.BinarySearchFunc(a.Lots, l.ID, func(l Lot, id int64) int { return cmp.Compare(l.ID, id) })
	a.Lots = slices.Insert(a.Lots, i, l)
	return &a.Lots[i]
}

// roomAfter is how much more a list of n gets room for at least. Most customers have one of something or many: who gets
// the second is given room for four.
func roomAfter(n int) int {
	if n == 1 {
		return 3
	}
	return 1
}

// growLots moves the lots to an array with more room. Their orders become pieces of one string on the way, which leaves
// the collector with fewer things to mark and has them lie together for who writes them.
func (a *Account) growLots() {
	a.Lots, a.lotsShared = slices.Grow(a.Lots, roomAfter(len(a.Lots))), 0
	size := 0
	for i := range a.Lots {
		size += len(a.Lots[i].Order)
	}
	var orders strings.Builder
	orders.Grow(size)
	for i := range a.Lots {
		orders.WriteString(a.Lots[i].Order)
	}
	all := orders.String()
	for i := range a.Lots {
		l := &a.Lots[i]
		l.Order, all = all[:len(l.Order)], all[len(l.Order):]
	}
}

// take removes n points of a lot from whichever bucket has them.
func (a *Account) take(lot int64, n events.Points) {
	l := a.lot(lot)
	l.take(n)
	a.tally.add(l)
}

func (l *Lot) take(n events.Points) {
	for _, bucket := range [...]*events.Points{&l.Active, &l.Pending, &l.Reserved} {
		part := min(*bucket, n)
		*bucket -= part
		n -= part
	}
	if n != 0 {
		panic("loyalty: a decision takes more than a lot has")
	}
}
