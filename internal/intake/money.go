package intake

import (
	"fmt"
	"math"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// numberFormat says how an export writes numbers.
type numberFormat struct {
	decimal   byte   // '.' or ','
	thousands string // between groups of three digits; "" when there is nothing
	exponent  int    // decimals of the currency
}

// split takes a number apart: its sign, and its digits before and after the decimal point, or ok is false.
func (f numberFormat) split(s string) (negative bool, whole, fraction string, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	whole, fraction, _ = strings.Cut(digits, string(f.decimal))
	if f.thousands != "" && strings.Contains(whole, f.thousands) {
		groups := strings.Split(whole, f.thousands)
		for i, g := range groups {
			if len(g) != 3 && (i > 0 || len(g) == 0 || len(g) > 3) {
				return false, "", "", false
			}
		}
		whole = strings.Join(groups, "")
	}
	return negative, whole, fraction, whole+fraction != "" && allDigits(whole) && allDigits(fraction)
}

func (f numberFormat) noMoney(s string) error {
	return fmt.Errorf("%q is no amount of money: want digits and at most one %q, such as 12%c50%s", clip(s), f.decimal, f.decimal, f.hint(s))
}

// hint says what a map can do about signs between thousands.
func (f numberFormat) hint(s string) string {
	if f.thousands != "" {
		return fmt.Sprintf(", and %q between thousands", f.thousands)
	}
	for _, sign := range []string{",", ".", "'", "’", " ", "\u00a0", "\u202f"} {
		for _, f := range []numberFormat{{decimal: f.decimal, thousands: sign}, {decimal: '.' + ',' - f.decimal, thousands: sign}} {
			if _, _, _, ok := f.split(s); ok && strings.Contains(s, sign) && sign != string(f.decimal) {
				return fmt.Sprintf("; if %q is between thousands, write thousands: %q and decimal: %q in the map", sign, sign, string(f.decimal))
			}
		}
	}
	return ""
}

// money reads a decimal amount in major units, exactly. More decimals than the currency has are an error unless they
// are zeros: half cents must not be lost silently.
func (f numberFormat) money(s string) (events.Money, error) {
	text := strings.TrimSpace(s)
	negative, whole, fraction, ok := f.split(text)
	if !ok {
		return 0, f.noMoney(text)
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
	n, err := numberFormat{decimal: f.decimal, thousands: f.thousands}.money(s)
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
