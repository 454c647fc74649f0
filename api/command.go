package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// command is an event whose decision somebody waits for.
type command struct {
	event      events.Event
	redemption string
	// want is the state that the command asks for, status what its success answers with.
	want   events.RedemptionState
	status int
	// free is set when the client says that the order costs nothing, which the event cannot: its 0 is a total not given.
	free bool
	// timed is set when the client gave the time, keyed when it gave the id.
	timed, keyed bool
}

// answered is the decision that a command is answered with.
type answered struct {
	events.Decision
	// replayed is set when the command's id was decided before this request.
	replayed bool
}

// decide publishes a command and answers with its decision.
func (s *Server) decide(ctx context.Context, c command) (*redemptionOutput, error) {
	if err := events.Validate(c.event); err != nil {
		return nil, problem(ReasonInvalidRequest, "the command was not taken: %s", problemsOf(err))
	}
	head := c.event.Head()
	place, p := s.own(head.Customer)
	if p != nil {
		if place, p = s.hold(ctx, head.Customer, place, p); p != nil {
			return nil, p
		}
	}
	account, _, err := place.Store.Account(head.Customer)
	switch {
	case err != nil:
		return nil, s.storeProblem(place, err)
	case account != nil && account.Erased:
		return nil, s.located(problem(ReasonErased, "this customer was erased"), &reader{place: place})
	case account != nil && account.MergedInto != "":
		return nil, s.located(merged(account.MergedInto), &reader{place: place})
	}
	// Repetitions that come while a command is at work, as from a checkout that retries in parallel, have it decided once
	// and get the one answer.
	same := payloadAt(c, 0)
	d, p := share(ctx, &s.commands, string(same[:]), func(ctx context.Context) (answered, *Problem) {
		d, p := s.once(ctx, place, c)
		if p != nil {
			return d, p
		}
		return s.original(ctx, place, c, d)
	})
	if p != nil {
		return nil, p
	}
	out, p := s.outcome(place, c, d.Decision)
	if p != nil {
		p.replayed = d.replayed
		return nil, p
	}
	if d.replayed {
		out.Replayed = "true"
	}
	return out, nil
}

// once returns the decision on a command that was asked for before under its id, or has it decided now. Without the look
// back a mere repetition would be a CONFLICT in the ledger, because its time is another.
func (s *Server) once(ctx context.Context, place Place, c command) (answered, *Problem) {
	if c.keyed {
		head := c.event.Head()
		first, ok, p := s.firstDecision(ctx, place, head.Customer, head.ID, nil)
		if p != nil || ok && Remembered(first.Result) {
			return answered{first, true}, p
		}
	}
	if p := s.refuseFree(place, c); p != nil {
		return answered{}, p
	}
	d, p := s.decided(ctx, place, c.event)
	return answered{d, false}, p
}

// Remembered reports whether a decision with the result used its event id up: repeating the event changes nothing.
func Remembered(r events.Result) bool {
	switch r {
	case events.Applied, events.Nothing, events.Holdout, events.Duplicate, events.Refused, events.Held, events.Waiting,
		events.Forwarded:
		return true
	case events.Conflict, events.Stale, events.Future, events.Unreadable, events.Parked:
	}
	return false
}

func merged(into string) *Problem {
	p := problem(ReasonAccountMerged, "this customer was merged into %q: redeem for that one", into)
	p.Into = into
	return p
}

// decided publishes e and waits for a decision on its id. When two requests with one id run at once, both may get the
// decision on either record; [Server.original] sorts that out.
func (s *Server) decided(ctx context.Context, place Place, e events.Event) (events.Decision, *Problem) {
	head := e.Head()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The time for a decision begins when Kafka has the command.
	limit := time.AfterFunc(s.cfg.PublishMax, cancel)
	defer limit.Stop()
	tried := false
	var unsent *Problem
	d, err := s.parts.Decisions.Wait(ctx, head.Customer, head.ID, func() error {
		tried = true
		err := s.parts.Producer.Publish(ctx, []events.Event{e})[0].Err
		if err != nil {
			s.log.Error("publishing a command", "error", err)
			unsent = unconfirmed(head.ID)
			return err
		}
		limit.Reset(s.cfg.DecideMax)
		return nil
	})
	switch {
	case err == nil:
		return d, nil
	case unsent != nil:
		return d, unsent
	}
	// The partition may have moved to another instance meanwhile.
	_, p := s.own(head.Customer)
	if p == nil && tried {
		p = problem(ReasonDecisionPending, "partition %d did not decide in time", place.Partition)
	} else if p == nil {
		p = problem(ReasonNoOwner, "partition %d is about to be answered by another instance", place.Partition)
	}
	if tried {
		p.Detail += "; the command was sent, so ask again with the same id " + head.ID + ": it will not count twice"
	}
	return d, p
}

// original returns the decision that a command with this id was answered with first, so that a repeated request gets
// the same answer; and refuses a request that only has the id in common with it.
func (s *Server) original(ctx context.Context, place Place, c command, d answered) (answered, *Problem) {
	head := c.event.Head()
	if d.Result == events.Duplicate || d.Result == events.Conflict {
		first, ok, p := s.firstDecision(ctx, place, head.Customer, head.ID, &d.Decision)
		if p != nil {
			return d, p
		}
		if ok {
			d = answered{first, d.replayed || first.Offset != d.Offset}
		}
	}
	if d.Facts.Payload == (events.Fingerprint{}) || d.Facts.Payload == payloadAt(c, d.Facts.At) {
		return d, nil
	}
	p := problem(ReasonConflict, "id %q was used before, for the %s of %s, which is not this: send a new id", head.ID, d.Facts.Type, d.Facts.At)
	p.Position = after(&d.Decision)
	return d, p
}

// after is the position that reflects d.
func after(d *events.Decision) string {
	return Position{Partition: d.Partition, Next: d.Offset + 1}.String()
}

// payloadAt identifies what c says. A time that the client did not give does not count: at takes its place.
func payloadAt(c command, at events.Instant) events.Fingerprint {
	head := c.event.Head()
	if !c.timed {
		ours := head.At
		head.At = at
		defer func() { head.At = ours }()
	}
	return events.PayloadOf(c.event)
}

// firstDecision finds the decision on an event that was not itself an answer to a repetition. It may be the one at hand,
// which is not read again; nil is none.
func (s *Server) firstDecision(ctx context.Context, place Place, customer, event string, atHand *events.Decision) (events.Decision, bool, *Problem) {
	none := events.Decision{}
	offset, ok, err := place.Store.Find(customer, event)
	if err != nil {
		return none, false, s.storeProblem(place, err)
	}
	if !ok {
		_, p := s.own(customer)
		return none, false, p
	}
	if atHand != nil && atHand.Offset == offset {
		return *atHand, true, nil
	}
	first, p := share(ctx, &s.reads, Position{Partition: place.Partition, Next: offset}.String(),
		func(ctx context.Context) (events.Decision, *Problem) {
			found, p := s.decisions(ctx, place, []int64{offset})
			if p != nil {
				return none, p
			}
			return found[0], nil
		})
	return first, p == nil, p
}

// outcome words a decision for the client.
func (s *Server) outcome(place Place, c command, d events.Decision) (*redemptionOutput, *Problem) {
	switch d.Result {
	case events.Applied, events.Nothing:
		return s.done(c, d, stateIn(&d, c)), nil
	case events.Duplicate:
		return s.again(place, c, d)
	case events.Forwarded:
		return nil, s.forwarded(place, d)
	case events.Holdout, events.Conflict, events.Refused, events.Stale, events.Future, events.Waiting, events.Held, events.Unreadable,
		events.Parked:
		return nil, s.declined(place, c, &d)
	}
	return nil, s.declined(place, c, &d)
}

// stateIn is what d says of the redemption; a decision that changed nothing leaves it as the command wants it.
func stateIn(d *events.Decision, c command) events.RedemptionFact {
	for _, f := range d.Facts.Redemptions {
		if f.Redemption == c.redemption {
			return f
		}
	}
	if d.Reason == "redemption_lapsed" {
		return events.RedemptionFact{Redemption: c.redemption, State: events.StateLapsed}
	}
	return events.RedemptionFact{Redemption: c.redemption, State: c.want}
}

func (s *Server) done(c command, d events.Decision, state events.RedemptionFact) *redemptionOutput {
	at := after(&d)
	return &redemptionOutput{
		Status: c.status, Position: at,
		Body: Redemption{
			Redemption: c.redemption, Customer: d.Customer, State: state.State, Points: moved(&d, c), LapsesAt: state.LapsesAt,
			Balance: s.balanceAfter(&d), Tier: d.Tier, Entries: append([]events.Entry{}, d.Entries...), Decision: refTo(&d), Position: at,
		},
	}
}

// moved sums the entries that do what the command asks for.
func moved(d *events.Decision, c command) events.Points {
	kinds := map[events.RedemptionState][]events.EntryType{
		events.StateReserved:  {events.Reserve},
		events.StateConfirmed: {events.Confirm},
		events.StateCancelled: {events.Release, events.Reinstate},
	}[c.want]
	var sum events.Points
	for i := range d.Entries {
		if e := &d.Entries[i]; slices.Contains(kinds, e.Type) && (e.Redemption == c.redemption || e.Redemption == "") {
			sum += e.Points
		}
	}
	return sum
}

func refTo(d *events.Decision) Ref { return Ref{d.Partition, d.Offset, d.Cause.Event, d.Result} }

// again answers a command on a redemption that another event has moved already: whether that is a repetition or a
// clash shows in where the redemption stands now.
func (s *Server) again(place Place, c command, d events.Decision) (*redemptionOutput, *Problem) {
	r, p := s.redemption(place, d.Customer, c.redemption)
	if p != nil {
		return nil, p
	}
	if r == nil {
		if _, p := s.own(d.Customer); p != nil {
			return nil, p
		}
		return nil, s.declined(place, c, &d)
	}
	points := pointsOf(r)
	if !asksTheSame(c, r.State, points) {
		p := s.declined(place, c, &d)
		p.Detail = fmt.Sprintf("redemption %s exists already, and is %s with %s", c.redemption, r.State, count(points))
		if c.want != events.StateReserved {
			p.Detail = fmt.Sprintf("redemption %s is %s already, with %s", c.redemption, r.State, count(points))
		}
		return nil, p
	}
	out := s.done(c, d, events.RedemptionFact{Redemption: r.ID, State: r.State, LapsesAt: r.LapsesAt})
	out.Body.Points = points
	return out, nil
}

// asksTheSame reports whether a command asks for what became of a redemption that is in the state with the points.
func asksTheSame(c command, state events.RedemptionState, points events.Points) bool {
	switch asked := c.event.(type) {
	case *events.RedemptionRequested:
		// A confirmation may have released a part.
		return state == events.StateReserved && asked.Points == points || state == events.StateConfirmed && asked.Points >= points
	case *events.RedemptionConfirmed:
		return state == c.want && (asked.Points == nil || *asked.Points == points)
	default:
		return state == c.want
	}
}

// pointsOf sums what a redemption has set aside or spent.
func pointsOf(r *loyalty.Redemption) (sum events.Points) {
	for i := range r.Parts {
		sum += r.Parts[i].Points
	}
	return sum
}

// redemption returns the record of a redemption, or nil.
func (s *Server) redemption(place Place, customer, id string) (*loyalty.Redemption, *Problem) {
	account, _, err := place.Store.Account(customer)
	if err != nil {
		return nil, s.storeProblem(place, err)
	}
	return s.redemptionOf(place, account, customer, id)
}

// redemptionOf returns the record of a redemption of an account, which may be nil, or nil.
func (s *Server) redemptionOf(place Place, account *loyalty.Account, customer, id string) (*loyalty.Redemption, *Problem) {
	if account != nil {
		for _, r := range account.Reservations {
			if r.ID == id {
				return r, nil
			}
		}
	}
	records, err := place.Store.Records(customer)
	if err != nil {
		return nil, s.storeProblem(place, err)
	}
	r := records.Redemption(id)
	if err := records.Err(); err != nil {
		return nil, s.storeProblem(place, err)
	}
	return r, nil
}

// forwarded answers when the account ended between the look at it and the decision.
func (s *Server) forwarded(place Place, d events.Decision) *Problem {
	into := ""
	if a, _, err := place.Store.Account(d.Customer); err == nil && a != nil {
		into = a.MergedInto
	}
	p := problem(ReasonDecisionPending, "this customer was just merged into %q, who will be asked instead: look at the "+
		"redemption there", into)
	p.Into = into
	return p
}
