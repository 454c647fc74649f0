package consumer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Difference is where the ledger and what is decided now part.
type Difference struct {
	Partition int32        `json:"partition"`
	Offset    int64        `json:"offset"`
	Cause     events.Cause `json:"cause"`
	Customer  string       `json:"customer"`
	// What is a sentence for people.
	What string `json:"what"`
	// Fields are those that differ, when both are decisions on the same cause.
	Fields []FieldDifference `json:"fields,omitempty"`
}

// FieldDifference is a field with two values, in JSON; "" is absent.
type FieldDifference struct {
	Field   string `json:"field"`
	Ledger  string `json:"ledger"`
	Decided string `json:"decided"`
}

// String says where and what.
func (d *Difference) String() string {
	s := fmt.Sprintf("ledger-%d@%d (customer %q, cause %s-%d@%d): %s", d.Partition, d.Offset, d.Customer, d.Cause.Topic, d.Cause.Partition, d.Cause.Offset, d.What)
	for _, f := range d.Fields {
		s += fmt.Sprintf("\n  %s: the ledger has %s, deciding gives %s", f.Field, orNothing(f.Ledger), orNothing(f.Decided))
	}
	return s
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// fieldDifferences compares two decisions field by field. Their own position is not compared.
func fieldDifferences(ledger, decided *events.Decision) []FieldDifference {
	a, b := *ledger, *decided
	a.Partition, a.Offset, b.Partition, b.Offset = 0, 0, 0, 0
	var all []FieldDifference
	walkDifferences("", jsonTree(&a), jsonTree(&b), &all)
	return all
}

// jsonTree returns d as maps, lists and scalars.
func jsonTree(d *events.Decision) any {
	text, err := json.Marshal(d)
	if err != nil {
		return err.Error()
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return err.Error()
	}
	return tree
}

func walkDifferences(path string, a, b any, all *[]FieldDifference) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			keys := slices.Collect(maps.Keys(x))
			for k := range y {
				if _, both := x[k]; !both {
					keys = append(keys, k)
				}
			}
			slices.Sort(keys)
			for _, k := range keys {
				n := len(*all)
				walkDifferences(join(path, k), x[k], y[k], all)
				_, ours := x[k]
				if _, theirs := y[k]; ours != theirs && len(*all) == n {
					// Only one has the field, and that one says none, as where a grace is ended.
					*all = append(*all, FieldDifference{Field: join(path, k), Ledger: presence(ours), Decided: presence(theirs)})
				}
			}
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			for i := range max(len(x), len(y)) {
				walkDifferences(fmt.Sprintf("%s[%d]", path, i), at(x, i), at(y, i), all)
			}
			return
		}
	}
	if left, right := text(a), text(b); left != right {
		*all = append(*all, FieldDifference{Field: path, Ledger: left, Decided: right})
	}
}

func presence(there bool) string {
	if there {
		return "null"
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func text(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
