package program

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

const (
	nameBytesMax   = 128
	numberBytesMax = 40
	// durationDaysMax keeps dates within what four digits of a year can say.
	durationDaysMax = 36_525
)

// scalar checks the text of v by its spec and fills in what it means.
func (r *reader) scalar(v *value, example string) {
	bad := func(suggestion, format string, args ...any) {
		v.bad = true
		r.add(v.node, v.path, suggestion, format, args...)
	}
	switch v.spec.kind {
	case kindName:
		if p := nameProblem(v.text); p != "" {
			bad("for example "+example, "%q %s", v.text, p)
		}
	case kindText, kindCondition, kindDate:
		if strings.TrimSpace(v.text) == "" {
			bad("for example "+example, "is empty")
		}
	case kindNumber, kindWhole:
		r.number(v)
	case kindAmount:
		if looksLikeNumber.MatchString(v.text) {
			r.number(v)
		}
	case kindDuration:
		r.duration(v)
	case kindMonthDay:
		if _, _, ok := monthDay(v.text); !ok {
			bad(`for example "12-31"`, "%q is not a date of the form MM-DD", v.text)
		}
	case kindChoice:
		if !slices.Contains(v.spec.choices, v.text) {
			r.notAChoice(v)
		}
	case kindFlag:
		if v.text != "true" && v.text != "false" {
			hint := map[string]string{"yes": "write true", "on": "write true", "no": "write false", "off": "write false"}[strings.ToLower(v.text)]
			bad(hint, "%q is neither true nor false", v.text)
		}
	case kindMapping, kindList, kindRates, kindForms:
		panic("program: not a scalar")
	}
}

func (r *reader) notAChoice(v *value) {
	v.bad = true
	hint := didYouMean(v.text, v.spec.choices)
	// Only event types are so many that their list would hide what the problem is.
	if len(v.spec.choices) > 8 {
		message, others := "unknown event type %q", "known are "
		if events.New(events.Type(v.text)) != nil {
			message, others, hint = "no points are earned on %s", "they are on ", ""
		}
		if hint == "" {
			hint = others + strings.Join(v.spec.choices, ", ")
		}
		r.add(v.node, v.path, hint, message, v.text)
		return
	}
	r.add(v.node, v.path, hint, "%q is not %s", v.text, oneOf(v.spec.choices))
}

// nameProblem says why s is no name, or "".
func nameProblem(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > nameBytesMax:
		return "is longer than " + strconv.Itoa(nameBytesMax) + " bytes"
	case strings.TrimSpace(s) != s:
		return "begins or ends with a space"
	case strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }):
		return "has characters that cannot be printed"
	default:
		return ""
	}
}

var (
	decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	// looksLikeNumber tells a number, perhaps a badly written one, from an expression.
	looksLikeNumber = regexp.MustCompile(`^\s*[-+$€£]?\s*\.?[0-9][0-9_.,]*\s*%?\s*$`)
)

// otherNotation is 1e4, 0x1F, 0o17.
var otherNotation = regexp.MustCompile(`^[-+]?([0-9.]+[eE][-+]?[0-9]+|0[xXoObB][0-9a-fA-F]+)$`)

// number reads an exact decimal.
func (r *reader) number(v *value) {
	bad := func(suggestion, format string, args ...any) {
		v.bad = true
		r.add(v.node, v.path, suggestion, format, args...)
	}
	if !decimal.MatchString(v.text) {
		bad(numberHint(v.text), "%q is not a decimal number", shorten(v.text))
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
func numberHint(text string) string {
	t := strings.TrimSpace(text)
	switch percent, isPercent := strings.CutSuffix(t, "%"); {
	case isPercent && decimal.MatchString(strings.TrimSpace(percent)):
		return "write a share as a decimal: 3 % is 0.03"
	case looksLikeNumber.MatchString(t) && decimal.MatchString(strings.Map(digitsOnly, t)):
		return "write " + strings.Map(digitsOnly, t)
	case strings.HasPrefix(t, "."):
		return "write 0" + t
	case otherNotation.MatchString(t):
		return "write all digits in decimal"
	case len(t) > 1 && t[0] == '0':
		return "write it without leading zeros"
	default:
		return ""
	}
}

// digitsOnly drops what groups digits or names a currency.
func digitsOnly(c rune) rune {
	if c == '-' || c == '.' || c >= '0' && c <= '9' || unicode.IsLetter(c) {
		return c
	}
	return -1
}

func shorten(s string) string {
	if c := []rune(s); len(c) > 60 {
		return string(c[:60]) + "…"
	}
	return s
}

// rat reads a decimal of the table.
func rat(text string) *big.Rat {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("program: the table has a number " + text)
	}
	return n
}

var unitWords = []string{"minutes", "hours", "days", "weeks", "months", "years"}

func (r *reader) duration(v *value) {
	if slices.Contains(v.spec.choices, v.text) {
		return
	}
	step, err := loyalty.ParseStep(v.text)
	if err == nil && stepDays(step) > durationDaysMax {
		v.bad = true
		r.add(v.node, v.path, "", "%s is longer than a hundred years", v.text)
		return
	}
	if err == nil {
		v.step = step
		return
	}
	v.bad = true
	hint, words := "", strings.Fields(v.text)
	switch {
	case len(words) == 2 && strings.Contains(words[0], ".") && decimal.MatchString(words[0]):
		hint = "write a whole number of a smaller unit"
	case len(words) == 2 && decimal.MatchString(words[0]):
		hint = didYouMean(words[1], unitWords)
	case len(words) == 1 && decimal.MatchString(v.text):
		hint = "write the unit too: " + v.text + " days"
	case len(words) == 1 && len(v.spec.choices) > 0:
		hint = didYouMean(v.text, v.spec.choices)
	}
	r.add(v.node, v.path, hint, "%v", err)
}

// stepDays is about how many days s is.
func stepDays(s loyalty.Step) int64 {
	switch s.Unit {
	case loyalty.Minutes:
		return s.N / 1440
	case loyalty.Hours:
		return s.N / 24
	case loyalty.Days:
		return s.N
	case loyalty.Weeks:
		return s.N * 7
	case loyalty.Months:
		return s.N * 365 / 12
	case loyalty.Years:
		return s.N * 365
	default:
		panic("program: unknown unit")
	}
}

// monthDay reads MM-DD; 29 February is one.
func monthDay(s string) (month, day int, ok bool) {
	if len(s) != 5 || s[2] != '-' {
		return 0, 0, false
	}
	month, err1 := strconv.Atoi(s[:2])
	day, err2 := strconv.Atoi(s[3:])
	if err1 != nil || err2 != nil || month < 1 || month > 12 || day < 1 {
		return 0, 0, false
	}
	days := [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	return month, day, day <= days[month-1]
}
