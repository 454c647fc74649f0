package intake

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// Record is an event, and how many rows made it.
type Record struct {
	Event events.Event
	Rows  int
}

// Reject is a line that could not become an event, or be part of one.
type Reject struct {
	File string `json:"file"`
	Line int64  `json:"line"`
	// Rows is how many rows are left out because of this one: all of its order. 0 is a good row that is left out because
	// another one of its order is bad.
	Rows   int    `json:"rows,omitempty"`
	Reason string `json:"reason"`
	// Text is the line as it stands in the file, or the beginning of one of more than [TextBytesMax].
	Text string `json:"text,omitempty"`
}

// Error implements error.
func (r *Reject) Error() string { return fmt.Sprintf("%s: line %d: %s", r.File, r.Line, r.Reason) }

// Contents is what a file held.
type Contents struct {
	// Records are in the order of their first lines.
	Records []Record
	Rejects []Reject
	// Rows counts the rows after the header, Skipped those that the map leaves out.
	Rows, Skipped int64
}

// ReadCSV reads a whole CSV file by source s of the map. What is wrong with single rows goes to Rejects; the error is
// about the file as a whole: no header, a column that is not there. check, if there is one, is asked about every event that is
// whole, with its first line, and its error refuses it.
func (m *Map) ReadCSV(file string, s *Source, r io.Reader, check func(e events.Event, line int64) error) (*Contents, error) {
	b := bufio.NewReader(r)
	if err := skipMark(b); err != nil {
		return nil, fmt.Errorf("%s %w", file, err)
	}
	said := &tape{from: b}
	in := csv.NewReader(said)
	in.FieldsPerRecord = -1
	if m.Separator != "" {
		in.Comma = rune(m.Separator[0])
	}
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: the first line must name the columns", file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the header of %s: %w", file, err)
	}
	p, err := m.plan(file, s, header)
	if err != nil {
		if strings.Contains(strings.Join(header, ""), "\r") {
			return nil, fmt.Errorf("%s seems to end its lines as old Macs did, in CR: convert them, as by tr '\\r' '\\n'", file)
		}
		if strings.HasPrefix(strings.Join(header, ""), "sep=") {
			return nil, fmt.Errorf("%s begins with a line for Excel, %q: take it out, the first line must name the columns", file, strings.Join(header, cmp.Or(m.Separator, ",")))
		}
		if other := m.otherSeparator(header); other != "" {
			return nil, fmt.Errorf("%s seems to have %q between its columns: write separator: %q in the map", file, other, other)
		}
		return nil, err
	}
	said.cut(in.InputOffset())
	g := &gathering{plan: p, check: check, contents: &Contents{}, groups: map[groupKey]*group{}}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			return g.finish(), nil
		}
		at := place{text: said.cut(in.InputOffset())}
		if err == nil || len(row) > 0 {
			line, _ := in.FieldPos(0)
			at.line = int64(line)
		}
		g.contents.Rows++
		var parse *csv.ParseError
		switch {
		case errors.As(err, &parse):
			at.line = int64(parse.StartLine)
			reason := parse.Err.Error()
			if parse.Line > parse.StartLine {
				reason += fmt.Sprintf(", and everything to line %d was taken for this row: mend the quotes", parse.Line)
			}
			g.broken(at, row, len(header), reason)
		case err != nil:
			return nil, fmt.Errorf("reading %s: %w", file, err)
		case len(row) != len(header):
			g.broken(at, row, len(header), fmt.Sprintf("has %d columns, the header has %d", len(row), len(header)))
		default:
			if err := g.row(at, row); err != nil {
				return nil, fmt.Errorf("%s: line %d: %w", file, at.line, err)
			}
		}
	}
}

// plan is a source whose columns were found in one file.
type plan struct {
	m      *Map
	source *Source
	file   string
	// setters fill the event, or a line of it.
	setters []setter
	skips   []skip
	// keys are the setters whose texts tell events apart; nil: every row is an event.
	keys []int
	// hasLine and hasID tell whether the map gives the line and the event id.
	hasLine, hasID bool
}

type setter struct {
	field field
	from  *resolved // nil for a constant
	text  string
	// shown names the column in messages.
	shown string
	// filled says that an empty cell is an error.
	filled bool
	// names says that the text is a name that tells customers or events apart: a template is none where a column is empty.
	names bool
}

type skip struct {
	column int
	texts  []string
}

func (s *skip) matches(text string) bool {
	return slices.ContainsFunc(s.texts, func(t string) bool {
		begin, open := strings.CutSuffix(strings.TrimSpace(t), "*")
		return text == strings.TrimSpace(t) || open && text != "" && strings.HasPrefix(text, begin)
	})
}

func (m *Map) plan(file string, s *Source, header []string) (*plan, error) {
	p := &plan{m: m, source: s, file: file}
	fields := fieldsOf(s.Event)
	var problems []error
	for i := range fields {
		f := &fields[i]
		find := func(column string) (int, error) { return findColumn(file, header, f.name, column) }
		set := setter{field: *f, filled: mustBeFilled(s.Event, f.name), names: f.name == "customer" || slices.Contains(needed(s.Event), f.name)}
		if x, ok := s.Columns[f.name]; ok {
			from, err := x.resolve(find)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if from.terms != nil && f.kind != moneyField && f.kind != integerField {
				problems = append(problems, fmt.Errorf("columns: %s is no number, so it can be no sum or product", f.name))
			}
			set.from, set.shown = from, x.shown()
		} else if text, ok := s.Constants[f.name]; ok {
			set.text, set.shown = text, "constant"
		} else if f.name == "currency" && m.Currency != "" {
			set.text, set.shown = m.Currency, "constant"
		} else {
			continue
		}
		p.hasLine, p.hasID = p.hasLine || f.name == "line", p.hasID || f.name == "id"
		p.setters = append(p.setters, set)
	}
	for column, texts := range s.Skip {
		i, err := findColumn(file, header, "skip", column)
		problems = append(problems, err)
		p.skips = append(p.skips, skip{i, texts})
	}
	// Money is read by the currency's decimals, so the currency comes first.
	slices.SortStableFunc(p.setters, func(a, b setter) int {
		return cmp.Compare(order(a.field), order(b.field))
	})
	p.keys = p.keySetters()
	return p, errors.Join(problems...)
}

func order(f field) int {
	if f.name == "currency" {
		return 0
	}
	return 1
}

// keySetters returns the positions of the setters that say which event a row belongs to.
func (p *plan) keySetters() (keys []int) {
	var names []string
	switch p.source.Event {
	case events.TypeOrderPlaced:
		names = []string{"customer", "order"}
	case events.TypeOrderReturned:
		names = []string{"customer", "order", "return"}
	default:
		return nil
	}
	for i := range p.setters {
		if slices.Contains(names, p.setters[i].field.name) {
			keys = append(keys, i)
		}
	}
	return keys
}

// mustBeFilled reports whether an empty cell would be taken for a number that the shop never wrote: an order of nothing,
// which uses up its id, or a single piece. Other fields may be absent, or the event is refused without them.
func mustBeFilled(t events.Type, name string) bool {
	switch name {
	case "amount":
		return true
	case "quantity":
		return t == events.TypeOrderPlaced // a return may say only what it was worth
	case "points":
		return t != events.TypeRedemptionConfirmed // which means all of them
	default:
		return false
	}
}

// findColumn returns a column's position, or an error that names the columns there are.
func findColumn(file string, header []string, field, column string) (int, error) {
	found := -1
	names := make([]string, len(header))
	for i := range header {
		names[i] = strings.TrimSpace(header[i])
		if names[i] != column {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("%s has two columns %q, which the map reads for %q: rename the one that is not meant", file, column, field)
		}
		found = i
	}
	if found >= 0 {
		return found, nil
	}
	hint := ""
	if best := events.Nearest(column, names); best != "" {
		hint = fmt.Sprintf(" Did you mean %q?", best)
	}
	return 0, fmt.Errorf("%s has no column %q, which the map reads for %q; its columns are %s.%s",
		file, column, field, strings.Join(header, ", "), hint)
}

// otherSeparator returns what seems to be between the columns instead of the map's separator, for a header that is all
// one column; "" when it is not that.
func (m *Map) otherSeparator(header []string) string {
	if len(header) != 1 {
		return ""
	}
	best, most := "", 0
	for _, s := range []string{",", ";", "\t", "|"} {
		if n := strings.Count(header[0], s); n > most && s != cmp.Or(m.Separator, ",") {
			best, most = s, n
		}
	}
	return best
}
