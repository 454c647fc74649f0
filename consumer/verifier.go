package consumer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// verifier decides one partition once more.
type verifier struct {
	c       *Client
	id      int32
	reading reading
	history loyalty.History
	sources [topicCount]*source
	clock   ticks
	// newest is the highest program version that the ledger has named: a later one was not known then.
	newest   int32
	accounts map[string]*verified
	crossings
	// receivedTo is the offset before which a decision's cause, if another partition sent it, must be found there.
	receivedTo int64
	buf        []byte
	result     VerifiedPartition
	// room and rules are the memory of the event and the decision at hand.
	room  schemas.EventRoom
	rules loyalty.Decider
}

// verified is a customer as the decisions so far left it.
type verified struct {
	account *loyalty.Account
	records *loyalty.MemoryRecords
	// newest is the verifier's at the last decision; parked is set when that one did not carry out its event.
	newest int32
	parked bool
}

func newVerifier(c *Client, id, partitions int32, history loyalty.History, receivedTo int64) *verifier {
	return &verifier{
		c: c, id: id, history: history, accounts: make(map[string]*verified), receivedTo: receivedTo,
		crossings: crossings{make(map[sending]*Difference), make(map[sending]*Difference)},
		reading:   reading{codec: c.codec, partitions: partitions},
		result:    VerifiedPartition{Partition: id},
	}
}

// errDiffers ends the walk at the first difference.
var errDiffers = errors.New("there is a difference")

func (v *verifier) run(ctx context.Context, end int64, committed offsetsCommitted, progress func(int32, int64, int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ledger := v.c.Name(schemas.TopicLedger)
	span, err := v.c.reader.Span(ctx, ledger, v.id)
	if err != nil {
		return err
	}
	if span.Start > 0 {
		return fmt.Errorf("%s-%d begins at offset %d: a ledger without its beginning cannot be verified", ledger, v.id, span.Start)
	}
	for t, name := range inputNames {
		if v.sources[t], err = openSource(ctx, v.c, name, v.id); err != nil {
			return err
		}
	}
	v.clock = ticks{source: v.sources[clockIndex], decode: v.c.codec.DecodeEvent}
	err = v.c.reader.Read(ctx, ledger, v.id, 0, end, func(c projector.Chunk) error {
		for _, rec := range c.Records {
			if rec.Attrs.IsControl() {
				continue
			}
			if err := v.record(ctx, rec); err != nil {
				return err
			}
			v.result.Records++
		}
		if progress != nil {
			progress(v.id, c.Next, end)
		}
		return nil
	})
	if err == nil {
		err = v.rest(ctx, end, committed)
	}
	v.result.Customers = len(v.accounts)
	if errors.Is(err, errDiffers) {
		return nil
	}
	return err
}

// differs notes the difference and ends the walk.
func (v *verifier) differs(rec *kgo.Record, d *events.Decision, fields []FieldDifference, format string, args ...any) error {
	v.result.Difference = &Difference{
		Partition: v.id, Offset: rec.Offset, Cause: d.Cause, Customer: d.Customer, What: fmt.Sprintf(format, args...), Fields: fields,
	}
	return errDiffers
}

// record verifies one ledger record.
func (v *verifier) record(ctx context.Context, rec *kgo.Record) error {
	var d events.Decision
	if err := v.c.codec.DecodeDecision(rec.Value, &d); err != nil {
		if errors.Is(err, schemas.ErrRegistryUnavailable) || errors.Is(err, schemas.ErrNoRegistry) {
			return err
		}
		return v.differs(rec, &d, nil, "it cannot be read: %v", err)
	}
	d.Partition, d.Offset = v.id, rec.Offset
	if d.Chain != v.result.Chain {
		return v.differs(rec, &d, nil, "it names %s as the hash of the record before it, which is %s: that record was changed, or one was removed",
			orNothing(d.Chain.String()), orNothing(v.result.Chain.String()))
	}
	if string(rec.Key) != d.Customer {
		return v.differs(rec, &d, nil, "its key is %q, its customer %q", rec.Key, d.Customer)
	}
	made, a, err := v.decide(ctx, rec, &d)
	if err != nil {
		return err
	}
	made.Chain = v.result.Chain
	if err := v.compare(rec, &d, made); err != nil {
		return err
	}
	if a != nil {
		if err := a.account.Check(); err != nil && d.Result != events.Parked {
			return v.differs(rec, &d, nil, "it leaves the account broken: %v", err)
		}
	}
	v.newest = max(v.newest, d.Program.Version)
	if a != nil {
		a.newest, a.parked = v.newest, d.Result == events.Parked
	}
	v.result.Chain = sha256.Sum256(rec.Value)
	return nil
}

// compare compares what the ledger says with what was decided now.
func (v *verifier) compare(rec *kgo.Record, d, made *events.Decision) error {
	value, err := v.c.codec.AppendDecision(v.buf[:0], made)
	if err != nil {
		return v.differs(rec, d, nil, "what was decided now cannot be written: %v", err)
	}
	v.buf = value
	if bytes.Equal(value, rec.Value) {
		return nil
	}
	// An older or newer accrue, or one with another registry, may have written the same in other bytes.
	same, err := v.c.codec.AppendDecision(nil, d)
	if err == nil && bytes.Equal(same, value) {
		v.result.Rewritten++
		return nil
	}
	return v.differs(rec, d, fieldDifferences(d, made), "deciding it now gives something else")
}

func (v *verifier) accountOf(customer string) *verified {
	a := v.accounts[customer]
	if a == nil {
		customer = strings.Clone(customer) // it may be a part of its event's record
		a = &verified{account: loyalty.NewAccount(customer), records: loyalty.NewMemoryRecords()}
		v.accounts[customer] = a
	}
	return a
}

// decide makes the decision that the ledger should have here. The account is nil when it is about none.
func (v *verifier) decide(ctx context.Context, rec *kgo.Record, d *events.Decision) (*events.Decision, *verified, error) {
	t := indexOf(schemas.Topic(d.Cause.Topic))
	if t < 0 {
		return nil, nil, v.differs(rec, d, nil, "its cause is in the topic %q, which is not an input", d.Cause.Topic)
	}
	if d.Cause.Partition != v.id {
		return nil, nil, v.differs(rec, d, nil, "its cause is in partition %d", d.Cause.Partition)
	}
	if t == clockIndex && d.Cause.Offset < v.clock.source.start {
		if d.Clock < v.clock.now.at {
			return nil, nil, v.differs(rec, d, nil, "it was decided under the clock %s; the clock stood at %s", orNothing(d.Clock.String()), v.clock.now)
		}
		return nil, nil, v.clock.source.gone()
	}
	if t == clockIndex && d.Result != events.Unreadable {
		return v.decideTick(ctx, rec, d)
	}
	lenient, err := v.moveClock(ctx, rec, d)
	if err != nil {
		return nil, nil, err
	}
	cause := events.Cause{Topic: d.Cause.Topic, Partition: v.id, Offset: d.Cause.Offset}
	if t == clockIndex {
		broken, err := v.clock.unreadable(ctx, d.Cause.Offset)
		switch {
		case err != nil:
			return nil, nil, v.sourceError(rec, d, err)
		case broken == nil:
			return nil, nil, v.differs(rec, d, nil, "its cause can be read, or was decided before")
		case broken.offset != d.Cause.Offset:
			return nil, nil, v.differs(rec, d, nil, "the next clock record that cannot be read is at offset %d", broken.offset)
		}
		made := unreadableDecision(cause, d.Clock, broken.reason)
		return &made, nil, nil
	}
	taken := v.sources[t].taken
	source, err := v.sources[t].next(ctx)
	if err == nil && source.Offset == d.Cause.Offset {
		return v.decideEvent(rec, d, t, source, cause, lenient)
	}
	return nil, nil, v.outOfTurn(rec, d, taken, source, err)
}

// outOfTurn says what is wrong with a cause that is not the topic's next record, which is behind those taken; err is why there
// is none.
func (v *verifier) outOfTurn(rec *kgo.Record, d *events.Decision, taken int64, next *kgo.Record, err error) error {
	if d.Cause.Offset < taken {
		return v.differs(rec, d, nil, "its cause was decided before, or skipped: the records of %s-%d below offset %d are through", d.Cause.Topic, v.id, taken)
	}
	if err != nil {
		return v.sourceError(rec, d, err)
	}
	why := "its decision is missing, or comes too late"
	if next.Offset > d.Cause.Offset {
		why = "the cause is not in the topic, as where a broker has lost it, or its transaction was aborted"
	}
	return v.differs(rec, d, nil, "the next record of %s-%d to decide is at offset %d: %s", d.Cause.Topic, v.id, next.Offset, why)
}

// sourceError tells an input that ends too early, a difference, from one that cannot be read.
func (v *verifier) sourceError(rec *kgo.Record, d *events.Decision, err error) error {
	if errors.Is(err, errSourceEnds) {
		return v.differs(rec, d, nil, "its cause does not exist: %v", err)
	}
	return err
}

func (v *verifier) decideEvent(rec *kgo.Record, d *events.Decision, t int, source *kgo.Record, cause events.Cause, lenient bool) (*events.Decision, *verified, error) {
	e, err := v.reading.event(inputNames[t], source, &v.room)
	if errors.Is(err, schemas.ErrRegistryUnavailable) {
		return nil, nil, err
	}
	if d.Result == events.Unreadable && d.Reason == string(schemas.CodeUnknownSchema) && schemas.CodeOf(err) != schemas.CodeUnknownSchema &&
		len(source.Value) > 0 && source.Value[0] == 0 {
		// It has the id of a schema in a registry, and what that had then nobody can tell now.
		err = &schemas.UnreadableError{Code: schemas.CodeUnknownSchema}
		v.result.Unknown++
	}
	if err != nil {
		made := unreadableDecision(cause, d.Clock, err)
		return &made, nil, nil
	}
	head := e.Head()
	cause.Event = head.ID
	a := v.accountOf(head.Customer)
	if t == transfersIndex {
		v.noteReceived(rec, d, e)
	}
	if d.Result == events.Parked {
		v.result.Parked++
		made := parkedDecision(cause, head.Customer, d.Clock, d.Reason)
		loyalty.Evolve(a.account, a.records, &made)
		return &made, a, nil
	}
	if err := v.nothingLeftDue(rec, d, a); err != nil {
		return nil, nil, err
	}
	program, err := v.program(rec, d, head.At)
	if err != nil {
		return nil, nil, err
	}
	in := loyalty.Input{Event: e, Cause: cause, Clock: d.Clock, Lenient: lenient, History: v.history}
	made, sent, err := decideSafely(&v.rules, program, a.account, a.records, in)
	if err != nil {
		return nil, nil, v.differs(rec, d, nil, "%v", err)
	}
	made.Program = events.ProgramRef{Version: program.Version, Hash: program.Hash}
	v.noteSent(rec, d, sent)
	return made, a, nil
}

// program returns the version that the decision pins, which must have been in effect at the time.
func (v *verifier) program(rec *kgo.Record, d *events.Decision, at events.Instant) (*loyalty.Program, error) {
	p := v.history.Version(d.Program.Version)
	switch {
	case p == nil:
		return nil, v.differs(rec, d, nil, "it pins program version %d, which was never published", d.Program.Version)
	case p.Hash != d.Program.Hash:
		return nil, v.differs(rec, d, nil, "it pins program version %d with the hash %s; the published one has %s", p.Version, d.Program.Hash, p.Hash)
	}
	// A version that was published before this one and took effect later, but not after at, should have been used.
	var known loyalty.History
	for _, other := range v.history {
		if other.Version <= p.Version {
			known = append(known, other)
		}
	}
	switch want := known.At(at); {
	case want.Version != p.Version:
		return nil, v.differs(rec, d, nil, "it pins program version %d, but version %d was in effect at %s", p.Version, want.Version, at)
	case want.Hash != p.Hash:
		return nil, v.differs(rec, d, nil, "it pins program version %d, which was published twice: with the hash %s, and with %s", p.Version, p.Hash, want.Hash)
	}
	return p, nil
}

// decideTick verifies a decision that a tick made due.
func (v *verifier) decideTick(ctx context.Context, rec *kgo.Record, d *events.Decision) (*events.Decision, *verified, error) {
	if err := v.clock.applyTo(ctx, d.Cause.Offset); err != nil {
		return nil, nil, v.sourceError(rec, d, err)
	}
	now := v.clock.now
	if now.offset != d.Cause.Offset || now.at != d.Clock {
		return nil, nil, v.differs(rec, d, nil, "its cause is the tick at offset %d; the clock stands at %s", d.Cause.Offset, now)
	}
	program, err := v.program(rec, d, now.at)
	if err != nil {
		return nil, nil, err
	}
	a := v.accountOf(d.Customer)
	made, ok, err := decideTickSafely(&v.rules, program, v.history, a.account, a.records, now.at, now.cause(v.id))
	if err != nil {
		return nil, nil, v.differs(rec, d, nil, "%v", err)
	}
	if !ok {
		return nil, nil, v.differs(rec, d, nil, "nothing was due for the customer")
	}
	made.Program = events.ProgramRef{Version: program.Version, Hash: program.Hash}
	return made, a, nil
}

// moveClock moves the clock to where it stood for the decision.
func (v *verifier) moveClock(ctx context.Context, rec *kgo.Record, d *events.Decision) (lenient bool, err error) {
	if err := v.clock.moveTo(ctx, d.Clock); err != nil {
		return false, v.sourceError(rec, d, err)
	}
	if v.clock.now.at != d.Clock {
		return false, v.differs(rec, d, nil, "it was decided under the clock %s; the clock stood at %s", orNothing(d.Clock.String()), v.clock.now)
	}
	return v.clock.now.lenient, nil
}

// nothingLeftDue checks that what the clock had made due for the customer is in the ledger before this decision.
func (v *verifier) nothingLeftDue(rec *kgo.Record, d *events.Decision, a *verified) error {
	if a.account.Clock >= d.Clock {
		return nil
	}
	p := v.history.At(d.Clock)
	if p == nil || p.Version > v.newest {
		return nil // perhaps not known then
	}
	due, ok, err := decideTickSafely(&v.rules, p, v.history, a.account, a.records, d.Clock, v.clock.now.cause(v.id))
	if err != nil {
		return v.differs(rec, d, nil, "%v", err)
	}
	if ok {
		return v.differs(rec, d, nil, "something was due for the customer before it, and is not in the ledger: %d entries, the first %s", len(due.Entries), firstEntry(due))
	}
	return nil
}

func firstEntry(d *events.Decision) string {
	if len(d.Entries) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s of %d points", d.Entries[0].Type, d.Entries[0].Points)
}
