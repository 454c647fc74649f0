package program

import (
	"fmt"
	"regexp"
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
	// Consequence is what the change does to customers, where the values don't show it.
	Consequence string `json:"consequence,omitempty"`
}

// lineBreak is one in an expression, with the spaces that lay it out.
var lineBreak = regexp.MustCompile(`\s*\n\s*`)

// String words the change in one line.
func (c Change) String() string {
	return strings.TrimSpace(lineBreak.ReplaceAllString(c.text(), " "))
}

func (c Change) text() string {
	subject := c.Subject
	if c.Field != "" {
		subject += ": " + c.Field
	}
	switch c.Kind {
	case Added:
		return fmt.Sprintf("%s: added: %s", subject, c.To)
	case Removed:
		text := fmt.Sprintf("%s: removed (was %s)", subject, c.From)
		if c.Consequence != "" {
			text += "; " + c.Consequence
		}
		return text
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
			changes = append(changes, Change{Kind: Removed, Subject: s, From: inWords(before.facts[s]), Consequence: withoutLevel(s, a, b)})
			continue
		}
		for _, c := range fieldChanges(s, before.facts[s], after.facts[s]) {
			c.Consequence = withoutOwn(c, b)
			changes = append(changes, c)
		}
	}
	for _, s := range after.order {
		if before.facts[s] == nil {
			changes = append(changes, Change{Kind: Added, Subject: s, To: inWords(after.facts[s])})
		}
	}
	return changes
}

// withoutLevel says what becomes of the customers of a level that b lacks; "" for anything else, and for the lowest level.
func withoutLevel(subject string, a, b *loyalty.Program) string {
	name, isLevel := strings.CutPrefix(subject, "tier ")
	if !isLevel || b.Tiers == nil || name == a.Tiers.Levels[0].Name {
		return ""
	}
	return fmt.Sprintf("whoever holds it is in %s under the new version, without TIER_CHANGED, until the next %s raises them to what they have reached",
		b.Tiers.Levels[0].Name, pick(b.Tiers.Metric == loyalty.MetricPoints, "order or earning", "order"))
}

// withoutOwn says what holds instead for a rule that loses a hold or expiry of its own; "" for any other change.
func withoutOwn(c Change, b *loyalty.Program) string {
	if c.Kind != Removed || !strings.HasPrefix(c.Subject, "rule ") {
		return ""
	}
	switch c.Field {
	case "hold":
		return "the program's applies: " + holdText(b.Hold)
	case "expiry":
		return "the program's applies: " + expiryText(b.Expiry)
	default:
		return ""
	}
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
			changes = append(changes, Change{Kind: Removed, Subject: subject, Field: f.Field, From: f.Value})
		case value != f.Value:
			changes = append(changes, Change{Kind: Changed, Subject: subject, Field: f.Field, From: f.Value, To: value})
		}
	}
	for _, f := range after {
		if _, ok := fieldValue(before, f.Field); !ok {
			changes = append(changes, Change{Kind: Added, Subject: subject, Field: f.Field, To: f.Value})
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
