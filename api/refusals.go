package api

import (
	"fmt"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// lower makes a reason of a result that has none of its own.
func lower(r events.Result) Reason { return Reason(strings.ToLower(string(r))) }

// reasonOf is why a decision is what it is, as a code; "" when it simply was carried out.
func reasonOf(d *events.Decision) Reason {
	if d.Reason != "" {
		return Reason(d.Reason)
	}
	switch d.Result {
	case events.Applied, events.Nothing:
		return ""
	case events.Holdout, events.Duplicate, events.Conflict, events.Refused, events.Stale, events.Future, events.Waiting,
		events.Held, events.Forwarded, events.Unreadable, events.Parked:
	}
	return lower(d.Result)
}

// declined says why the rules said no, and by which of their numbers.
func (s *Server) declined(place Place, c command, d *events.Decision) *Problem {
	p := Declined(d)
	if detail := s.bound(place, c, d); detail != "" {
		p.Detail = detail
	}
	*p.Balance = s.balanceAfter(d)
	return p
}

// Declined is what a decision that did not carry out what was asked for says to who asked.
func Declined(d *events.Decision) *Problem {
	reason, ref, balance := reasonOf(d), refTo(d), d.Balance
	p := problem(reason, "%s", reason.words())
	p.Position, p.Decision, p.Balance = after(d), &ref, &balance
	return p
}

// bound words a refusal with the number that the command did not keep to, of the program that decided; "" where there is
// none.
func (s *Server) bound(place Place, c command, d *events.Decision) string {
	switch e := c.event.(type) {
	case *events.RedemptionRequested:
		if program := s.parts.Programs.History().Version(d.Program.Version); program != nil {
			return boundWords(reasonOf(d), program, e)
		}
	case *events.RedemptionConfirmed:
		if d.Reason != "invalid_points" {
			break
		}
		if r, p := s.redemption(place, d.Customer, e.Redemption); p == nil && r != nil && r.State == events.StateReserved {
			return fmt.Sprintf("the redemption has %s reserved: confirm 1 to %d", count(pointsOf(r)), pointsOf(r))
		}
	default:
	}
	return ""
}

// refuseFree refuses points for an order that costs nothing, where points may pay no more than a share of it. A redemption
// that there is already is left to the rules.
func (s *Server) refuseFree(place Place, c command) *Problem {
	e, ok := c.event.(*events.RedemptionRequested)
	if !ok || !c.free || e.Points <= 0 {
		return nil
	}
	program := s.parts.Programs.History().At(e.At)
	if program == nil || program.Redemption.MaxShare == nil {
		return nil
	}
	r, p := s.redemption(place, e.Customer, e.Redemption)
	if p != nil || r != nil && r.State != "" {
		return p
	}
	return problem("over_max_share", "%s", boundWords("over_max_share", program, e))
}

// words explains the reason of a decision to people, and what can be done.
func (r Reason) words() string {
	if text := redemptionWords(r); text != "" {
		return text
	}
	if text := eventWords(r); text != "" {
		return text
	}
	return strings.ReplaceAll(string(r), "_", " ")
}

func redemptionWords(r Reason) string {
	switch r {
	case "balance_too_low":
		return "the customer has fewer spendable points than that"
	case "below_minimum":
		return "the program sets a higher minimum for one redemption"
	case "not_a_step":
		return "the program redeems points in steps only: choose a multiple of its step"
	case "over_max_share":
		return "points may pay only a share of an order, and this is more: redeem fewer"
	case "invalid_points":
		return "the number of points is not one that this can take"
	case "unknown_reward":
		return "the program has no such reward"
	case "reward_points_differ":
		return "the reward costs another number of points"
	case "tier_too_low":
		return "the reward is for higher tiers"
	case "under_review":
		return "the account is under review: somebody must clear it first"
	case ReasonUnknownRedemption:
		return "the customer has no such redemption"
	case "redemption_confirmed":
		return "the redemption was confirmed before"
	case "redemption_cancelled":
		return "the redemption was cancelled before"
	case "redemption_lapsed":
		return "the reservation had lapsed before"
	case "reservation_lapsed":
		return "the reservation has lapsed, its points are free again: redeem anew"
	case "reservation_cancelled":
		return "the redemption was cancelled, its points are free again: redeem anew"
	case "duplicate_redemption":
		return "a redemption with this id exists already"
	default:
		return ""
	}
}

// boundWords is [Reason.words] for a request that broke a bound of p, with the bound.
func boundWords(r Reason, p *loyalty.Program, e *events.RedemptionRequested) string {
	switch r {
	case "below_minimum", "invalid_points":
		return fmt.Sprintf("the program sets a minimum of %s for one redemption", count(p.Redemption.Minimum))
	case "not_a_step":
		return fmt.Sprintf("the program redeems points in steps of %d only: choose a multiple of it", p.Redemption.Step)
	case "over_max_share":
		most, _ := p.Payable(e.OrderTotal)
		return fmt.Sprintf("points may pay %s of an order, and of a total of %d minor units in %s that is %s at most: redeem fewer",
			decimal(p.Redemption.MaxShare), e.OrderTotal, p.Currency, count(most))
	case "reward_points_differ":
		for i := range p.Rewards {
			if reward := &p.Rewards[i]; reward.ID == e.Reward {
				return fmt.Sprintf("the reward costs %s", count(reward.Points))
			}
		}
	default:
	}
	return ""
}

func eventWords(r Reason) string {
	switch r {
	case ReasonConflict:
		return "the event's id was used for something else before: send a new id"
	case "duplicate_event":
		return "the same event was decided before, it does not count twice"
	case "duplicate_order":
		return "the order was counted under another event before"
	case "duplicate_return":
		return "the return was counted under another event before"
	case "duplicate_transfer":
		return "the transfer was made under another event before"
	case "duplicate_review":
		return "the review was counted under another event before"
	case "duplicate_complaint":
		return "the complaint was counted under another event before"
	case "duplicate_referral":
		return "the referral was rewarded before"
	case "duplicate_merge":
		return "the accounts were merged before"
	case "capped":
		return "a cap left no room: it counts anew in the next period"
	case "limit_reached":
		return "the rules that match were granted as often as their limits allow"
	case "order_unknown":
		return "its order has not come yet"
	case "order_cancelled":
		return "the order was cancelled before"
	case "order_ended":
		return "nothing is left of the order"
	case "order_fulfilled":
		return "the order was fulfilled before"
	case "unknown_line":
		return "the return names a line that the order does not have"
	case "invalid_order":
		return "the order names a line twice, or has a negative amount"
	case "invalid_return":
		return "the return has a negative amount"
	case "unknown_currency":
		return "the program has no rate for the order's currency"
	case "review_removed":
		return "the review was removed before"
	case "overflow":
		return "the number is too large"
	case "older_than_accepted", "stale":
		return "it is older than the program accepts"
	case "ahead_of_clock", "future":
		return "its time is more than a day ahead of the clock"
	case "control_group", "holdout":
		return "the customer is in the control group, which earns nothing"
	case "no_tracking_consent":
		return "the customer has not agreed to tracking, so this earns nothing"
	case ReasonErased:
		return "this customer was erased"
	case ReasonAccountMerged, "forwarded":
		return "this customer was merged into another, who is asked instead"
	case "merge_into_self", "transfer_to_self":
		return "both customers are the same"
	case "merged_in_a_circle":
		return "the accounts were merged into one another: merge the survivor"
	case "unreadable":
		return "the record could not be read; it is among the dead letters"
	case "invariant_broken", "decision_panicked":
		return "accrue could not decide it, and keeps it: this is a bug, report it with the decision"
	case "parked", "behind_parked":
		return "the customer's events wait until an operator has looked at the account"
	case "held":
		return "a fraud rule holds the points until somebody has looked"
	default:
		return ""
	}
}
