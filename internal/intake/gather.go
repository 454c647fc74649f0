package intake

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/accrue-loyalty/accrue/events"
)

// gathering turns the rows of one file into events.
type gathering struct {
	plan     *plan
	check    func(e events.Event, line int64) error
	contents *Contents
	groups   map[groupKey]*group
	ordered  []*group
	orphans  map[groupKey]place // rows without a customer, by what they have of a key
	texts    []string           // of the row at hand, by setter
	// decimals are those of currency, the last one looked up.
	currency string
	decimals int
}

// groupKey is the texts that rows of one event share: customer, order, return.
type groupKey [3]string

// place is where a row stands, and how.
type place struct {
	line int64
	text string
}

// group is one event whose rows are being read.
type group struct {
	event events.Event
	// rows are where it comes from, in order.
	rows []place
	// latest is the last of the rows' times; the event has the first.
	latest events.Instant
	// heads are the texts of the event's own fields in its first row; later rows must agree, or have none.
	heads []string
	seen  map[string]int // of return lines, by line id
	// bad says of lines what is wrong with them; the group is rejected when it has any.
	bad map[int64]string
}

// refuse says what is wrong with a line, beside what has been said.
func (now *group) refuse(line int64, reason string) {
	if now.bad == nil {
		now.bad = map[int64]string{}
	}
	if said := now.bad[line]; said != "" {
		reason = said + "; " + reason
	}
	now.bad[line] = reason
}

// first is the line that the group begins with.
func (now *group) first() int64 { return now.rows[0].line }

// reject leaves out a row that belongs to nothing.
func (g *gathering) reject(at place, reason string) {
	g.contents.Rejects = append(g.contents.Rejects, Reject{File: g.plan.file, Line: at.line, Rows: 1, Reason: reason, Text: at.text})
}

// broken leaves out a row that has not the header's columns. What it belongs to is not whole without it, as far as enough
// of it is there to tell.
func (g *gathering) broken(at place, row []string, columns int, reason string) {
	if g.plan.keys == nil {
		g.reject(at, reason)
		return
	}
	whole := make([]string, columns)
	copy(whole, row)
	g.readTexts(whole)
	if s := g.keyless(); s != nil {
		g.reject(at, reason)
		g.orphan(at, s)
		return
	}
	g.groupOf(at).refuse(at.line, reason)
}

// row adds one row to its event. The error is about the file as a whole.
func (g *gathering) row(at place, row []string) error {
	foreign := false
	for _, s := range g.plan.skips {
		if s.matches(strings.TrimSpace(row[s.column])) {
			g.contents.Skipped++
			return nil
		}
		foreign = foreign || !utf8.ValidString(row[s.column])
	}
	g.readTexts(row)
	if s := g.keyless(); s != nil {
		g.reject(at, fmt.Sprintf("%s: is missing, which the map reads from %q", s.field.name, s.shown))
		g.orphan(at, s)
		return nil
	}
	now := g.groupOf(at)
	if foreign {
		now.refuse(at.line, "skip: a column that it looks at is not UTF-8"+convert) // it cannot be compared with the map's texts
		return nil
	}
	err := g.fill(now, row)
	if errors.Is(err, errNoTimezone) {
		return err
	}
	if err != nil {
		now.refuse(at.line, err.Error())
	}
	return nil
}

// readTexts asks the row at hand for its texts, once.
func (g *gathering) readTexts(row []string) {
	g.texts = g.texts[:0]
	for i := range g.plan.setters {
		s := &g.plan.setters[i]
		text := s.text
		switch {
		case s.from == nil:
		case s.from.terms == nil:
			text = strings.TrimSpace(s.from.text(row))
			if s.names && s.from.lacks(row) {
				text = "" // "shop-" would be one customer, made of all that nobody knows
			}
		case !s.field.line:
			text = s.from.termTexts(row) // for later rows to agree with
		}
		g.texts = append(g.texts, text)
	}
}

// keyless returns what the row at hand lacks to say which event it belongs to, or nil. Rows that lack it have nothing in
// common.
func (g *gathering) keyless() *setter {
	for _, i := range g.plan.keys {
		if g.texts[i] == "" {
			return &g.plan.setters[i]
		}
	}
	return nil
}

// key returns the texts of the row at hand that say which event it belongs to.
func (g *gathering) key() (key groupKey) {
	for i, setter := range g.plan.keys {
		key[i] = g.texts[setter]
	}
	return key
}

// groupOf returns the event that the row at hand belongs to, with the row.
func (g *gathering) groupOf(at place) *group {
	key := g.key()
	now := g.groups[key]
	if now == nil {
		now = &group{event: events.New(g.plan.source.Event)}
		g.ordered = append(g.ordered, now)
		if g.plan.keys != nil {
			g.groups[key] = now
		}
	}
	now.rows = append(now.rows, at)
	return now
}

// fill writes the row at hand into its event.
func (g *gathering) fill(now *group, row []string) error {
	p := g.plan
	first := now.heads == nil
	if first {
		now.heads = slices.Clone(g.texts)
	}
	format := numberFormat{decimal: '.', thousands: p.m.Thousands}
	if p.m.Decimal == "," {
		format.decimal = ','
	}
	currency := p.m.Currency
	item, isLine := newLine(now.event)
	for i := range p.setters {
		s, text := &p.setters[i], g.texts[i]
		if s.field.name == "currency" {
			currency = cmp.Or(text, now.heads[i], currency)
		}
		if s.field.kind == moneyField {
			if err := g.look(currency); err != nil {
				return err
			}
			format.exponent = g.decimals
		}
		switch {
		case s.field.line && isLine:
			if err := p.set(s, item, row, text, format); err != nil {
				return err
			}
		case s.field.line:
		case first:
			if err := p.set(s, reflect.ValueOf(now.event).Elem(), row, text, format); err != nil {
				return err
			}
		case text == "": // many exports fill an order's own columns in its first row alone
		case s.field.kind == instantField:
			if err := p.earlier(now, s, text); err != nil {
				return err
			}
		case s.from != nil && text != now.heads[i]:
			return fmt.Errorf("%s: %q here, %q on line %d of the same %s", s.shown, clip(text), clip(now.heads[i]), now.first(), p.noun())
		}
	}
	if isLine {
		now.add(item, p)
	}
	return nil
}

// look finds the decimals of a currency.
func (g *gathering) look(currency string) error {
	if currency == g.currency && currency != "" {
		return nil
	}
	decimals, ok := g.plan.m.exponents(currency)
	if !ok {
		return fmt.Errorf("currency: %q is no ISO 4217 code", clip(currency))
	}
	g.currency, g.decimals = currency, decimals
	return nil
}

// newLine returns an empty line to fill, for the event types that have lines.
func newLine(e events.Event) (reflect.Value, bool) {
	switch e := e.(type) {
	case *events.OrderPlaced:
		return reflect.ValueOf(&events.Line{Line: strconv.Itoa(len(e.Lines) + 1), Quantity: 1}).Elem(), true
	case *events.OrderReturned:
		return reflect.ValueOf(&events.ReturnedLine{}).Elem(), true
	default:
		return reflect.Value{}, false
	}
}

// add appends a filled line to its event. A return's rows that name the same line are added up: a shop books a part
// returned twice as two rows. A return whose map names no line is one of everything.
func (now *group) add(item reflect.Value, p *plan) {
	switch e := now.event.(type) { //nolint:gochecksumtype // only these have lines
	case *events.OrderPlaced:
		e.Lines = append(e.Lines, item.Interface().(events.Line))
	case *events.OrderReturned:
		if !p.hasLine {
			return
		}
		l := item.Interface().(events.ReturnedLine)
		if now.seen == nil {
			now.seen = map[string]int{}
		}
		if i, ok := now.seen[l.Line]; ok {
			e.Lines[i].Quantity += l.Quantity
			e.Lines[i].Amount += l.Amount
			return
		}
		now.seen[l.Line] = len(e.Lines)
		e.Lines = append(e.Lines, l)
	}
}

// finish makes up the ids, validates, and sorts out what was rejected.
func (g *gathering) finish() *Contents {
	c := g.contents
	g.refuseOrphaned()
	for _, now := range g.ordered {
		if now.bad == nil {
			h := now.event.Head()
			if !g.plan.hasID {
				h.ID = g.plan.m.eventID(now.event)
			}
			err := events.ValidateNew(now.event)
			if err == nil {
				err = now.repeated(g.plan.noun())
			}
			if err == nil && g.check != nil {
				err = g.check(now.event, now.first())
			}
			if err != nil {
				now.refuse(now.first(), strings.ReplaceAll(strings.ReplaceAll(err.Error(), "is not UTF-8", "is not UTF-8"+convert), "\n", "; "))
			}
		}
		if now.bad == nil {
			c.Records = append(c.Records, Record{now.event, len(now.rows)})
			continue
		}
		g.rejectAll(now)
	}
	slices.SortStableFunc(c.Rejects, func(a, b Reject) int { return cmp.Compare(a.Line, b.Line) })
	return c
}

// rejectAll leaves out all rows of an event, so that they can be mended and sent again together.
func (g *gathering) rejectAll(now *group) {
	because := slices.Min(slices.Collect(maps.Keys(now.bad)))
	for _, at := range now.rows {
		r := Reject{File: g.plan.file, Line: at.line, Text: at.text}
		if reason, bad := now.bad[at.line]; bad {
			r.Rows, r.Reason = len(now.rows), reason
		} else {
			r.Reason = fmt.Sprintf("belongs to a rejected %s: see line %d", g.plan.noun(), because)
		}
		g.contents.Rejects = append(g.contents.Rejects, r)
	}
}

// eventID makes up an event's id from its business id, the same at every reading.
func (m *Map) eventID(e events.Event) string {
	id := ""
	switch e := e.(type) {
	case *events.OrderPlaced:
		return m.Name + ":" + e.Order
	case *events.OrderReturned:
		return m.Name + ":return:" + e.Return + ":" + e.Order
	case *events.OrderFulfilled:
		id = "fulfilled:" + e.Order
	case *events.OrderCancelled:
		id = "cancelled:" + e.Order
	case *events.ReviewSubmitted:
		id = "review:" + e.Review.Review
	case *events.ReviewApproved:
		id = "approved:" + e.Review.Review
	case *events.ReviewRemoved:
		id = "removed:" + e.Review.Review
	case *events.ComplaintResolved:
		id = "complaint:" + e.Complaint
	case *events.RedemptionRequested:
		id = "redemption:" + e.Redemption
	case *events.RedemptionConfirmed:
		id = "confirmed:" + e.Redemption
	case *events.RedemptionCancelled:
		id = "redemption-cancelled:" + e.Redemption
	case *events.TransferRequested:
		id = "transfer:" + e.Transfer
	case *events.AccountRegistered:
		id = "registered"
	default:
		return "" // needed() demands a column for the others
	}
	return m.Name + ":" + id
}
