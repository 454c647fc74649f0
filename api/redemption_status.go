package api

import (
	"context"

	"github.com/accrue-loyalty/accrue/events"
)

// RedemptionStatus is the answer to GET …/redemptions/{redemption}: what a checkout asks that has had no answer.
type RedemptionStatus struct {
	Customer   string                 `json:"customer"`
	Redemption string                 `json:"redemption"`
	State      events.RedemptionState `json:"state"`
	Points     events.Points          `json:"points" doc:"Reserved or spent; 0 when a reservation ended with nothing spent"`
	GivenBack  events.Points          `json:"given_back,omitempty" doc:"What of the spent points went back, by a return or cancellation"`
	LapsesAt   events.Instant         `json:"lapses_at,omitzero" doc:"When a reservation lapses unless it is confirmed"`
	Orders     []string               `json:"orders" nullable:"false" doc:"The orders that the points pay for"`
	Position   string                 `json:"position"`
	AsOf       events.Instant         `json:"as_of"`
}

type redemptionInput struct {
	CustomerInput
	Redemption string `path:"redemption" doc:"The redemption's id"`
}

func (s *Server) redemptionStatus(ctx context.Context, in *redemptionInput) (*answer[RedemptionStatus], error) {
	r, err := in.find(ctx, s)
	if err != nil {
		return nil, err
	}
	found, p := s.redemptionOf(r.place, r.account, in.Customer, in.Redemption)
	if p != nil {
		return nil, p
	}
	if p := s.still(&r); p != nil {
		return nil, p
	}
	// A redemption that only an order has named so far has no state.
	if found == nil || found.State == "" {
		return nil, s.missing(problem(ReasonUnknownRedemption, "the customer has no such redemption"), &r)
	}
	body := RedemptionStatus{
		Customer: in.Customer, Redemption: in.Redemption, State: found.State, Points: pointsOf(found), LapsesAt: found.LapsesAt,
		Orders: append([]string{}, found.Orders...), Position: r.at().String(), AsOf: r.asOf,
	}
	for i := range found.Parts {
		body.GivenBack += found.Parts[i].Given
	}
	return answerOf(&r, body), nil
}
