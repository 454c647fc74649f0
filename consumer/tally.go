package consumer

import "github.com/accrue-loyalty/accrue/events"

// tally counts the decisions of a batch, the points they moved and the dead letters, for when they are committed. A batch
// has few kinds of each, so they are found by looking through them.
type tally struct {
	kinds   []kindCount
	points  []pointsMoved
	letters map[string]int // by reason; nil: none
}

type kindCount struct {
	t events.Type
	r events.Result
	n int
}

type pointsMoved struct {
	t events.EntryType
	n events.Points
}

func (c *tally) add(d *events.Decision) {
	c.kind(d.Facts.Type, d.Result)
	for i := range d.Entries {
		c.moved(d.Entries[i].Type, d.Entries[i].Points)
	}
}

func (c *tally) kind(t events.Type, r events.Result) {
	for i := range c.kinds {
		if k := &c.kinds[i]; k.t == t && k.r == r {
			k.n++
			return
		}
	}
	c.kinds = append(c.kinds, kindCount{t, r, 1})
}

func (c *tally) moved(t events.EntryType, n events.Points) {
	if n == 0 {
		return
	}
	for i := range c.points {
		if p := &c.points[i]; p.t == t {
			p.n += n
			return
		}
	}
	c.points = append(c.points, pointsMoved{t, n})
}

func (c *tally) letter(reason string) {
	if c.letters == nil {
		c.letters = make(map[string]int)
	}
	c.letters[reason]++
}

func (c *tally) report(m Metrics) {
	for _, k := range c.kinds {
		m.Decided(k.t, k.r, k.n)
	}
	for _, p := range c.points {
		m.Moved(p.t, p.n)
	}
	for reason, n := range c.letters {
		m.DeadLetters(reason, n)
	}
}
