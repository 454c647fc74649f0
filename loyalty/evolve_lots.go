package loyalty

import (
	"cmp"
	"slices"

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
	return f.a.insertLot(Lot{ID: e.Lot, EarnedAt: e.EarnedAt, ActiveAt: e.ActiveAt, ExpiresAt: e.ExpiresAt}, order)
}

func (a *Account) insertLot(l Lot, order string) *Lot {
	l.order = a.addOrder(order)
	if l.ID > a.LotLast {
		a.LotLast = l.ID
		if len(a.Lots) == cap(a.Lots) {
			a.Lots, a.lotsShared = slices.Grow(a.Lots, roomAfter(len(a.Lots))), 0
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

// piece is a part of a longer text.
type piece struct{ at, n uint32 }

// OrderOf returns what earned a lot's points and can take them back: an order's id, or a review's ([reviewKey]); "" where
// there is none.
func (a *Account) OrderOf(l *Lot) string { return string(a.orderBytes(l)) }

func (a *Account) orderBytes(l *Lot) []byte { return a.orders[l.order.at:][:l.order.n] }

func (a *Account) addOrder(order string) piece {
	at := len(a.orders)
	a.orders = append(a.orders, order...)
	return piece{uint32(at), uint32(len(order))}
}

// gatherOrders forgets the orders of lots that are gone. The lots must be the account's own.
func (a *Account) gatherOrders() {
	all := a.orders
	a.orders = make([]byte, 0, len(all))
	for i := range a.Lots {
		at := &a.Lots[i].order
		text := all[at.at:][:at.n]
		at.at = uint32(len(a.orders))
		a.orders = append(a.orders, text...)
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
