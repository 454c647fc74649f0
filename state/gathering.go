package state

import (
	"cmp"
	"slices"
	"strings"
)

// gathering holds the records of decisions and knows whose they are. The records lie in slabs, in which the collector
// finds nothing to look through, and a customer's are chained by their indexes.
type gathering struct {
	slabs   [][]byte
	used    int // slabs that are not empty
	size    int // of the records
	records []gathered
	// customers gives the index in chains.
	customers map[string]int32
	chains    []chain
	// decisions counts all that were added, those without customer too.
	decisions int64
}

// gathered is where a record lies.
type gathered struct {
	offset int64
	slab   int32
	at, n  int32
	// next is the index of the customer's next record, -1 at the end.
	next int32
}

// chain is the records of one customer.
type chain struct {
	customer    string
	first, last int32
}

// slabBytes is the size of a slab; a record that is larger gets one of its own.
const slabBytes = 4 << 20

func newGathering() *gathering { return &gathering{customers: map[string]int32{}} }

// takeGathering returns an empty gathering, one that another restore has used if there is any.
func (s *Store) takeGathering() *gathering {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.spare)
	if n == 0 {
		return newGathering()
	}
	g := s.spare[n-1]
	s.spare = s.spare[:n-1]
	return g
}

// giveGathering keeps g (nil: none) for the next restore. The last restore that ends leaves none.
func (s *Store) giveGathering(g *gathering, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case last:
		s.spare = nil
	case g != nil:
		g.reset()
		s.spare = append(s.spare, g)
	}
}

// bytes returns what the gathering takes of what a restore may.
func (g *gathering) bytes() int {
	const recordBytes, customerBytes = 24, 100
	return g.size + len(g.records)*recordBytes + len(g.chains)*customerBytes
}

func (g *gathering) add(customer string, offset int64, record []byte) {
	slab := g.slabFor(len(record))
	s := &g.slabs[slab]
	x := gathered{offset: offset, slab: int32(slab), at: int32(len(*s)), n: int32(len(record)), next: -1}
	*s = append(*s, record...)
	g.size += len(record)
	index := int32(len(g.records))
	g.records = append(g.records, x)
	if i, ok := g.customers[customer]; ok {
		c := &g.chains[i]
		g.records[c.last].next = index
		c.last = index
		return
	}
	g.customers[customer] = int32(len(g.chains))
	g.chains = append(g.chains, chain{customer, index, index})
}

// slabFor returns the index of a slab with room for n bytes.
func (g *gathering) slabFor(n int) int {
	if last := g.used - 1; last >= 0 && cap(g.slabs[last])-len(g.slabs[last]) >= n {
		return last
	}
	if g.used == len(g.slabs) {
		g.slabs = append(g.slabs, nil)
	}
	if cap(g.slabs[g.used]) < n {
		g.slabs[g.used] = make([]byte, 0, max(slabBytes, n))
	}
	g.used++
	return g.used - 1
}

func (g *gathering) record(x *gathered) []byte { return g.slabs[x.slab][x.at : x.at+x.n] }

// inKeyOrder returns the chains in the order of their accounts' keys.
func (g *gathering) inKeyOrder() []chain {
	clear(g.customers) // its indexes are no longer true
	slices.SortFunc(g.chains, func(a, b chain) int { return compareCustomers(a.customer, b.customer) })
	return g.chains
}

// compareCustomers orders customers as their keys are: the length comes first, as the bytes of a varint.
func compareCustomers(a, b string) int {
	if len(a) != len(b) {
		return cmp.Compare(string(appendText(nil, a)[:2]), string(appendText(nil, b)[:2]))
	}
	return strings.Compare(a, b)
}

// reset empties the gathering and keeps its memory.
func (g *gathering) reset() {
	for i := range g.slabs[:g.used] {
		g.slabs[i] = g.slabs[i][:0]
	}
	clear(g.customers)
	clear(g.chains)
	g.used, g.size, g.records, g.chains, g.decisions = 0, 0, g.records[:0], g.chains[:0], 0
}
