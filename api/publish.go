package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// Taken is what became of one event of POST /v1/events.
type Taken struct {
	Event    string       `json:"event,omitempty" doc:"The event's id"`
	Customer string       `json:"customer,omitempty"`
	Status   int          `json:"status" doc:"202 once Kafka has the event; else as the HTTP status of a problem"`
	Position *TopicOffset `json:"position,omitempty" doc:"Where Kafka has it"`
	Reason   Reason       `json:"reason,omitempty"`
	Detail   string       `json:"detail,omitempty"`
}

// TopicOffset is where Kafka has a record.
type TopicOffset struct {
	Topic     string `json:"topic" doc:"Without the prefix" example:"orders"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// TakenAll is the answer to several events.
type TakenAll struct {
	Accepted int     `json:"accepted"`
	Refused  int     `json:"refused"`
	Results  []Taken `json:"results" nullable:"false" doc:"One for each event, in order"`
}

type bodyInput struct {
	RawBody []byte `contentType:"application/json"`
}

// takenOutput has the body of one event or of several.
type takenOutput struct {
	Status   int
	Position string `header:"Accrue-Position" doc:"Send it along with a read, and the read waits until it reflects the events"`
	Body     any
}

func (s *Server) registerEvents(h huma.API) {
	op := huma.Operation{
		OperationID: "publish", Method: http.MethodPost, Path: "/v1/events", Tags: []string{"events"},
		Summary: "Hand in one event, or up to 1,000: an event, an array of events, or {\"events\": […]}",
		Description: "Answers once Kafka has the events. Each of several is answered on its own: 207 when one of them was " +
			"refused. Handing in the same event again (same id, same content) changes nothing.",
		DefaultStatus: statusTaken, SkipValidateBody: true, MaxBodyBytes: s.cfg.BodyBytesMax + 1,
		Responses: problems(slices.Concat(bodyReasons, []Reason{ReasonInvalidRequest, ReasonInvalidEvent, ReasonNoHashKey,
			ReasonTooManyEvents, ReasonKafkaUnavailable, ReasonInternal})...),
	}
	huma.Register(h, op, s.publish)
	s.documentEvents(h)
}

func (s *Server) publish(ctx context.Context, in *bodyInput) (*takenOutput, error) {
	raws, single, p := s.split(in.RawBody)
	if p != nil {
		return nil, p
	}
	results := make([]Taken, len(raws))
	batch := make([]events.Event, 0, len(raws))
	index := make([]int, 0, len(raws))
	for i, raw := range raws {
		e, p := s.decodeEvent(raw, "event", oneLine)
		if p != nil {
			results[i] = refused(raw, p)
			continue
		}
		results[i] = Taken{Event: e.Head().ID, Customer: e.Head().Customer}
		batch, index = append(batch, e), append(index, i)
	}
	positions := s.send(ctx, batch, index, results)
	return s.taken(results, single, positions)
}

// split tells apart one event, an array, and an object with "events".
func (s *Server) split(body []byte) (raws []json.RawMessage, single bool, p *Problem) {
	body = bytes.TrimSpace(body)
	if !json.Valid(body) {
		return nil, false, notJSON(body)
	}
	switch body[0] {
	case '[':
		if err := json.Unmarshal(body, &raws); err != nil {
			return nil, false, problem(ReasonInvalidJSON, "the body is not an array of events: %s", err)
		}
	case '{':
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(body, &envelope); err != nil {
			return nil, false, problem(ReasonInvalidJSON, "the body is not an event: %s", err)
		}
		list, ok := envelope["events"]
		if !ok {
			return []json.RawMessage{body}, true, nil
		}
		if len(envelope) > 1 || repeats(body) {
			return nil, false, problem(ReasonInvalidRequest, `an object with "events" may hold nothing else`)
		}
		if err := json.Unmarshal(list, &raws); err != nil {
			return nil, false, problem(ReasonInvalidJSON, `"events" is not an array of events`)
		}
	default:
		return nil, false, problem(ReasonInvalidJSON, "the body is neither an event nor an array of events")
	}
	switch {
	case len(raws) == 0:
		return nil, false, problem(ReasonInvalidRequest, "there is no event in the body")
	case len(raws) > s.cfg.EventsMax:
		return nil, false, problem(ReasonTooManyEvents, "the body holds %d events: send at most %d at a time", len(raws),
			s.cfg.EventsMax)
	}
	return raws, false, nil
}

// repeats reports whether a JSON object of one field holds it more than once: decoding keeps the last.
func repeats(object []byte) bool {
	d := json.NewDecoder(bytes.NewReader(object))
	var value json.RawMessage
	_, _ = d.Token() // the brace
	_, _ = d.Token() // the field
	return d.Decode(&value) == nil && d.More()
}

// decodeEvent reads one event that a client may publish; what it is called, and words of what is wrong with it, are for the
// problem.
func (s *Server) decodeEvent(raw []byte, what string, words func(error) string) (events.Event, *Problem) {
	raw, p := s.hidePersonal(raw)
	if p != nil {
		return nil, p
	}
	e, err := events.DecodeJSON(raw)
	if err != nil {
		return nil, problem(ReasonInvalidEvent, "the %s was not taken: %s", what, words(err))
	}
	if field := inClear(e); field != "" {
		return nil, problem(ReasonInvalidEvent, "%s: is the value itself: send its hash, or the value as %s", field, strings.TrimSuffix(field, "_hash"))
	}
	if e.EventType().Internal() {
		return nil, problem(ReasonInvalidEvent, "events of type %s are published by accrue itself", e.EventType())
	}
	return e, nil
}

// oneLine puts joined errors into one sentence.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// problemsOf is oneLine for an event of our making: which one it is, means nothing to who sent what it was made of.
func problemsOf(err error) string {
	if invalid := new(events.InvalidError); errors.As(err, &invalid) {
		err = invalid.Problems
	}
	return oneLine(err)
}

// refused answers an event that was not published.
func refused(raw []byte, p *Problem) Taken {
	var head struct {
		ID       any `json:"id"`
		Customer any `json:"customer"`
	}
	// A body that cannot be read this far has nothing to name, and one that is not UTF-8 would name someone else.
	if events.CheckJSON(raw) == nil {
		_ = json.Unmarshal(raw, &head)
	}
	t := Taken{Status: p.Status, Reason: p.Reason, Detail: p.Detail}
	t.Event, _ = head.ID.(string)
	t.Customer, _ = head.Customer.(string)
	return t
}

// send publishes the batch and fills in the results, whose indexes are given. It returns how far input topics must be
// folded to reflect the batch.
func (s *Server) send(ctx context.Context, batch []events.Event, index []int, results []Taken) []Position {
	if len(batch) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, s.cfg.PublishMax)
	defer cancel()
	var positions []Position
	var failed []error
	for n, out := range s.parts.Producer.Publish(limited, batch) {
		t := &results[index[n]]
		if out.Err != nil {
			failed = append(failed, out.Err)
			p := unconfirmed(t.Event)
			t.Status, t.Reason, t.Detail = p.Status, p.Reason, p.Detail
			continue
		}
		t.Status = statusTaken
		t.Position = &TopicOffset{out.Topic, out.Partition, out.Offset}
		positions = advance(positions, Position{out.Partition, out.Topic, out.Offset + 1})
	}
	if len(failed) > 0 && ctx.Err() == nil { // a client that does not wait is no fault of Kafka's
		// One says it: they nearly always fail alike, and a thousand lines would hide it.
		s.log.Error("publishing events", "events", len(batch), "failed", len(failed), "first", failed[0])
	}
	return positions
}

// advance keeps the highest position of each topic and partition.
func advance(all []Position, p Position) []Position {
	i := slices.IndexFunc(all, func(q Position) bool { return q.Partition == p.Partition && q.Topic == p.Topic })
	if i < 0 {
		return append(all, p)
	}
	all[i].Next = max(all[i].Next, p.Next)
	return all
}

// unconfirmed answers for an event that Kafka may have taken or not. The client may not know its id, where we made it up.
func unconfirmed(id string) *Problem {
	return problem(ReasonKafkaUnavailable, "Kafka did not confirm the event, which it may have taken all the same: send it again "+
		"with the same id %s, it will not count twice", id)
}

// taken answers: one event by its own status, several by 202 or 207.
func (s *Server) taken(results []Taken, single bool, positions []Position) (*takenOutput, error) {
	out := &takenOutput{Status: statusTaken, Position: joinPositions(positions)}
	if single {
		if t := results[0]; t.Status != statusTaken {
			p := problem(t.Reason, "%s", t.Detail)
			return nil, p
		}
		out.Body = results[0]
		return out, nil
	}
	all := TakenAll{Results: results}
	for i := range results {
		if results[i].Status == statusTaken {
			all.Accepted++
		} else {
			all.Refused++
		}
	}
	if all.Refused > 0 {
		out.Status = statusMixed
	}
	out.Body = all
	return out, nil
}

// joinPositions writes the positions of a header; too many are left out, the body has them all.
func joinPositions(all []Position) string {
	if len(all) > positionsMax {
		return ""
	}
	var b []byte
	for i, p := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = p.appendTo(b)
	}
	return string(b)
}

// decodeStrict reads a JSON object into v and refuses unknown fields by name.
func decodeStrict(body []byte, v any) *Problem {
	if !json.Valid(body) {
		return notJSON(body)
	}
	if err := events.UnmarshalStrict(body, v); err != nil {
		return problem(ReasonInvalidRequest, "the body is not right: %s", oneLine(err))
	}
	return nil
}

// notJSON says why a body is not JSON. The mark that some editors and runtimes put first shows in none of them.
func notJSON(body []byte) *Problem {
	if bytes.HasPrefix(body, []byte("\ufeff")) {
		return problem(ReasonInvalidJSON, "the body begins with a byte order mark: send it without")
	}
	var anything any
	return problem(ReasonInvalidJSON, "the body is not JSON: %s", json.Unmarshal(body, &anything))
}
