package schemas

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/accrue-loyalty/accrue/events"
)

// Codec writes and reads the values of accrue's records. Safe for concurrent use.
//
// Decoded values own their memory: the bytes they came from may be reused.
type Codec struct {
	*builtins
	prefixes map[string][]byte // how a record of that name starts
	decision []byte            // prefixes[NameDecision]
	words    *interner
	wires    sync.Pool
	registry *registry // nil without one

	learning      sync.Mutex // held while a table below is replaced
	byFingerprint atomic.Pointer[map[uint64]*writer]
	byID          atomic.Pointer[map[uint32]*writer]
}

// NewCodec returns a codec that writes Avro's single-object encoding. It reads that, and refuses schema ids, which only
// a codec of [OpenCodec] can look up. It knows the present schemas and all that were released.
func NewCodec() *Codec {
	c := &Codec{
		builtins: loadBuiltins(),
		prefixes: make(map[string][]byte),
		words:    new(interner),
	}
	c.wires.New = func() any { return new(wire) }
	c.byFingerprint.Store(&c.builtins.writers)
	c.byID.Store(&map[uint32]*writer{})
	for name, schema := range c.ours {
		c.prefixes[name] = singleObjectPrefix(fingerprintOf(schema))
	}
	c.decision = c.prefixes[NameDecision]
	return c
}

// AppendEvent appends e's value to dst. The error is [ErrTooLarge] or a bug.
func (c *Codec) AppendEvent(dst []byte, e events.Event) ([]byte, error) {
	prefix := c.prefixes[string(e.EventType())]
	x := c.encoder(dst, prefix)
	if !eventBody(x, e) {
		return dst, fmt.Errorf("writing %s: the type has no schema", e.EventType())
	}
	return c.encoded(x, dst, string(e.EventType()))
}

// EventRoom is memory for one event at a time, for who reads many and keeps none. The zero EventRoom is ready. Not for
// concurrent use.
type EventRoom struct{ order events.OrderPlaced }

// DecodeEvent reads an event and validates it. The error is [ErrUnreadable] or [ErrRegistryUnavailable].
func (c *Codec) DecodeEvent(value []byte) (events.Event, error) { return c.DecodeEventInto(value, nil) }

// DecodeEventInto is DecodeEvent into the memory of room: the event, but for its strings, is good until the next. Its
// strings may be parts of one that is as large as the record: who keeps one for long, but for an order's id, keeps a copy
// of it. A nil room makes a new one, with strings of their own.
func (c *Codec) DecodeEventInto(value []byte, room *EventRoom) (events.Event, error) {
	w, body, err := c.unframe(value)
	if err != nil {
		return nil, err
	}
	if w.err != nil {
		return nil, w.err
	}
	e := room.event(events.Type(w.name))
	if e == nil {
		return nil, unreadable(CodeUnexpected, "a %s where an event is expected", w.name)
	}
	x, err := c.decoder(w, body)
	if err != nil {
		return nil, err
	}
	x.brief = room != nil
	eventBody(x, e)
	if err := c.decoded(x, w); err != nil {
		return nil, err
	}
	if err := events.Validate(e); err != nil {
		return nil, unreadable(CodeInvalid, "%v", err)
	}
	return e, nil
}

// AppendDecision appends d's value to dst. The error is [ErrTooLarge].
func (c *Codec) AppendDecision(dst []byte, d *events.Decision) ([]byte, error) {
	x := c.encoder(dst, c.decision)
	decisionBody(x, d)
	return c.encoded(x, dst, NameDecision)
}

// DecodeDecision reads a decision into d, all but its position. It overwrites the memory of d.Entries and d.Facts.Order,
// and no other that d had before: whoever keeps them of the last one sets them to nil first. The error is
// [ErrUnreadable] or [ErrRegistryUnavailable], and d is then half filled.
func (c *Codec) DecodeDecision(value []byte, d *events.Decision) error {
	x, w, err := c.open(value, NameDecision)
	if err != nil {
		return err
	}
	decisionBody(x, d)
	return c.decoded(x, w)
}

// DecodeHead reads what a decision's record says before its facts into d, without the event's id, the entries and the
// balance: enough to tell whose it is and whether it follows the one before it, in a fraction of the time. The rest of d
// is left as it is, and the rest of the record is not looked at. The error is that of DecodeDecision.
func (c *Codec) DecodeHead(value []byte, d *events.Decision) error {
	x, w, err := c.open(value, NameDecision)
	if err != nil {
		return err
	}
	decisionHead(x, d)
	if x.err == nil {
		x.pos = len(x.buf)
	}
	return c.decoded(x, w)
}

// AppendProgram appends p's value to dst. The error is [ErrTooLarge].
func (c *Codec) AppendProgram(dst []byte, p *events.ProgramPublished) ([]byte, error) {
	x := c.encoder(dst, c.prefixes[NameProgramPublished])
	programBody(x, p)
	return c.encoded(x, dst, NameProgramPublished)
}

// DecodeProgram reads a program version into p. The error is [ErrUnreadable] or [ErrRegistryUnavailable].
func (c *Codec) DecodeProgram(value []byte, p *events.ProgramPublished) error {
	x, w, err := c.open(value, NameProgramPublished)
	if err != nil {
		return err
	}
	programBody(x, p)
	return c.decoded(x, w)
}

func (c *Codec) encoder(dst, prefix []byte) *wire {
	x := c.wires.Get().(*wire)
	*x = wire{encoding: true, buf: append(dst, prefix...)}
	return x
}

// encoded ends what encoder began and gives x back.
func (c *Codec) encoded(x *wire, dst []byte, name string) ([]byte, error) {
	out, err := x.buf, x.err
	*x = wire{}
	c.wires.Put(x)
	if n := len(out) - len(dst); err == nil && n > RecordBytesMax {
		err = fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, n, RecordBytesMax)
	}
	if err != nil {
		return dst, fmt.Errorf("writing %s: %w", name, err)
	}
	return out, nil
}

// open unframes a value that must be a record called name.
func (c *Codec) open(value []byte, name string) (*wire, *writer, error) {
	w, body, err := c.unframe(value)
	if err != nil {
		return nil, nil, err
	}
	if w.err != nil {
		return nil, nil, w.err
	}
	if w.name != name {
		return nil, nil, unreadable(CodeUnexpected, "a %s where a %s is expected", w.name, name)
	}
	x, err := c.decoder(w, body)
	return x, w, err
}

// decoder returns a wire over body, rewritten into our layout when the writer's is another.
func (c *Codec) decoder(w *writer, body []byte) (*wire, error) {
	if w.change != nil {
		n, err := walk(w.schema, body)
		if err == nil && n < len(body) {
			err = fmt.Errorf("%d bytes follow it", len(body)-n)
		}
		if err != nil {
			return nil, unreadable(CodeBroken, "%s: %v", w.name, err)
		}
		body = w.change(nil, body)
	}
	x := c.wires.Get().(*wire)
	*x = wire{buf: body, words: c.words}
	return x, nil
}

// decoded ends what decoder began and gives x back.
func (c *Codec) decoded(x *wire, w *writer) error {
	if x.err == nil && x.pos < len(x.buf) {
		x.fail(CodeBroken, "%d bytes follow the record", len(x.buf)-x.pos)
	}
	err := x.err
	*x = wire{}
	c.wires.Put(x)
	if err != nil {
		return fmt.Errorf("reading %s: %w", w.name, err)
	}
	return nil
}
