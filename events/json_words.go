package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// plainJSON words the errors of encoding/json and of [CheckJSON] for people who don't know Go. v is what b was read
// into; nil when that is not known.
func plainJSON(err error, b []byte, v any) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return wrongValue(wrong, b)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w: %s", ErrNotJSON, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends too early", ErrNotJSON)
	}
	name := ""
	var unknown unknownField
	if errors.As(err, &unknown) {
		name = unknown.name
	} else if s, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		// encoding/json has no type for it.
		name, _ = strconv.Unquote(s)
	}
	if name != "" {
		return unknownWords(name, b, v)
	}
	if s, ok := strings.CutPrefix(err.Error(), "json: "); ok {
		return errors.New(s)
	}
	return err
}

// wrongValue says where a value of the wrong kind stands, and what is wanted there.
func wrongValue(wrong *json.UnmarshalTypeError, b []byte) error {
	path, text := fieldAt(b, wrong.Offset)
	if path == "" {
		kind, _, _ := strings.Cut(wrong.Value, " ")
		if kind == "array" {
			return errors.New("it is an array where one object, {…}, is wanted: write its items one by one")
		}
		return fmt.Errorf("it is a %s where an object, {…}, is wanted", kind)
	}
	return fmt.Errorf("field %q is %s: %s", path, shorten(text), wanted(wrong, text))
}

// wanted says what a Go type is written as.
func wanted(wrong *json.UnmarshalTypeError, text string) string {
	t := wrong.Type
	switch t.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		if digits := strings.TrimPrefix(text, "-"); digits != "" && strings.Trim(digits, "0123456789") == "" {
			return "that is too large a number"
		}
		want := "want a whole number"
		if t == reflect.TypeFor[Money]() {
			want += " in minor units (cents), such as 1250 for 12.50"
		}
		if wrong.Value == "string" {
			want += ", without quotes"
		}
		return want
	case reflect.String:
		return "want a text in quotes"
	case reflect.Bool:
		return "want true or false"
	case reflect.Slice:
		return "want a list in [ ]"
	default:
		return "want an object in { }"
	}
}

func unknownType(t Type) error {
	var names []string
	for _, n := range Types() {
		if !n.Internal() {
			names = append(names, string(n))
		}
	}
	hint := ""
	if best := Nearest(string(t), names); best != "" {
		hint = fmt.Sprintf("; did you mean %q?", best)
	}
	return fmt.Errorf("unknown event type %q%s", shorten(string(t)), hint)
}

// unknownMax bounds the unknown fields that are named: one message does not repeat a whole body.
const unknownMax = 10

// unknownWords names every field of b that v cannot have. first is what was found of them; where the others cannot be told,
// it stands alone.
func unknownWords(first string, b []byte, v any) error {
	var all []string
	if v != nil {
		all = unknownFields(b, reflect.TypeOf(v))
	}
	if len(all) == 0 {
		all = []string{first}
	}
	words := make([]error, 0, len(all))
	for _, name := range all {
		words = append(words, fmt.Errorf("%w%s", unknownField{name}, fieldHint(name, v)))
	}
	return errors.Join(words...)
}

// unknownFields lists the first fields of a JSON object, or of those in a list, that a struct does not have, each name once.
// It is for messages only.
func unknownFields(b []byte, t reflect.Type) (unknown []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	add := func(more []string) {
		for _, name := range more {
			if len(unknown) < unknownMax && !slices.Contains(unknown, name) {
				unknown = append(unknown, name)
			}
		}
	}
	switch t.Kind() {
	case reflect.Slice:
		var items []json.RawMessage
		_ = json.Unmarshal(b, &items) // what is no list has no fields
		for _, item := range items {
			add(unknownFields(item, t.Elem()))
		}
	case reflect.Struct:
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(b, &fields)
		known := fieldTypes(t)
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if within, ok := known[name]; ok {
				add(unknownFields(fields[name], within))
			} else {
				add([]string{name})
			}
		}
	default:
	}
	return unknown
}

// fieldTypes returns the types of a struct's own JSON fields.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			maps.Copy(all, fieldTypes(f.Type))
		} else if name != "" && name != "-" {
			all[name] = f.Type
		}
	}
	return all
}

// fieldHint says which field of v an unknown one is probably meant to be, or where it belongs.
func fieldHint(name string, v any) string {
	if v == nil {
		return ""
	}
	names, within := fieldNames(reflect.TypeOf(v), "")
	if i := slices.Index(names, name); i >= 0 {
		// It is known, so it stands in the wrong object.
		if within[i] == "" {
			return "; it belongs to the event itself"
		}
		return "; it belongs in " + within[i]
	}
	best := Nearest(name, names)
	if best == "" && slices.Contains(names, strings.ToLower(name)+"_minor") {
		best = strings.ToLower(name) + "_minor"
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// fieldNames lists the JSON fields of a struct and of those in it, each with the field that it is within.
func fieldNames(t reflect.Type, under string) (names, within []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		below := under
		if !f.Anonymous {
			if name == "" || name == "-" {
				continue
			}
			names, within = append(names, name), append(within, under)
			below = name
		}
		n, w := fieldNames(f.Type, below)
		names, within = append(names, n...), append(within, w...)
	}
	return names, within
}

// around is an object or a list that holds what is being read.
type around struct {
	list bool
	// item numbers the items of a list; key is the last one read of an object.
	item    int
	key     string
	wantKey bool
}

// fieldAt names the value that is written up to the offset, such as lines[0].sku, and returns its text; "" for the
// whole of b, or when b is no JSON so far. It is slow, and for messages only.
func fieldAt(b []byte, offset int64) (path, text string) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var above []around
	for {
		start := dec.InputOffset()
		token, err := dec.Token()
		if err != nil {
			return "", ""
		}
		end := dec.InputOffset()
		in := &around{}
		if len(above) > 0 {
			in = &above[len(above)-1]
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			above = above[:len(above)-1]
			if len(above) > 0 {
				above[len(above)-1].wantKey = true
			}
			continue
		}
		if in.wantKey && !in.list {
			in.key, _ = token.(string)
			in.wantKey = false
			if end >= offset {
				return pathOf(above[:len(above)-1]), ""
			}
			continue
		}
		if in.list {
			in.item++
		}
		in.wantKey = true
		if end >= offset {
			return pathOf(above), strings.TrimLeft(string(b[start:end]), " \t\r\n:,")
		}
		switch token {
		case json.Delim('{'):
			above = append(above, around{wantKey: true})
		case json.Delim('['):
			above = append(above, around{list: true, item: -1})
		}
	}
}

func pathOf(above []around) string {
	var path strings.Builder
	for i := range above {
		switch a := &above[i]; {
		case a.list:
			fmt.Fprintf(&path, "[%d]", a.item)
		case i > 0:
			path.WriteString("." + a.key)
		default:
			path.WriteString(a.key)
		}
	}
	return path.String()
}
