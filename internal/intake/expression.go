package intake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Expression says where a field's text comes from: a column, a text with columns in braces, or a sum or product of
// columns.
type Expression struct {
	// Text is a column's name, or a template such as "{customer_id}-{date}-{n}", in which {n} numbers the rows whose
	// other parts are equal, from 1, in the order of the file.
	Text string
	// Sum names columns whose amounts are added up, and Product those that are multiplied, such as a quantity and a unit
	// price; Text is empty then. A column with "-" before its name counts with the other sign.
	Sum     []string
	Product []string

	line int // in the map file
}

// shown names the expression in messages.
func (x *Expression) shown() string {
	return x.Text + strings.Join(x.Sum, " + ") + strings.Join(x.Product, " × ")
}

// UnmarshalYAML reads `column`, `"{a}-{b}"`, `{sum: [a, b]}` or `{product: [a, b]}`.
func (x *Expression) UnmarshalYAML(n *yaml.Node) error {
	x.line = n.Line
	switch n.Kind {
	case yaml.ScalarNode:
		x.Text = n.Value
		return nil
	case yaml.MappingNode:
		if len(n.Content) != 2 {
			break
		}
		into := map[string]*[]string{"sum": &x.Sum, "product": &x.Product}[n.Content[0].Value]
		if into != nil && n.Content[1].Decode(into) == nil && len(*into) > 0 {
			return nil
		}
	}
	return fmt.Errorf(`line %d: want a column, a text with columns in braces, {sum: [column, column]} or {product: [column, column]}`, n.Line)
}

// counter is the {n} of a template.
const counter = "n"

// part is a piece of a template: text, a column, or {n}.
type part struct {
	text   string
	column int // -1: text only; -2: {n}
}

const (
	partText    = -1
	partCounter = -2
)

// resolved is an expression whose columns were found in a file's header.
type resolved struct {
	column int    // of a plain column; -1 otherwise
	terms  []term // of a sum or product; nil otherwise
	times  bool   // it is a product
	parts  []part
	counts map[string]int // of {n}, by the rest of the text
}

// term is a column of a sum or product.
type term struct {
	column int
	minus  bool
}

// resolveTerms finds the columns of a sum or product.
func resolveTerms(names []string, find func(string) (int, error)) (terms []term, err error) {
	for _, name := range names {
		bare, minus := strings.CutPrefix(name, "-")
		i, err := find(name)
		if err == nil {
			minus = false // the column's own name begins so
		} else if i, err = find(bare); err != nil {
			return nil, err
		}
		terms = append(terms, term{i, minus})
	}
	return terms, nil
}

// termTexts returns the texts that are added up or multiplied; "" where there are none.
func (r *resolved) termTexts(row []string) string {
	var texts []string
	some := false
	for _, t := range r.terms {
		text := strings.TrimSpace(row[t.column])
		texts, some = append(texts, text), some || text != ""
	}
	if !some {
		return ""
	}
	return strings.Join(texts, ", ")
}

// resolve finds the columns of x. find returns a column's position or an error that names what there is.
func (x *Expression) resolve(find func(string) (int, error)) (*resolved, error) {
	r := &resolved{column: -1}
	if x.Text == "" {
		r.times = x.Product != nil
		var err error
		r.terms, err = resolveTerms(append(slices.Clone(x.Sum), x.Product...), find)
		return r, err
	}
	if !strings.ContainsAny(x.Text, "{}") {
		i, err := find(x.Text)
		r.column = i
		return r, err
	}
	rest := x.Text
	for rest != "" {
		before, after, open := strings.Cut(rest, "{")
		if before != "" {
			r.parts = append(r.parts, part{before, partText})
		}
		if !open {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("%q has a { without its }", x.Text)
		}
		rest = tail
		if name == counter {
			r.parts = append(r.parts, part{"", partCounter})
			r.counts = map[string]int{}
			continue
		}
		i, err := find(name)
		if err != nil {
			return nil, err
		}
		r.parts = append(r.parts, part{"", i})
	}
	return r, nil
}

// text returns the expression's text in a row. It must be asked once a row, because {n} counts.
func (r *resolved) text(row []string) string {
	if r.column >= 0 {
		return row[r.column]
	}
	key := r.join(row, "\xff") // which no UTF-8 text has
	if r.counts == nil {
		return key
	}
	r.counts[key]++
	return r.join(row, strconv.Itoa(r.counts[key]))
}

// lacks reports whether a column of a template is empty in a row.
func (r *resolved) lacks(row []string) bool {
	return slices.ContainsFunc(r.parts, func(p part) bool { return p.column >= 0 && strings.TrimSpace(row[p.column]) == "" })
}

// join returns a template's text with n for its {n}.
func (r *resolved) join(row []string, n string) string {
	var b strings.Builder
	for _, p := range r.parts {
		switch p.column {
		case partText:
			b.WriteString(p.text)
		case partCounter:
			b.WriteString(n)
		default:
			b.WriteString(row[p.column])
		}
	}
	return b.String()
}
