package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Calculation is the answer to POST /v1/calculate. A guest has no id, and no position that the answer reflects.
type Calculation struct {
	Customer string `json:"customer,omitempty"`
	loyalty.Quote
	// Currency is the program's, in which the worth of the points and the order's total are.
	Currency string         `json:"currency" doc:"ISO 4217 code of the program's currency: redeemable_minor and order_total_minor are in it"`
	Program  ProgramVersion `json:"program"`
	// MergedInto is set for an account that has ended: its orders are decided as the survivor's.
	MergedInto string         `json:"merged_into,omitempty" doc:"The customer that took the account over, and that such an order would be decided for: ask for that one"`
	Position   string         `json:"position,omitempty"`
	AsOf       events.Instant `json:"as_of"`
}

type calculateInput struct {
	MinOffset string `query:"min_offset" doc:"Wait until the answer reflects this: a ledger offset of the customer's partition (every decision below it), or what an Accrue-Position may say"`
	Position  string `header:"Accrue-Position" doc:"The Accrue-Position of an earlier answer: wait until this one reflects it"`
	RawBody   []byte `contentType:"application/json"`
}

func (s *Server) registerCalculate(h huma.API) {
	op := huma.Operation{
		OperationID: "calculate", Method: http.MethodPost, Path: "/v1/calculate", Tags: []string{"customers"},
		Summary: "What a cart would earn, and how many points may pay for it",
		Description: "Takes an OrderPlaced, of which only currency and lines are needed. Nothing is written. A customer that " +
			"nobody has heard of is treated as a new one, and so is a guest, for whom customer is left out. redeemable is the " +
			"most points that a redemption with the answer's order_total_minor may have, redeemable_minor their worth; both " +
			"amounts are in currency, which is the program's.",
		SkipValidateBody: true, MaxBodyBytes: s.cfg.BodyBytesMax + 1,
		Responses: problems(slices.Concat(bodyReasons, ownerReasons, []Reason{ReasonInvalidRequest, ReasonInvalidEvent,
			ReasonNoHashKey, ReasonErased, ReasonPositionNotReached, ReasonInternal})...),
	}
	huma.Register(h, op, s.calculate)
	documentBody[Cart](h, op.OperationID, op.Path)
}

// Cart documents the body of POST /v1/calculate; it is read as an OrderPlaced.
type Cart struct {
	Customer      string         `json:"customer,omitempty" doc:"Left out for a guest"`
	Currency      string         `json:"currency" doc:"ISO 4217"`
	Lines         []events.Line  `json:"lines" nullable:"false"`
	At            events.Instant `json:"at,omitzero" doc:"Now, unless told otherwise"`
	Order         string         `json:"order,omitempty"`
	Channel       string         `json:"channel,omitempty"`
	Store         string         `json:"store,omitempty"`
	OrderDiscount events.Money   `json:"order_discount_minor,omitempty"`
	Tax           events.Money   `json:"tax_minor,omitempty"`
	Shipping      events.Money   `json:"shipping_minor,omitempty"`
	PaidPoints    events.Money   `json:"paid_points_minor,omitempty" doc:"Paid with points before: counts against the share that points may pay"`
	OrderTotal    *events.Money  `json:"order_total_minor,omitempty" minimum:"0" doc:"What the customer is to pay, in the program's currency. Left out: lines less discounts, plus tax and shipping, converted"`
}

func (s *Server) calculate(ctx context.Context, in *calculateInput) (*answer[Calculation], error) {
	order, total, p := s.decodeCart(in.RawBody)
	if p != nil {
		return nil, p
	}
	if order.Customer == "" {
		return s.calculateGuest(order, total)
	}
	r, p := s.read(ctx, order.Customer, in.MinOffset, in.Position)
	if p != nil && p.Reason != ReasonUnknownCustomer {
		return nil, p
	}
	if r.account == nil {
		r.account = loyalty.NewAccount(order.Customer)
		r.asOf = max(events.InstantOf(s.cfg.Now()), r.place.Clock)
	}
	records, err := r.place.Store.Records(order.Customer)
	if err != nil {
		return nil, s.storeProblem(r.place, err)
	}
	program := s.parts.Programs.History().At(order.At)
	if program == nil {
		return nil, noProgram()
	}
	quote := loyalty.Calculate(program, r.account, records, order, total, r.place.Clock)
	if err := records.Err(); err != nil {
		return nil, s.storeProblem(r.place, err)
	}
	if p := s.still(&r); p != nil {
		return nil, p
	}
	return answerOf(&r, Calculation{
		Customer: order.Customer, Quote: quote, Currency: program.Currency, Program: versionOf(program),
		MergedInto: r.account.MergedInto, Position: r.at().String(), AsOf: r.asOf,
	}), nil
}

// calculateGuest answers from the rules alone: nobody's partition is asked, so any instance can.
func (s *Server) calculateGuest(order *events.OrderPlaced, total *events.Money) (*answer[Calculation], error) {
	program := s.parts.Programs.History().At(order.At)
	if program == nil {
		return nil, noProgram()
	}
	quote := loyalty.Calculate(program, loyalty.NewAccount(""), loyalty.NewMemoryRecords(), order, total, 0)
	return &answer[Calculation]{Cache: "no-cache", Body: Calculation{
		Quote: quote, Currency: program.Currency, Program: versionOf(program), AsOf: events.InstantOf(s.cfg.Now()),
	}}, nil
}

// decodeCart reads an order that may leave out what a cart has not got yet: a guest's has no customer. total is what the
// customer is to pay, where the cart says so.
func (s *Server) decodeCart(body []byte) (order *events.OrderPlaced, total *events.Money, p *Problem) {
	var fields map[string]json.RawMessage
	if p := decodeStrict(body, &fields); p != nil {
		return nil, nil, p
	}
	if fields == nil {
		return nil, nil, problem(ReasonInvalidRequest, "the body is not an order: send an object")
	}
	const totalField = "order_total_minor" // an order has none
	if raw, ok := fields[totalField]; ok {
		if json.Unmarshal(raw, &total) != nil || total != nil && *total < 0 {
			return nil, nil, problem(ReasonInvalidEvent, "%s: is not a whole number of minor units, 0 or more", totalField)
		}
		delete(fields, totalField)
	}
	now, err := json.Marshal(events.InstantOf(s.cfg.Now()))
	if err != nil {
		return nil, nil, problem(ReasonInternal, "the time cannot be written")
	}
	// A cart has no ids yet; these will not meet those of any order.
	id, err := json.Marshal("cart-" + rand.Text())
	if err != nil {
		return nil, nil, problem(ReasonInternal, "the id cannot be written")
	}
	_, known := fields["customer"]
	missing := map[string]json.RawMessage{"id": id, "order": id, "customer": id, "at": now, "type": json.RawMessage(`"OrderPlaced"`)}
	for name, value := range missing {
		if _, ok := fields[name]; !ok {
			fields[name] = value
		}
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, nil, problem(ReasonInvalidRequest, "the body cannot be read")
	}
	e, p := s.decodeEvent(raw, "cart", problemsOf)
	if p != nil {
		return nil, nil, p
	}
	order, ok := e.(*events.OrderPlaced)
	if !ok {
		return nil, nil, problem(ReasonInvalidEvent, "a cart is an OrderPlaced, not %s", e.EventType())
	}
	if !known {
		order.Customer = ""
	}
	return order, total, nil
}
