package schemas

import (
	"hash/maphash"
	"sync/atomic"
)

const (
	// internSlots bounds the table: 4,096 strings of at most 32 bytes are 256 KiB with their headers.
	internSlots    = 4096
	internBytesMax = 32
)

// interner keeps one copy of strings that come again and again (rule ids, currencies, categories), so that decoding
// them allocates nothing. A string has two places; the newest takes the first and pushes what was there to the second.
// Losing one costs an allocation, never correctness. Safe for concurrent use.
type interner struct {
	seed  maphash.Seed
	slots [internSlots]atomic.Pointer[string]
}

func newInterner() *interner { return &interner{seed: maphash.MakeSeed()} }

func (in *interner) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > internBytesMax {
		return string(b)
	}
	i := maphash.Bytes(in.seed, b) % internSlots
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
