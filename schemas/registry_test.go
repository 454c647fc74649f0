package schemas_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// fakeRegistry is a registry that counts requests and can be taken down.
type fakeRegistry struct {
	*srfake.Registry
	requests atomic.Int64
	down     atomic.Bool
}

func startRegistry(t *testing.T) *fakeRegistry {
	t.Helper()
	f := &fakeRegistry{Registry: srfake.New()}
	t.Cleanup(f.Close)
	f.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		f.requests.Add(1)
		if f.down.Load() {
			http.Error(w, `{"error_code": 50002, "message": "away"}`, http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	return f
}

func (f *fakeRegistry) config(register bool) schemas.RegistryConfig {
	cfg := schemas.DefaultRegistryConfig(f.URL())
	cfg.Register, cfg.Pause = register, 40*time.Millisecond
	return cfg
}

func (f *fakeRegistry) open(t *testing.T, register bool) *schemas.Codec {
	t.Helper()
	c, err := schemas.OpenCodec(context.Background(), f.config(register))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// framed puts a schema id before a body.
func framed(id int, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), body...)
}

func TestSchemasAreRegisteredWhenAllowed(t *testing.T) {
	f := startRegistry(t)
	if _, err := schemas.OpenCodec(context.Background(), f.config(false)); err == nil || !strings.Contains(err.Error(), "accrue.OrderPlaced") {
		t.Fatalf("not allowed: got %v, want what is missing", err)
	}
	f.open(t, true)
	client, err := sr.NewClient(sr.URLs(f.URL()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range schemas.Names() {
		if _, ok := f.GetSchema(schemas.Subject(name), 1); !ok {
			t.Errorf("%s is not registered", name)
		}
		if got := client.Compatibility(context.Background(), schemas.Subject(name))[0]; got.Level != sr.CompatFullTransitive {
			t.Errorf("%s has the level %v, %v", name, got.Level, got.Err)
		}
	}
	f.open(t, false) // now they are there
	if _, ok := f.GetSchema(schemas.Subject("OrderPlaced"), 2); ok {
		t.Error("opening again registered again")
	}
}

func TestBothFramingsAreReadWithARegistry(t *testing.T) {
	f := startRegistry(t)
	with, without := f.open(t, true), schemas.NewCodec()
	for _, name := range schemas.Names() {
		s := randomSubject(name, 5)
		confluent, err := s.encode(with)
		if err != nil {
			t.Fatal(err)
		}
		single, err := s.encode(without)
		if err != nil {
			t.Fatal(err)
		}
		if confluent[0] != 0 || !reflect.DeepEqual(confluent[5:], single[10:]) {
			t.Errorf("%s: the bodies differ: % x, % x", name, confluent, single)
		}
		for _, value := range [][]byte{confluent, single} {
			if got, err := decode(with, name, value); err != nil || !reflect.DeepEqual(got, s.value) {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
		}
	}
	requests := f.requests.Load()
	value, _ := with.AppendEvent(nil, order())
	for range 100 {
		if _, err := with.DecodeEvent(value); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.requests.Load() - requests; n != 0 {
		t.Errorf("known ids made %d requests", n)
	}
}

func TestOtherWritersSchemasAreFetchedOnce(t *testing.T) {
	f := startRegistry(t)
	c := f.open(t, true)
	newer := strings.Replace(schemas.Text("OrderFulfilled"), `{"name": "order", "type": "string"}`,
		`{"name": "order", "type": "string"}, {"name": "carrier", "type": "string", "default": ""}`, 1)
	id, _, err := f.RegisterSchema("accrue.OrderFulfilled", sr.Schema{Type: sr.TypeAvro, Schema: newer})
	if err != nil {
		t.Fatal(err)
	}
	value := framed(id, []byte("\x02e\x02c\x0a\x04o1\x06DHL"))
	requests := f.requests.Load()
	for range 10 {
		got, err := c.DecodeEvent(value)
		if err != nil {
			t.Fatal(err)
		}
		if want := (&events.OrderFulfilled{Header: events.Header{ID: "e", Customer: "c", At: 5}, Order: "o1"}); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	if n := f.requests.Load() - requests; n != 1 {
		t.Errorf("made %d requests, want 1", n)
	}
}

func TestSchemasMayReferToOthers(t *testing.T) {
	f := startRegistry(t)
	c := f.open(t, true)
	line := `{"type": "record", "name": "ReturnedLine", "namespace": "accrue", "fields": [{"name": "line", "type": "string"}, {"name": "amount_minor", "type": "long"}]}`
	if _, _, err := f.RegisterSchema("shop.line", sr.Schema{Type: sr.TypeAvro, Schema: line}); err != nil {
		t.Fatal(err)
	}
	id, _, err := f.RegisterSchema("shop.returned", sr.Schema{Type: sr.TypeAvro,
		Schema: `{"type": "record", "name": "OrderReturned", "namespace": "accrue", "fields": [{"name": "id", "type": "string"}, {"name": "customer", "type": "string"},
			{"name": "at", "type": "long"}, {"name": "order", "type": "string"}, {"name": "return", "type": "string"}, {"name": "lines", "type": {"type": "array", "items": "accrue.ReturnedLine"}}]}`,
		References: []sr.SchemaReference{{Name: "accrue.ReturnedLine", Subject: "shop.line", Version: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.DecodeEvent(framed(id, []byte("\x02e\x02c\x0a\x04o1\x04r1\x02\x021\x12\x00")))
	want := &events.OrderReturned{Header: events.Header{ID: "e", Customer: "c", At: 5}, Order: "o1", Return: "r1", Lines: []events.ReturnedLine{{Line: "1", Amount: 9}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestUnusableSchemaIdsAreUnreadable(t *testing.T) {
	f := startRegistry(t)
	c := f.open(t, true)
	seed := func(subject string, s sr.Schema) int {
		id, _, err := f.RegisterSchema(subject, s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	foreign := seed("shop.Basket", sr.Schema{Type: sr.TypeAvro, Schema: `{"type": "record", "name": "Basket", "namespace": "shop", "fields": []}`})
	incompatible := seed("shop.Fulfilled", sr.Schema{Type: sr.TypeAvro, Schema: strings.Replace(schemas.Text("OrderFulfilled"), `{"name": "order", "type": "string"}`, `{"name": "order", "type": "long"}`, 1)})
	micros := seed("shop.Micros", sr.Schema{Type: sr.TypeAvro, Schema: strings.Replace(schemas.Text("OrderFulfilled"), `millis`, `micros`, 1)})
	plain := seed("shop.Text", sr.Schema{Type: sr.TypeAvro, Schema: `"string"`})
	refers := func(id int, refs ...string) int {
		f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != fmt.Sprintf("/schemas/ids/%d", id) {
				return false
			}
			fmt.Fprintf(w, `{"schema": %q, "references": [%s]}`, schemas.Text("OrderFulfilled"), strings.Join(refs, ","))
			f.requests.Add(1)
			return true
		})
		return id
	}
	gone := refers(8001, `{"name": "x.Y", "subject": "gone", "version": 1}`)
	many := refers(8002, slices.Repeat([]string{`{"name": "x.Y", "subject": "shop.Basket", "version": 1}`}, 65)...)
	for name, tt := range map[string]struct {
		id   int
		code schemas.Code
	}{
		"an id that the registry does not have":    {7777, schemas.CodeUnknownSchema},
		"somebody else's record":                   {foreign, schemas.CodeUnknownSchema},
		"no record":                                {plain, schemas.CodeUnknownSchema},
		"an incompatible record":                   {incompatible, schemas.CodeIncompatible},
		"times in microseconds":                    {micros, schemas.CodeIncompatible},
		"a schema that refers to one that is gone": {gone, schemas.CodeUnknownSchema},
		"a schema that refers to too many":         {many, schemas.CodeUnknownSchema},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.DecodeEvent(framed(tt.id, []byte("\x02e")))
			if schemas.CodeOf(err) != tt.code {
				t.Fatalf("got %v, want %s", err, tt.code)
			}
			requests := f.requests.Load()
			if _, err := c.DecodeEvent(framed(tt.id, []byte("\x02e"))); schemas.CodeOf(err) != tt.code {
				t.Errorf("the second time: got %v", err)
			}
			if n := f.requests.Load() - requests; n != 0 {
				t.Errorf("asked %d times again", n)
			}
		})
	}
}

// unregistered returns the value of an event whose schema the registry has once register is called.
func (f *fakeRegistry) unregistered(t *testing.T) (value []byte, register func()) {
	newer := strings.Replace(schemas.Text("OrderFulfilled"), `"fields": [`, `"fields": [{"name": "x", "type": "long", "default": 0}, `, 1)
	return framed(len(schemas.Names())+1, []byte("\x02\x02e\x02c\x0a\x04o1")), func() {
		if _, _, err := f.RegisterSchema("accrue.OrderFulfilled", sr.Schema{Type: sr.TypeAvro, Schema: newer}); err != nil {
			t.Error(err)
		}
	}
}

func TestSchemasThatAreRegisteredLaterAreFound(t *testing.T) {
	f := startRegistry(t)
	f.open(t, true)
	value, register := f.unregistered(t)
	cfg := f.config(false)
	cfg.Pause = time.Millisecond
	c, err := schemas.OpenCodec(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DecodeEvent(value); schemas.CodeOf(err) != schemas.CodeUnknownSchema {
		t.Fatalf("before: got %v", err)
	}
	register()
	readSoon(t, c, value)
}

// readSoon waits until an event can be decoded.
func readSoon(t *testing.T, c *schemas.Codec, value []byte) {
	t.Helper()
	var err error
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err = c.DecodeEvent(value); err == nil {
			return
		}
	}
	t.Fatalf("after 5 s: %v", err)
}

// What stands before the registry answers 404 too, an ingress without a backend for example.
func TestSomebodyElsesNotFoundIsNoAnswer(t *testing.T) {
	f := startRegistry(t)
	c := f.open(t, true)
	value, register := f.unregistered(t)
	register()
	var away atomic.Bool
	away.Store(true)
	f.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if away.Load() {
			http.Error(w, "default backend - 404", http.StatusNotFound)
		}
		return away.Load()
	})
	if _, err := c.DecodeEvent(value); !errors.Is(err, schemas.ErrRegistryUnavailable) {
		t.Errorf("meanwhile: got %v, want ErrRegistryUnavailable", err)
	}
	away.Store(false)
	readSoon(t, c, value)
}

// A producer of plain numbers begins each record with a zero byte and another schema id.
func TestManyUnknownIdsCostLittle(t *testing.T) {
	f := startRegistry(t)
	f.open(t, true)
	cfg := f.config(false)
	cfg.Pause = 500 * time.Millisecond
	c, err := schemas.OpenCodec(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for id := range 20 {
		if _, err := c.DecodeEvent(framed(1_000_000+id, []byte{0})); schemas.CodeOf(err) != schemas.CodeUnknownSchema {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 4*cfg.Pause {
		t.Errorf("20 records took %v", took)
	}
}

func TestRegistryDown(t *testing.T) {
	f := startRegistry(t)
	c := f.open(t, true)
	known, err := c.AppendEvent(nil, order())
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(schemas.Text("OrderFulfilled"), `"fields": [`, `"fields": [{"name": "x", "type": "long", "default": 0}, `, 1)
	id, _, err := f.RegisterSchema("accrue.OrderFulfilled", sr.Schema{Type: sr.TypeAvro, Schema: newer})
	if err != nil {
		t.Fatal(err)
	}
	unknown := framed(id, []byte("\x02\x02e\x02c\x0a\x04o1"))

	f.down.Store(true)
	if _, err := c.DecodeEvent(known); err != nil {
		t.Errorf("a known id: %v", err)
	}
	requests := f.requests.Load()
	for range 50 {
		if _, err := c.DecodeEvent(unknown); !errors.Is(err, schemas.ErrRegistryUnavailable) || errors.Is(err, schemas.ErrUnreadable) {
			t.Fatalf("an unknown id: got %v", err)
		}
	}
	if n := f.requests.Load() - requests; n > 5 {
		t.Errorf("50 tries made %d requests", n)
	}
	if _, err := schemas.OpenCodec(context.Background(), f.config(true)); !errors.Is(err, schemas.ErrRegistryUnavailable) {
		t.Errorf("opening: got %v", err)
	}

	f.down.Store(false)
	readSoon(t, c, unknown)
}

func TestSlowRegistryIsUnavailable(t *testing.T) {
	f := startRegistry(t)
	cfg := f.config(true)
	cfg.Timeout = 50 * time.Millisecond
	hang := make(chan struct{})
	f.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		return true
	})
	start := time.Now()
	_, err := schemas.OpenCodec(context.Background(), cfg)
	close(hang)
	if !errors.Is(err, schemas.ErrRegistryUnavailable) || time.Since(start) > 2*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

func TestRegistryConfigReportsEverything(t *testing.T) {
	cfg := schemas.RegistryConfig{Pause: -1}
	err := cfg.Validate()
	for _, want := range []string{"no URL", "timeout", "pause"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %q", err, want)
		}
	}
	cfg = schemas.DefaultRegistryConfig("http://localhost:8081")
	if err := cfg.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
