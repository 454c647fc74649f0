package intake

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// dayMost is the longest day, when clocks are set back.
const dayMost = 25 * time.Hour

// earlier lets an event happen at the first of its rows' times. Shops note when each line was rung up, but not over days.
func (p *plan) earlier(now *group, s *setter, text string) error {
	at, err := p.m.instant(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.shown, err)
	}
	h := now.event.Head()
	if s.field.name != "at" || h.At == 0 {
		return nil
	}
	from, to := min(h.At, at), max(h.At, now.latest, at)
	if to-from > events.Instant(dayMost.Milliseconds()) {
		return fmt.Errorf("%s: %q is more than a day from another row of the same %s, which begins on line %d: is it another %s, or the day another?",
			s.shown, clip(text), p.noun(), now.first(), p.noun())
	}
	h.At, now.latest = from, to
	return nil
}

// noun is what people call an event of several rows.
func (p *plan) noun() string {
	if p.source.Event == events.TypeOrderReturned {
		return "return"
	}
	return "order"
}

// set converts a text and writes it into the field. An empty text leaves the field absent.
func (p *plan) set(s *setter, target reflect.Value, row []string, text string, format numberFormat) error {
	if s.from != nil && s.from.terms != nil {
		return p.setTerms(s, target, row, format)
	}
	if text == "" {
		if s.filled {
			return fmt.Errorf("%s (%s): is empty", s.field.name, s.shown)
		}
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

// setTerms adds columns up or multiplies them. The first of a sum is what the others, such as a discount, are added to, so
// they may be empty; nothing times something is nothing that a shop wrote.
func (p *plan) setTerms(s *setter, target reflect.Value, row []string, format numberFormat) error {
	if s.field.kind == integerField {
		format.exponent = 0
	}
	if !s.filled && s.from.termTexts(row) == "" {
		return nil // as an empty column leaves it
	}
	combined := newCombination(s.from.times)
	for i, t := range s.from.terms {
		text := strings.TrimSpace(row[t.column])
		if text == "" && s.filled && (i == 0 || s.from.times) {
			return fmt.Errorf("%s (%s): the %s is empty", s.field.name, s.shown, [...]string{"first", "second", "third"}[min(i, 2)])
		}
		if text == "" && s.from.times {
			return nil
		}
		if text == "" {
			continue
		}
		if err := combined.take(format, text, t.minus); err != nil {
			return fmt.Errorf("%s (%s): %w", s.field.name, s.shown, err)
		}
	}
	n, err := combined.minor(format.exponent, s.field.kind == integerField)
	if err != nil {
		return fmt.Errorf("%s (%s): %w", s.field.name, s.shown, err)
	}
	s.field.set(target, n)
	return nil
}
