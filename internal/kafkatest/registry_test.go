package kafkatest_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/accrue-loyalty/accrue/internal/kafkatest"
)

// A real registry refuses what its level forbids; the embedded one does not.
func TestRealRegistryRefusesIncompatibleSchemas(t *testing.T) {
	url := kafkatest.Registry(t)
	cl, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	ctx, subject := t.Context(), kafkatest.Prefix(t)+"Order"
	schema := func(field string) sr.Schema {
		return sr.Schema{Type: sr.TypeAvro, Schema: `{"type":"record","name":"Order","namespace":"x","fields":[{"name":"id","type":"string"}` + field + `]}`}
	}
	first, err := cl.CreateSchema(ctx, subject, schema(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range cl.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatFullTransitive}, subject) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if _, err := cl.CreateSchema(ctx, subject, schema(`,{"name":"qty","type":"long"}`)); err == nil {
		t.Error("a field without default was accepted under FULL_TRANSITIVE")
	}
	if _, err := cl.CreateSchema(ctx, subject, schema(`,{"name":"note","type":["null","string"],"default":null}`)); err != nil {
		t.Errorf("an optional field was refused: %v", err)
	}
	if back, err := cl.SchemaByID(ctx, first.ID); err != nil || back.Schema == "" {
		t.Errorf("schema %d: %+v (%v)", first.ID, back, err)
	}
}
