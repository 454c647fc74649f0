package state

import "bytes"

// write is the latest value of a record on its way to the disk. Key and value share one array, which is never written to
// again.
type write struct {
	both      []byte
	keyBytes  uint16
	isDeleted bool
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

// writesIndexed is the length from which looking through the list costs more than an index.
const writesIndexed = 16

func (w *writes) find(key []byte) int {
	if w.index != nil {
		if i, ok := w.index[string(key)]; ok {
			return i
		}
		return -1
	}
	// The latest is asked for most.
	for i := len(w.list) - 1; i >= 0; i-- {
		if bytes.Equal(w.list[i].key(), key) {
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

// put copies key and value; a nil value deletes.
func (w *writes) put(key, value []byte) {
	x := write{both: make([]byte, 0, len(key)+len(value)), keyBytes: uint16(len(key)), isDeleted: value == nil}
	x.both = append(append(x.both, key...), value...)
	if i := w.find(key); i >= 0 {
		w.list[i] = x
		return
	}
	w.list = append(w.list, x)
	switch {
	case w.index != nil:
		w.index[string(key)] = len(w.list) - 1
	case len(w.list) > writesIndexed:
		w.index = make(map[string]int, 2*len(w.list))
		for i := range w.list {
			w.index[string(w.list[i].key())] = i
		}
	}
}

func (w *writes) reset() { *w = writes{} }
