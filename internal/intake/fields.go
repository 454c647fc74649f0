package intake

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// field is something of an event that a column can fill.
type field struct {
	// name is what maps call it: the JSON name, without _minor for money, which exports write as decimals.
	name string
	kind fieldKind
	// index leads to the field from the event's struct, or, with line, from that of one line.
	index []int
	line  bool
}

type fieldKind uint8

const (
	textField fieldKind = iota
	integerField
	moneyField
	instantField
	flagField
)

// fieldsOf lists what can be filled of events of type t, in the order of the struct; nil for an unknown type.
func fieldsOf(t events.Type) []field {
	e := events.New(t)
	if e == nil || t.Internal() {
		return nil
	}
	return structFields(reflect.TypeOf(e).Elem(), "", nil, false)
}

func structFields(t reflect.Type, prefix string, above []int, line bool) []field {
	var all []field
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(above), i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		of := sf.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		switch {
		case name == "type":
		case sf.Anonymous:
			all = append(all, structFields(of, prefix, index, line)...)
		case of.Kind() == reflect.Struct:
			all = append(all, structFields(of, prefix+name+".", index, line)...)
		case of.Kind() == reflect.Slice:
			all = append(all, structFields(of.Elem(), "", nil, true)...)
		default:
			all = append(all, field{strings.TrimSuffix(prefix+name, "_minor"), kindOf(of), index, line})
		}
	}
	return all
}

func kindOf(t reflect.Type) fieldKind {
	switch {
	case t == reflect.TypeFor[events.Money]():
		return moneyField
	case t == reflect.TypeFor[events.Instant]():
		return instantField
	case t.Kind() == reflect.Bool:
		return flagField
	case t.Kind() == reflect.Int64:
		return integerField
	case t.Kind() == reflect.String:
		return textField
	default:
		panic(fmt.Sprintf("intake: an event has a field of type %s, which no column can fill", t))
	}
}

// fieldNames lists the names of fields, for messages.
func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	return strings.Join(names, ", ")
}

// set writes v, of the kind's Go type, into the field of target, which is an event or a line.
func (f *field) set(target reflect.Value, v any) {
	at := target
	for _, i := range f.index {
		if at.Kind() == reflect.Pointer {
			if at.IsNil() {
				at.Set(reflect.New(at.Type().Elem()))
			}
			at = at.Elem()
		}
		at = at.Field(i)
	}
	if at.Kind() == reflect.Pointer {
		at.Set(reflect.New(at.Type().Elem()))
		at = at.Elem()
	}
	switch v := v.(type) {
	case string:
		at.SetString(v)
	case bool:
		at.SetBool(v)
	case int64:
		at.SetInt(v)
	default:
		panic(fmt.Sprintf("intake: a value of type %T for field %s", v, f.name))
	}
}
