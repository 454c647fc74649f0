package program

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

const (
	nameBytesMax = 128
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
	case kindText, kindCurrency, kindCondition, kindDate:
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
		if _, _, ok := events.ParseMonthDay(v.text); !ok {
			bad(`for example "12-31"`, "%q is not a day of the year in the form MM-DD", v.text)
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

func shorten(s string) string {
	if c := []rune(s); len(c) > 60 {
		return string(c[:60]) + "…"
	}
	return s
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
