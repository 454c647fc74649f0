package schemas

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

const (
	// internSlots bounds the table: 4,096 strings of at most 32 bytes are 256 KiB with their headers.
	internSlots    = 1 << 12
	internBytesMax = 32
)

// interner keeps one copy of strings that come again and again (rule ids, currencies, categories), so that decoding
// them allocates nothing. A string has two places; the newest takes the first and pushes what was there to the second.
// Losing one costs an allocation, never correctness. Safe for concurrent use.
type interner struct {
	slots [internSlots]atomic.Pointer[string]
}

func (in *interner) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > internBytesMax {
		return string(b)
	}
	i := slotOf(b)
	first := in.slots[i].Load()
	if first != nil && *first == string(b) {
		return *first
	}
	if p := in.slots[i^1].Load(); p != nil && *p == string(b) {
		return *p
	}
	s := string(b)
	if first != nil {
		in.slots[i^1].Store(first)
	}
	in.slots[i].Store(&s)
	return s
}

// slotOf hashes the length, the first and the last bytes. Words that differ in the middle only may push each other out.
func slotOf(b []byte) uint64 {
	n := len(b)
	h := uint64(n)
	switch {
	case n >= 8:
		h ^= binary.LittleEndian.Uint64(b) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(b[n-8:]), 29)
	case n >= 4:
		h ^= uint64(binary.LittleEndian.Uint32(b))<<8 ^ uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	default:
		h ^= uint64(b[0])<<8 ^ uint64(b[n/2])<<16 ^ uint64(b[n-1])<<24
	}
	return h * 0x9E3779B97F4A7C15 >> (64 - 12) % internSlots
}
