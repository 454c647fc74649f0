package program

import (
	"fmt"
	"strings"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// ChangeKind says what became of a subject or of one of its fields.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Change is one difference in meaning between two programs.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Subject is what [Fact] has; Field is "" when the whole subject came or went.
	Subject string `json:"subject"`
	Field   string `json:"field,omitempty"`
	// From and To are the values; of a whole subject, all that it says.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// String words the change in one line.
func (c Change) String() string {
	subject := c.Subject
	if c.Field != "" {
		subject += ": " + c.Field
	}
	switch c.Kind {
	case Added:
		return fmt.Sprintf("%s: added: %s", subject, c.To)
	case Removed:
		return fmt.Sprintf("%s: removed (was %s)", subject, c.From)
	default:
		return fmt.Sprintf("%s: %s → %s", subject, c.From, c.To)
	}
}

// Diff lists in what b differs from a, by what the programs mean: the order of rules, comments, layout and defaults
// that are written out make no difference. Nothing differs when it is empty.
func Diff(a, b *loyalty.Program) []Change {
	before, after := bySubject(Describe(a)), bySubject(Describe(b))
	var changes []Change
	for _, s := range before.order {
		if after.facts[s] == nil {
			changes = append(changes, Change{Kind: Removed, Subject: s, From: inWords(before.facts[s])})
			continue
		}
		changes = append(changes, fieldChanges(s, before.facts[s], after.facts[s])...)
	}
	for _, s := range after.order {
		if before.facts[s] == nil {
			changes = append(changes, Change{Kind: Added, Subject: s, To: inWords(after.facts[s])})
		}
	}
	return changes
}

type subjects struct {
	order []string
	facts map[string][]Fact
}

func bySubject(facts []Fact) subjects {
	s := subjects{facts: map[string][]Fact{}}
	for _, f := range facts {
		if s.facts[f.Subject] == nil {
			s.order = append(s.order, f.Subject)
		}
		s.facts[f.Subject] = append(s.facts[f.Subject], f)
	}
	return s
}

func inWords(facts []Fact) string {
	parts := make([]string, len(facts))
	for i, f := range facts {
		parts[i] = f.Field + " " + f.Value
	}
	return strings.Join(parts, ", ")
}

func fieldChanges(subject string, before, after []Fact) []Change {
	var changes []Change
	for _, f := range before {
		switch value, ok := fieldValue(after, f.Field); {
		case !ok:
			changes = append(changes, Change{Removed, subject, f.Field, f.Value, ""})
		case value != f.Value:
			changes = append(changes, Change{Changed, subject, f.Field, f.Value, value})
		}
	}
	for _, f := range after {
		if _, ok := fieldValue(before, f.Field); !ok {
			changes = append(changes, Change{Added, subject, f.Field, "", f.Value})
		}
	}
	return changes
}

func fieldValue(facts []Fact, field string) (string, bool) {
	for _, f := range facts {
		if f.Field == field {
			return f.Value, true
		}
	}
	return "", false
}
