package schemas_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"testing"

	hamba "github.com/hamba/avro/v2"
	twmb "github.com/twmb/avro"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// releasedFiles returns the released versions of a record's schema, oldest first.
func releasedFiles(t *testing.T, name string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("released", "v*", name+".avsc"))
	if err != nil {
		t.Fatal(err)
	}
	number := func(path string) (n int) {
		_, _ = fmt.Sscanf(path, filepath.Join("released", "v%d"), &n)
		return n
	}
	sort.Slice(paths, func(i, j int) bool { return number(paths[i]) < number(paths[j]) })
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSchemasAreFullyCompatibleWithEveryReleasedOne(t *testing.T) {
	for _, name := range schemas.Names() {
		for _, path := range releasedFiles(t, name) {
			present, old := schemas.Text(name), read(t, path)
			for _, way := range []struct{ what, reader, writer string }{
				{"the present " + name + " cannot read what " + path + " wrote", present, old},
				{path + " cannot read what the present " + name + " writes", old, present},
			} {
				// A judge for each question: hamba's remembers answers by a form without defaults.
				if err := hamba.NewSchemaCompatibility().Compatible(parse(way.reader), parse(way.writer)); err != nil {
					t.Errorf("%s: %v. Give new fields a default, and keep those without one", way.what, err)
				}
				if err := twmb.CheckCompatibility(twmb.MustParse(way.writer), twmb.MustParse(way.reader)); err != nil {
					t.Errorf("%s, says twmb: %v", way.what, err)
				}
			}
		}
	}
}

func TestChangedSchemasAreReleased(t *testing.T) {
	for _, name := range schemas.Names() {
		paths := releasedFiles(t, name)
		if len(paths) == 0 {
			t.Errorf("%s.avsc is not released: copy it to released/v1 or the next folder", name)
			continue
		}
		newest := paths[len(paths)-1]
		if read(t, newest) != schemas.Text(name) {
			t.Errorf("%s.avsc differs from %s. If records of that version may exist, copy the new one to the next folder of released; if none do yet, copy it there", name, newest)
		}
	}
}

// Every schema names the fields of its struct, in their order, with types and defaults to match.
func TestSchemasNameTheFieldsOfTheStructs(t *testing.T) {
	for _, name := range schemas.Names() {
		s := randomSubject(name, 0)
		rec := s.schema.(*hamba.RecordSchema)
		if rec.FullName() != "accrue."+name {
			t.Errorf("%s.avsc is of %s", name, rec.FullName())
		}
		compareFields(t, name, rec, reflect.TypeOf(s.value).Elem())
	}
}

func compareFields(t *testing.T, path string, rec *hamba.RecordSchema, typ reflect.Type) {
	t.Helper()
	names, fields, optional := jsonFields(reflect.New(typ).Elem())
	if typ == reflect.TypeFor[events.Decision]() {
		names = names[2:] // partition and offset
	}
	var got []string
	for _, f := range rec.Fields() {
		got = append(got, f.Name())
		if optional[f.Name()] && !f.HasDefault() {
			t.Errorf("%s.%s: is optional in JSON, but has no default", path, f.Name())
		}
		if v, ok := fields[f.Name()]; ok {
			compareTypes(t, path+"."+f.Name(), f, f.Type(), v.Type())
		}
	}
	if !reflect.DeepEqual(got, names) {
		t.Errorf("%s: the schema has the fields %v, the struct %v", path, got, names)
	}
}

func compareTypes(t *testing.T, path string, f *hamba.Field, s hamba.Schema, typ reflect.Type) {
	t.Helper()
	if u, ok := s.(*hamba.UnionSchema); ok {
		if len(u.Types()) != 2 || u.Types()[0].Type() != hamba.Null || !f.HasDefault() || f.Default() != nil {
			t.Errorf("%s: a union should be of null and one more, with null its default", path)
		}
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		s = u.Types()[1]
	} else if typ.Kind() == reflect.Pointer {
		t.Errorf("%s: may be nil, but the schema has no null", path)
	}
	switch s := deref(s).(type) {
	case *hamba.RecordSchema:
		compareFields(t, path, s, typ)
	case *hamba.ArraySchema:
		if typ.Kind() != reflect.Slice {
			t.Errorf("%s: an array for a %v", path, typ)
			return
		}
		compareTypes(t, path+"[]", f, s.Items(), typ.Elem())
	case *hamba.FixedSchema:
		if typ.Kind() != reflect.Array || typ.Len() != s.Size() {
			t.Errorf("%s: fixed(%d) for a %v", path, s.Size(), typ)
		}
	case *hamba.PrimitiveSchema:
		isTime := typ == reflect.TypeFor[events.Instant]()
		want := map[reflect.Kind]hamba.Type{reflect.String: hamba.String, reflect.Int64: hamba.Long, reflect.Int32: hamba.Int,
			reflect.Bool: hamba.Boolean, reflect.Slice: hamba.Bytes}[typ.Kind()]
		if s.Type() != want || isTime != (s.Logical() != nil && s.Logical().Type() == hamba.TimestampMillis) {
			t.Errorf("%s: %v for a %v", path, s, typ)
		}
	}
}

func TestSchemasAreTidy(t *testing.T) {
	files, err := filepath.Glob("*.avsc")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(schemas.Names()) {
		t.Errorf("there are %d schema files for %d records", len(files), len(schemas.Names()))
	}
	for _, f := range files {
		if !json.Valid([]byte(read(t, f))) {
			t.Errorf("%s is not JSON", f)
		}
	}
	if schemas.Text("NoSuchRecord") != "" {
		t.Error("there is a schema for NoSuchRecord")
	}
}
