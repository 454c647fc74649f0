package loyalty

import (
	"fmt"

	"github.com/accrue-loyalty/accrue/events"
)

// Invalid returns the reason for which e is refused under every program, a return once its order is there, because of what
// it holds alone, and says for people which field is wrong; "" when that takes more to tell.
func Invalid(e events.Event) (reason, what string) {
	switch e := e.(type) {
	case *events.OrderPlaced:
		if e.Order != visibleOrder(e.Order) {
			return "invalid_order", "order: begins with a zero byte"
		}
		for i := range e.Lines {
			switch field := wrongLine(e.Lines, i); field {
			case "":
			case lineTwice:
				id, _ := firstTwice(e.Lines)
				return "invalid_order", fmt.Sprintf("line %q: is there twice", id)
			case lineAmount:
				return "invalid_order", fmt.Sprintf("line %q: %s: is negative; what came back is an OrderReturned of its own", e.Lines[i].Line, field)
			default:
				return "invalid_order", fmt.Sprintf("line %q: %s: is negative; it is written without a sign", e.Lines[i].Line, field)
			}
		}
		if field := negativeTotal(e); field != "" {
			return "invalid_order", field + ": is negative; it is written without a sign"
		}
	case *events.OrderReturned:
		for i := range e.Lines {
			if l := &e.Lines[i]; l.Amount < 0 {
				return "invalid_return", fmt.Sprintf("line %q: %s: is negative; what comes back is written without a sign", l.Line, lineAmount)
			}
		}
	default: // the others depend on the account
	}
	return "", ""
}

// The fields of a line that can be wrong.
const (
	lineTwice    = "line"
	lineAmount   = "amount_minor"
	lineDiscount = "discount_minor"
)

// wrongLine returns the field for which an order with line i is refused, or "".
func wrongLine(lines []events.Line, i int) string {
	switch l := &lines[i]; {
	case l.Amount < 0:
		return lineAmount
	case l.Discount < 0:
		return lineDiscount
	case repeated(lines, i):
		return lineTwice
	default:
		return ""
	}
}

// negativeTotal returns the field of the whole order that is negative, or "".
func negativeTotal(e *events.OrderPlaced) (field string) {
	switch {
	case e.OrderDiscount < 0:
		field = "order_discount_minor"
	case e.Tax < 0:
		field = "tax_minor"
	case e.Shipping < 0:
		field = "shipping_minor"
	case e.PaidPoints < 0:
		field = "paid_points_minor"
	}
	return field
}

// repeated reports whether line i's id stands before it. Orders of many lines are looked up in a map, for the first line.
func repeated(lines []events.Line, i int) bool {
	if len(lines) > 32 {
		if i > 0 {
			return false
		}
		_, ok := firstTwice(lines)
		return ok
	}
	for j := range i {
		if lines[j].Line == lines[i].Line {
			return true
		}
	}
	return false
}

// firstTwice returns the first line id that has stood there before.
func firstTwice(lines []events.Line) (id string, ok bool) {
	ids := make(map[string]struct{}, len(lines))
	for i := range lines {
		ids[lines[i].Line] = struct{}{}
		if len(ids) == i {
			return lines[i].Line, true
		}
	}
	return "", false
}
