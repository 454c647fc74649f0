package schemas_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	twmb "github.com/twmb/avro"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/schemas"
)

// Bounds of what decoding any bytes may cost. A byte can be an empty string in a list, which takes 16 bytes, twice while
// the list grows.
const (
	allocFixedMax   = 64 << 10
	allocPerByteMax = 64
)

// decodeTimeMax is held by the plain run; under the race detector it only tells an end from none.
var decodeTimeMax = racetest.Of(time.Second, time.Minute)

// older has fields that ours lack, of every Avro type, so that fuzzing reaches the code that skips and rewrites.
const older = `{"type": "record", "name": "OrderReturned", "namespace": "accrue", "fields": [
	{"name": "id", "type": "string"}, {"name": "customer", "type": "string"},
	{"name": "a", "type": {"type": "map", "values": {"type": "array", "items": "null"}}},
	{"name": "b", "type": ["null", "float", "double", {"type": "enum", "name": "E", "symbols": ["x"]}]},
	{"name": "c", "type": {"type": "record", "name": "R", "fields": [{"name": "next", "type": ["null", "R"]}, {"name": "all", "type": {"type": "array", "items": "R"}}]}},
	{"name": "at", "type": "int"}, {"name": "order", "type": "string"}, {"name": "return", "type": "bytes"},
	{"name": "lines", "type": ["null", {"type": "array", "items": {"type": "record", "name": "ReturnedLine", "fields": [
		{"name": "line", "type": "string"}, {"name": "amount_minor", "type": "int"}]}}]}]}`

func hostileCodec(t testing.TB) *schemas.Codec {
	c := schemas.NewCodec()
	if err := c.Learn(older); err != nil {
		t.Fatal(err)
	}
	return c
}

// survive decodes value and checks what it cost and, when it could be read, that it means something stable.
func survive(t *testing.T, c *schemas.Codec, value []byte) {
	t.Helper()
	var before, after runtime.MemStats
	for _, name := range []string{"event", schemas.NameDecision, schemas.NameProgramPublished} {
		runtime.ReadMemStats(&before)
		start := time.Now()
		got, err := decode(c, name, value)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if took > decodeTimeMax {
			t.Errorf("%s: took %v", name, took)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > allocFixedMax+allocPerByteMax*uint64(len(value)) {
			t.Errorf("%s: %d bytes made it allocate %d", name, len(value), n)
		}
		if err != nil {
			if !errors.Is(err, schemas.ErrUnreadable) {
				t.Errorf("%s: got %v, want it to be unreadable", name, err)
			}
			continue
		}
		again, err := subject{value: got}.encode(c)
		if err != nil {
			t.Fatalf("%s: writing what was read: %v", name, err)
		}
		second, err := decode(c, name, again)
		if err != nil {
			t.Fatalf("%s: reading it again: %v", name, err)
		}
		if !reflect.DeepEqual(got, second) {
			t.Errorf("%s: read %+v, then %+v", name, got, second)
		}
	}
}

func FuzzAnyBytes(f *testing.F) {
	c := hostileCodec(f)
	for i, name := range schemas.Names() {
		value, err := randomSubject(name, uint64(i)).encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
		f.Add(value[:len(value)-1])
	}
	prefix, err := twmb.MustParse(older).AppendSingleObject(nil, map[string]any{"id": "e", "customer": "c", "a": map[string]any{"k": []any{nil, nil}},
		"b": "x", "c": map[string]any{"next": nil, "all": []any{}}, "at": 7, "order": "o", "return": []byte("r"),
		"lines": []any{map[string]any{"line": "1", "amount_minor": 5}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(prefix)
	f.Add([]byte{0, 0, 0, 0, 7, 1})
	f.Add([]byte{0xc3, 1})
	f.Fuzz(func(t *testing.T, value []byte) { survive(t, c, value) })
}

// FuzzSameVerdict checks that we and twmb agree about which bytes are a record, and about what is in them.
func FuzzSameVerdict(f *testing.F) {
	c := schemas.NewCodec()
	names := schemas.Names()
	for i, name := range names {
		value, err := randomSubject(name, uint64(i)).encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), value[10:])
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		s := randomSubject(names[int(which)%len(names)], 1)
		value, err := s.encode(c)
		if err != nil {
			t.Fatal(err)
		}
		value = append(value[:10:10], body...)
		got, err := decode(c, s.name, value)
		if code := schemas.CodeOf(err); code == schemas.CodeInvalid || code == schemas.CodeTooLarge {
			return // stricter than Avro
		}
		var theirs any
		rest, theirErr := twmb.MustParse(s.text).DecodeSingleObject(value, &theirs)
		if (err == nil) != (theirErr == nil && len(rest) == 0) {
			t.Fatalf("% x: we say %v, twmb %v with %d bytes left", body, err, theirErr, len(rest))
		}
		if err != nil {
			return
		}
		ours := normal(s.schema, native(s.schema, reflect.ValueOf(got).Elem(), false))
		if want := noEpoch(normal(s.schema, theirs)); !reflect.DeepEqual(noEpoch(ours), want) {
			t.Fatalf("% x: we read\n%v\ntwmb\n%v", body, ours, want)
		}
	})
}

// noEpoch turns zeros into nil, since a time of zero reads as none.
func noEpoch(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = noEpoch(v[k])
		}
	case []any:
		for i := range v {
			v[i] = noEpoch(v[i])
		}
	case int64:
		if v == 0 {
			return nil
		}
	}
	return v
}

func TestHostileBytes(t *testing.T) {
	c := hostileCodec(t)
	huge := binary.AppendVarint(nil, 1<<62)
	least := binary.AppendVarint(nil, -1<<63)
	value := func(name string, body ...[]byte) []byte {
		v, err := randomSubject(name, 1).encode(c)
		if err != nil {
			t.Fatal(err)
		}
		return append(v[:10:10], bytes.Join(body, nil)...)
	}
	head := []byte("\x02e\x02c\x0a\x02o")
	old, err := twmb.MustParse(older).AppendSingleObject(nil, map[string]any{"id": "e", "customer": "c", "a": map[string]any{},
		"b": nil, "c": map[string]any{"next": nil, "all": []any{}}, "at": 7, "order": "o", "return": []byte("r"), "lines": nil})
	if err != nil {
		t.Fatal(err)
	}
	oldHead := old[:10+4]
	for name, v := range map[string][]byte{
		"an order with 2^62 lines":             value("OrderPlaced", head, []byte("\x06USD\x00\x00"), huge),
		"an order with -2^63 lines":            value("OrderPlaced", head, []byte("\x06USD\x00\x00"), least, []byte{0, 0}),
		"an order id of 2^62 bytes":            value("OrderPlaced", []byte("\x02e\x02c\x0a"), huge),
		"an id of -1 bytes":                    value("OrderPlaced", []byte{1}),
		"a number that does not end":           value("OrderPlaced", []byte("\x02e\x02c"), bytes.Repeat([]byte{0xff}, 30)),
		"a skipped map of 2^62 lists":          append(bytes.Clone(oldHead), huge...),
		"a skipped list of 2^62 nulls":         append(append(bytes.Clone(oldHead), 2, 2, 'k'), huge...),
		"a skipped list that lies about bytes": append(append(bytes.Clone(oldHead), 1), least...),
		"a skipped record, 10,000 deep":        append(append(bytes.Clone(oldHead), 0, 0), bytes.Repeat([]byte{2}, 10_000)...),
	} {
		t.Run(name, func(t *testing.T) {
			survive(t, c, v)
			if _, err := c.DecodeEvent(v); schemas.CodeOf(err) != schemas.CodeBroken {
				t.Errorf("got %v, want broken bytes", err)
			}
		})
	}
}

// Nulls take no bytes: each list of them may claim as many as there are.
func TestListsOfListsWithoutBytesAreRefused(t *testing.T) {
	text := strings.Replace(schemas.Text("OrderFulfilled"), `"fields": [`,
		`"fields": [{"name": "extra", "type": {"type": "array", "items": {"type": "array", "items": "null"}}, "default": []},`, 1)
	const lists = 1000
	nulls := make([]any, lists)
	for i := range nulls {
		nulls[i] = make([]any, lists)
	}
	c, value := write(t, text, map[string]any{"extra": nulls, "id": "e", "customer": "c", "at": int64(1), "order": "o"})
	if _, err := c.DecodeEvent(value); schemas.CodeOf(err) != schemas.CodeBroken {
		t.Errorf("a million nulls in %d bytes: got %v, want broken bytes", len(value), err)
	}
}

func TestManySmallItemsStayInBounds(t *testing.T) {
	c := schemas.NewCodec()
	n := racetest.Of(schemas.ListItemsMax, schemas.ListItemsMax/20)
	d := &events.Decision{Facts: events.Facts{Cancelled: make([]string, n), Counts: make([]events.Count, n),
		References: make([]events.Reference, n), Returns: make([]events.ReturnFact, n)}}
	value, err := c.AppendDecision(nil, d)
	if err != nil {
		t.Fatal(err)
	}
	survive(t, c, value)
	var got events.Decision
	if err := c.DecodeDecision(value, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&got, d) {
		t.Error("it came back changed")
	}
}
