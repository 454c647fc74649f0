package state

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// filter answers "never seen" for most keys that are not in a partition, so that nearly no event costs a look-up of
// something new. It is a chain of Bloom filters, each of which takes a set number of keys; a key is looked for in all of
// them. Safe for concurrent use; readers never wait.
type filter struct {
	layers atomic.Pointer[[]*filterLayer]
	// whole is set once every key of the partition is in; until then anything may have been seen.
	whole atomic.Bool
	// growing is held while keys are added.
	growing sync.Mutex
}

// filterLayer is a Bloom filter of blocks of eight half words; a key has one bit in each half of one block, so that a
// look-up touches one cache line.
type filterLayer struct {
	words []uint64
	// room is how many keys the layer takes, n how many it has.
	room, n int
}

const (
	blockWords = 4
	// bitsPerKey let about 1 in 200 unknown ids through to a look-up.
	bitsPerKey = 12
	// filterRoomFirst and filterRoomMax bound the keys of a layer: small partitions take little memory, large ones grow in
	// steps that don't double it.
	filterRoomFirst = 1 << 18
	filterRoomMax   = 1 << 22
)

func newFilter() *filter {
	f := new(filter)
	f.layers.Store(&[]*filterLayer{})
	return f
}

// maybe reports whether the key with this hash may have been added.
func (f *filter) maybe(hash uint64) bool { return !f.whole.Load() || f.has(hash) }

func (f *filter) has(hash uint64) bool {
	layers := *f.layers.Load()
	// The newest layer has most of what is asked for.
	for i := len(layers) - 1; i >= 0; i-- {
		if layers[i].has(hash) {
			return true
		}
	}
	return false
}

// add reports whether the filter did not have the key yet.
func (f *filter) add(hash uint64) bool {
	f.growing.Lock()
	defer f.growing.Unlock()
	if f.has(hash) {
		return false
	}
	layers := *f.layers.Load()
	if n := len(layers); n == 0 || layers[n-1].n >= layers[n-1].room {
		room := filterRoomFirst
		if n > 0 {
			room = min(layers[n-1].room*4, filterRoomMax)
		}
		grown := append(layers[:n:n], newFilterLayer(room))
		f.layers.Store(&grown)
		layers = grown
	}
	layers[len(layers)-1].add(hash)
	return true
}

// expect makes room for so many keys in one layer, which makes for faster and better answers than several, if the filter is
// empty.
func (f *filter) expect(keys int64) {
	f.growing.Lock()
	defer f.growing.Unlock()
	if len(*f.layers.Load()) == 0 {
		room := min(max(keys, filterRoomFirst), filterRoomMax)
		f.layers.Store(&[]*filterLayer{newFilterLayer(int(room))})
	}
}

// bytes returns the memory that the layers take.
func (f *filter) bytes() int64 {
	var n int64
	for _, l := range *f.layers.Load() {
		n += int64(len(l.words)) * 8
	}
	return n
}

// appendTo appends the filter. Of keys that are added meanwhile it may have some.
func (f *filter) appendTo(b []byte) []byte {
	f.growing.Lock()
	layers := slices.Clone(*f.layers.Load())
	for i, l := range layers {
		own := *l
		layers[i] = &own
	}
	f.growing.Unlock()
	b = slices.Grow(b, int(f.bytes())+len(layers)*24+4)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(layers)))
	for _, l := range layers {
		b = binary.LittleEndian.AppendUint64(b, uint64(l.room))
		b = binary.LittleEndian.AppendUint64(b, uint64(l.n))
		b = binary.LittleEndian.AppendUint64(b, 2*uint64(len(l.words))) // halves
		for i := range l.words {
			b = binary.LittleEndian.AppendUint64(b, atomic.LoadUint64(&l.words[i]))
		}
	}
	return b
}

// decodeFilter is the inverse of appendTo, for bytes that are known to be whole.
func decodeFilter(b []byte) *filter {
	var layers []*filterLayer
	n := binary.LittleEndian.Uint32(b)
	for b = b[4:]; n > 0; n-- {
		l := &filterLayer{room: int(binary.LittleEndian.Uint64(b)), n: int(binary.LittleEndian.Uint64(b[8:]))}
		l.words = make([]uint64, binary.LittleEndian.Uint64(b[16:])/2)
		b = b[24:]
		for i := range l.words {
			l.words[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
		b = b[8*len(l.words):]
		layers = append(layers, l)
	}
	f := newFilter()
	f.layers.Store(&layers)
	return f
}

func newFilterLayer(room int) *filterLayer {
	blocks := (room*bitsPerKey + 64*blockWords - 1) / (64 * blockWords)
	return &filterLayer{words: make([]uint64, blocks*blockWords), room: room}
}

func (l *filterLayer) block(hash uint64) *[blockWords]uint64 {
	hi, _ := bits.Mul64(hash, uint64(len(l.words)/blockWords))
	return (*[blockWords]uint64)(l.words[hi*blockWords:])
}

func (l *filterLayer) has(hash uint64) bool {
	block := l.block(hash)
	for i, want := range filterBits(uint32(hash)) {
		if atomic.LoadUint64(&block[i])&want != want {
			return false
		}
	}
	return true
}

func (l *filterLayer) add(hash uint64) {
	block := l.block(hash)
	for i, bits := range filterBits(uint32(hash)) {
		atomic.OrUint64(&block[i], bits)
	}
	l.n++
}

// filterBits picks a bit of each half of a block's words; the multipliers are odd and otherwise arbitrary.
func filterBits(low uint32) [blockWords]uint64 {
	return [blockWords]uint64{
		1<<(low*0x9e3779b1>>27) | 1<<32<<(low*0x85ebca77>>27),
		1<<(low*0xc2b2ae3d>>27) | 1<<32<<(low*0x27d4eb2f>>27),
		1<<(low*0x165667b1>>27) | 1<<32<<(low*0xd3a2646d>>27),
		1<<(low*0xfd7046c5>>27) | 1<<32<<(low*0xb55a4f09>>27),
	}
}

// hashKey spreads a key over 64 bits. It is kept in files, so it must not change.
func hashKey(key []byte) uint64 {
	const a, b = 0x9ae16a3b2f90404f, 0xc949c7defebe6f27
	h := uint64(len(key)) * a
	for len(key) >= 8 {
		h = fold(h^binary.LittleEndian.Uint64(key), a)
		key = key[8:]
	}
	if len(key) > 0 {
		var last [8]byte
		copy(last[:], key)
		h = fold(h^binary.LittleEndian.Uint64(last[:]), b)
	}
	return fold(h, b)
}

func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x^y, y)
	return hi ^ lo
}
