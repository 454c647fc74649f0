package loyalty_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// breaking panics when something is put into it, as a bug may in the middle of a decision.
type breaking struct{ loyalty.Records }

func (breaking) PutOrder(*loyalty.Order)                 { panic("broken") }
func (breaking) PutRedemption(*loyalty.Redemption)       { panic("broken") }
func (breaking) PutReference(events.Reference)           { panic("broken") }
func (breaking) PutSeen(string, events.Fingerprint)      { panic("broken") }
func (breaking) AddExpired(string, int64, events.Points) { panic("broken") }
func (breaking) Clear()                                  { panic("broken") }

// rivals decide the same history with the functions, on accounts of their own, and with one Decider and one Evolver for
// all events.
type rivals struct {
	t       *rapid.T
	p       *loyalty.Program
	clock   events.Instant
	plain   map[string]*twin
	reused  map[string]*twin
	decider *loyalty.Decider
	evolver loyalty.Evolver
	// made are the decider's last decisions, which are valid, with what they said when they were made.
	made []spoken
}

type spoken struct {
	decision *events.Decision
	said     string
}

// valid is how many decisions of the decider are.
const valid = 5

func (w *rivals) twins(customer string) (plain, reused *twin) {
	if w.plain[customer] == nil {
		for _, side := range []map[string]*twin{w.plain, w.reused} {
			side[customer] = &twin{loyalty.NewAccount(customer), loyalty.NewAccount(customer), loyalty.NewMemoryRecords(), loyalty.NewMemoryRecords()}
		}
	}
	return w.plain[customer], w.reused[customer]
}

// stumble lets the decider panic in the middle of something else.
func (w *rivals) stumble(a *loyalty.Account, r loyalty.Records, in loyalty.Input) {
	defer func() { _ = recover() }()
	w.decider.Decide(w.p, a.Clone(), breaking{r}, in)
}

func (w *rivals) apply(e events.Event, stumble bool) {
	if tick, ok := e.(*events.Tick); ok {
		w.clock = max(w.clock, tick.At)
		for _, customer := range []string{"ann", "bob", "cy"} {
			plain, reused := w.twins(customer)
			cause := events.Cause{Topic: "clock"}
			made, ok := loyalty.DecideTick(w.p, loyalty.History{w.p}, plain.decided, plain.records, w.clock, cause)
			reused.decided = reused.decided.Successor()
			got, same := w.decider.DecideTick(w.p, loyalty.History{w.p}, reused.decided, reused.records, w.clock, cause)
			if ok != same {
				w.t.Fatalf("a decision of the tick: %t, reused %t", ok, same)
			}
			if ok {
				w.compare(customer, &made, got, nil, nil)
			}
		}
		return
	}
	queue := []events.Event{e}
	for len(queue) > 0 {
		e, queue = queue[0], queue[1:]
		customer := e.Head().Customer
		plain, reused := w.twins(customer)
		in := loyalty.Input{Event: e, Clock: w.clock, Cause: events.Cause{Topic: "orders", Event: e.Head().ID}}
		if stumble {
			w.made = nil
			w.stumble(reused.decided, reused.records, in)
		}
		made, out := loyalty.Decide(w.p, plain.decided, plain.records, in)
		reused.decided = reused.decided.Successor()
		got, sent := w.decider.Decide(w.p, reused.decided, reused.records, in)
		w.compare(customer, &made, got, out, sent)
		queue = append(queue, out...)
	}
}

func (w *rivals) compare(customer string, want, got *events.Decision, out, sent []events.Event) {
	plain, reused := w.twins(customer)
	encode := func(d *events.Decision, out []events.Event) string {
		b, err := codec.AppendDecision(nil, d)
		for _, e := range out {
			if err == nil {
				b, err = codec.AppendEvent(b, e)
			}
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return string(b)
	}
	if encode(want, out) != encode(got, sent) {
		w.t.Fatalf("decided %+v %+v\nreused  %+v %+v", want, out, got, sent)
	}
	w.made = append(w.made, spoken{got, encode(got, nil)})
	w.made = w.made[max(len(w.made)-valid, 0):]
	for i, x := range w.made {
		if encode(x.decision, nil) != x.said {
			w.t.Fatalf("a decision that %d were made after is now %+v", len(w.made)-1-i, x.decision)
		}
	}
	same := func(what string, a *loyalty.Account, r loyalty.Records) {
		if err := errors.Join(loyalty.CheckTally(a), a.Check(), a.CheckDecided()); err != nil {
			w.t.Fatalf("%v after %+v", err, want)
		}
		if string(loyalty.Encode(a, r)) != string(loyalty.Encode(plain.decided, plain.records)) {
			w.t.Fatalf("%s to another account: %+v, not %+v", what, a, plain.decided)
		}
	}
	same("a decider came", reused.decided, reused.records)
	loyalty.Evolve(plain.folded, plain.refolded, want)
	same("folding came", plain.folded, plain.refolded)
	w.evolver.Evolve(reused.folded, reused.refolded, got)
	same("an evolver came", reused.folded, reused.refolded)
}

// A Decider that has made thousands of decisions, some of which ended in a panic, decides like a new one.
func TestDeciderAndEvolverRememberNothing(t *testing.T) {
	racetest.Checks(t, 25) // one goroutine
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t, rapid.Bool().Draw(t, "with tiers"), rapid.Bool().Draw(t, "clamp"))
		w, h := &rivals{t: t, p: p, decider: loyalty.NewDecider(valid), plain: map[string]*twin{}, reused: map[string]*twin{}}, newHistory(t)
		for range rapid.IntRange(5, 120).Draw(t, "events") {
			w.apply(h.event(), rapid.IntRange(0, 9).Draw(t, "stumble") == 0)
		}
		for _, x := range w.reused {
			back, err := loyalty.DecodeAccount(loyalty.AppendAccount(nil, x.decided))
			if err := errors.Join(err, loyalty.CheckTally(back)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
