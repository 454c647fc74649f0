package consumer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// partition is a partition that this process owns, as its worker sees it. Only the worker's goroutine touches it, but
// for the time before it is handed over and after it was lost, which the client keeps apart from batches.
type partition struct {
	e      *Engine
	id     int32
	names  [topicCount]string // of the input topics, on the cluster
	store  *state.Partition
	tenure *tenure
	// generation is the group's in which the partition was taken over.
	generation int32

	// fetched is the next offset that the consumer should deliver, by topic, control records included.
	fetched [topicCount]int64
	// known is where committed reads of a topic ended when they were last heard of.
	known [topicCount]int64
	// told is what this session has committed for the group; -1: nothing.
	told [topicCount]int64
	// waiting are the records that were admitted and are not decided; of the clock's, those that are not parsed.
	waiting queues
	// room and rules are the memory of the event and the decision at hand.
	room  schemas.EventRoom
	rules loyalty.Decider

	// now is where the last committed batch left the partition; next, where the batch at hand would leave it.
	now, next course

	// parked are records that may not be decided: deciding them broke an invariant. By topic and offset.
	parked map[origin]parking
	// parkedCustomers are those with such records: what follows for them is parked too, so that it isn't decided
	// before what came first.
	parkedCustomers map[string]struct{}
	// quiet are customers that the sweep under way found to have nothing due.
	quiet map[string]struct{}

	// listedBy are the programs that the schedule was made by. While it is made anew, listing is set, and listAfter is
	// how far that has come.
	listedBy  *loyalty.History
	listing   bool
	listAfter []byte

	// blockedUntil is set while a record waits for the schema registry.
	blockedUntil time.Time
	// paused is set while nothing is fetched, because too much waits.
	paused bool
}

// course is what batches move along.
type course struct {
	heads heads
	lease clockLog
	clock clock
	ticks []pendingTick
	// sweep is set from a tick until everything it made due is done.
	sweep    bool
	position state.Position
	chain    events.Hash
}

// pendingTick is a tick that counts and was not applied yet.
type pendingTick struct {
	clockRecord
	// after is how far the other topics must have been polled before it is applied: what was known to be in them when
	// the tick was read.
	after [topicCount]int64
}

// origin names an input record.
type origin struct {
	topic  int
	offset int64
}

type parking struct{ reason, detail string }

// Reasons of PARKED decisions.
const (
	reasonInvariant    = "invariant_broken"
	reasonPanic        = "decision_panicked"
	reasonBehindParked = "behind_parked"
)

// ready reports whether a batch has anything to do here.
func (p *partition) ready() bool {
	if time.Now().Before(p.blockedUntil) {
		return false
	}
	return p.now.sweep || p.tickReady(&p.now) || !p.waiting.empty(&p.now.heads)
}

// busy reports whether there is work that no new record brings: a tick to work off, or records that wait.
func (p *partition) busy() bool {
	if time.Now().Before(p.blockedUntil) {
		return false
	}
	return p.now.sweep || p.listing || p.tickReady(&p.now) || !p.waiting.empty(&p.now.heads)
}

// admit takes a poll's records of one topic. Records below the position were decided before and are dropped; above it
// only records that nobody shall see may be missing.
func (p *partition) admit(ctx context.Context, topic schemas.Topic, f *kgo.FetchPartition) error {
	t := indexOf(topic)
	p.known[t] = max(p.known[t], f.LastStableOffset)
	for _, rec := range f.Records {
		if rec.Offset < p.fetched[t] {
			continue
		}
		if rec.Offset > p.fetched[t] {
			if err := p.auditGap(ctx, t, rec.Offset); err != nil {
				return err
			}
		}
		p.fetched[t] = rec.Offset + 1
		if !rec.Attrs.IsControl() {
			p.waiting[t] = append(p.waiting[t], rec)
		}
	}
	return nil
}

// auditGap looks at what lies between the position and the next record that came: aborted and compacted records leave
// gaps, but a committed record in there was skipped, and may not be.
func (p *partition) auditGap(ctx context.Context, t int, to int64) error {
	from := p.fetched[t]
	var skipped error
	err := p.e.client.reader.Read(ctx, p.names[t], p.id, from, to, func(c projector.Chunk) error {
		for _, rec := range c.Records {
			if !rec.Attrs.IsControl() {
				skipped = fmt.Errorf("%w: the record %s-%d@%d was not delivered, though it is there", errStopped, p.names[t], p.id, rec.Offset)
				return skipped
			}
		}
		return nil
	})
	if errors.Is(err, projector.ErrOutOfRange) {
		return fmt.Errorf("%w: records of %s-%d from %d to %d were deleted before they were decided", errStopped, p.names[t], p.id, from, to)
	}
	return err
}

// decide takes what waits, in order, into the outbox, and returns the batch of state. What it did is undone by dropping
// the batch, or made lasting by committed.
func (p *partition) decide(out *outbox) (*decider, error) {
	for {
		p.next = p.now
		p.next.position = p.now.position.Clone()
		d := &decider{
			p: p, b: p.store.Begin(), out: out, began: len(out.ledger),
			history: p.e.cfg.Programs.History(), until: time.Now().Add(p.e.cfg.Limits.Due), waited: p.e.waiters.waited(p.id),
		}
		start := out.mark()
		err := d.all()
		if err == nil {
			d.ended = len(out.ledger)
			return d, nil
		}
		d.b.Discard()
		out.rewind(start)
		var broken *brokenError
		if !errors.As(err, &broken) {
			return nil, err
		}
		// The overlay is spoilt for this customer, so the batch is decided again without the record.
		p.setAside(broken)
	}
}

// setAside parks what could not be decided.
func (p *partition) setAside(broken *brokenError) {
	p.e.cfg.Log.Error("a customer is parked", "partition", p.id, "customer", broken.customer, "reason", broken.reason,
		"detail", broken.detail, "topic", p.names[broken.origin.topic], "offset", broken.origin.offset)
	if broken.origin.topic == clockIndex {
		p.parkedCustomers[broken.customer] = struct{}{}
	} else {
		p.parked[broken.origin] = parking{broken.reason, broken.detail}
	}
}

// brokenError says that deciding a record left an account that may not be.
type brokenError struct {
	origin         origin
	customer       string
	reason, detail string
}

// Error implements error.
func (b *brokenError) Error() string {
	return fmt.Sprintf("%s: customer %s: %s", b.reason, b.customer, b.detail)
}

// decider is one attempt at a batch.
type decider struct {
	p   *partition
	b   *state.Batch
	out *outbox
	// began and ended are how many decisions the outbox had before and after.
	began, ended int
	newest       int64 // the highest timestamp decided, in milliseconds
	handed       int   // how many customers the schedule has handed out
	history      loyalty.History
	// until is when sweeping must leave the worker to others.
	until  time.Time
	counts tally
	// waited is set when somebody waits for events of the partition; awaited are the decisions that are waited for, with
	// their number in the batch for an offset.
	waited  bool
	awaited []events.Decision
}

// all goes through the waiting records in order.
func (d *decider) all() error {
	p := d.p
	if err := d.readTicks(); err != nil {
		return d.blocked(err)
	}
	if err := d.sweep(); err != nil {
		return err
	}
	for {
		t := p.waiting.first(&p.next.heads)
		if d.tickBefore(t) {
			if err := d.applyTick(); err != nil {
				return err
			}
			continue
		}
		if t < 0 {
			break
		}
		if err := d.record(t, p.waiting[t][p.next.heads[t]]); err != nil {
			return d.blocked(err)
		}
		p.next.heads[t]++
	}
	return d.b.Err()
}

// registryPause is how long a partition waits before it asks the schema registry again.
const registryPause = 500 * time.Millisecond

// blocked ends the batch before a record whose schema can't be looked up; other errors are the batch's.
func (d *decider) blocked(err error) error {
	if !errors.Is(err, schemas.ErrRegistryUnavailable) {
		return err
	}
	d.p.e.cfg.Log.Warn("records wait for the schema registry", "partition", d.p.id, "error", err)
	d.p.blockedUntil = time.Now().Add(registryPause)
	return nil
}

// record decides one record.
func (d *decider) record(t int, rec *kgo.Record) error {
	d.newest = max(d.newest, rec.Timestamp.UnixMilli())
	from := origin{t, rec.Offset}
	cause := events.Cause{Topic: string(inputNames[t]), Partition: d.p.id, Offset: rec.Offset}
	e, err := d.p.e.reading.event(inputNames[t], rec, &d.p.room)
	if errors.Is(err, schemas.ErrRegistryUnavailable) {
		return err
	}
	if err != nil {
		return d.unreadable(from, cause, rec, err)
	}
	head := e.Head()
	cause.Event = head.ID
	if park, ok := d.p.parks(from, head.Customer); ok {
		return d.park(from, cause, rec, e, park)
	}
	a, r, err := d.b.Account(head.Customer)
	if err != nil {
		return fmt.Errorf("reading the account of %s: %w", head.Customer, err)
	}
	if err := d.catchUp(from, a, r); err != nil {
		return err
	}
	program := d.history.At(head.At)
	in := loyalty.Input{Event: e, Cause: cause, Clock: d.p.next.clock.at, Lenient: d.p.next.clock.lenient, History: d.history}
	made, sent, err := decideSafely(&d.p.rules, program, a, r, in)
	if err != nil {
		return d.broken(from, head.Customer, reasonPanic, err)
	}
	if err := d.emit(from, a, program, made); err != nil {
		return err
	}
	return d.send(from, head.Customer, sent)
}

// catchUp does what the clock has made due for a customer before its next event is decided. A customer whose last
// decision was under this clock has nothing to catch up with: what became due since then waits for the next tick.
func (d *decider) catchUp(from origin, a *loyalty.Account, r loyalty.Records) error {
	c := &d.p.next.clock
	if a.Clock >= c.at || c.offset == noTick {
		return nil
	}
	program := d.history.At(c.at)
	made, ok, err := decideTickSafely(&d.p.rules, program, a, r, c.at, d.p.next.clock.cause(d.p.id))
	if err != nil {
		return d.broken(from, a.Customer, reasonPanic, err)
	}
	if !ok {
		return nil
	}
	return d.emit(from, a, program, made)
}

// cause is what decisions name that the clock brings about.
func (c *clock) cause(partition int32) events.Cause {
	return events.Cause{Topic: string(schemas.TopicClock), Partition: partition, Offset: c.offset, Event: c.event}
}

// emit completes a decision and puts it into the outbox.
func (d *decider) emit(from origin, a *loyalty.Account, program *loyalty.Program, made *events.Decision) error {
	if err := a.CheckDecided(); err != nil {
		return d.broken(from, a.Customer, reasonInvariant, err)
	}
	made.Program = events.ProgramRef{Version: program.Version, Hash: program.Hash}
	return d.ledger(from, made, d.decided)
}

// decided tells state of a decision that Decide has applied to the batch's account.
func (d *decider) decided(made *events.Decision) error {
	d.b.Decided(made)
	return nil
}

// ledger writes a decision that is complete but for its chain, and hands it to state by take.
func (d *decider) ledger(from origin, made *events.Decision, take func(*events.Decision) error) error {
	made.Chain = d.p.next.chain
	value, err := d.out.write(func(b []byte) ([]byte, error) { return d.p.e.client.codec.AppendDecision(b, made) })
	if err != nil {
		return d.broken(from, made.Customer, reasonTooLarge, err)
	}
	d.p.next.chain = sha256.Sum256(value)
	d.counts.add(made)
	if d.waited && d.p.e.waiters.awaits(made) {
		if err := d.await(value); err != nil {
			return err
		}
	}
	d.out.addDecision(kgo.Record{
		Topic: d.p.e.ledgerTopic, Partition: d.p.id, Key: d.out.key(made.Customer), Value: value,
	})
	projector.Advance(&d.p.next.position, made)
	return take(made)
}

// await keeps a decision that somebody waits for: what was decided lasts until the next decision only.
func (d *decider) await(value []byte) error {
	own := events.Decision{}
	if err := d.p.e.client.codec.DecodeDecision(value, &own); err != nil {
		// Not wrapped: nothing may wait for the registry here, with the account half way.
		return errors.New("reading the decision that was just written: " + err.Error())
	}
	own.Offset = int64(len(d.out.ledger) - d.began)
	d.awaited = append(d.awaited, own)
	return nil
}

// send puts the events for other customers into the outbox.
func (d *decider) send(from origin, customer string, sent []events.Event) error {
	for _, e := range sent {
		value, err := d.out.write(func(b []byte) ([]byte, error) { return d.p.e.client.codec.AppendEvent(b, e) })
		if err != nil {
			return d.broken(from, customer, reasonTooLarge, err)
		}
		to := e.Head().Customer
		d.out.add(kgo.Record{
			Topic: d.p.names[transfersIndex], Partition: schemas.Partition(to, d.p.e.partitions),
			Key: schemas.Key(to), Value: value,
		})
	}
	return nil
}

func (d *decider) broken(from origin, customer, reason string, err error) error {
	return &brokenError{origin: from, customer: customer, reason: reason, detail: err.Error()}
}

// decideSafely is Decide, with a panic as an error: a bug that one customer's data brings out must not stop the others.
func decideSafely(d *loyalty.Decider, p *loyalty.Program, a *loyalty.Account, r loyalty.Records, in loyalty.Input) (made *events.Decision, sent []events.Event, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("deciding panicked: %v", v)
		}
	}()
	made, sent = d.Decide(p, a, r, in)
	return made, sent, nil
}

// decideTickSafely is DecideTick, with a panic as an error.
func decideTickSafely(d *loyalty.Decider, p *loyalty.Program, a *loyalty.Account, r loyalty.Records, tick events.Instant, cause events.Cause) (made *events.Decision, ok bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("working off a tick panicked: %v", v)
		}
	}()
	made, ok = d.DecideTick(p, a, r, tick, cause)
	return made, ok, nil
}

// committed makes the batch lasting.
func (p *partition) committed() {
	p.waiting.trim(&p.next.heads)
	p.now = p.next
	p.now.heads = heads{}
	p.now.ticks = slices.Clone(p.now.ticks)
}

// positions are what is committed for the group: the next record to decide, or to read when none waits.
func (p *partition) positions(c *course) [topicCount]int64 {
	at := p.fetched
	for t := range clockIndex {
		if c.heads[t] < len(p.waiting[t]) {
			at[t] = p.waiting[t][c.heads[t]].Offset
		}
	}
	switch {
	case len(c.ticks) > 0:
		at[clockIndex] = c.ticks[0].offset
	case c.heads[clockIndex] < len(p.waiting[clockIndex]):
		at[clockIndex] = p.waiting[clockIndex][c.heads[clockIndex]].Offset
	}
	return at
}

// backlog is how many records are known to wait.
func (p *partition) backlog() int64 {
	var n int64
	for t, at := range p.positions(&p.now) {
		n += max(p.known[t]-at, 0)
	}
	return n
}
