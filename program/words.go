package program

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func pick(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// sourceText returns the expression that something was compiled from; "" for none.
func sourceText(x any) string {
	if s, ok := x.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}

// decimalText writes r with all its decimals, at least as many as given; "" for nil. What a program holds has finitely
// many, because it was written as a decimal.
func decimalText(r *big.Rat, decimals int) string {
	if r == nil {
		return ""
	}
	n, exact := r.FloatPrec()
	if !exact {
		return r.RatString()
	}
	return r.FloatString(max(n, decimals))
}

// money writes an amount in minor units as major units of the program's currency.
func money(p *loyalty.Program, minor *big.Rat) string {
	if minor == nil {
		return ""
	}
	return decimalText(new(big.Rat).Mul(minor, pow10(-p.Exponent)), p.Exponent) + " " + p.Currency
}

func rateText(p *loyalty.Program, currency string) string {
	exponent, _ := Exponent(currency)
	return decimalText(new(big.Rat).Mul(p.Rates[currency], pow10(exponent-p.Exponent)), 0) + " " + p.Currency
}

func shareText(r *big.Rat) string {
	if r == nil {
		return ""
	}
	return decimalText(new(big.Rat).Mul(r, big.NewRat(100, 1)), 0) + " %"
}

func pointsText(n int64) string {
	if n == 1 {
		return "1 point"
	}
	return fmt.Sprintf("%d points", n)
}

func holdText(h loyalty.Hold) string {
	switch {
	case h.UntilFulfilled && h.After.N == 0:
		return "until fulfilment"
	case h.UntilFulfilled:
		return h.After.String() + " after fulfilment"
	case h.After.N == 0:
		return "none"
	default:
		return h.After.String() + " after the event"
	}
}

func expiryText(e loyalty.Expiry) string {
	switch e.Kind {
	case loyalty.Never:
		return "none"
	case loyalty.FixedDate:
		return fmt.Sprintf("every year at the start of %02d-%02d", e.FixedMonth, e.FixedDay)
	case loyalty.Rolling:
	}
	var parts []string
	if e.After.N > 0 {
		parts = append(parts, e.After.String()+" after activation")
	}
	if e.RoundTo != loyalty.PeriodNone {
		parts = append(parts, "at the end of the "+e.RoundTo.String())
	}
	if e.ExtendOnEarn || e.ExtendOnRedeem {
		parts = append(parts, "prolonged by "+strings.Join(strings.Fields(pick(e.ExtendOnEarn, "earning ", "")+pick(e.ExtendOnRedeem, "redeeming", "")), " and "))
	}
	return strings.Join(parts, ", ")
}

func limitText(l loyalty.Limit) string {
	times := pick(l.Times == 1, "once", fmt.Sprintf("%d times", l.Times))
	if l.Every == loyalty.PeriodNone {
		return times
	}
	return times + " a " + l.Every.String()
}

// dateText writes the first instant of a local day as its date, others with their time.
func dateText(p *loyalty.Program, i events.Instant) string {
	if i == 0 {
		return ""
	}
	local := i.Time().In(p.Calendar.Location())
	if p.Calendar.Start(i, loyalty.Day) == i {
		return local.Format(time.DateOnly)
	}
	return local.Format(time.RFC3339Nano)
}
