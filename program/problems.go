package program

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// Problem is one thing that is wrong with a program file.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1, in characters; 0 when the problem has no place.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path names the key, such as earn[shoes].lines: list items by their id or name, else by number from 0.
	Path    string `json:"path"`
	Message string `json:"message"`
	// Suggestion says what to do about it; "" when the message says all.
	Suggestion string `json:"suggestion,omitempty"`
}

// String returns the problem on one line, as compilers do.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Message)
	if p.Suggestion != "" {
		b.WriteString("; " + p.Suggestion)
	}
	return b.String()
}

// Problems is everything that is wrong with a program file, by place. It is never empty as an error.
type Problems []Problem

// Error returns the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// didYouMean returns a suggestion of the name that word is probably a misspelling of, or "".
func didYouMean(word string, names []string) string {
	best := nearest(word, names)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// nearest returns the name that word is probably a misspelling of, or else the only one that word is a part of, as grace is
// of grace_days.
func nearest(word string, names []string) string {
	best := events.Nearest(word, names)
	if best != "" {
		return best
	}
	for _, n := range names {
		if slices.Contains(strings.Split(n, "_"), word) {
			if best != "" {
				return ""
			}
			best = n
		}
	}
	return best
}

// oneOf words a choice for people: a, b or c.
func oneOf(names []string) string { return listed(names, "or") }

// allOf words a list for people: a, b and c.
func allOf(names []string) string { return listed(names, "and") }

func listed(names []string, last string) string {
	switch n := len(names); n {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " " + last + " " + names[n-1]
	}
}
