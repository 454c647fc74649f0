package consumer

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// outbox is what one transaction produces. Its memory is used again by the next.
type outbox struct {
	records []kgo.Record
	ledger  []int // indexes in records of those that are decisions
	chunks  [][]byte
	chunk   int // the chunk being filled

	mu     sync.Mutex
	failed error
}

// What the outbox allocates at once, and how much room must be left in a chunk to begin another value in it.
const (
	chunkBytes     = 1 << 20
	chunkRoomBytes = 16 << 10
)

// reset empties the outbox. It must not be called while records are under way.
func (o *outbox) reset() {
	clear(o.records)
	o.records, o.ledger = o.records[:0], o.ledger[:0]
	for i := range o.chunks {
		o.chunks[i] = o.chunks[i][:0]
	}
	// A batch of uncommon size does not keep its memory.
	if len(o.chunks) > chunksKept {
		clear(o.chunks[chunksKept:])
		o.chunks = o.chunks[:chunksKept]
	}
	o.chunk = 0
	o.failed = nil
}

const chunksKept = 64

// mark is a place in the outbox to go back to.
type mark struct{ records, decisions, chunk, bytes int }

func (o *outbox) mark() mark {
	m := mark{records: len(o.records), decisions: len(o.ledger), chunk: o.chunk}
	if o.chunk < len(o.chunks) {
		m.bytes = len(o.chunks[o.chunk])
	}
	return m
}

// rewind drops what came after m.
func (o *outbox) rewind(m mark) {
	clear(o.records[m.records:])
	o.records, o.ledger = o.records[:m.records], o.ledger[:m.decisions]
	o.chunk = m.chunk
	for i := m.chunk; i < len(o.chunks); i++ {
		o.chunks[i] = o.chunks[i][:m.bytes]
		m.bytes = 0
	}
}

// write lets fn append to a buffer and returns what it appended.
func (o *outbox) write(fn func([]byte) ([]byte, error)) ([]byte, error) {
	if o.chunk == len(o.chunks) {
		o.chunks = append(o.chunks, make([]byte, 0, chunkBytes))
	}
	buf := o.chunks[o.chunk]
	if cap(buf)-len(buf) < chunkRoomBytes && len(buf) > 0 {
		o.chunk++
		return o.write(fn)
	}
	out, err := fn(buf)
	if err != nil {
		return nil, err
	}
	o.chunks[o.chunk] = out
	return out[len(buf):len(out):len(out)], nil
}

// key returns a customer's record key.
func (o *outbox) key(customer string) []byte {
	// Appending a customer can't fail, and makes the bytes that schemas.Key does.
	key, _ := o.write(func(b []byte) ([]byte, error) { return append(b, customer...), nil })
	return key
}

// add puts a record into the outbox.
func (o *outbox) add(r kgo.Record) { o.records = append(o.records, r) }

// addDecision puts the record of a decision into the outbox.
func (o *outbox) addDecision(r kgo.Record) {
	o.ledger = append(o.ledger, len(o.records))
	o.records = append(o.records, r)
}

// delivered is the promise of every record.
func (o *outbox) delivered(_ *kgo.Record, err error) {
	if err == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed == nil {
		o.failed = err
	}
}

func (o *outbox) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed
}
