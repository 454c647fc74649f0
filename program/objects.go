package program

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/accrue-loyalty/accrue/events"
)

// objects is what the CEL library asks about events and their parts: which types there are, what fields they have,
// and how to read one. Reading goes through the functions of the table, so nothing is reflected on or copied.
type objects struct {
	*types.Registry
	fields map[string]map[string]*types.FieldType
}

func newObjects() (*objects, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("preparing expressions: %w", err)
	}
	o := &objects{Registry: registry, fields: map[string]map[string]*types.FieldType{}}
	for name := range objectFields {
		fields := fieldsOf(name)
		byName := make(map[string]*types.FieldType, len(fields))
		for _, f := range fields {
			byName[f.name] = &types.FieldType{
				Type:    f.typ,
				IsSet:   f.has,
				GetFrom: func(object any) (any, error) { return f.get(object), nil },
			}
		}
		o.fields[name] = byName
	}
	return o, nil
}

// FindStructType implements the library's type provider.
func (o *objects) FindStructType(name string) (*types.Type, bool) {
	if o.fields[name] != nil {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return o.Registry.FindStructType(name)
}

// FindStructFieldNames implements the library's type provider.
func (o *objects) FindStructFieldNames(name string) ([]string, bool) {
	if o.fields[name] != nil {
		return fieldNames(name), true
	}
	return o.Registry.FindStructFieldNames(name)
}

// FindStructFieldType implements the library's type provider.
func (o *objects) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if fields := o.fields[name]; fields != nil {
		f, ok := fields[field]
		return f, ok
	}
	return o.Registry.FindStructFieldType(name, field)
}

// NativeToValue implements the library's type adapter. Only a whole event or line gets here: fields are values already.
func (o *objects) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case ref.Val:
		return v
	case events.Event, *events.Line:
		return &part{v}
	default:
		return o.Registry.NativeToValue(value)
	}
}

// part is an event or a part of one as a value. object is a pointer.
type part struct{ object any }

func (p *part) typeName() string {
	switch o := p.object.(type) {
	case events.Event:
		return string(o.EventType())
	case *events.Line:
		return lineType
	case *events.Consent:
		return consentType
	default:
		panic(fmt.Sprintf("program: %T is no part of an event", o))
	}
}

// ConvertToNative implements ref.Val; nothing in an expression needs it.
func (p *part) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s cannot be converted to %v", p.typeName(), t)
}

// ConvertToType implements ref.Val.
func (p *part) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return types.NewObjectType(p.typeName())
	}
	return types.NewErr("%s cannot be converted to %s", p.typeName(), t.TypeName())
}

// Equal implements ref.Val: lines and consents are equal when all their fields are, events when they are the same one.
func (p *part) Equal(other ref.Val) ref.Val {
	o, ok := other.(*part)
	if !ok {
		return types.False
	}
	switch a := p.object.(type) {
	case *events.Line:
		b, ok := o.object.(*events.Line)
		return types.Bool(ok && *a == *b)
	case *events.Consent:
		b, ok := o.object.(*events.Consent)
		return types.Bool(ok && sameFlag(a.Marketing, b.Marketing) && sameFlag(a.Tracking, b.Tracking))
	default:
		return types.Bool(p.object == o.object)
	}
}

func sameFlag(a, b *bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Type implements ref.Val.
func (p *part) Type() ref.Type { return types.NewObjectType(p.typeName()) }

// Value implements ref.Val.
func (p *part) Value() any { return p.object }
