package loyalty_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// What Invalid finds is what Decide refuses, and the field is named as in the contract.
func TestInvalidSaysWhichFieldIsWrong(t *testing.T) {
	lines := func(n int, more ...events.Line) (all []events.Line) {
		for i := range n {
			all = append(all, events.Line{Line: strconv.Itoa(i), Quantity: 1, Amount: 100})
		}
		return append(all, more...)
	}
	for want, e := range map[string]events.OrderPlaced{
		"":                                    {Order: "o", Lines: lines(50)},
		"order: begins with a zero byte":      {Order: "\x00o", Lines: lines(1)},
		`line "x": amount_minor: is negative`: {Order: "o", Lines: lines(1, events.Line{Line: "x", Amount: -1})},
		`line "x": discount_minor: is`:        {Order: "o", Lines: lines(1, events.Line{Line: "x", Discount: -1})},
		`line "2": is there twice`:            {Order: "o", Lines: lines(3, events.Line{Line: "2"})},
		`line "40": is there twice`:           {Order: "o", Lines: lines(50, events.Line{Line: "40"})},
		"order_discount_minor: is negative":   {Order: "o", Lines: lines(1), OrderDiscount: -1},
		"tax_minor: is negative":              {Order: "o", Lines: lines(1), Tax: -1},
		"shipping_minor: is negative":         {Order: "o", Lines: lines(1), Shipping: -1},
		"paid_points_minor: is negative":      {Order: "o", Lines: lines(1), PaidPoints: -1},
	} {
		e.Header = events.Header{ID: "e", Customer: "ann", At: 1}
		e.Currency = "USD"
		reason, what := loyalty.Invalid(&e)
		if !strings.HasPrefix(what, want) || (what == "") != (want == "") {
			t.Errorf("it says %q, want %q", what, want)
		}
		d, _ := loyalty.Decide(benchRules(t), loyalty.NewAccount("ann"), loyalty.NewMemoryRecords(), loyalty.Input{Event: &e, Clock: 1})
		if refused := d.Result == events.Refused; refused != (reason != "") || refused && d.Reason != reason {
			t.Errorf("%q is %s (%s), and Invalid says %q", want, d.Result, d.Reason, reason)
		}
	}
}
