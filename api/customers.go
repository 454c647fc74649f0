package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// CustomerInput is what every read of a customer takes. It is exported because huma fills it in.
type CustomerInput struct {
	Customer  string `path:"customer" doc:"The customer's id"`
	MinOffset string `query:"min_offset" doc:"Wait until the answer reflects this: a ledger offset of the customer's partition (every decision below it), or what an Accrue-Position may say" example:"812"`
	Position  string `header:"Accrue-Position" doc:"The Accrue-Position of an earlier answer: wait until this one reflects it" example:"3@812"`
}

// answer is a body about one customer, with the position it reflects.
type answer[T any] struct {
	Position string `header:"Accrue-Position" doc:"What the answer reflects: partition@next ledger offset"`
	Cache    string `header:"Cache-Control"`
	Body     T
}

func answerOf[T any](r *reader, body T) *answer[T] {
	return &answer[T]{Position: r.at().String(), Cache: "no-cache", Body: body}
}

// Lots is the answer to GET …/lots.
type Lots struct {
	Customer   string         `json:"customer"`
	Lots       []Lot          `json:"lots" nullable:"false" doc:"By lot number"`
	Deficit    events.Points  `json:"deficit"`
	MergedInto string         `json:"merged_into,omitempty" doc:"The customer that took the account over"`
	Position   string         `json:"position"`
	AsOf       events.Instant `json:"as_of"`
}

// Lot is points earned together.
type Lot struct {
	Lot      int64         `json:"lot"`
	Order    string        `json:"order,omitempty"`
	Pending  events.Points `json:"pending"`
	Active   events.Points `json:"active"`
	Reserved events.Points `json:"reserved"`
	Redeemed events.Points `json:"redeemed"`
	Expired  events.Points `json:"expired"`
	// ExpiredDue is as in [Balance].
	ExpiredDue events.Points  `json:"expired_due,omitempty" doc:"Expired by now, but not yet booked by a tick"`
	EarnedAt   events.Instant `json:"earned_at,omitzero"`
	ActiveAt   events.Instant `json:"active_at,omitzero" doc:"Absent until the order is fulfilled, when the hold waits for that"`
	ExpiresAt  events.Instant `json:"expires_at,omitzero" doc:"Absent: never, or not yet known"`
}

// lotsOf lists the lots of r that keep asks for.
func lotsOf(r *reader, keep func(*loyalty.Lot) bool) []Lot {
	lots := make([]Lot, 0, len(r.account.Lots))
	for i := range r.account.Lots {
		l := &r.account.Lots[i]
		if !keep(l) {
			continue
		}
		out := Lot{
			Lot: l.ID, Order: visibleOrder(r.account.OrderOf(l)), Pending: l.Pending, Active: l.Active, Reserved: l.Reserved, Redeemed: l.Redeemed,
			Expired: l.Expired, EarnedAt: l.EarnedAt, ActiveAt: l.ActiveAt, ExpiresAt: l.ExpiresAt,
		}
		if expiredBy(l, r.asOf) {
			out.ExpiredDue, out.Active = l.Active, 0
		}
		lots = append(lots, out)
	}
	return lots
}

// visibleOrder hides the keys of what is kept like an order but is none, such as reviews. They begin with a zero byte.
func visibleOrder(key string) string {
	if strings.HasPrefix(key, "\x00") {
		return ""
	}
	return key
}

// Statement is the answer to GET …/statement.
type Statement struct {
	Customer   string            `json:"customer"`
	Decisions  []events.Decision `json:"decisions" nullable:"false" doc:"Newest first"`
	Next       int64             `json:"next,omitempty" doc:"Ask with before=next for older ones; absent at the end"`
	MergedInto string            `json:"merged_into,omitempty" doc:"The customer that took the account over"`
	Position   string            `json:"position"`
}

type statementInput struct {
	CustomerInput
	Before int64 `query:"before" minimum:"0" doc:"Only decisions below this ledger offset; 0 or absent: the newest"`
	Limit  int   `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"At most so many decisions"`
}

// Order is the answer to GET …/orders/{order}.
type Order struct {
	Customer    string         `json:"customer"`
	Order       string         `json:"order"`
	Placed      bool           `json:"placed" doc:"False while only a redemption has named the order"`
	At          events.Instant `json:"at,omitzero"`
	FulfilledAt events.Instant `json:"fulfilled_at,omitzero"`
	Ended       bool           `json:"ended" doc:"Cancelled, or all of it came back"`
	Cancelled   bool           `json:"cancelled"`
	Lines       []OrderLine    `json:"lines" nullable:"false"`
	Grants      []OrderGrant   `json:"grants" nullable:"false" doc:"What each rule gave and took back"`
	Lots        []Lot          `json:"lots" nullable:"false" doc:"The order's lots that are left"`
	Redemptions []string       `json:"redemptions" nullable:"false" doc:"Redemptions that pay for the order"`
	Position    string         `json:"position"`
	AsOf        events.Instant `json:"as_of"`
}

// OrderLine is one line of an [Order].
type OrderLine struct {
	Line     string       `json:"line"`
	Amount   events.Money `json:"amount_minor"`
	Discount events.Money `json:"discount_minor,omitempty"`
	Returned events.Money `json:"returned_minor,omitempty"`
}

// OrderGrant is what one rule gave for an [Order].
type OrderGrant struct {
	Rule    string        `json:"rule"`
	Granted events.Points `json:"granted"`
	Taken   events.Points `json:"taken" doc:"Taken back by returns or the cancellation"`
}

type orderInput struct {
	CustomerInput
	Order string `path:"order" doc:"The order's id"`
}

func (s *Server) registerCustomers(h huma.API) {
	huma.Register(h, s.readOperation("lots", "/v1/customers/{customer}/lots",
		"The customer's points by lot: when earned, when spendable, when they go"), s.lots)
	huma.Register(h, s.readOperation("statement", "/v1/customers/{customer}/statement",
		"The customer's decisions, newest first", ReasonKafkaUnavailable), s.statement)
	huma.Register(h, s.readOperation("tier", "/v1/customers/{customer}/tier",
		"The customer's tier, what it brings, and what is missing to the next"), s.tier)
	huma.Register(h, s.readOperation("order", "/v1/customers/{customer}/orders/{order}",
		"What an order earned and what came back of it", ReasonUnknownOrder), s.order)
	huma.Register(h, s.readOperation("redemption", "/v1/customers/{customer}/redemptions/{redemption}",
		"Where a redemption stands", ReasonUnknownRedemption), s.redemptionStatus)
}

// readOperation describes a read of one customer.
func (s *Server) readOperation(id, path, summary string, more ...Reason) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"customers"},
		Responses: problems(slices.Concat(more, ownerReasons, []Reason{ReasonInvalidRequest, ReasonUnknownCustomer, ReasonErased,
			ReasonPositionNotReached, ReasonInternal})...),
	}
}

func (in *CustomerInput) find(ctx context.Context, s *Server) (reader, error) {
	r, p := s.read(ctx, in.Customer, in.MinOffset, in.Position)
	if p != nil {
		return r, p
	}
	return r, nil
}

func (s *Server) lots(ctx context.Context, in *CustomerInput) (*answer[Lots], error) {
	r, err := in.find(ctx, s)
	if err != nil {
		return nil, err
	}
	all := func(*loyalty.Lot) bool { return true }
	return answerOf(&r, Lots{
		Customer: in.Customer, Lots: lotsOf(&r, all), Deficit: r.account.Deficit, MergedInto: r.account.MergedInto,
		Position: r.at().String(), AsOf: r.asOf,
	}), nil
}

func (s *Server) statement(ctx context.Context, in *statementInput) (*answer[Statement], error) {
	r, err := in.find(ctx, s)
	if err != nil {
		return nil, err
	}
	offsets, err := r.place.Store.Statement(in.Customer, in.Before, in.Limit+1)
	if err != nil {
		return nil, s.storeProblem(r.place, err)
	}
	var next int64
	if len(offsets) > in.Limit {
		offsets = offsets[:in.Limit]
		next = offsets[in.Limit-1]
	}
	if p := s.still(&r); p != nil {
		return nil, p
	}
	decisions, p := s.decisions(ctx, r.place, offsets)
	if p != nil {
		return nil, p
	}
	body := Statement{
		Customer: in.Customer, Decisions: decisions, Next: next, MergedInto: r.account.MergedInto, Position: r.at().String(),
	}
	return answerOf(&r, body), nil
}

// decisions reads decisions from the ledger.
func (s *Server) decisions(ctx context.Context, place Place, offsets []int64) ([]events.Decision, *Problem) {
	if len(offsets) == 0 {
		return []events.Decision{}, nil
	}
	limited, cancel := context.WithTimeout(ctx, s.cfg.PublishMax)
	defer cancel()
	decisions, err := s.parts.Ledger.Decisions(limited, place.Partition, offsets)
	if err != nil && ctx.Err() == nil { // a client that does not wait is no fault of Kafka's
		// The record that was being read when the time ran out would make each complaint another one.
		s.log.Error("reading the ledger", "partition", place.Partition, "error", cmp.Or(limited.Err(), err))
	}
	if err != nil {
		return nil, problem(ReasonKafkaUnavailable, "the ledger cannot be read at the moment: ask again in a second")
	}
	return decisions, nil
}

func (s *Server) order(ctx context.Context, in *orderInput) (*answer[Order], error) {
	r, err := in.find(ctx, s)
	if err != nil {
		return nil, err
	}
	records, err := r.place.Store.Records(in.Customer)
	if err != nil {
		return nil, s.storeProblem(r.place, err)
	}
	o := records.Order(in.Order)
	if err := records.Err(); err != nil {
		return nil, s.storeProblem(r.place, err)
	}
	if p := s.still(&r); p != nil {
		return nil, p
	}
	if o == nil || visibleOrder(o.ID) == "" {
		return nil, s.missing(problem(ReasonUnknownOrder, "the customer has no such order"), &r)
	}
	ofOrder := func(l *loyalty.Lot) bool { return r.account.OrderOf(l) == in.Order }
	body := Order{
		Customer: in.Customer, Order: in.Order, Placed: o.Placed, At: o.At, FulfilledAt: o.Fulfilled, Ended: o.Ended,
		Cancelled: o.Cancelled, Lines: []OrderLine{}, Grants: []OrderGrant{}, Lots: lotsOf(&r, ofOrder),
		Redemptions: append([]string{}, o.Redemptions...), Position: r.at().String(), AsOf: r.asOf,
	}
	for _, l := range o.Lines {
		body.Lines = append(body.Lines, OrderLine(l))
	}
	for _, g := range o.Grants {
		body.Grants = append(body.Grants, OrderGrant{g.Rule, g.Granted, g.Taken})
	}
	return answerOf(&r, body), nil
}
