package schemas

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/hamba/avro/v2"
)

// walkDepthMax bounds how deep a writer's schema may nest; only a recursive one goes deeper.
const walkDepthMax = 64

var (
	errShort = errors.New("the bytes end in the middle of a value")
	errDeep  = fmt.Errorf("values nest over %d deep", walkDepthMax)
)

// walk checks that b starts with a value of the writer schema s and returns its length.
func walk(s avro.Schema, b []byte) (int, error) {
	w := walker{b: b, items: int64(len(b))}
	return w.at(s, 0, 0)
}

// walked returns where the value at pos ends, in bytes that walk has been through.
func walked(s avro.Schema, b []byte, pos int) int {
	w := walker{b: b, items: math.MaxInt64}
	end, _ := w.at(s, pos, 0)
	return end
}

// walker goes through the bytes of a record. items is how many more items its lists may have, all together: as many as
// the record has bytes, so that items without bytes (nulls) cannot keep it busy.
type walker struct {
	b     []byte
	items int64
}

func (w *walker) at(s avro.Schema, pos, depth int) (int, error) {
	if depth > walkDepthMax {
		return 0, errDeep
	}
	switch s := deref(s).(type) {
	case *avro.RecordSchema:
		var err error
		for _, f := range s.Fields() {
			if pos, err = w.at(f.Type(), pos, depth+1); err != nil {
				return 0, fmt.Errorf("%s.%w", f.Name(), err)
			}
		}
		return pos, nil
	case *avro.ArraySchema:
		return w.blocks(pos, func(pos int) (int, error) { return w.at(s.Items(), pos, depth+1) })
	case *avro.MapSchema:
		return w.blocks(pos, func(pos int) (int, error) {
			pos, err := walkBytes(w.b, pos)
			if err != nil {
				return 0, err
			}
			return w.at(s.Values(), pos, depth+1)
		})
	case *avro.UnionSchema:
		i, pos, err := longAt(w.b, pos)
		if err != nil {
			return 0, err
		}
		if i < 0 || i >= int64(len(s.Types())) {
			return 0, fmt.Errorf("branch %d of a union of %d", i, len(s.Types()))
		}
		return w.at(s.Types()[i], pos, depth+1)
	case *avro.FixedSchema:
		return skipBytes(w.b, pos, int64(s.Size()))
	case *avro.EnumSchema:
		i, pos, err := longAt(w.b, pos)
		if err == nil && (i < 0 || i >= int64(len(s.Symbols()))) {
			err = fmt.Errorf("symbol %d of an enum of %d", i, len(s.Symbols()))
		}
		return pos, err
	case *avro.NullSchema:
		return pos, nil
	case *avro.PrimitiveSchema:
		return walkPrimitive(s.Type(), w.b, pos)
	default:
		return 0, fmt.Errorf("a value of the unknown type %s", s.Type())
	}
}

func walkPrimitive(t avro.Type, b []byte, pos int) (int, error) {
	switch t {
	case avro.String, avro.Bytes:
		return walkBytes(b, pos)
	case avro.Long, avro.Int:
		v, pos, err := longAt(b, pos)
		if err == nil && t == avro.Int && (v < math.MinInt32 || v > math.MaxInt32) {
			err = fmt.Errorf("%d where 32 bits are expected", v)
		}
		return pos, err
	case avro.Boolean:
		if pos >= len(b) {
			return 0, errShort
		}
		if b[pos] > 1 {
			return 0, fmt.Errorf("a boolean of %d", b[pos])
		}
		return pos + 1, nil
	case avro.Float:
		return skipBytes(b, pos, 4)
	case avro.Double:
		return skipBytes(b, pos, 8)
	default:
		return 0, fmt.Errorf("a value of the unknown type %s", t)
	}
}

// blocks goes through the blocks of an array or a map.
func (w *walker) blocks(pos int, item func(pos int) (int, error)) (int, error) {
	for {
		n, next, err := blockAt(w.b, pos)
		if err != nil || n == 0 {
			return next, err
		}
		if w.items -= n; w.items < 0 {
			return 0, fmt.Errorf("a list of %d items where a record of %d bytes has room for %d", n, len(w.b), w.items+n)
		}
		pos = next
		for range n {
			if pos, err = item(pos); err != nil {
				return 0, err
			}
		}
	}
}

// blockAt reads a block's count of items, and its size in bytes when there is one.
func blockAt(b []byte, pos int) (items int64, next int, err error) {
	n, pos, err := longAt(b, pos)
	if err == nil && n < 0 {
		n = -n
		_, pos, err = longAt(b, pos)
	}
	if err == nil && n < 0 {
		err = fmt.Errorf("a list of %d items", n)
	}
	return n, pos, err
}

func walkBytes(b []byte, pos int) (int, error) {
	n, pos, err := longAt(b, pos)
	if err != nil {
		return 0, err
	}
	return skipBytes(b, pos, n)
}

func skipBytes(b []byte, pos int, n int64) (int, error) {
	if n < 0 || n > int64(len(b)-pos) {
		return 0, fmt.Errorf("%d bytes where %d are left", n, len(b)-pos)
	}
	return pos + int(n), nil
}

func longAt(b []byte, pos int) (int64, int, error) {
	u, n := binary.Uvarint(b[pos:])
	if n <= 0 {
		return 0, 0, errShort
	}
	return int64(u>>1) ^ -int64(u&1), pos + n, nil
}

// deref returns the schema that a reference by name stands for.
func deref(s avro.Schema) avro.Schema {
	if r, ok := s.(*avro.RefSchema); ok {
		return r.Schema()
	}
	return s
}
