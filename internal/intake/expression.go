package intake

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Expression says where a field's text comes from: a column, a text with columns in braces, or a sum of columns.
type Expression struct {
	// Text is a column's name, or a template such as "{customer_id}-{date}-{n}", in which {n} numbers the rows whose
	// other parts are equal, from 1, in the order of the file.
	Text string
	// Sum names columns whose amounts are added up; Text is empty then.
	Sum []string

	line int // in the map file
}

// UnmarshalYAML reads `column`, `"{a}-{b}"` or `{sum: [a, b]}`.
func (x *Expression) UnmarshalYAML(n *yaml.Node) error {
	x.line = n.Line
	switch n.Kind {
	case yaml.ScalarNode:
		x.Text = n.Value
		return nil
	case yaml.MappingNode:
		if len(n.Content) == 2 && n.Content[0].Value == "sum" && n.Content[1].Decode(&x.Sum) == nil && len(x.Sum) > 0 {
			return nil
		}
	}
	return fmt.Errorf(`line %d: want a column, a text with columns in braces, or {sum: [column, column]}`, n.Line)
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
	column int // of a plain column; -1 otherwise
	sum    []int
	parts  []part
	counts map[string]int // of {n}, by the rest of the text
}

// resolve finds the columns of x. find returns a column's position or an error that names what there is.
func (x *Expression) resolve(find func(string) (int, error)) (*resolved, error) {
	r := &resolved{column: -1}
	if x.Text == "" {
		for _, name := range x.Sum {
			i, err := find(name)
			if err != nil {
				return nil, err
			}
			r.sum = append(r.sum, i)
		}
		return r, nil
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
