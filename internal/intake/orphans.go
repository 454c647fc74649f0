package intake

import "fmt"

// orphan remembers a row that lacks its customer alone: the order that it names is not whole without it.
func (g *gathering) orphan(at place, lacks *setter) {
	if lacks.field.name != "customer" {
		return
	}
	key := g.key()
	for i, setter := range g.plan.keys {
		if key[i] == "" && &g.plan.setters[setter] != lacks {
			return
		}
	}
	if g.orphans == nil {
		g.orphans = map[groupKey]place{}
	}
	if _, ok := g.orphans[key]; !ok {
		g.orphans[key] = at
	}
}

// refuseOrphaned refuses the orders that rows without a customer are of. Where several customers have an order of that
// name, nobody knows whose it is, and all are taken as they stand.
func (g *gathering) refuseOrphaned() {
	if g.orphans == nil {
		return
	}
	only := map[groupKey]*group{}
	for key, now := range g.groups {
		for i, setter := range g.plan.keys {
			if g.plan.setters[setter].field.name == "customer" {
				key[i] = ""
			}
		}
		if _, ok := g.orphans[key]; !ok {
			continue
		}
		if _, several := only[key]; several {
			now = nil
		}
		only[key] = now
	}
	for key, now := range only {
		if now != nil {
			now.refuse(now.first(), fmt.Sprintf("is not whole: the row on line %d is of the same %s, and has no customer", g.orphans[key].line, g.plan.noun()))
		}
	}
}
