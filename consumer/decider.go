package consumer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// brokenError says that deciding a record left an account that may not be.
type brokenError struct {
	origin         origin
	customer       string
	reason, detail string
}

// Error implements error.
func (b *brokenError) Error() string {
	return fmt.Sprintf("%s: %s", b.reason, b.detail)
}

// decider is one attempt at a batch.
type decider struct {
	p   *partition
	b   *state.Batch
	out *outbox
	// began and ended are how many decisions the outbox had before and after.
	began, ended int
	read         [topicCount]bool // the topics of which the partition's ahead are this attempt's
	held         []held           // decisions that are not in the outbox yet
	newest       int64            // the highest timestamp decided, in milliseconds
	handed       int              // how many customers the schedule has handed out
	history      loyalty.History
	// before is where the batch ends, because too many that were like it broke before; nil: nowhere.
	before *brokenError
	// parked are the customers of whom this attempt has parked a record. One that is dropped leaves nobody parked: the next
	// meets what came before the record again.
	parked map[string]struct{}
	// due is how long the worker may still sweep before it commits, this partition and those after it.
	due    *time.Duration
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
		return d.blocked(err)
	}
	for {
		t := p.waiting.first(&p.next.heads)
		if d.tickBefore(t) {
			if err := d.applyTick(); err != nil {
				return d.blocked(err)
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

// errEnough ends a batch early.
var errEnough = errors.New("the batch ends here")

// blocked ends the batch before a record whose schema can't be looked up, or that is enough; other errors are the batch's.
func (d *decider) blocked(err error) error {
	if errors.Is(err, errEnough) {
		return d.b.Err()
	}
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
	if d.before != nil && d.before.origin == from {
		return errEnough
	}
	if err := d.readAhead(t); err != nil {
		return err
	}
	cause := events.Cause{Topic: string(inputNames[t]), Partition: d.p.id, Offset: rec.Offset}
	e, payload, err := d.event(t)
	if errors.Is(err, schemas.ErrRegistryUnavailable) {
		return err
	}
	if t == transfersIndex {
		if foreign := foreign(e, err); foreign != nil {
			return fmt.Errorf("%w: another accrue wrote %s-%d@%d so that this one cannot read it; run the newest everywhere, with the same schema registry: %w",
				errStopped, rec.Topic, rec.Partition, rec.Offset, foreign)
		}
	}
	if err != nil {
		return d.unreadable(from, cause, rec, err)
	}
	head := e.Head()
	cause.Event = head.ID
	if park, ok := d.parks(from, head.Customer); ok {
		return d.park(from, cause, rec, e, park)
	}
	a, r, err := d.b.Account(head.Customer)
	if err != nil {
		return fmt.Errorf("reading an account: %w", err)
	}
	if err := d.catchUp(from, a, r); err != nil {
		return err
	}
	program := d.history.At(head.At)
	in := loyalty.Input{Event: e, Payload: payload, Cause: cause, Clock: d.p.next.clock.at, Lenient: d.p.next.clock.lenient, History: d.history}
	made, sent, err := decideSafely(d.p.rules, program, a, r, in)
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
	made, ok, err := decideTickSafely(d.p.rules, program, d.history, a, r, c.at, d.p.next.clock.cause(d.p.id))
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

// heldMax is how many decisions are written to the outbox one after the other: all that an order takes has no room in the
// processor's cache of instructions, and what writing takes is fetched once for all of them. More would have no room in that
// of data.
const heldMax = 4

// held is a decision that state knows and that is not in the outbox yet. It is valid until heldMax more are made, or the
// events of its topic are read on.
type held struct {
	from origin
	made *events.Decision
}

// emit completes a decision, tells state of it and holds it for the outbox.
func (d *decider) emit(from origin, a *loyalty.Account, program *loyalty.Program, made *events.Decision) error {
	if err := a.CheckDecided(); err != nil {
		return d.broken(from, a.Customer, reasonInvariant, err)
	}
	made.Program = events.ProgramRef{Version: program.Version, Hash: program.Hash}
	d.b.Decided(made)
	d.held = append(d.held, held{from, made})
	if len(d.held) < heldMax {
		return nil
	}
	return d.release()
}

// release writes the decisions that are held.
func (d *decider) release() error {
	for _, h := range d.held {
		if err := d.ledger(h.from, h.made); err != nil {
			return err
		}
	}
	d.held = d.held[:0]
	return nil
}

// fold writes a decision that was made without Decide, and applies it to the batch's account.
func (d *decider) fold(from origin, made *events.Decision) error {
	if err := d.release(); err != nil {
		return err
	}
	if err := d.ledger(from, made); err != nil {
		return err
	}
	return d.b.Fold(made)
}

// ledger puts a decision that is complete but for its chain into the outbox.
func (d *decider) ledger(from origin, made *events.Decision) error {
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
	return nil
}

// await keeps a decision that somebody waits for: what was decided lasts for a few decisions only.
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
func decideTickSafely(d *loyalty.Decider, p *loyalty.Program, h loyalty.History, a *loyalty.Account, r loyalty.Records, tick events.Instant, cause events.Cause) (made *events.Decision, ok bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("working off a tick panicked: %v", v)
		}
	}()
	made, ok = d.DecideTick(p, h, a, r, tick, cause)
	return made, ok, nil
}
