package program

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func (b *builder) hold(v *value) loyalty.Hold {
	switch {
	case !v.ok():
		return loyalty.Hold{}
	case v.spec.kind == kindDuration:
		return loyalty.Hold{After: v.step}
	case v.lacks("days", "until"):
		b.problem(v, "write "+holdSpec.samples, "days is missing")
	}
	return loyalty.Hold{UntilFulfilled: v.has("until"), After: loyalty.Step{N: v.get("days").int(), Unit: loyalty.Days}}
}

var roundTo = map[string]loyalty.Period{
	"end_of_day": loyalty.Day, "end_of_week": loyalty.Week, "end_of_month": loyalty.Month, "end_of_year": loyalty.Year,
}

func (b *builder) expiry(v *value) loyalty.Expiry {
	if !v.ok() || v.spec.kind == kindChoice {
		return loyalty.Expiry{}
	}
	if v.has("fixed_date") {
		for _, other := range []string{"after", "round_to", "inactivity"} {
			if v.has(other) {
				b.keyProblem(v, other, "keep one of them", "cannot be combined with fixed_date")
			}
		}
		month, day, _ := events.ParseMonthDay(v.get("fixed_date").word())
		return loyalty.Expiry{Kind: loyalty.FixedDate, FixedMonth: month, FixedDay: day}
	}
	if v.lacks("after", "round_to", "fixed_date") {
		b.problem(v, "write "+expirySpec.samples, "after is missing")
		return loyalty.Expiry{}
	}
	e := loyalty.Expiry{Kind: loyalty.Rolling, RoundTo: roundTo[v.get("round_to").word()]}
	if after := v.get("after"); after.ok() {
		e.After = after.step
		if e.After.N == 0 && !v.has("round_to") {
			b.problem(after, "write expiry: none for points that never expire", "must be more than 0")
		}
	}
	b.inactivity(v, &e)
	return e
}

func (b *builder) inactivity(v *value, e *loyalty.Expiry) {
	if !v.has("inactivity") {
		return
	}
	if v.lacks("after") {
		b.keyProblem(v, "inactivity", "for example {after: 12 months, inactivity: {extend_on: [earn, redeem]}}", "needs after")
	}
	for _, on := range v.get("inactivity").get("extend_on").list() {
		switch {
		case on.word() == "earn" && !e.ExtendOnEarn:
			e.ExtendOnEarn = true
		case on.word() == "redeem" && !e.ExtendOnRedeem:
			e.ExtendOnRedeem = true
		case on.ok():
			b.problem(on, "remove one", "%s is written twice", on.text)
		}
	}
}

// instant reads a date, which is its first instant in the program's timezone, or a time with its offset.
func (b *builder) instant(v *value) events.Instant {
	if !v.ok() {
		return 0
	}
	const hint = "write 2026-11-01 or 2026-11-01T10:00:00+01:00"
	if len(v.text) == len("2006-01-02") {
		if d, err := time.Parse(time.DateOnly, v.text); err == nil && d.Year() >= 1970 {
			if i := b.p.Calendar.Wall(d); i > 0 {
				return i
			}
		}
	} else if strings.ContainsAny(v.text, "tT") {
		if i, err := events.ParseInstant(strings.ToUpper(v.text)); err == nil {
			return i
		}
	}
	v.bad = true
	if days := daysOfMonth(v.text); days != "" {
		b.problem(v, "", "%s is no date: %s", strconv.Quote(shorten(v.text)), days)
		return 0
	}
	b.problem(v, hint, "%s is not a date after 1970 or a time with its offset", strconv.Quote(shorten(v.text)))
	return 0
}

// daysOfMonth says how many days the month has whose end a date is beyond; "" for any other text.
func daysOfMonth(text string) string {
	if len(text) < len(time.DateOnly) {
		return ""
	}
	first, err := time.Parse(time.DateOnly, text[:8]+"01")
	day, notDigits := strconv.ParseUint(text[8:10], 10, 8)
	last := first.AddDate(0, 1, -1).Day()
	if err != nil || notDigits != nil || int(day) <= last {
		return ""
	}
	return fmt.Sprintf("%s has %d days", first.Format("January 2006"), last)
}
