package schemas

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// wire is one record on its way out or in. The functions below take a pointer to a field and either append it to buf or
// fill it from there, so that one description of a record serves both ways and cannot disagree with itself.
//
// What they write is canonical: the shortest integers, a list in one block. What they read may be any valid Avro.
type wire struct {
	encoding bool
	buf      []byte
	pos      int // of the next byte to read
	words    *interner
	repeat   [4]string // strings of this record that may come again in it
	repeats  uint
	brief    bool   // the texts of what is decoded are kept for a moment only
	shared   string // buf from sharedAt on, of which texts become parts; "" when each text is copied
	sharedAt int
	err      error // the first problem
}

func (x *wire) fail(code Code, format string, args ...any) {
	if x.err == nil {
		x.err = unreadable(code, "at byte %d of the body: %s", x.pos, fmt.Sprintf(format, args...))
	}
	x.pos = len(x.buf)
}

func appendLong(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v<<1)^uint64(v>>63))
}

func (x *wire) putLong(v int64) {
	if u := uint64(v<<1) ^ uint64(v>>63); u < 0x80 {
		x.buf = append(x.buf, byte(u))
		return
	}
	x.buf = appendLong(x.buf, v)
}

// small returns the next number if it has one byte and is not negative, as most have; else -1, having read nothing. It
// is inlined where takeLong is not.
func (x *wire) small() int {
	if x.pos < len(x.buf) && x.buf[x.pos]&0x81 == 0 {
		x.pos++
		return int(x.buf[x.pos-1] >> 1)
	}
	return -1
}

func (x *wire) takeLong() int64 {
	var u uint64
	var n int
	rest := x.buf[x.pos:]
	if len(rest) >= 8 {
		u, n = varint8(binary.LittleEndian.Uint64(rest))
	}
	if n == 0 {
		if u, n = binary.Uvarint(rest); n <= 0 {
			x.fail(CodeBroken, "the number here does not end or has over 64 bits")
			return 0
		}
	}
	x.pos += n
	return int64(u>>1) ^ -int64(u&1)
}

// varint8 reads a varint from eight bytes without looking at each; n is 0 when it is longer.
func varint8(w uint64) (u uint64, n int) {
	last := ^w & 0x8080808080808080 // the bytes that may be the last have no high bit
	if last == 0 {
		return 0, 0
	}
	w &= last ^ (last - 1) // nothing behind the first of them
	w = w&0x007f007f007f007f | w&0x7f007f007f007f00>>1
	w = w&0x00003fff00003fff | w&0x3fff00003fff0000>>2
	return w&0x0fffffff | w&0x0fffffff00000000>>4, bits.TrailingZeros64(last)/8 + 1
}

// takeBytes returns the next bytes or string, as a part of buf.
func (x *wire) takeBytes() []byte {
	n := x.small()
	if n < 0 {
		n = x.takeSize()
	}
	if n > len(x.buf)-x.pos {
		x.fail(CodeBroken, "a text of %d bytes where %d are left", n, len(x.buf)-x.pos)
		return nil
	}
	b := x.buf[x.pos : x.pos+n]
	x.pos += n
	return b
}

// takeSize reads a length that is not small.
func (x *wire) takeSize() int {
	n := x.takeLong()
	if n < 0 || n > int64(len(x.buf)-x.pos) {
		x.fail(CodeBroken, "a text of %d bytes where %d are left", n, len(x.buf)-x.pos)
		return 0
	}
	return int(n)
}

func (x *wire) putText(s string) {
	x.putLong(int64(len(s)))
	x.buf = append(x.buf, s...)
}

// branch reads the index of a union of null and something, and reports whether it is something.
func (x *wire) branch() bool {
	n := x.small()
	if n < 0 {
		n = int(x.takeLong())
	}
	if n != 0 && n != 1 {
		x.fail(CodeBroken, "branch %d of a union of two", n)
	}
	return n == 1
}

// long is an Avro long.
func long[T ~int64](x *wire, p *T) {
	if x.encoding {
		x.putLong(int64(*p))
		return
	}
	if n := x.small(); n >= 0 {
		*p = T(n)
		return
	}
	*p = T(x.takeLong())
}

// number is an Avro int.
func number(x *wire, p *int32) {
	if x.encoding {
		x.putLong(int64(*p))
		return
	}
	if n := x.small(); n >= 0 {
		*p = int32(n)
		return
	}
	v := x.takeLong()
	if v < math.MinInt32 || v > math.MaxInt32 {
		x.fail(CodeBroken, "%d where 32 bits are expected", v)
		return
	}
	*p = int32(v)
}

// flag is an Avro boolean.
func flag(x *wire, p *bool) {
	if x.encoding {
		b := byte(0)
		if *p {
			b = 1
		}
		x.buf = append(x.buf, b)
		return
	}
	if x.pos >= len(x.buf) || x.buf[x.pos] > 1 {
		x.fail(CodeBroken, "no boolean here")
		return
	}
	*p = x.buf[x.pos] == 1
	x.pos++
}

// text is a string that is different in every record.
func text[T ~string](x *wire, p *T) {
	if x.encoding {
		x.putText(string(*p))
		return
	}
	b := x.takeBytes()
	if x.shared != "" {
		end := x.pos - x.sharedAt
		*p = T(x.shared[end-len(b) : end])
		return
	}
	*p = T(b)
}

// same is a string that is often the one of the record before, where a value is decoded into again.
func same(x *wire, p *string) {
	if x.encoding {
		x.putText(*p)
		return
	}
	if b := x.takeBytes(); *p != string(b) {
		*p = string(b)
	}
}

// share makes one copy of the rest of the record for all texts to come. It is for texts that nobody keeps for long:
// each keeps the whole rest alive.
func (x *wire) share() {
	if !x.encoding && x.shared == "" {
		x.shared, x.sharedAt = string(x.buf[x.pos:]), x.pos
	}
}

// word is a string of which there are few: it is interned. In a record that is decoded into again, it is often the one
// that is there already.
func word[T ~string](x *wire, p *T) {
	if x.encoding {
		x.putText(string(*p))
		return
	}
	if b := x.takeBytes(); string(*p) != string(b) {
		*p = T(x.words.get(b))
	}
}

// label is a string that is few when short, as line ids are: "1", "2".
func label(x *wire, p *string) {
	if x.encoding {
		x.putText(*p)
		return
	}
	b := x.takeBytes()
	if len(b) <= 4 {
		*p = x.words.get(b)
		return
	}
	*p = string(b)
}

// again is a string that is likely to come more than once in a record, as the order in each entry.
func again(x *wire, p *string) {
	if x.encoding {
		x.putText(*p)
		return
	}
	b := x.takeBytes()
	if len(b) == 0 {
		*p = ""
		return
	}
	for i := range x.repeat {
		if x.repeat[i] == string(b) {
			*p = x.repeat[i]
			return
		}
	}
	*p = string(b)
	x.repeat[x.repeats%uint(len(x.repeat))] = *p
	x.repeats++
}

// blob is an Avro bytes. Decoded, it is a copy; nil when empty.
func blob(x *wire, p *[]byte) {
	if x.encoding {
		x.putLong(int64(len(*p)))
		x.buf = append(x.buf, *p...)
		return
	}
	*p = nil
	if b := x.takeBytes(); len(b) > 0 {
		*p = slices.Clone(b)
	}
}

// fixed is an Avro fixed of len(p) bytes.
func fixed(x *wire, p []byte) {
	if x.encoding {
		x.buf = append(x.buf, p...)
		return
	}
	if len(x.buf)-x.pos < len(p) {
		x.fail(CodeBroken, "%d bytes where %d are expected", len(x.buf)-x.pos, len(p))
		return
	}
	x.pos += copy(p, x.buf[x.pos:])
}

// orNone is a union of null and a long; 0 is null.
func orNone[T ~int64](x *wire, p *T) {
	if x.encoding {
		if *p == 0 {
			x.buf = append(x.buf, 0)
			return
		}
		x.buf = append(x.buf, 2)
		x.putLong(int64(*p))
		return
	}
	*p = 0
	if x.branch() {
		*p = T(x.takeLong())
	}
}

// option is a union of null and what item describes; nil is null.
func option[T any](x *wire, p **T, item func(*wire, *T)) {
	if x.encoding {
		if *p == nil {
			x.buf = append(x.buf, 0)
			return
		}
		x.buf = append(x.buf, 2)
		item(x, *p)
		return
	}
	*p = nil
	if x.branch() {
		*p = new(T)
		item(x, *p)
	}
}
