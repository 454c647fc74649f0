package intake

import (
	"fmt"
	"math"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// numberFormat says how an export writes numbers.
type numberFormat struct {
	decimal  byte // '.' or ','
	exponent int  // decimals of the currency
}

// money reads a decimal amount in major units, exactly. More decimals than the currency has are an error unless they
// are zeros: half cents must not be lost silently.
func (f numberFormat) money(s string) (events.Money, error) {
	text := strings.TrimSpace(s)
	digits, negative := strings.CutPrefix(text, "-")
	if !negative {
		digits = strings.TrimPrefix(text, "+")
	}
	whole, fraction, _ := strings.Cut(digits, string(f.decimal))
	if whole == "" && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return 0, fmt.Errorf("%q is no amount of money: want digits and at most one %q, such as 12%c50", clip(s), f.decimal, f.decimal)
	}
	if len(fraction) > f.exponent {
		if strings.Trim(fraction[f.exponent:], "0") != "" {
			return 0, fmt.Errorf("%q has more decimals than the currency, which has %d", clip(s), f.exponent)
		}
		fraction = fraction[:f.exponent]
	}
	fraction += strings.Repeat("0", f.exponent-len(fraction))
	n, ok := parseDigits(whole + fraction)
	if !ok {
		return 0, fmt.Errorf("%q is too large an amount", clip(s))
	}
	if negative {
		n = -n
	}
	return events.Money(n), nil
}

// integer reads a whole number; zeros after the decimal point don't hurt.
func (f numberFormat) integer(s string) (int64, error) {
	n, err := numberFormat{decimal: f.decimal}.money(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", clip(s))
	}
	return int64(n), nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func parseDigits(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		d := int64(s[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = 10*n + d
	}
	return n, true
}

// clip shortens text from a file for a message.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// ParseMoney reads an amount in major units of a currency with so many decimals, exactly.
func ParseMoney(s string, decimals int) (events.Money, error) {
	return numberFormat{decimal: '.', exponent: decimals}.money(s)
}
