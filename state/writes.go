package state

import "bytes"

// write is the latest value of a record on its way to the disk. Key and value share one array, which is never written to
// again.
type write struct {
	both      []byte
	keyBytes  uint16
	isDeleted bool
	// hash is of the key, so that looking for one touches few others.
	hash uint32
}

func (w *write) key() []byte { return w.both[:w.keyBytes] }

// value returns nil for a deletion, and something else for an empty value.
func (w *write) value() []byte {
	if w.isDeleted {
		return nil
	}
	return w.both[w.keyBytes:len(w.both):len(w.both)]
}

// isFiltered reports whether the filter has to know the key. Chunks are asked for by number, and the index only after the
// filter was asked for the id.
func (w *write) isFiltered() bool {
	kind := w.both[0]
	return !w.isDeleted && kind != keyChunk && kind != keyIndex
}

// writes are the latest values of some keys, mostly very few.
type writes struct {
	list []write
	// index finds keys in a long list; nil while it is short.
	index map[string]int
}

// writesIndexed is the length from which looking through the hashes costs more than an index.
const writesIndexed = 64

func (w *writes) find(key []byte) int {
	if len(w.list) == 0 {
		return -1
	}
	return w.findHashed(key, uint32(hashKey(key)))
}

func (w *writes) findHashed(key []byte, hash uint32) int {
	if w.index != nil {
		if i, ok := w.index[string(key)]; ok {
			return i
		}
		return -1
	}
	for i := range w.list {
		if x := &w.list[i]; x.hash == hash && bytes.Equal(x.key(), key) {
			return i
		}
	}
	return -1
}

// get returns the value written to key; found is set for deletions too, whose value is nil.
func (w *writes) get(key []byte) (value []byte, found bool) {
	if i := w.find(key); i >= 0 {
		return w.list[i].value(), true
	}
	return nil, false
}

// put copies key and value to a piece of a; a nil value deletes.
func (w *writes) put(a *arena, key, value []byte) {
	x := write{both: a.take(len(key) + len(value)), keyBytes: uint16(len(key)), isDeleted: value == nil, hash: uint32(hashKey(key))}
	x.both = append(append(x.both, key...), value...)
	w.add(x)
}

// add takes over a write, which replaces an earlier one to its key.
func (w *writes) add(x write) {
	if i := w.findHashed(x.key(), x.hash); i >= 0 {
		w.list[i] = x
		return
	}
	if w.list == nil {
		w.list = make([]write, 0, 4)
	}
	w.list = append(w.list, x)
	switch {
	case w.index != nil:
		w.index[string(x.key())] = len(w.list) - 1
	case len(w.list) > writesIndexed:
		w.index = make(map[string]int, 2*len(w.list))
		for i := range w.list {
			w.index[string(w.list[i].key())] = i
		}
	}
}

// writesKept is the room that reset leaves for the next writes.
const writesKept = 16

func (w *writes) reset() {
	if cap(w.list) > writesKept {
		*w = writes{}
		return
	}
	clear(w.list)
	w.list, w.index = w.list[:0], nil
}

// arena hands out pieces of large arrays to records, which are many, small and let go of at about the same time.
type arena struct{ array, rest []byte }

const arenaBytes = 64 << 10

// take returns an empty slice with room for n bytes. A nil arena makes each on its own.
func (a *arena) take(n int) []byte {
	if a == nil || n > arenaBytes/4 {
		return make([]byte, 0, n)
	}
	if len(a.rest) < n {
		a.array = make([]byte, arenaBytes)
		a.rest = a.array
	}
	piece := a.rest[:0:n]
	a.rest = a.rest[n:]
	return piece
}

// reset has the latest array handed out anew. Nobody may use the pieces of it any more.
func (a *arena) reset() { a.rest = a.array }
