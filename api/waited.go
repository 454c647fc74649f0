package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Ended is how an event's wait for its order ended.
type Ended struct {
	Result events.Result `json:"result" doc:"What became of the event: APPLIED, or STALE when it had waited too long"`
	Reason string        `json:"reason,omitempty"`
	By     string        `json:"by" doc:"The event, nearly always the order, whose decision ended the wait; or @ and that decision's ledger offset, when the clock did"`
	Offset int64         `json:"offset" doc:"The ledger offset of that decision"`
}

// endedPage is how many decisions after an event that waited are read at once: orders come soon after.
const endedPage = 100

// ended finds the decision that ended the wait of d's event; nil while it waits.
func (s *Server) ended(ctx context.Context, r *reader, d *events.Decision) (*Ended, *Problem) {
	waits := func(e events.Event) bool { return e.Head().ID == d.Cause.Event }
	if d.Result != events.Waiting || slices.ContainsFunc(r.account.Waiting, waits) {
		return nil, nil
	}
	offsets, p := s.offsets(r, d.Customer, d.Offset, 0)
	if p != nil {
		return nil, p
	}
	slices.Reverse(offsets)
	for page := range slices.Chunk(offsets, endedPage) {
		decisions, p := s.decisions(ctx, r.place, page)
		if p != nil {
			return nil, p
		}
		for i := range decisions {
			later := &decisions[i]
			for _, x := range later.Facts.Endings() {
				if x.Event == d.Cause.Event {
					return &Ended{Result: x.Result, Reason: x.Reason, By: explainable(later), Offset: later.Offset}, nil
				}
			}
		}
	}
	return nil, nil
}

// explainable is what a decision is explained by: its event, or its offset.
func explainable(d *events.Decision) string {
	if d.Facts.Type == events.TypeTick {
		return fmt.Sprintf("@%d", d.Offset)
	}
	return d.Cause.Event
}

// waitWords says what became of an event that waited.
func waitWords(x *Ended) string {
	if x == nil {
		return "It waits: " + Reason("order_unknown").words() + "."
	}
	when := "when that came"
	if x.Result == events.Stale {
		when = "by the clock"
	}
	return fmt.Sprintf("It waited for its order, and %s %s%s. See %s, at ledger offset %d.", Visible(endingWords(x.Result)), when,
		whyEnded(x.Reason), Visible(x.By), x.Offset)
}

// endingsWords says what became of the events whose wait d ended; before is the account before d.
func endingsWords(before *loyalty.Account, d *events.Decision) []string {
	var lines []string
	for _, x := range d.Facts.Endings() {
		name := "An event that waited"
		for _, e := range before.Waiting {
			if e.Head().ID == x.Event {
				name = waitingName(e)
			}
		}
		lines = append(lines, fmt.Sprintf("%s (%s) %s%s", name, x.Event, endingWords(x.Result), whyEnded(x.Reason)))
	}
	return lines
}

// waitingName names an event of the kinds that wait for an order.
func waitingName(e events.Event) string {
	switch e := e.(type) {
	case *events.OrderReturned:
		return fmt.Sprintf("Return %s of order %s", e.Return, e.Order)
	case *events.OrderFulfilled:
		return fmt.Sprintf("The fulfilment of order %s", e.Order)
	case *events.OrderCancelled:
		return fmt.Sprintf("The cancellation of order %s", e.Order)
	default:
		return string(e.EventType())
	}
}

func endingWords(r events.Result) string {
	switch r {
	case events.Applied:
		return "was carried out"
	case events.Refused:
		return "was refused"
	case events.Stale:
		return "was dropped"
	case events.Nothing:
		return "changed nothing"
	default:
		return "was not carried out"
	}
}

func whyEnded(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + Reason(reason).words()
}
