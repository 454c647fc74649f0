package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// Explanation is the answer to GET …/explain/{event}: the decision, how it was reckoned, and the same in words.
type Explanation struct {
	Customer string              `json:"customer"`
	Event    string              `json:"event"`
	Decision events.Decision     `json:"decision"`
	Program  *ProgramVersion     `json:"program,omitempty" doc:"The version that the decision is pinned to"`
	Steps    []loyalty.TraceStep `json:"steps" nullable:"false" doc:"How the points were reckoned, in order"`
	// Missing says why there are no steps.
	Missing string `json:"missing,omitempty" doc:"Why the reckoning cannot be shown, if it cannot"`
	// Ended is set for an event that waited and does so no longer.
	Ended    *Ended `json:"ended,omitempty" doc:"What became of an event that waited for its order; absent while it waits"`
	Lots     []Lot  `json:"lots" nullable:"false" doc:"The lots that the decision touched, after it"`
	Text     string `json:"text" doc:"All of it in words"`
	Position string `json:"position"`
}

type explainInput struct {
	CustomerInput
	Event string `path:"event" doc:"The event's id, or @ and a ledger offset: what the clock did has no event of its own"`
}

func (s *Server) registerExplain(h huma.API) {
	huma.Register(h, s.readOperation("explain", "/v1/customers/{customer}/explain/{event}",
		"Why an event earned what it did", ReasonUnknownEvent, ReasonTooLong, ReasonKafkaUnavailable), s.explain)
}

// rebuildingMax is how many accounts are rebuilt at a time. A long history is tens of megabytes of the ledger, which the
// broker and the engine's own processors have to spare beside deciding.
const rebuildingMax = 2

func (s *Server) explain(ctx context.Context, in *explainInput) (*answer[Explanation], error) {
	r, err := in.find(ctx, s)
	if err != nil {
		return nil, err
	}
	offset, p := s.locate(&r, in.Customer, in.Event)
	if p != nil {
		return nil, p
	}
	select {
	case s.rebuilding <- struct{}{}:
		defer func() { <-s.rebuilding }()
	case <-ctx.Done(): // what is read next says so
	}
	history, p := s.history(ctx, &r, in.Customer, offset)
	if p != nil {
		return nil, p
	}
	d := history[len(history)-1]
	x := Explanation{
		Customer: in.Customer, Event: d.Cause.Event, Decision: d, Steps: []loyalty.TraceStep{}, Position: r.at().String(),
	}
	if x.Ended, p = s.ended(ctx, &r, &d); p != nil {
		return nil, p
	}
	account, records := loyalty.NewAccount(x.Customer), loyalty.NewMemoryRecords()
	for i := range history[:len(history)-1] {
		loyalty.Evolve(account, records, &history[i])
	}
	waited := endingsWords(account, &d)
	event := s.reckon(ctx, &x, account, records)
	touched := func(l *loyalty.Lot) bool {
		return slices.ContainsFunc(d.Entries, func(e events.Entry) bool { return e.Lot == l.ID })
	}
	x.Lots = lotsOf(&reader{account: account}, touched)
	x.Text = explainText(&x, event, waited)
	return answerOf(&r, x), nil
}

// locate finds the ledger offset of a decision by its event, or by itself.
func (s *Server) locate(r *reader, customer, event string) (int64, *Problem) {
	offset, ok, err := r.place.Store.Find(customer, event)
	if err != nil {
		return 0, s.storeProblem(r.place, err)
	}
	if ok {
		return offset, nil
	}
	if p := s.still(r); p != nil {
		return 0, p
	}
	if text, isOffset := strings.CutPrefix(event, "@"); isOffset {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return 0, s.located(problem(ReasonUnknownEvent, "%q is not @ and a ledger offset", event), r)
		}
		found, err := r.place.Store.Statement(customer, n+1, 1)
		if err != nil {
			return 0, s.storeProblem(r.place, err)
		}
		if len(found) == 1 && found[0] == n {
			return n, nil
		}
	}
	return 0, s.missing(problem(ReasonUnknownEvent, "no decision on this event of the customer is known: it may not have "+
		"been decided yet, or be too old to be remembered by its id; its statement has it by @offset"), r)
}

// statementPage is how many offsets of a statement are asked for at once.
const statementPage = 1000

// history reads the customer's decisions up to the offset, oldest first.
func (s *Server) history(ctx context.Context, r *reader, customer string, offset int64) ([]events.Decision, *Problem) {
	offsets, p := s.offsets(r, customer, -1, offset+1)
	if p != nil {
		return nil, p
	}
	if len(offsets) == 0 || offsets[0] != offset {
		return nil, s.located(problem(ReasonUnknownEvent, "the customer's statement does not hold ledger offset %d", offset), r)
	}
	slices.Reverse(offsets)
	return s.decisions(ctx, r.place, offsets)
}

// offsets lists the customer's decisions above the ledger offset after and below before (0: all), newest first.
func (s *Server) offsets(r *reader, customer string, after, before int64) ([]int64, *Problem) {
	var offsets []int64
	for {
		page, err := r.place.Store.Statement(customer, before, statementPage)
		if err != nil {
			return nil, s.storeProblem(r.place, err)
		}
		whole := len(page) == statementPage
		page = slices.DeleteFunc(page, func(offset int64) bool { return offset <= after })
		offsets = append(offsets, page...)
		if len(offsets) > s.cfg.ExplainMax {
			return nil, problem(ReasonTooLong, "the customer has more than %d decisions before or after this one: look at "+
				"the decision itself in the statement", s.cfg.ExplainMax)
		}
		if !whole || len(page) < statementPage {
			break
		}
		before = page[len(page)-1]
	}
	return offsets, s.still(r)
}

// reckon decides x's decision once more, with a trace, on the account as it was before it. It returns the event, and
// leaves the account as it was after it.
func (s *Server) reckon(ctx context.Context, x *Explanation, a *loyalty.Account, records loyalty.Records) events.Event {
	last := &x.Decision
	versions := s.parts.Programs.History()
	program := versions.Version(last.Program.Version)
	if program != nil {
		v := versionOf(program)
		x.Program = &v
	}
	var event events.Event
	switch {
	case last.Cause.Topic == string(schemas.TopicClock):
		x.Missing = "the clock did this: nothing was reckoned"
	case program == nil:
		x.Missing = fmt.Sprintf("version %d of the program is not known here", last.Program.Version)
	default:
		event = s.cause(ctx, x, last.Cause)
	}
	if event == nil {
		loyalty.Evolve(a, records, last)
		return nil
	}
	trace := &loyalty.Trace{}
	again, _ := loyalty.Decide(program, a, records, loyalty.Input{
		Event: event, Cause: last.Cause, Clock: last.Clock, History: versions, Lenient: last.Result != events.Future,
		Trace: trace,
	})
	x.Steps = append(x.Steps, trace.Steps...)
	if again.Result != last.Result || again.Balance != last.Balance {
		x.Missing = "deciding again gives another result than the ledger has: run accrue verify"
	}
	return event
}

func (s *Server) cause(ctx context.Context, x *Explanation, c events.Cause) events.Event {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PublishMax)
	defer cancel()
	event, err := s.parts.Ledger.Cause(ctx, c)
	if err != nil {
		s.log.Warn("reading the cause of a decision", "topic", c.Topic, "partition", c.Partition, "offset", c.Offset,
			"error", err)
		x.Missing = "the event itself is no longer in its topic, or cannot be read"
		return nil
	}
	return event
}
