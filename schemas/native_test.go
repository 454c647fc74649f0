package schemas_test

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	hamba "github.com/hamba/avro/v2"
)

// parse reads a schema with hamba, apart from all others.
func parse(text string) hamba.Schema {
	s, err := hamba.ParseWithCache(text, "", &hamba.SchemaCache{})
	if err != nil {
		panic(err)
	}
	return s
}

func deref(s hamba.Schema) hamba.Schema {
	if r, ok := s.(*hamba.RefSchema); ok {
		return r.Schema()
	}
	return s
}

// jsonFields returns a struct's fields by JSON name, embedded ones flattened, and which of them JSON leaves out when
// they are empty.
func jsonFields(v reflect.Value) (names []string, fields map[string]reflect.Value, optional map[string]bool) {
	fields, optional = make(map[string]reflect.Value), make(map[string]bool)
	var visit func(v reflect.Value)
	visit = func(v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, omit, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous:
				visit(v.Field(i))
			case name != "type" || f.Name != "Tag":
				names = append(names, name)
				fields[name] = v.Field(i)
				optional[name] = omit != ""
			}
		}
	}
	visit(v)
	return names, fields, optional
}

// native turns a Go value into what generic Avro libraries take, guided by the schema and knowing nothing of our codec.
// With tagged, a value in a union is wrapped in a map with its branch's name, as hamba wants it.
func native(s hamba.Schema, v reflect.Value, tagged bool) any {
	switch s := deref(s).(type) {
	case *hamba.RecordSchema:
		m := make(map[string]any)
		_, fields, _ := jsonFields(v)
		for _, f := range s.Fields() {
			fv, ok := fields[f.Name()]
			if !ok {
				panic(fmt.Sprintf("%s has no field %s", v.Type(), f.Name()))
			}
			m[f.Name()] = native(f.Type(), fv, tagged)
		}
		return m
	case *hamba.ArraySchema:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = native(s.Items(), v.Index(i), tagged)
		}
		return list
	case *hamba.UnionSchema:
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice:
			if v.IsNil() {
				return nil
			}
		default:
			if v.IsZero() {
				return nil
			}
		}
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		branch := deref(s.Types()[1])
		value := native(branch, v, tagged)
		if !tagged {
			return value
		}
		return map[string]any{branchName(branch): value}
	case *hamba.FixedSchema:
		return v.Interface()
	case *hamba.PrimitiveSchema:
		switch s.Type() {
		case hamba.String:
			return v.String()
		case hamba.Bytes:
			return append([]byte{}, v.Bytes()...)
		case hamba.Long:
			return v.Int()
		case hamba.Int:
			return int(v.Int())
		case hamba.Boolean:
			return v.Bool()
		}
	}
	panic("native: no value for a " + string(s.Type()))
}

func branchName(s hamba.Schema) string {
	switch s := s.(type) {
	case hamba.NamedSchema:
		return s.FullName()
	case *hamba.PrimitiveSchema:
		if s.Logical() != nil {
			return string(s.Type()) + "." + string(s.Logical().Type())
		}
	}
	return string(s.Type())
}

// normal brings what a generic library decoded into one form: int64, string, bool, nil, lists and maps.
func normal(s hamba.Schema, v any) any {
	switch s := deref(s).(type) {
	case *hamba.RecordSchema:
		m := make(map[string]any)
		for _, f := range s.Fields() {
			m[f.Name()] = normal(f.Type(), v.(map[string]any)[f.Name()])
		}
		return m
	case *hamba.ArraySchema:
		list := []any{}
		for _, item := range v.([]any) {
			list = append(list, normal(s.Items(), item))
		}
		return list
	case *hamba.UnionSchema:
		if v == nil {
			return nil
		}
		branch := deref(s.Types()[1])
		if m, ok := v.(map[string]any); ok {
			if inner, ok := m[branchName(branch)]; ok && len(m) == 1 {
				v = inner
			}
		}
		return normal(branch, v)
	}
	switch v := v.(type) {
	case time.Time:
		return v.UnixMilli()
	case string, bool:
		return v
	case []byte:
		return string(v)
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		return rv.Int()
	case reflect.Array:
		b := make([]byte, rv.Len())
		for i := range b {
			b[i] = byte(rv.Index(i).Uint())
		}
		return string(b)
	}
	panic(fmt.Sprintf("normal: no form for %T as a %s", v, s.Type()))
}
