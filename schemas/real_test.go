package schemas_test

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/accrue-loyalty/accrue/internal/kafkatest"
	"github.com/accrue-loyalty/accrue/schemas"
)

func TestMain(m *testing.M) { os.Exit(kafkatest.Run(m)) }

// A registry that really judges takes our schemas and their successors, and refuses what FULL_TRANSITIVE forbids.
func TestRealRegistryHoldsTheContract(t *testing.T) {
	cfg := schemas.DefaultRegistryConfig(kafkatest.Registry(t))
	cfg.Register = true
	c, err := schemas.OpenCodec(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Register = false
	again, err := schemas.OpenCodec(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range schemas.Names() {
		s := randomSubject(name, 9)
		value, err := s.encode(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(again, name, value); err != nil || !reflect.DeepEqual(got, s.value) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}

	client, err := sr.NewClient(sr.URLs(cfg.URLs...))
	if err != nil {
		t.Fatal(err)
	}
	change := func(with string) (int, error) {
		text := strings.Replace(schemas.Text("OrderFulfilled"), `{"name": "order", "type": "string"}`, with, 1)
		return client.RegisterSchema(context.Background(), schemas.Subject("OrderFulfilled"), sr.Schema{Type: sr.TypeAvro, Schema: text}, -1, -1)
	}
	id, err := change(`{"name": "order", "type": "string"}, {"name": "depot", "type": "long"}`)
	if err == nil && os.Getenv("ACCRUE_TEST_REGISTRY") != "embedded" { // which says yes to everything
		t.Errorf("a field without default was accepted as %d", id)
	}
	id, err = change(`{"name": "order", "type": "string"}, {"name": "carrier", "type": "string", "default": ""}`)
	if err != nil {
		t.Fatalf("an optional field was refused: %v", err)
	}
	if _, err := c.DecodeEvent(framed(id, []byte("\x02e\x02c\x0a\x04o1\x06DHL"))); err != nil {
		t.Errorf("a newer writer: %v", err)
	}
	if _, err := c.DecodeEvent(framed(1<<30, []byte("\x02e"))); schemas.CodeOf(err) != schemas.CodeUnknownSchema {
		t.Errorf("an id that does not exist: %v", err)
	}
}
