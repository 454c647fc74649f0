package intake

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// gathering turns the rows of one file into events.
type gathering struct {
	plan     *plan
	contents *Contents
	groups   map[groupKey]*group
	ordered  []*group
	texts    []string // of the row at hand, by setter
	// decimals are those of currency, the last one looked up.
	currency string
	decimals int
}

// groupKey is the texts that rows of one event share: customer, order, return.
type groupKey [3]string

// group is one event whose rows are being read.
type group struct {
	event events.Event
	line  int64
	rows  int
	// heads are the texts of the event's own fields in its first row; later rows must agree.
	heads  []string
	seen   map[string]int // of return lines, by line id
	reject *Reject
}

func (g *gathering) reject(line int64, row []string, reason string) {
	g.contents.Rejects = append(g.contents.Rejects, g.rejectOf(line, row, reason))
}

func (g *gathering) rejectOf(line int64, row []string, reason string) Reject {
	text := strings.Join(row, ",")
	if len(text) > 1000 {
		text = text[:1000] + "…"
	}
	return Reject{File: g.plan.file, Line: line, Rows: 1, Reason: reason, Text: text}
}

// row adds one row to its event.
func (g *gathering) row(line int64, row []string) {
	p := g.plan
	for _, s := range p.skips {
		if slices.Contains(s.texts, row[s.column]) {
			g.contents.Skipped++
			return
		}
	}
	g.texts = g.texts[:0]
	for i := range p.setters {
		s := &p.setters[i]
		text := s.text
		if s.from != nil && s.from.sum == nil {
			text = strings.TrimSpace(s.from.text(row))
		}
		g.texts = append(g.texts, text)
	}
	now := g.groupOf(line)
	now.rows++
	if now.reject != nil {
		return
	}
	if err := g.fill(now, row); err != nil {
		r := g.rejectOf(line, row, err.Error())
		now.reject = &r
	}
}

// groupOf returns the event that the row at hand belongs to.
func (g *gathering) groupOf(line int64) *group {
	var key groupKey
	for i, at := range g.plan.keys {
		key[i] = g.texts[at]
	}
	if now := g.groups[key]; now != nil {
		return now
	}
	now := &group{event: events.New(g.plan.source.Event), line: line}
	g.ordered = append(g.ordered, now)
	if g.plan.keys != nil {
		g.groups[key] = now
	}
	return now
}

// fill writes the row at hand into its event.
func (g *gathering) fill(now *group, row []string) error {
	p := g.plan
	first := now.rows == 1
	if first {
		now.heads = slices.Clone(g.texts)
	}
	format := numberFormat{decimal: '.'}
	if p.m.Decimal == "," {
		format.decimal = ','
	}
	currency := p.m.Currency
	item, isLine := newLine(p.source.Event, len(lineIDs(now.event)))
	for i := range p.setters {
		s, text := &p.setters[i], g.texts[i]
		if s.field.name == "currency" && text != "" {
			currency = text
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
		case s.field.kind == instantField:
			if err := p.earlier(now, s, text); err != nil {
				return err
			}
		case s.from != nil && text != now.heads[i]:
			return fmt.Errorf("%s: %q here, %q on line %d of the same %s", s.shown, clip(text), clip(now.heads[i]), now.line, strings.TrimPrefix(string(p.source.Event), "Order"))
		}
	}
	if isLine {
		return now.add(item, p)
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

// earlier lets an event happen at the first of its rows' times.
func (p *plan) earlier(now *group, s *setter, text string) error {
	at, err := p.m.instant(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.shown, err)
	}
	if h := now.event.Head(); s.field.name == "at" && at < h.At {
		h.At = at
	}
	return nil
}

// set converts a text and writes it into the field. An empty text leaves the field absent.
func (p *plan) set(s *setter, target reflect.Value, row []string, text string, format numberFormat) error {
	if s.from != nil && s.from.sum != nil {
		return p.setSum(s, target, row, format)
	}
	if text == "" {
		return nil
	}
	var v any
	var err error
	switch s.field.kind {
	case textField:
		v = text
	case integerField:
		v, err = format.integer(text)
	case moneyField:
		var m events.Money
		m, err = format.money(text)
		v = int64(m)
	case instantField:
		var at events.Instant
		at, err = p.m.instant(text)
		v = int64(at)
	case flagField:
		v, err = strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			err = fmt.Errorf("%q is neither true nor false", clip(text))
		}
	}
	if err != nil {
		return fmt.Errorf("%s (%s): %w", s.field.name, s.shown, err)
	}
	s.field.set(target, v)
	return nil
}

func (p *plan) setSum(s *setter, target reflect.Value, row []string, format numberFormat) error {
	var sum int64
	if s.field.kind == integerField {
		format.exponent = 0
	}
	for _, column := range s.from.sum {
		text := strings.TrimSpace(row[column])
		if text == "" {
			continue
		}
		n, err := format.money(text)
		if err != nil {
			return fmt.Errorf("%s (%s): %w", s.field.name, s.shown, err)
		}
		sum += int64(n)
	}
	s.field.set(target, sum)
	return nil
}

// newLine returns an empty line to fill, for the event types that have lines.
func newLine(t events.Type, have int) (reflect.Value, bool) {
	switch t {
	case events.TypeOrderPlaced:
		return reflect.ValueOf(&events.Line{Line: strconv.Itoa(have + 1), Quantity: 1}).Elem(), true
	case events.TypeOrderReturned:
		return reflect.ValueOf(&events.ReturnedLine{}).Elem(), true
	default:
		return reflect.Value{}, false
	}
}

func lineIDs(e events.Event) []events.Line {
	if o, ok := e.(*events.OrderPlaced); ok {
		return o.Lines
	}
	return nil
}

// add appends a filled line to its event. A return's rows that name the same line are added up: a shop books a part
// returned twice as two rows. A return whose map names no line is one of everything.
func (now *group) add(item reflect.Value, p *plan) error {
	switch e := now.event.(type) { //nolint:gochecksumtype // only these have parts; the default refuses the others
	case *events.OrderPlaced:
		e.Lines = append(e.Lines, item.Interface().(events.Line))
	case *events.OrderReturned:
		if !p.hasLine {
			return nil
		}
		l := item.Interface().(events.ReturnedLine)
		if now.seen == nil {
			now.seen = map[string]int{}
		}
		if i, ok := now.seen[l.Line]; ok {
			e.Lines[i].Quantity += l.Quantity
			e.Lines[i].Amount += l.Amount
			return nil
		}
		now.seen[l.Line] = len(e.Lines)
		e.Lines = append(e.Lines, l)
	}
	return nil
}

// finish makes up the ids, validates, and sorts out what was rejected.
func (g *gathering) finish() *Contents {
	c := g.contents
	for _, now := range g.ordered {
		if now.reject == nil {
			h := now.event.Head()
			if !g.plan.hasID {
				h.ID = g.plan.m.eventID(now.event)
			}
			if err := events.ValidateNew(now.event); err != nil {
				now.reject = &Reject{File: g.plan.file, Line: now.line, Reason: strings.ReplaceAll(err.Error(), "\n", "; ")}
			}
		}
		if now.reject == nil {
			c.Records = append(c.Records, Record{Event: now.event, Line: now.line, Rows: now.rows})
			continue
		}
		now.reject.Rows = now.rows
		if now.rows > 1 {
			now.reject.Reason += fmt.Sprintf(" (so all %d rows of it are left out, from line %d)", now.rows, now.line)
		}
		c.Rejects = append(c.Rejects, *now.reject)
	}
	slices.SortStableFunc(c.Rejects, func(a, b Reject) int { return int(a.Line - b.Line) })
	return c
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
