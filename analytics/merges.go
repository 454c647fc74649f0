package analytics

import (
	"maps"

	"github.com/accrue-loyalty/accrue/events"
)

// held is an order that waits for all orders of the accounts that merged with its own to be known.
type held struct {
	account string
	event   *events.OrderPlaced
	rate    string
}

// settle takes the orders that were held. What came back of them was booked by the account that had them then, under the
// name that they had there.
func (a *tallies) settle() error {
	own := map[string][]string{}
	for _, t := range a.byPartition {
		for _, h := range t.held {
			own[h.account] = append(own[h.account], h.event.Order)
		}
	}
	back := map[orderKey][]comeback{}
	for account := range a.family {
		for name, order := range a.names(account, own) {
			back[order] = append(back[order], a.back[orderKey{account, name}]...)
		}
	}
	for _, t := range a.byPartition {
		for _, h := range t.held {
			list := back[orderKey{h.account, h.event.Order}]
			inOrder(list)
			if err := t.order(a.root(h.account), h.event, h.rate, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// names returns what an account calls its own orders and those of the accounts that it took over. Where it has used the id
// of one for another, that one is called after the account it came from: two shoppers may both have had an order 1.
func (a *tallies) names(account string, own map[string][]string) map[string]orderKey {
	names := map[string]orderKey{}
	for _, id := range own[account] {
		names[id] = orderKey{account, id}
	}
	for _, from := range a.took[account] {
		used := maps.Clone(names)
		for id, order := range a.names(from, own) {
			if _, ok := used[id]; ok {
				id += "@" + from
			}
			names[id] = order
		}
	}
	return names
}
