package program

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
)

// Reference writes the tables of docs/program.md: every key of the file, and every field of an event.
func Reference() (keys, fields string) {
	var w manual
	w.table("The file", "", fileSpec)
	return w.String(), fieldTables()
}

type manual struct{ strings.Builder }

func (w *manual) table(title, path string, s *spec) {
	fmt.Fprintf(w, "### %s\n\n| key | written as | left out | meaning |\n|---|---|---|---|\n", title)
	for _, k := range s.keys {
		fmt.Fprintf(w, "| `%s` | %s | %s | %s: %s |\n", k.name, k.spec.words(), k.leftOut(), k.doc, code(k.example))
	}
	w.WriteByte('\n')
	for _, k := range s.keys {
		below := join(path, k.name)
		inner := k.spec
		if inner.kind == kindList {
			inner, below = inner.item, below+"[]"
		}
		if inner.kind == kindForms {
			inner = inner.mapping
		}
		// A rule's hold and expiry are written as the program's.
		if inner.kind == kindMapping && (path != "earn[]" || fileSpec.key(k.name) == nil) {
			w.table("`"+below+"`", below, inner)
		}
	}
}

func code(text string) string { return "`" + strings.ReplaceAll(text, "|", "\\|") + "`" }

func (k *key) leftOut() string {
	switch {
	case k.required:
		return "**required**"
	case k.fallback == "{}":
		return "as its keys say"
	case k.fallback != "":
		return "`" + k.fallback + "`"
	default:
		return ""
	}
}

func (s *spec) words() string {
	quoted := func(words []string) string {
		var q []string
		for _, w := range words {
			q = append(q, "`"+w+"`")
		}
		return oneOf(q)
	}
	switch s.kind {
	case kindMapping:
		return "mapping"
	case kindList:
		return "list of " + s.item.words()
	case kindRates:
		return "currency: number"
	case kindForms:
		return s.scalar.words() + " or mapping"
	case kindName:
		return "name"
	case kindText, kindCurrency:
		return "text"
	case kindNumber:
		return "number" + s.bound()
	case kindWhole:
		return "whole number" + s.bound()
	case kindDuration:
		if len(s.choices) > 0 {
			return quoted(s.choices) + " or duration"
		}
		return "duration"
	case kindDate:
		return "date or time"
	case kindMonthDay:
		return "MM-DD"
	case kindChoice:
		if slices.Equal(s.choices, earningTypes()) {
			return "event type"
		}
		return quoted(s.choices)
	case kindFlag:
		return "`true` or `false`"
	case kindCondition:
		return "condition"
	case kindAmount:
		return "number" + s.bound() + " or expression"
	default:
		panic("program: a kind without words")
	}
}

func (s *spec) bound() string {
	var b strings.Builder
	if s.low != "" {
		b.WriteString(pick(s.above, " > ", " ≥ ") + s.low)
	}
	if s.high != "" {
		b.WriteString(pick(s.low != "", ", ≤ ", " ≤ ") + s.high)
	}
	return b.String()
}

func fieldTables() string {
	var b strings.Builder
	b.WriteString("| of | fields |\n|---|---|\n| every event | " + fieldWords(headerFields) + " |\n")
	names := append([]string{}, earningTypes()...)
	for _, name := range append(names, lineType, consentType) {
		if len(objectFields[name]) > 0 {
			fmt.Fprintf(&b, "| %s | %s |\n", name, fieldWords(objectFields[name]))
		}
	}
	return b.String()
}

func fieldWords(fields []field) string {
	var words []string
	for _, f := range fields {
		w := "`" + f.name + "`"
		switch f.typ.Kind() {
		case types.StringKind:
		case types.ListKind:
			w += " list of " + f.typ.Parameters()[0].TypeName()
		case types.StructKind:
			w += " " + f.typ.TypeName()
		default:
			w += " " + strings.TrimPrefix(f.typ.TypeName(), "google.protobuf.")
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}
