package program

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// numberBytesMax is far beyond any number that a program needs.
const numberBytesMax = 40

var (
	decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	// looksLikeNumber tells a number, perhaps a badly written one, from an expression.
	looksLikeNumber = regexp.MustCompile(`^\s*[-+$€£]?\s*\.?[0-9][0-9_.,]*\s*%?\s*$`)
	// otherNotation is 1e4, 0x1F, 0o17.
	otherNotation = regexp.MustCompile(`^[-+]?([0-9.]+[eE][-+]?[0-9]+|0[xXoObB][0-9a-fA-F]+)$`)
	// grouped is a number whose commas can separate thousands (or, in India, lakhs).
	grouped = regexp.MustCompile(`^-?[1-9][0-9]{0,2}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]+)?$`)
	// withUnit is a number and a word: 30 days.
	withUnit = regexp.MustCompile(`^([0-9]+) ?([a-z]+?)s?$`)
)

// number reads an exact decimal.
func (r *reader) number(v *value) {
	bad := func(suggestion, format string, args ...any) {
		v.bad = true
		r.add(v.node, v.path, suggestion, format, args...)
	}
	if !decimal.MatchString(v.text) {
		bad(numberHint(v), "%q is not a decimal number", shorten(v.text))
		return
	}
	if len(v.text) > numberBytesMax {
		bad("", "%s has more than %d digits", shorten(v.text), numberBytesMax)
		return
	}
	n, ok := new(big.Rat).SetString(v.text)
	if !ok {
		bad("", "%q is not a decimal number", v.text)
		return
	}
	_, fraction, _ := strings.Cut(v.text, ".")
	fraction = strings.TrimRight(fraction, "0")
	switch s := v.spec; {
	case s.kind == kindWhole && !n.IsInt():
		bad("", "%s is not a whole number", v.text)
	case s.kind == kindWhole && !n.Num().IsInt64():
		bad("", "%s is too large", v.text)
	case s.decimals > 0 && len(fraction) > s.decimals:
		bad("", "%s has more than %d decimals", v.text, s.decimals)
	case s.low != "" && s.above && n.Cmp(rat(s.low)) <= 0:
		bad("", "%s must be more than %s", v.text, s.low)
	case s.low != "" && n.Cmp(rat(s.low)) < 0:
		bad("", "%s must be at least %s", v.text, s.low)
	case s.high != "" && n.Cmp(rat(s.high)) > 0:
		hint := ""
		if s.high == "1" {
			hint = "a share is written as a decimal: 3 % is 0.03"
		}
		bad(hint, "%s must be at most %s", v.text, s.high)
	default:
		v.number = n
	}
}

// numberHint says how a number that people write otherwise is written here.
func numberHint(v *value) string {
	t := strings.TrimSpace(v.text)
	if len(t) > numberBytesMax {
		return ""
	}
	if number, ok := strings.CutSuffix(t, "%"); ok {
		return percentHint(v.spec, number)
	}
	may := readings(t)
	switch unit := withUnit.FindStringSubmatch(t); {
	case unit != nil && strings.HasSuffix(v.path, unit[2]+"s"):
		return "write " + unit[1]
	case unit != nil && slices.Contains(unitWords, unit[2]+"s"):
		return "write a number without a unit"
	case len(may) > 0 && (strings.Contains(t, ",") || strings.Count(t, ".") > 1):
		if v.spec.kind == kindWhole {
			may = may[:1]
		}
		return "decimals take a point, and thousands no separator: write " + oneOf(may)
	case len(may) > 0:
		return "write " + may[0]
	case strings.HasPrefix(t, "."):
		return "write 0" + t
	case otherNotation.MatchString(t):
		return "write all digits in decimal"
	case len(t) > 1 && t[0] == '0' && strings.Trim(t, "0123456789.") == "":
		return "write it without leading zeros"
	default:
		return ""
	}
}

// percentHint says how so many percent are written: as a share, but for the one key that is in percent itself.
func percentHint(s *spec, percent string) string {
	may := readings(percent)
	switch {
	case s.kind == kindWhole:
		return "write a whole number"
	case len(may) != 1:
		return ""
	case s.percent:
		return "write " + may[0] + ": it is in percent"
	default:
		return fmt.Sprintf("write a share as a decimal: %s %% is %s", may[0], decimalText(new(big.Rat).Quo(rat(may[0]), rat("100")), 0))
	}
}

// readings returns the numbers that a text may mean which has currency signs or separators, in our notation. What commas
// are depends on the country: "1,000" is a thousand, or one with three decimals; "1,5" can only be the latter.
func readings(text string) []string {
	if !looksLikeNumber.MatchString(text) {
		return nil
	}
	english := strings.Map(numberOnly, text)
	if decimal.MatchString(english) {
		return []string{english}
	}
	var may []string
	for _, t := range []string{english, strings.NewReplacer(",", ".", ".", ",").Replace(english)} {
		if decimal.MatchString(t) || grouped.MatchString(t) {
			may = append(may, strings.ReplaceAll(t, ",", ""))
		}
	}
	return may
}

// numberOnly drops currency signs, spaces and the underscores that programmers group digits with.
func numberOnly(c rune) rune {
	if strings.ContainsRune("-.,0123456789", c) {
		return c
	}
	return -1
}

// rat reads a decimal of the table.
func rat(text string) *big.Rat {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("program: the table has a number " + text)
	}
	return n
}
