package loyalty

import (
	"encoding/binary"
	"math/big"
	"strings"
)

// appendInt is binary.AppendVarint. Most numbers are small.
func appendInt(b []byte, n int64) []byte { return appendUint(b, uint64(n)<<1^uint64(n>>63)) }

// appendInts appends one after the other. It is no part of those that call it, nor is appendText: an order goes through
// more instructions than the processor's cache for them has room for.
//
//go:noinline
func appendInts(b []byte, list ...int64) []byte {
	for _, n := range list {
		b = appendInt(b, n)
	}
	return b
}

func appendCount(b []byte, n int) []byte { return appendUint(b, uint64(n)) }

func appendUint(b []byte, n uint64) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	return binary.AppendUvarint(b, n)
}

//go:noinline
func appendText(b []byte, s string) []byte { return append(appendCount(b, len(s)), s...) }

func appendBytes(b, s []byte) []byte { return append(appendCount(b, len(s)), s...) }

func appendTexts(b []byte, list []string) []byte {
	b = appendCount(b, len(list))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

func appendBool(b []byte, v bool) []byte { return append(b, bit(v)) }

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// appendExact writes the denominator (0 for a number beyond two words, whose text follows), then the numerator.
func appendExact(b []byte, x Exact) []byte {
	if x.big != nil {
		return appendText(appendCount(b, 0), x.big.String())
	}
	return appendInt(appendUint(b, uint64(x.denominator())), x.num)
}

// decoder reads what the append functions wrote. After the first error every read returns zero.
type decoder struct {
	b     []byte
	bad   bool
	newer bool
}

func (d *decoder) fail() { d.bad, d.b = true, nil }

func (d *decoder) done() error {
	if d.newer {
		return ErrNewer
	}
	if d.bad || len(d.b) > 0 {
		return ErrEncoding
	}
	return nil
}

// version reads what an encoding begins with, from 1 to newest.
func (d *decoder) version(newest byte) byte {
	v := d.byte()
	if v == 0 || v > newest {
		d.fail()
		d.newer = v > newest
	}
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) bool() bool { return d.byte() == 1 }

func (d *decoder) int() int64 {
	n := d.uint()
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) uint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		n := d.b[0]
		d.b = d.b[1:]
		return uint64(n)
	}
	n, used := binary.Uvarint(d.b)
	if used <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[used:]
	return n
}

// count reads a number of things that each take a byte at least, so that broken bytes cannot ask for much memory.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.count()
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) texts() []string {
	n := d.count()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.text()
	}
	return list
}

func (d *decoder) exact() Exact {
	den := d.uint()
	if den > 0 {
		num := d.int()
		if den > 1<<63-1 {
			d.fail()
			return Exact{}
		}
		return normal(num, int64(den))
	}
	// Only what big.Rat's String makes: an exponent would ask for any amount of memory.
	text := d.text()
	if strings.Trim(text, "-0123456789/") != "" {
		d.fail()
		return Exact{}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		d.fail()
		return Exact{}
	}
	return Exact{big: r}
}
