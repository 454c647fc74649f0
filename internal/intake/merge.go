package intake

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// ByTime returns the events of a CSV file, whose order means nothing, by time; those of one instant stay in the order
// of the file.
func (c *Contents) ByTime() []events.Event {
	all := make([]events.Event, len(c.Records))
	for i := range c.Records {
		all[i] = c.Records[i].Event
	}
	slices.SortStableFunc(all, func(a, b events.Event) int { return cmp.Compare(a.Head().At, b.Head().At) })
	return all
}

// Merge brings the events of several files together. Each file keeps its order, which may be that of arrival; which
// file goes on is decided by the time of its next event, the earlier first, ties in the order of the files.
func Merge(files ...[]events.Event) []events.Event {
	if len(files) == 1 {
		return files[0]
	}
	h := merging{}
	total := 0
	for i, f := range files {
		total += len(f)
		if len(f) > 0 {
			h = append(h, source{f, i})
		}
	}
	heap.Init(&h)
	merged := make([]events.Event, 0, total)
	for len(h) > 0 {
		first := &h[0]
		merged = append(merged, first.rest[0])
		first.rest = first.rest[1:]
		if len(first.rest) == 0 {
			heap.Pop(&h)
		} else {
			heap.Fix(&h, 0)
		}
	}
	return merged
}

// source is what is left of one file.
type source struct {
	rest   []events.Event
	number int
}

type merging []source

// Len implements [heap.Interface].
func (m merging) Len() int { return len(m) }

// Less implements [heap.Interface].
func (m merging) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(m[i].rest[0].Head().At, m[j].rest[0].Head().At), cmp.Compare(m[i].number, m[j].number)) < 0
}

// Swap implements [heap.Interface].
func (m merging) Swap(i, j int) { m[i], m[j] = m[j], m[i] }

// Push implements [heap.Interface].
func (m *merging) Push(x any) { *m = append(*m, x.(source)) }

// Pop implements [heap.Interface].
func (m *merging) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}
