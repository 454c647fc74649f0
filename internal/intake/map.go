package intake

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Map says how a shop's CSV files become events. It is read-only after [ParseMap].
type Map struct {
	// Name starts every event id that is made up, so that two shops' ids differ. Changing it makes all events new.
	Name string `yaml:"name"`
	// Timezone is that of dates and times without an offset; a file that has any is refused without it.
	Timezone string `yaml:"timezone"`
	// Currency is the ISO 4217 code of amounts, where no column has it.
	Currency string `yaml:"currency"`
	// Separator is between columns, "," when empty. Decimal is "." when empty, or ",". Thousands is between groups of three
	// digits, if anything is.
	Separator string `yaml:"separator"`
	Decimal   string `yaml:"decimal"`
	Thousands string `yaml:"thousands"`
	// Time is the form of times that are not ISO's, in letters such as YYYY MM DD hh mm ss, or what they are counted in.
	Time string `yaml:"time"`
	// A map for one kind of file has its source's keys at the top level, one for several has Sources.
	Source  `yaml:",inline"`
	Sources []Source `yaml:"sources"`

	calendar  loyalty.Calendar
	form      timeForm
	exponents func(string) (int, bool)
}

// Source says how one kind of file is read.
type Source struct {
	// File matches the names of the files that it is about (* and ?), without their folder; empty matches all.
	File string `yaml:"file"`
	// Event is what the rows make. Rows of one order, or of one return of one order, make one event.
	Event events.Type `yaml:"event"`
	// Columns says where fields come from; Constants gives others their text.
	Columns   map[string]Expression `yaml:"columns"`
	Constants map[string]string     `yaml:"constants"`
	// Skip leaves out rows that have one of the texts in the column; one that ends in * is how such texts begin.
	Skip map[string][]string `yaml:"skip"`
}

// ParseMap reads a map. exponents tells the number of decimals of a currency, and whether there is such a one. The
// error reports all problems.
func ParseMap(source []byte, exponents func(string) (int, bool)) (*Map, error) {
	m := &Map{exponents: exponents}
	dec := yaml.NewDecoder(bytes.NewReader(source))
	dec.KnownFields(true)
	if err := dec.Decode(m); err != nil && !errors.Is(err, io.EOF) {
		return nil, plainYAML(err)
	}
	if len(m.Sources) == 0 {
		m.Sources = []Source{m.Source}
	} else if m.Event != "" || m.Columns != nil || m.Constants != nil || m.Skip != nil || m.File != "" {
		return nil, errors.New("a map has sources, or event, file, columns, constants and skip at its top level, not both")
	}
	problems := m.checkTop()
	for i := range m.Sources {
		for j := range i {
			if f := m.Sources[j].File; f == "" || f == "*" || f == m.Sources[i].File {
				problems = append(problems, fmt.Errorf("sources[%d]: reads nothing, because sources[%d] is about the same files: "+
					"what is in one file for both, import under two names, such as a link to it", i, j))
				break
			}
		}
		for _, p := range m.Sources[i].check(m) {
			if len(m.Sources) > 1 {
				p = fmt.Errorf("sources[%d]: %w", i, p)
			}
			problems = append(problems, p)
		}
	}
	return m, errors.Join(problems...)
}

func (m *Map) checkTop() (problems []error) {
	if m.Name == "" || len(m.Name) > 32 {
		problems = append(problems, errors.New("name: a short word is needed; it starts the ids of the events"))
	}
	zone := m.Timezone
	if zone == "" {
		zone = "UTC"
	}
	loc, ok := loyalty.Zone(zone)
	if !ok {
		problems = append(problems, fmt.Errorf("timezone: %q is not in the zone database; write it as America/New_York", m.Timezone))
	} else {
		m.calendar = loyalty.NewCalendar(loc)
	}
	if m.Currency != "" {
		if _, ok := m.exponents(m.Currency); !ok {
			problems = append(problems, fmt.Errorf("currency: %q is no ISO 4217 code", m.Currency))
		}
	}
	if m.Separator == `\t` {
		m.Separator = "\t"
	}
	if len(m.Separator) > 1 || strings.ContainsAny(m.Separator, "\"\r\n\x00") {
		problems = append(problems, fmt.Errorf("separator: %q is not one character that can stand between columns", m.Separator))
	}
	if m.Decimal != "" && m.Decimal != "." && m.Decimal != "," {
		problems = append(problems, fmt.Errorf(`decimal: %q is neither "." nor ","`, m.Decimal))
	}
	if t := []rune(m.Thousands); len(t) > 1 || len(t) == 1 && (unicode.IsDigit(t[0]) || strings.ContainsRune("+-", t[0])) || m.Thousands == cmp.Or(m.Decimal, ".") {
		problems = append(problems, fmt.Errorf(`thousands: %q is not one sign between digits, other than the decimal one, such as "." with decimal: ","`, m.Thousands))
	}
	var err error
	if m.form, err = formOf(m.Time); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// Location returns the timezone of dates and times without an offset.
func (m *Map) Location() *time.Location { return m.calendar.Location() }

// check compares the source with what its event type has.
func (s *Source) check(m *Map) (problems []error) {
	if _, err := filepath.Match(s.File, ""); err != nil {
		problems = append(problems, fmt.Errorf("file: %q is no pattern", s.File))
	}
	fields := fieldsOf(s.Event)
	if fields == nil {
		return append(problems, fmt.Errorf("event: %q is no event type that a shop publishes", s.Event))
	}
	known := func(name string) bool {
		return slices.ContainsFunc(fields, func(f field) bool { return f.name == name })
	}
	given := map[string]bool{}
	for name, x := range s.Columns {
		given[name] = true
		if !known(name) {
			problems = append(problems, fmt.Errorf("line %d: columns: %s has no field %q; it has %s", x.line, s.Event, name, fieldNames(fields)))
		}
	}
	for name := range s.Constants {
		if given[name] {
			problems = append(problems, fmt.Errorf("constants: %q has a column already", name))
		}
		given[name] = true
		if !known(name) {
			problems = append(problems, fmt.Errorf("constants: %s has no field %q; it has %s", s.Event, name, fieldNames(fields)))
		}
	}
	if m.Currency != "" && known("currency") {
		given["currency"] = true
	}
	for _, name := range append([]string{"customer", "at"}, needed(s.Event)...) {
		if !given[name] {
			problems = append(problems, fmt.Errorf("columns: %s needs %q", s.Event, name))
		}
	}
	if m.Currency == "" && !given["currency"] && slices.ContainsFunc(fields, func(f field) bool { return f.kind == moneyField }) {
		problems = append(problems, errors.New("currency: amounts of money need it, to know their decimals"))
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

// needed lists the fields, beside customer and at, without which events of type t make no sense, the business id
// first.
func needed(t events.Type) []string {
	switch t {
	case events.TypeOrderPlaced:
		return []string{"order", "currency", "amount"}
	case events.TypeOrderFulfilled, events.TypeOrderCancelled:
		return []string{"order"}
	case events.TypeOrderReturned:
		return []string{"return", "order"}
	case events.TypeReviewSubmitted, events.TypeReviewApproved, events.TypeReviewRemoved:
		return []string{"review"}
	case events.TypeComplaintResolved:
		return []string{"complaint"}
	case events.TypeRedemptionRequested:
		return []string{"redemption", "points"}
	case events.TypeRedemptionConfirmed, events.TypeRedemptionCancelled:
		return []string{"redemption"}
	case events.TypeTransferRequested:
		return []string{"transfer", "to", "points"}
	case events.TypeAccountRegistered:
		return nil
	default:
		return []string{"id"}
	}
}

// SourceOf returns the source that reads a file of that name, or an error that names the patterns.
func (m *Map) SourceOf(file string) (*Source, error) {
	var patterns []string
	for i := range m.Sources {
		s := &m.Sources[i]
		if ok, _ := filepath.Match(s.File, filepath.Base(file)); ok || s.File == "" || file == "-" && len(m.Sources) == 1 {
			return s, nil
		}
		patterns = append(patterns, s.File)
	}
	return nil, fmt.Errorf("no source of the map %q is about %s: its files are %s", m.Name, filepath.Base(file), strings.Join(patterns, ", "))
}

// plainYAML words yaml's errors for people who don't know Go.
func plainYAML(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.ReplaceAll(text, "unmarshal errors:\n  ", "")
	if i := strings.Index(text, " cannot unmarshal "); i >= 0 {
		text = text[:i] + " this is not what a map has there: a map has keys with values, such as name: myshop"
	} else if i := strings.Index(text, " not found in type "); i >= 0 {
		text = text[:i] + " is no key of a map; keys are name, timezone, currency, separator, decimal, thousands, time, sources, file, event, columns, constants, skip"
	}
	return errors.New(text)
}
