package sim

import (
	"crypto/sha256"
	"fmt"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// Config says by which rules and how an [Engine] decides.
type Config struct {
	// Programs must not be empty.
	Programs loyalty.History
	// DailyTicks moves the clock: before an event, one tick for each midnight of the program's timezone that the
	// highest event time passes. It implies that no event is refused as FUTURE.
	DailyTicks bool
	// Decided is called with every decision, in ledger order, and must not keep it. Nil: nobody wants to know.
	Decided func(*events.Decision) error
	// Encode appends a decision as the ledger would have it; the chain of hashes is made of it. Nil: no chain.
	Encode func(dst []byte, d *events.Decision) ([]byte, error)
}

// Engine is one partition in memory. It is not safe for concurrent use.
type Engine struct {
	cfg      Config
	accounts map[string]*account
	schedule schedule

	clock events.Instant
	// latest is the highest time of any event so far.
	latest events.Instant

	// The next offsets in the ledger and in the topics that the engine writes itself.
	ledger, transfers, ticks int64

	// ticked is set by the first tick, which makes the schedule.
	ticked bool

	chain events.Hash
	buf   []byte
}

type account struct {
	*loyalty.Account
	records *loyalty.MemoryRecords
	// due is when the account is on the schedule; 0: it is not.
	due events.Instant
}

// New returns an engine that has decided nothing.
func New(cfg Config) (*Engine, error) {
	if len(cfg.Programs) == 0 {
		return nil, fmt.Errorf("simulating needs a program")
	}
	return &Engine{cfg: cfg, accounts: map[string]*account{}}, nil
}

// Clock returns the partition clock, 0 before the first tick.
func (e *Engine) Clock() events.Instant { return e.clock }

// Latest returns the highest time of any event so far, 0 before the first.
func (e *Engine) Latest() events.Instant { return e.latest }

// Decisions returns how many decisions were made.
func (e *Engine) Decisions() int64 { return e.ledger }

// Program returns the version of the rules that decides an event of time t.
func (e *Engine) Program(t events.Instant) *loyalty.Program { return e.cfg.Programs.At(t) }

// Apply decides ev, and what it causes in other accounts. The offset is its position in its source, for the causes
// that decisions name. A Tick moves the clock instead. An error comes from Config.Decided or Config.Encode, or says
// that an account broke an invariant; the engine is of no use after it.
func (e *Engine) Apply(ev events.Event, offset int64) error {
	h := ev.Head()
	if e.cfg.DailyTicks {
		if err := e.passMidnights(h.At); err != nil {
			return err
		}
	}
	e.latest = max(e.latest, h.At)
	if ev.EventType() == events.TypeTick {
		return e.tick(h.At, events.Cause{Topic: string(schemas.TopicClock), Offset: offset, Event: h.ID})
	}
	out, err := e.decide(ev, events.Cause{Topic: string(schemas.TopicOf(ev.EventType())), Offset: offset, Event: h.ID})
	if err != nil {
		return err
	}
	// What was caused is decided before the next event, in the order it was caused.
	for len(out) > 0 {
		next := out[0]
		more, err := e.decide(next, events.Cause{Topic: string(schemas.TopicTransfers), Offset: e.transfers, Event: next.Head().ID})
		if err != nil {
			return err
		}
		e.transfers++
		out = append(out[1:], more...)
	}
	return nil
}

func (e *Engine) decide(ev events.Event, cause events.Cause) ([]events.Event, error) {
	h := ev.Head()
	p := e.Program(h.At)
	a := e.account(h.Customer)
	d, out := loyalty.Decide(p, a.Account, a.records, loyalty.Input{
		Event:   ev,
		Cause:   cause,
		Clock:   e.clock,
		History: e.cfg.Programs,
		Lenient: e.cfg.DailyTicks,
	})
	e.plan(a)
	return out, e.append(a, &d)
}

func (e *Engine) account(customer string) *account {
	a := e.accounts[customer]
	if a == nil {
		a = &account{Account: loyalty.NewAccount(customer), records: loyalty.NewMemoryRecords()}
		e.accounts[customer] = a
	}
	return a
}

// append gives d its place in the ledger.
func (e *Engine) append(a *account, d *events.Decision) error {
	d.Offset = e.ledger
	e.ledger++
	if err := a.Check(); err != nil {
		return fmt.Errorf("after deciding %s@%d (event %q): %w", d.Cause.Topic, d.Cause.Offset, d.Cause.Event, err)
	}
	if e.cfg.Encode != nil {
		d.Chain = e.chain
		b, err := e.cfg.Encode(e.buf[:0], d)
		if err != nil {
			return fmt.Errorf("encoding the decision of %s@%d: %w", d.Cause.Topic, d.Cause.Offset, err)
		}
		e.buf = b
		e.chain = sha256.Sum256(b)
	}
	if e.cfg.Decided == nil {
		return nil
	}
	return e.cfg.Decided(d)
}
