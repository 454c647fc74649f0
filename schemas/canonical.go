package schemas

import (
	"strconv"

	"github.com/hamba/avro/v2"
)

// canonical returns the schema's parsing canonical form: what matters for the layout of the bytes, and nothing else.
// hamba's String would do, but it keeps logical types, against Avro's specification; fingerprints of it are known to
// no other implementation.
func canonical(s avro.Schema) string { return string(appendCanonical(nil, s)) }

func appendCanonical(b []byte, s avro.Schema) []byte {
	switch s := s.(type) {
	case *avro.RefSchema:
		return appendQuoted(b, s.Schema().FullName())
	case *avro.RecordSchema:
		kind := "record"
		if s.IsError() {
			kind = "error"
		}
		b = appendNamed(b, s, kind)
		b = append(b, `,"fields":[`...)
		for i, f := range s.Fields() {
			b = appendComma(b, i)
			b = append(b, `{"name":`...)
			b = appendQuoted(b, f.Name())
			b = append(b, `,"type":`...)
			b = appendCanonical(b, f.Type())
			b = append(b, '}')
		}
		return append(b, "]}"...)
	case *avro.EnumSchema:
		b = appendNamed(b, s, "enum")
		b = append(b, `,"symbols":[`...)
		for i, symbol := range s.Symbols() {
			b = appendQuoted(appendComma(b, i), symbol)
		}
		return append(b, "]}"...)
	case *avro.FixedSchema:
		b = appendNamed(b, s, "fixed")
		b = append(b, `,"size":`...)
		return append(strconv.AppendInt(b, int64(s.Size()), 10), '}')
	case *avro.ArraySchema:
		b = append(b, `{"type":"array","items":`...)
		return append(appendCanonical(b, s.Items()), '}')
	case *avro.MapSchema:
		b = append(b, `{"type":"map","values":`...)
		return append(appendCanonical(b, s.Values()), '}')
	case *avro.UnionSchema:
		b = append(b, '[')
		for i, t := range s.Types() {
			b = appendCanonical(appendComma(b, i), t)
		}
		return append(b, ']')
	default:
		return appendQuoted(b, string(s.Type()))
	}
}

func appendNamed(b []byte, s avro.NamedSchema, kind string) []byte {
	b = append(b, `{"name":`...)
	b = appendQuoted(b, s.FullName())
	b = append(b, `,"type":`...)
	return appendQuoted(b, kind)
}

// appendQuoted quotes a name, which has letters, digits, underscores and dots only.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendComma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// rabinEmpty is the CRC-64-AVRO fingerprint of nothing, and the polynomial.
const rabinEmpty = 0xc15d213aa4d7a795

// fingerprintOf returns the CRC-64-AVRO (Rabin) fingerprint of the schema's canonical form.
func fingerprintOf(s avro.Schema) uint64 {
	f := uint64(rabinEmpty)
	for _, b := range []byte(canonical(s)) {
		f ^= uint64(b)
		for range 8 {
			f = f>>1 ^ rabinEmpty&-(f&1)
		}
	}
	return f
}
