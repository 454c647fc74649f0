package schemas

import (
	"fmt"
	"sync"
	"time"

	"github.com/hamba/avro/v2"
)

// writer is how to read what one schema wrote.
type writer struct {
	name   string // of the record, without the namespace
	schema *avro.RecordSchema
	change rewrite   // nil: the layout is ours
	err    error     // not nil: nothing can be read
	until  time.Time // when the registry is asked again; zero: never
}

func (w *writer) lapsed() bool { return !w.until.IsZero() && time.Now().After(w.until) }

// builtins are the schemas that came with the binary.
type builtins struct {
	ours    map[string]*avro.RecordSchema // the present ones, by name
	writers map[uint64]*writer            // these and the released ones, by fingerprint
}

// loadBuiltins parses them once for all codecs: it takes some milliseconds, and nothing in them ever changes.
var loadBuiltins = sync.OnceValue(func() *builtins {
	b := &builtins{ours: make(map[string]*avro.RecordSchema), writers: make(map[uint64]*writer)}
	parsed := make(map[string]bool)
	for _, name := range Names() {
		text := Text(name)
		parsed[text] = true
		b.ours[name] = mustParse(text)
		b.writers[fingerprintOf(b.ours[name])] = &writer{name: name, schema: b.ours[name]}
	}
	for _, text := range releasedTexts() {
		if parsed[text] {
			continue
		}
		parsed[text] = true
		rec := mustParse(text)
		w := b.writerOf(rec)
		if w.err != nil {
			panic(fmt.Sprintf("schemas: a released schema: %v", w.err))
		}
		if f := fingerprintOf(rec); b.writers[f] == nil {
			b.writers[f] = w
		}
	}
	return b
})

// writerOf works out how to read what the schema rec wrote.
func (b *builtins) writerOf(rec *avro.RecordSchema) *writer {
	name, ok := localName(rec.FullName())
	if !ok || b.ours[name] == nil {
		return &writer{err: unreadable(CodeUnknownSchema,
			"the writer's schema is %s: expected a record of the namespace %s", rec.FullName(), Namespace)}
	}
	change, err := resolve(rec, b.ours[name])
	if err != nil {
		return &writer{name: name, err: unreadable(CodeIncompatible, "the writer's schema of %s: %v", name, err)}
	}
	return &writer{name: name, schema: rec, change: change}
}
