package schemas

import (
	"fmt"
	"slices"

	"github.com/hamba/avro/v2"
)

// A rewrite turns a value in a writer's layout into the same value in ours. src is exactly the value's bytes, and they
// have been walked: nothing in them can be wrong.
type rewrite func(dst, src []byte) []byte

// resolve returns how to read what writer wrote as reader: nil when the bytes are the same.
func resolve(writer, reader *avro.RecordSchema) (rewrite, error) {
	r, err := compile(writer, reader)
	if err != nil {
		return nil, err
	}
	if canonical(writer) == canonical(reader) {
		return nil, nil
	}
	// A new judge each time: hamba's remembers its answers by a form that leaves defaults out, and says yes to whoever
	// asks while another goroutine's question is open.
	if err := avro.NewSchemaCompatibility().Compatible(reader, writer); err != nil {
		return nil, err
	}
	return r, nil
}

func compile(w, r avro.Schema) (rewrite, error) {
	w, r = deref(w), deref(r)
	if w, ok := w.(*avro.UnionSchema); ok {
		return compileWriterUnion(w, r)
	}
	if r, ok := r.(*avro.UnionSchema); ok {
		return compileReaderUnion(w, r)
	}
	switch r := r.(type) {
	case *avro.RecordSchema:
		if w, ok := w.(*avro.RecordSchema); ok && sameName(w, r) {
			return compileRecord(w, r)
		}
	case *avro.ArraySchema:
		if w, ok := w.(*avro.ArraySchema); ok {
			return compileArray(w, r)
		}
	case *avro.FixedSchema:
		if w, ok := w.(*avro.FixedSchema); ok && sameName(w, r) && w.Size() == r.Size() {
			return copyValue, nil
		}
	case *avro.NullSchema:
		if w.Type() == avro.Null {
			return copyValue, nil
		}
	case *avro.PrimitiveSchema:
		if w, ok := w.(*avro.PrimitiveSchema); ok {
			return compilePrimitive(w, r)
		}
	}
	return nil, fmt.Errorf("a %s cannot be read as a %s", w.Type(), r.Type())
}

func sameName(w, r avro.NamedSchema) bool {
	return w.Name() == r.Name() || slices.Contains(r.Aliases(), w.FullName())
}

func copyValue(dst, src []byte) []byte { return append(dst, src...) }

// compilePrimitive allows what Avro allows: an int where a long is wanted, and strings for bytes; these have the same
// bytes. Avro would also let a time in microseconds pass for one in milliseconds, a thousand times off.
func compilePrimitive(w, r *avro.PrimitiveSchema) (rewrite, error) {
	wl, rl := w.Logical(), r.Logical()
	if wl != nil && rl != nil && wl.Type() != rl.Type() {
		return nil, fmt.Errorf("a %s cannot be read as a %s", wl.Type(), rl.Type())
	}
	wt, rt := w.Type(), r.Type()
	switch {
	case wt == rt, wt == avro.Int && rt == avro.Long, wt == avro.String && rt == avro.Bytes,
		wt == avro.Bytes && rt == avro.String:
		return copyValue, nil
	default:
		return nil, fmt.Errorf("a %s cannot be read as a %s", wt, rt)
	}
}

// compileWriterUnion needs every branch to be readable, since any may come.
func compileWriterUnion(w *avro.UnionSchema, r avro.Schema) (rewrite, error) {
	branches := make([]rewrite, len(w.Types()))
	for i, t := range w.Types() {
		b, err := compile(t, r)
		if err != nil {
			return nil, err
		}
		branches[i] = b
	}
	return func(dst, src []byte) []byte {
		i, pos, _ := longAt(src, 0)
		return branches[i](dst, src[pos:])
	}, nil
}

func compileReaderUnion(w avro.Schema, r *avro.UnionSchema) (rewrite, error) {
	var first error
	for i, t := range r.Types() {
		b, err := compile(w, t)
		if err != nil {
			if t.Type() != avro.Null {
				first = err
			}
			continue
		}
		return func(dst, src []byte) []byte { return b(appendLong(dst, int64(i)), src) }, nil
	}
	return nil, first
}

func compileArray(w, r *avro.ArraySchema) (rewrite, error) {
	item, err := compile(w.Items(), r.Items())
	if err != nil {
		return nil, fmt.Errorf("[]%w", err)
	}
	return func(dst, src []byte) []byte {
		pos := 0
		for {
			n, next, _ := blockAt(src, pos)
			dst = appendLong(dst, n)
			if n == 0 {
				return dst
			}
			pos = next
			for range n {
				end := walked(w.Items(), src, pos)
				dst = item(dst, src[pos:end])
				pos = end
			}
		}
	}, nil
}

// compileRecord fills our fields from the writer's of the same name, or from their defaults; the writer's other fields
// are left out.
func compileRecord(w, r *avro.RecordSchema) (rewrite, error) {
	type source struct {
		field  int // of the writer; -1: def
		change rewrite
		def    []byte
	}
	sources := make([]source, 0, len(r.Fields()))
	for _, rf := range r.Fields() {
		i := slices.IndexFunc(w.Fields(), func(wf *avro.Field) bool {
			return wf.Name() == rf.Name() || slices.Contains(rf.Aliases(), wf.Name())
		})
		if i < 0 {
			def, err := appendDefault(nil, rf)
			if err != nil {
				return nil, err
			}
			sources = append(sources, source{field: -1, def: def})
			continue
		}
		change, err := compile(w.Fields()[i].Type(), rf.Type())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rf.Name(), err)
		}
		sources = append(sources, source{field: i, change: change})
	}
	return func(dst, src []byte) []byte {
		var room [32]int
		starts := append(room[:0], 0)
		for _, f := range w.Fields() {
			starts = append(starts, walked(f.Type(), src, starts[len(starts)-1]))
		}
		for i := range sources {
			s := &sources[i]
			if s.field < 0 {
				dst = append(dst, s.def...)
			} else {
				dst = s.change(dst, src[starts[s.field]:starts[s.field+1]])
			}
		}
		return dst
	}, nil
}

// appendDefault writes the default of a field of ours. The kinds of defaults that our schemas have are few.
func appendDefault(dst []byte, f *avro.Field) ([]byte, error) {
	if !f.HasDefault() {
		return nil, fmt.Errorf("%s: is missing", f.Name())
	}
	if _, ok := f.Type().(*avro.UnionSchema); ok && f.Default() == nil {
		return append(dst, 0), nil
	}
	switch v := f.Default().(type) {
	case string:
		return append(appendLong(dst, int64(len(v))), v...), nil
	case []byte:
		return append(appendLong(dst, int64(len(v))), v...), nil
	case int64:
		return appendLong(dst, v), nil
	case int:
		return appendLong(dst, int64(v)), nil
	case bool:
		if v {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case []any:
		if len(v) == 0 {
			return append(dst, 0), nil
		}
	}
	return nil, fmt.Errorf("%s: a default like %v is not supported", f.Name(), f.Default())
}
