package loyalty

import "reflect"

// What parts of an account take in memory.
var (
	accountSize     = size[Account]()
	lotSize         = size[Lot]()
	qualifyingSize  = size[Qualifying]()
	exactSize       = size[Exact]()
	counterSize     = size[Counter]()
	reservationSize = size[Redemption]() + 4*size[RedemptionPart]() // a redemption rarely has more lots
)

// waitingSize is a generous guess at an event's.
const waitingSize = 1 << 10

func size[T any]() int { return int(reflect.TypeFor[T]().Size()) }

// Bytes returns how much memory the account takes, roughly, without looking at much of it.
func (a *Account) Bytes() int {
	return accountSize + cap(a.Lots)*lotSize + cap(a.orders) + cap(a.Qualifying)*qualifyingSize + cap(a.fractions)*exactSize +
		len(a.Counters)*counterSize + len(a.Reservations)*reservationSize + len(a.Waiting)*waitingSize
}
