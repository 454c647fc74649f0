package program

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Schema returns the JSON Schema (draft 2020-12) of a program file, for editors to complete and check it while it is
// typed. It knows the keys, how their values are written and which go together; the rest only [Parse] checks.
func Schema() []byte {
	s := fileSpec.schema()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = "https://github.com/accrue-loyalty/accrue/program.schema.json"
	s["title"] = "accrue loyalty program"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		panic(fmt.Sprintf("program: the schema has no JSON form: %v", err))
	}
	return b.Bytes()
}

type object = map[string]any

// Patterns apply where numbers and dates are written as text; JSON Schema skips them for numbers.
const (
	decimalPattern  = `^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`
	wholePattern    = `^-?(0|[1-9][0-9]*)$`
	durationPattern = `^[0-9]+ (minute|hour|day|week|month|year)s?$`
	dayPattern      = `((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))`
	monthDayPattern = `^` + dayPattern + `$`
	datePattern     = `^[0-9]{4}-` + dayPattern + `([Tt].+)?$`
	currencyPattern = `^[A-Z]{3}$`
	namePattern     = `^\S(.*\S)?$`
	textPattern     = `\S`
)

// scalarTypes are the JSON types that a YAML scalar taken as text may have.
var scalarTypes = []string{"string", "number", "boolean"}

func (s *spec) schema() object {
	switch s.kind {
	case kindMapping:
		return s.mappingSchema()
	case kindList:
		return object{"type": "array", "items": s.item.schema(), "minItems": 1}
	case kindRates:
		rate := spec{kind: kindNumber, low: s.low, above: s.above}
		return object{"type": "object", "propertyNames": object{"pattern": currencyPattern}, "additionalProperties": rate.schema()}
	case kindForms:
		return object{"anyOf": []any{s.scalar.schema(), s.mapping.schema()}}
	case kindName:
		return object{"type": scalarTypes, "minLength": 1, "maxLength": nameBytesMax, "pattern": namePattern}
	case kindText:
		return object{"type": scalarTypes, "minLength": 1, "pattern": textPattern}
	case kindCurrency:
		return object{"type": "string", "pattern": currencyPattern}
	case kindNumber:
		return s.bounds(object{"type": []string{"number", "string"}, "pattern": decimalPattern})
	case kindWhole:
		return s.bounds(object{"type": []string{"integer", "string"}, "pattern": wholePattern})
	case kindAmount:
		return s.bounds(object{"type": []string{"number", "string"}, "minLength": 1})
	case kindCondition:
		// YAML takes the whole conditions true and false for no text.
		return object{"type": []string{"string", "boolean"}, "minLength": 1, "pattern": textPattern}
	case kindDuration:
		d := object{"type": "string", "pattern": durationPattern}
		if len(s.choices) > 0 {
			return object{"anyOf": []any{object{"enum": s.choices}, d}}
		}
		return d
	case kindDate:
		return object{"type": "string", "pattern": datePattern}
	case kindMonthDay:
		return object{"type": "string", "pattern": monthDayPattern}
	case kindChoice:
		return object{"enum": s.choices}
	case kindFlag:
		return object{"enum": []any{true, false, "true", "false"}}
	default:
		panic("program: a kind without schema")
	}
}

func (s *spec) bounds(o object) object {
	if s.low != "" {
		name := "minimum"
		if s.above {
			name = "exclusiveMinimum"
		}
		o[name] = json.Number(s.low)
	}
	switch {
	case s.high != "":
		o["maximum"] = json.Number(s.high)
	case s.kind == kindWhole:
		o["maximum"] = json.Number(strconv.FormatInt(math.MaxInt64, 10))
	}
	return o
}

func (s *spec) mappingSchema() object {
	properties := object{}
	for i := range s.keys {
		properties[s.keys[i].name] = s.keys[i].schema()
	}
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if names := required(s); len(names) > 0 {
		o["required"] = names
	}
	if len(s.some) > 0 {
		var one []any
		for _, name := range s.some {
			one = append(one, object{"required": []string{name}})
		}
		o["anyOf"] = one
	}
	if len(s.needs) > 0 {
		o["dependentRequired"] = s.needs
	}
	if len(s.apart) > 0 {
		var pairs []any
		for _, names := range s.apart {
			for _, other := range names[1:] {
				pairs = append(pairs, s.both(names[0], other))
			}
		}
		o["not"] = object{"anyOf": pairs}
	}
	return o
}

// both is what holds when both keys are written. A flag that is false says no more than one that is left out.
func (s *spec) both(a, b string) object {
	o := object{"required": []string{a, b}}
	for _, name := range []string{a, b} {
		if s.key(name).spec.kind == kindFlag {
			o["properties"] = object{name: object{"enum": []any{true, "true"}}}
		}
	}
	return o
}

func (k *key) schema() object {
	o := k.spec.schema()
	o["description"] = strings.ToUpper(k.doc[:1]) + k.doc[1:] + "."
	if v := plainYAML(k.example); v != nil {
		o["examples"] = []any{v}
	}
	if k.fallback != "" && k.fallback != "{}" {
		o["default"] = plainYAML(k.fallback)
	}
	return o
}

// plainYAML reads a value of the table as JSON has it. Numbers keep their decimals.
func plainYAML(text string) any {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		panic(fmt.Sprintf("program: the table has %q: %v", text, err))
	}
	return plainNode(doc.Content[0])
}

func plainNode(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		o := object{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			o[n.Content[i].Value] = plainNode(n.Content[i+1])
		}
		return o
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i := range n.Content {
			list[i] = plainNode(n.Content[i])
		}
		return list
	default:
		switch n.Tag {
		case "!!int", "!!float":
			return json.Number(n.Value)
		case "!!bool":
			return n.Value == "true"
		default:
			return n.Value
		}
	}
}
