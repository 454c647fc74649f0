package loyalty_test

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// parseStory reads "TIME [CUSTOMER] VERB ARGUMENTS", as testdata/README describes.
func parseStory(line, id string) (events.Event, error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return nil, errors.New("want TIME CUSTOMER VERB")
	}
	stamp := words[0]
	if !strings.Contains(stamp, "T") {
		stamp += "T12:00:00Z"
	}
	at, err := events.ParseInstant(stamp)
	if err != nil {
		return nil, err
	}
	if words[1] == "tick" {
		return &events.Tick{Header: events.Header{ID: id, At: at}}, nil
	}
	if len(words) < 3 {
		return nil, errors.New("want TIME CUSTOMER VERB")
	}
	s := story{head: events.Header{ID: id, Customer: words[1], At: at}, options: map[string]string{}}
	for _, w := range words[3:] {
		if name, value, ok := strings.Cut(w, "="); ok {
			s.options[name] = value
		} else {
			s.args = append(s.args, w)
		}
	}
	if as := s.options["as"]; as != "" {
		s.head.ID = as
	}
	e, err := s.event(words[2])
	if err == nil {
		err = s.err
	}
	return e, err
}

type story struct {
	head    events.Header
	args    []string
	options map[string]string
	err     error
}

func (s *story) arg(i int) string {
	if i >= len(s.args) {
		return ""
	}
	return s.args[i]
}

func (s *story) money(text string) events.Money {
	if text == "" {
		return 0
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		s.err = fmt.Errorf("%q is no amount", text)
		return 0
	}
	return events.Money(r.Mul(r, big.NewRat(100, 1)).Num().Int64())
}

func (s *story) int(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		s.err = err
	}
	return n
}

func (s *story) event(verb string) (events.Event, error) {
	h := s.head
	switch verb {
	case "order":
		return s.order(), nil
	case "return":
		return s.returned(), nil
	case "fulfil":
		return &events.OrderFulfilled{Header: h, Order: s.arg(0)}, nil
	case "cancel":
		return &events.OrderCancelled{Header: h, Order: s.arg(0)}, nil
	case "redeem":
		return &events.RedemptionRequested{Header: h, Redemption: s.arg(0), Points: events.Points(s.int(s.arg(1))),
			Order: s.options["order"], OrderTotal: s.money(s.options["total"]), Reward: s.options["reward"]}, nil
	case "confirm":
		e := &events.RedemptionConfirmed{Header: h, Redemption: s.arg(0), Order: s.options["order"]}
		if s.arg(1) != "" {
			n := events.Points(s.int(s.arg(1)))
			e.Points = &n
		}
		return e, nil
	case "refund":
		return &events.RedemptionCancelled{Header: h, Redemption: s.arg(0)}, nil
	case "adjust":
		return &events.PointsAdjusted{Header: h, Points: s.int(s.arg(0)), Reason: "case", Actor: "case"}, nil
	case "transfer":
		return &events.TransferRequested{Header: h, Transfer: s.arg(0), To: s.arg(1), Points: events.Points(s.int(s.arg(2)))}, nil
	case "merge":
		return &events.AccountsMerged{Header: h, Into: s.arg(0)}, nil
	case "erase":
		return &events.ErasureRequested{Header: h}, nil
	case "register":
		return &events.AccountRegistered{Header: h, ReferredBy: s.options["by"]}, nil
	case "consent":
		tracking := s.arg(0) == "tracking"
		return &events.ConsentChanged{Header: h, Consent: events.Consent{Tracking: &tracking}}, nil
	case "installs-app":
		return &events.AppInstalled{Header: h}, nil
	case "approve":
		return &events.ReviewApproved{Header: h, Review: events.Review{Review: s.arg(0)}}, nil
	case "remove":
		return &events.ReviewRemoved{Header: h, Review: events.Review{Review: s.arg(0)}}, nil
	case "complaint":
		return &events.ComplaintResolved{Header: h, Complaint: s.arg(0), GoodwillPoints: s.int(s.arg(1))}, nil
	default:
		return nil, fmt.Errorf("unknown verb %q", verb)
	}
}

// order reads ORDER LINE…, a line being AMOUNT, or ID:AMOUNT[:CATEGORY[:DISCOUNT]].
func (s *story) order() events.Event {
	e := &events.OrderPlaced{Header: s.head, Order: s.arg(0), Currency: "USD", Channel: s.options["channel"],
		OrderDiscount: s.money(s.options["discount"]), Tax: s.money(s.options["tax"]), Shipping: s.money(s.options["shipping"]),
		PaidPoints: s.money(s.options["paid"]), Redemption: s.options["redemption"]}
	if c := s.options["currency"]; c != "" {
		e.Currency = c
	}
	for i, text := range s.args[1:] {
		parts := strings.Split(text, ":")
		l := events.Line{Line: strconv.Itoa(i + 1), SKU: "sku", Quantity: 1}
		if len(parts) > 1 {
			l.Line, parts = parts[0], parts[1:]
		}
		l.Amount = s.money(parts[0])
		if len(parts) > 1 {
			l.Category = parts[1]
		}
		if len(parts) > 2 {
			l.Discount = s.money(parts[2])
		}
		e.Lines = append(e.Lines, l)
	}
	return e
}

// returned reads ORDER RETURN [LINE:AMOUNT…]; without lines all of it comes back.
func (s *story) returned() events.Event {
	e := &events.OrderReturned{Header: s.head, Order: s.arg(0), Return: s.arg(1)}
	for _, text := range s.args[2:] {
		line, amount, _ := strings.Cut(text, ":")
		e.Lines = append(e.Lines, events.ReturnedLine{Line: line, Amount: s.money(amount)})
	}
	return e
}
