package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// RedeemRequest is the body of POST /v1/redemptions.
type RedeemRequest struct {
	// ID is the event's id, and the idempotency key.
	ID       string `json:"id,omitempty" doc:"Idempotency key; the Idempotency-Key header does as well. Without one, repeating the request is safe only with the same redemption"`
	Customer string `json:"customer"`
	// Redemption names the redemption from now on.
	Redemption string         `json:"redemption,omitempty" doc:"Your id of the redemption; without one, the idempotency key, or one is made up"`
	Points     *events.Points `json:"points" nullable:"false" doc:"Above 0"`
	Order      string         `json:"order,omitempty" doc:"The order that the points pay for"`
	OrderTotal *events.Money  `json:"order_total_minor,omitempty" minimum:"0" doc:"What the customer is to pay for the order, in minor units of the program's currency: bounds the share that points may pay, of 0 to nothing"`
	Reward     string         `json:"reward,omitempty"`
	At         events.Instant `json:"at,omitzero" doc:"Now, unless told otherwise"`
}

// SettleRequest is the body of POST /v1/redemptions/{id}/confirm and cancel.
type SettleRequest struct {
	ID       string         `json:"id,omitempty" doc:"Idempotency key; the Idempotency-Key header does as well"`
	Customer string         `json:"customer"`
	At       events.Instant `json:"at,omitzero" doc:"Now, unless told otherwise"`
}

// ConfirmRequest is the body of POST /v1/redemptions/{id}/confirm.
type ConfirmRequest struct {
	SettleRequest
	Points *events.Points `json:"points,omitempty" doc:"Fewer than reserved release the rest; absent: all"`
	Order  string         `json:"order,omitempty" doc:"The order that the points pay for"`
}

// Redemption is the answer to a command about a redemption.
type Redemption struct {
	Redemption string                 `json:"redemption"`
	Customer   string                 `json:"customer"`
	State      events.RedemptionState `json:"state"`
	Points     events.Points          `json:"points" doc:"Points that the decision reserved, spent or gave back"`
	LapsesAt   events.Instant         `json:"lapses_at,omitzero" doc:"When a reservation lapses unless it is confirmed"`
	Balance    events.Balance         `json:"balance" doc:"What the customer has now, as GET …/balance says"`
	Tier       string                 `json:"tier"`
	Entries    []events.Entry         `json:"entries" nullable:"false"`
	Decision   Ref                    `json:"decision"`
	Position   string                 `json:"position"`
}

type redeemInput struct {
	Key     string `header:"Idempotency-Key" doc:"As id in the body"`
	RawBody []byte `contentType:"application/json"`
}

type settleInput struct {
	Redemption string `path:"id" doc:"The redemption's id"`
	Key        string `header:"Idempotency-Key" doc:"As id in the body"`
	RawBody    []byte `contentType:"application/json"`
}

type redemptionOutput struct {
	Status   int
	Position string `header:"Accrue-Position" doc:"Send it along with a read, and the read waits until it reflects the decision"`
	Replayed string `header:"Idempotent-Replayed" doc:"true when the answer is that to an earlier request under the same key"`
	Body     Redemption
}

func (s *Server) registerRedemptions(h huma.API) {
	op := func(id, path, summary string, status int, more ...Reason) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Tags: []string{"redemptions"},
			Description: "Decided when it answers. 409 carries the reason of the decision, such as balance_too_low. The same " +
				"request with the same key answers the same, with the balance of now and Idempotent-Replayed: true.",
			DefaultStatus: status, SkipValidateBody: true, MaxBodyBytes: s.cfg.BodyBytesMax + 1,
			Responses: problems(slices.Concat(bodyReasons, ownerReasons, more, []Reason{ReasonInvalidRequest, ReasonErased,
				ReasonConflict, ReasonAccountMerged, ReasonKafkaUnavailable, ReasonDecisionPending, ReasonInternal})...),
		}
	}
	huma.Register(h, op("redeem", "/v1/redemptions", "Reserve points", statusRedeemed), s.redeem)
	huma.Register(h, op("confirm", "/v1/redemptions/{id}/confirm", "Spend the reserved points", statusSettled,
		ReasonUnknownRedemption), s.confirm)
	huma.Register(h, op("cancel", "/v1/redemptions/{id}/cancel", "Give the reserved or spent points back", statusSettled,
		ReasonUnknownRedemption), s.cancel)
	documentBody[RedeemRequest](h, "redeem", "/v1/redemptions")
	documentBody[ConfirmRequest](h, "confirm", "/v1/redemptions/{id}/confirm")
	documentBody[SettleRequest](h, "cancel", "/v1/redemptions/{id}/cancel")
}

func (s *Server) redeem(ctx context.Context, in *redeemInput) (*redemptionOutput, error) {
	var req RedeemRequest
	if p := decodeStrict(in.RawBody, &req); p != nil {
		return nil, p
	}
	head, timed, p := s.head(req.ID, in.Key, req.Customer, req.At)
	if p != nil {
		return nil, p
	}
	if req.Redemption == "" {
		req.Redemption = head.ID
	}
	// A number that was left out, or misspelt, is a mistake in the request and nothing for the rules to refuse.
	if req.Points == nil {
		return nil, problem(ReasonInvalidRequest, "points: is missing")
	}
	var total events.Money
	if req.OrderTotal != nil {
		if total = *req.OrderTotal; total < 0 {
			return nil, problem(ReasonInvalidRequest, "order_total_minor: is %d, and no total is below 0", total)
		}
	}
	return s.decide(ctx, command{
		event: &events.RedemptionRequested{
			Header: head, Redemption: req.Redemption, Points: *req.Points, Order: req.Order, OrderTotal: total, Reward: req.Reward,
		},
		free:       req.OrderTotal != nil && total == 0,
		redemption: req.Redemption, want: events.StateReserved, status: statusRedeemed, timed: timed, keyed: req.ID+in.Key != "",
	})
}

func (s *Server) confirm(ctx context.Context, in *settleInput) (*redemptionOutput, error) {
	var req ConfirmRequest
	if p := decodeStrict(in.RawBody, &req); p != nil {
		return nil, p
	}
	head, timed, p := s.head(req.ID, in.Key, req.Customer, req.At)
	if p != nil {
		return nil, p
	}
	return s.decide(ctx, command{
		event: &events.RedemptionConfirmed{
			Header: head, Redemption: in.Redemption, Points: req.Points, Order: req.Order,
		},
		redemption: in.Redemption, want: events.StateConfirmed, status: statusSettled, timed: timed, keyed: req.ID+in.Key != "",
	})
}

func (s *Server) cancel(ctx context.Context, in *settleInput) (*redemptionOutput, error) {
	var req SettleRequest
	if p := decodeStrict(in.RawBody, &req); p != nil {
		return nil, p
	}
	head, timed, p := s.head(req.ID, in.Key, req.Customer, req.At)
	if p != nil {
		return nil, p
	}
	return s.decide(ctx, command{
		event:      &events.RedemptionCancelled{Header: head, Redemption: in.Redemption},
		redemption: in.Redemption, want: events.StateCancelled, status: statusSettled, timed: timed, keyed: req.ID+in.Key != "",
	})
}

// head makes a command's header. timed is false when the time is ours, so that a repeated request has another one.
func (s *Server) head(id, key, customer string, at events.Instant) (h events.Header, timed bool, p *Problem) {
	switch {
	case id != "" && key != "" && id != key:
		return h, false, problem(ReasonInvalidRequest, "id and Idempotency-Key differ: send one of them")
	case id == "":
		id = key
	}
	if id == "" {
		id = rand.Text()
	}
	timed = at != 0
	if !timed {
		at = events.InstantOf(s.cfg.Now())
	}
	return events.Header{ID: id, Customer: customer, At: at}, timed, nil
}
