package schemas_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	twmb "github.com/twmb/avro"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/schemas"
)

// write encodes v with the writer schema in text, and teaches a new codec that schema.
func write(t *testing.T, text string, v map[string]any) (*schemas.Codec, []byte) {
	t.Helper()
	value, err := twmb.MustParse(text).AppendSingleObject(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	c := schemas.NewCodec()
	if err := c.Learn(text); err != nil {
		t.Fatal(err)
	}
	return c, value
}

func TestOlderAndNewerWritersAreRead(t *testing.T) {
	at := `{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}`
	head := `{"type": "record", "name": "%s", "namespace": "accrue", "fields": [{"name": "id", "type": "string"}, {"name": "customer", "type": "string"}, `
	id := map[string]any{"id": "e1", "customer": "c1", "at": int64(5)}
	header := events.Header{ID: "e1", Customer: "c1", At: 5}
	with := func(more map[string]any) map[string]any {
		m := maps.Clone(id)
		maps.Copy(m, more)
		return m
	}
	tests := []struct {
		name   string
		text   string
		fields map[string]any
		want   events.Event
	}{
		{
			name:   "a field that the writer does not know yet has its default",
			text:   fmt.Sprintf(head, "OrderCancelled") + at + `, {"name": "order", "type": "string"}]}`,
			fields: with(map[string]any{"order": "o1"}),
			want:   &events.OrderCancelled{Header: header, Order: "o1"},
		},
		{
			name: "a nullable field that the writer does not know is nil",
			text: fmt.Sprintf(head, "RedemptionConfirmed") + at + `, {"name": "redemption", "type": "string"}]}`,
			fields: with(map[string]any{
				"redemption": "r1"}),
			want: &events.RedemptionConfirmed{Header: header, Redemption: "r1"},
		},
		{
			name: "a field that only the writer knows is left out, wherever it stands",
			text: fmt.Sprintf(head, "OrderFulfilled") + `{"name": "carrier", "default": {}, "type": {"type": "map", "values": ["null", "double", {"type": "array", "items": "float"}]}}, ` +
				at + `, {"name": "order", "type": "string"}, {"name": "mood", "default": "fair", "type": {"type": "enum", "name": "Mood", "symbols": ["fair", "foul"]}}]}`,
			fields: with(map[string]any{"order": "o1", "mood": "foul",
				"carrier": map[string]any{"a": nil, "b": 1.5, "c": []any{float32(1), float32(2)}}}),
			want: &events.OrderFulfilled{Header: header, Order: "o1"},
		},
		{
			name:   "fields in another order",
			text:   `{"type": "record", "name": "OrderFulfilled", "namespace": "accrue", "fields": [{"name": "order", "type": "string"}, ` + at + `, {"name": "customer", "type": "string"}, {"name": "id", "type": "string"}]}`,
			fields: with(map[string]any{"order": "o1"}),
			want:   &events.OrderFulfilled{Header: header, Order: "o1"},
		},
		{
			name:   "an int where we have a long, bytes where we have a string",
			text:   fmt.Sprintf(head, "ComplaintResolved") + at + `, {"name": "complaint", "type": "bytes"}, {"name": "goodwill_points", "type": "int", "default": 0}]}`,
			fields: with(map[string]any{"complaint": []byte("q1"), "goodwill_points": int32(70)}),
			want:   &events.ComplaintResolved{Header: header, Complaint: "q1", GoodwillPoints: 70},
		},
		{
			name:   "a plain value where we have a union",
			text:   fmt.Sprintf(head, "RedemptionConfirmed") + at + `, {"name": "redemption", "type": "string"}, {"name": "points", "type": "long"}]}`,
			fields: with(map[string]any{"redemption": "r1", "points": int64(0)}),
			want:   &events.RedemptionConfirmed{Header: header, Redemption: "r1", Points: new(events.Points)},
		},
		{
			name:   "a union the other way round",
			text:   fmt.Sprintf(head, "ConsentChanged") + at + `, {"name": "marketing", "type": ["boolean", "null"], "default": true}]}`,
			fields: with(map[string]any{"marketing": nil}),
			want:   &events.ConsentChanged{Header: header},
		},
		{
			name: "items of lists grow too",
			text: fmt.Sprintf(head, "OrderReturned") + at + `, {"name": "order", "type": "string"}, {"name": "return", "type": "string"},
				{"name": "lines", "default": null, "type": ["null", {"type": "array", "items": {"type": "record", "name": "ReturnedLine", "fields": [
					{"name": "line", "type": "string"}, {"name": "condition", "type": "string", "default": ""}, {"name": "amount_minor", "type": "long"},
					{"name": "nothing", "type": {"type": "array", "items": "null"}, "default": []}]}}]}]}`,
			fields: with(map[string]any{"order": "o1", "return": "r1", "lines": []any{
				map[string]any{"line": "1", "condition": "worn", "amount_minor": int64(9), "nothing": make([]any, 9)},
				map[string]any{"line": "2", "condition": "", "amount_minor": int64(8), "nothing": []any{}}}}),
			want: &events.OrderReturned{Header: header, Order: "o1", Return: "r1", Lines: []events.ReturnedLine{{Line: "1", Amount: 9}, {Line: "2", Amount: 8}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, value := write(t, tt.text, tt.fields)
			got, err := c.DecodeEvent(value)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A reader of the first released version does not see why a waiting event was not carried out, but that its wait ended.
func TestTheFirstReleasedReaderSeesThatAWaitEnded(t *testing.T) {
	facts := events.Facts{Type: events.TypeOrderPlaced, Dropped: []string{"e4"}, Applied: []string{"e3"},
		Unapplied: []events.Ending{{Event: "e4", Result: events.Refused, Reason: "unknown_line"}}, Erased: true}
	value, err := schemas.NewCodec().AppendDecision(nil, &events.Decision{Result: events.Applied, Facts: facts})
	if err != nil {
		t.Fatal(err)
	}
	old := twmb.MustParse(read(t, "released/v1/Decision.avsc"))
	resolved, err := twmb.Resolve(twmb.MustParse(schemas.Text(schemas.NameDecision)), old)
	if err != nil {
		t.Fatal(err)
	}
	var seen map[string]any
	if _, err := resolved.Decode(value[10:], &seen); err != nil {
		t.Fatal(err)
	}
	x := seen["facts"].(map[string]any)
	if fmt.Sprint(x["dropped"], x["applied"], x["unapplied"], x["erased"]) != "[e4] [e3] <nil> true" {
		t.Errorf("it reads %v", x)
	}
	// What it writes, with the list that it does not know left out, is read here.
	c, value := write(t, read(t, "released/v1/Decision.avsc"), seen)
	var got events.Decision
	if err := c.DecodeDecision(value, &got); err != nil {
		t.Fatal(err)
	}
	facts.Unapplied = nil
	if !reflect.DeepEqual(got.Facts, facts) {
		t.Errorf("we read %+v, want %+v", got.Facts, facts)
	}
}

func TestIncompatibleWritersAreRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"a required field is missing":        {`{"name": "order", "type": "string"}`, `{"name": "orders", "type": "string"}`},
		"a number instead of a string":       {`{"name": "order", "type": "string"}`, `{"name": "order", "type": "long"}`},
		"a union that may be null":           {`{"name": "order", "type": "string"}`, `{"name": "order", "type": ["null", "string"]}`},
		"a time in microseconds":             {`timestamp-millis`, `timestamp-micros`},
		"a double instead of a long":         {`{"type": "long", "logicalType": "timestamp-millis"}`, `"double"`},
		"a record of another name in a list": {`"name": "OrderFulfilled"`, `"name": "OrderDelivered"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(schemas.Text("OrderFulfilled"), change[0], change[1])
			if text == schemas.Text("OrderFulfilled") {
				t.Fatal("the test changes nothing")
			}
			if err := schemas.NewCodec().Learn(text); schemas.CodeOf(err) != schemas.CodeIncompatible && schemas.CodeOf(err) != schemas.CodeUnknownSchema {
				t.Errorf("got %v, want it to be refused", err)
			}
		})
	}
}

// evolve checks a random writer schema, some versions away from ours, against twmb's idea of schema resolution.
func evolve(name string, seed uint64) error {
	r := newRandom(seed)
	s := randomSubject(name, seed)
	var schema map[string]any
	if err := json.Unmarshal([]byte(s.text), &schema); err != nil {
		return err
	}
	value := s.native(false).(map[string]any)
	added := 0
	r.change(schema, []map[string]any{value}, &added)
	b, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	text := string(b)
	theirs, err := twmb.Parse(text)
	if err != nil {
		return err
	}
	bytes, err := theirs.AppendSingleObject(nil, value)
	if err != nil {
		return fmt.Errorf("writing with %s: %w", text, err)
	}
	c := schemas.NewCodec()
	if err := c.Learn(text); err != nil {
		return fmt.Errorf("learning %s: %w", text, err)
	}
	got, err := decode(c, name, bytes)
	if err != nil {
		return fmt.Errorf("reading what %s wrote: %w", text, err)
	}
	resolved, err := twmb.Resolve(theirs, twmb.MustParse(s.text))
	if err != nil {
		return err
	}
	var want any
	if _, err := resolved.Decode(bytes[10:], &want); err != nil {
		return fmt.Errorf("twmb cannot read what %s wrote: %w", text, err)
	}
	ours, expected := normal(s.schema, native(s.schema, reflect.ValueOf(got).Elem(), false)), normal(s.schema, want)
	if !reflect.DeepEqual(ours, expected) {
		return fmt.Errorf("of what %s wrote we read\n%v\ntwmb reads\n%v", text, ours, expected)
	}
	return nil
}

// change drops, adds and moves fields of a record schema, deep inside too, and does the same to the values.
func (r random) change(schema map[string]any, values []map[string]any, added *int) {
	fields := []any{}
	for _, f := range schema["fields"].([]any) {
		f := f.(map[string]any)
		name := f["name"].(string)
		if _, optional := f["default"]; optional && r.IntN(3) == 0 {
			for _, v := range values {
				delete(v, name)
			}
			continue
		}
		if inner := recordOf(f["type"]); inner != nil {
			r.change(inner, valuesOf(values, name), added)
		}
		fields = append(fields, f)
		if r.IntN(6) == 0 {
			*added++
			f, value := r.extra(fmt.Sprintf("extra%d", *added))
			fields = append(fields, f)
			for _, v := range values {
				v[f["name"].(string)] = value
			}
		}
	}
	if r.IntN(2) == 0 && schema["name"] != schemas.NameDecision { // whose chain refers to program's Hash
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	schema["fields"] = fields
}

// extra returns a field that we don't have, with a value.
func (r random) extra(name string) (field map[string]any, value any) {
	var t any
	switch r.IntN(7) {
	case 0:
		t, value = "double", 2.5
	case 1:
		t, value = "float", float32(0.5)
	case 2:
		t, value = map[string]any{"type": "map", "values": "string"}, map[string]any{"a": "b", "c": ""}
	case 3:
		t, value = map[string]any{"type": "enum", "name": "E" + name, "symbols": []any{"x", "y"}}, "y"
	case 4:
		t = map[string]any{"type": "record", "name": "R" + name, "fields": []any{
			map[string]any{"name": "next", "type": []any{"null", "R" + name}}}}
		value = map[string]any{"next": map[string]any{"next": nil}}
	case 5:
		t, value = []any{"null", "long", "string"}, "text"
	default:
		t, value = map[string]any{"type": "array", "items": "bytes"}, []any{[]byte("a"), []byte{}}
	}
	return map[string]any{"name": name, "type": t}, value
}

// recordOf finds the record inside a type: itself, in an array, or in a union with null.
func recordOf(t any) map[string]any {
	switch t := t.(type) {
	case map[string]any:
		switch t["type"] {
		case "record":
			return t
		case "array":
			return recordOf(t["items"])
		}
	case []any:
		return recordOf(t[1])
	}
	return nil
}

func valuesOf(values []map[string]any, name string) []map[string]any {
	var inner []map[string]any
	for _, v := range values {
		switch v := v[name].(type) {
		case map[string]any:
			inner = append(inner, v)
		case []any:
			for _, item := range v {
				inner = append(inner, item.(map[string]any))
			}
		}
	}
	return inner
}

func TestRandomWriterSchemasAreResolved(t *testing.T) {
	for _, name := range schemas.Names() {
		t.Run(name, func(t *testing.T) {
			for seed := range racetest.Of[uint64](20, 5) {
				if err := evolve(name, seed); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

func FuzzWriterSchemas(f *testing.F) {
	names := schemas.Names()
	for i := range names {
		f.Add(uint64(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, seed uint64, which uint8) {
		if err := evolve(names[int(which)%len(names)], seed); err != nil {
			t.Fatal(err)
		}
	})
}
