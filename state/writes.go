package state

// write is one record on its way to the disk; a nil value deletes it.
type write struct {
	key   string
	value []byte
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
		if w.list[i].key == string(key) {
			return i
		}
	}
	return -1
}

// get returns the value written to key; found is set for deletions too.
func (w *writes) get(key []byte) (value []byte, found bool) {
	if i := w.find(key); i >= 0 {
		return w.list[i].value, true
	}
	return nil, false
}

// put keeps value, which must not change any more. It reports whether the key is new to the list.
func (w *writes) put(key, value []byte) bool {
	if i := w.find(key); i >= 0 {
		w.list[i].value = value
		return false
	}
	w.list = append(w.list, write{string(key), value})
	switch {
	case w.index != nil:
		w.index[w.list[len(w.list)-1].key] = len(w.list) - 1
	case len(w.list) > writesIndexed:
		w.index = make(map[string]int, 2*len(w.list))
		for i := range w.list {
			w.index[w.list[i].key] = i
		}
	}
	return true
}

func (w *writes) reset() {
	clear(w.list)
	w.list = w.list[:0]
	w.index = nil
}
