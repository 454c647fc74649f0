package intake

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/accrue-loyalty/accrue/events"
)

// localLayouts are the forms of local times that need no explanation. Seconds may have a fraction.
var localLayouts = [...]string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"}

// timeForm is how a shop writes times, if it says so; its zero value is none.
type timeForm struct {
	layout string
	offset bool                  // it ends in one
	epoch  func(int64) time.Time // of numbers; nil for other forms
}

// epochs are the forms of times that are numbers. Which of them a number is can be told by its size, so that a wrong one is
// seen: up to the year 2286 seconds have ten digits, and milliseconds before 2001 have twelve.
var epochs = map[string]func(int64) time.Time{
	"epoch seconds":      func(n int64) time.Time { return time.Unix(n, 0) },
	"epoch milliseconds": time.UnixMilli,
}

// timeParts are the letters of a form, with Go's and with what they stand for; a single one takes one digit or two.
var timeParts = map[string]struct{ layout, part string }{
	"YYYY": {"2006", "year"}, "YY": {"06", "year"},
	"MM": {"01", "month"}, "M": {"1", "month"}, "MMM": {"Jan", "month"}, "MMMM": {"January", "month"}, "DD": {"02", "day"}, "D": {"2", "day"},
	"HH": {"15", "hour"}, "hh": {"15", "hour"}, "H": {"15", "hour"}, "h": {"15", "hour"}, "mm": {"04", "minute"}, "ss": {"05", "second"},
	"AM": {"PM", "half"}, "T": {"T", "T"}, "Z": {"", "offset"},
}

// asSign stands for _ in layouts and texts: in Go's layouts that is padding, or what a number of three digits begins with.
var asSign = strings.NewReplacer("_", "\x1f")

// formOf reads a map's form of times. With something twice, left out of the date, in other letters, or next to what cannot
// be told from it, it would read other times than the shop's, or none.
func formOf(form string) (timeForm, error) {
	if form == "" || epochs[form] != nil {
		return timeForm{epoch: epochs[form]}, nil
	}
	var layout strings.Builder
	seen := map[string]bool{}
	good := true
	before := "" // what another number cannot follow: one digit or two, or the sign of a fraction
	for rest := strings.TrimSpace(form); rest != ""; {
		letters := rest[:runOf(rest)]
		rest = rest[len(letters):]
		if !isLetter(letters[0]) {
			good = good && letters[0] < utf8.RuneSelf && !allDigits(letters)
			layout.WriteString(asSign.Replace(letters))
			if before += letters; before != "ss." && before != "ss," {
				before = ""
			}
			continue
		}
		part, known := timeParts[letters]
		number := part.layout != "" && allDigits(part.layout)
		good = good && known && !seen[part.part] && (part.part != "offset" || rest == "") && (!number || before == "" || before == "ss")
		if before = ""; number && (len(letters) == 1 || letters == "ss") {
			before = letters
		}
		seen[part.part] = true
		layout.WriteString(part.layout)
	}
	for part, before := range map[string]string{"second": "minute", "minute": "hour", "half": "hour"} {
		good = good && (!seen[part] || seen[before])
	}
	if !good || !seen["year"] || !seen["month"] || !seen["day"] {
		return timeForm{}, fmt.Errorf("time: %q is no form of times: want YYYY or YY, MM and DD, then hh or HH (24 hours, 12 with AM after it), mm (minutes) and ss as far as there are any, "+
			"and Z at the end for an offset, each once, with signs, spaces or T between them, and no point or comma between ss and a number; M, D and h take one digit or two, so that no number follows at once; MMM is Nov, MMMM November; or epoch seconds, or epoch milliseconds", form)
	}
	l := layout.String()
	if seen["half"] {
		l = strings.Replace(l, "15", "3", 1)
	}
	return timeForm{layout: strings.TrimRight(l, " "), offset: seen["offset"]}, nil
}

// runOf is how many letters at the beginning are the same, or are AM; 1 for a sign.
func runOf(s string) int {
	if strings.HasPrefix(s, "AM") {
		return 2
	}
	if !isLetter(s[0]) {
		return 1
	}
	return len(s) - len(strings.TrimLeft(s, s[:1]))
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// instant reads a time: RFC 3339, the map's own form, or an ISO date, with or without a time of day and an offset. Without
// an offset it is local to the map's timezone; without a time of day it is the first instant of that date.
func (m *Map) instant(s string) (events.Instant, error) {
	if m.Time != "" {
		return m.formed(s)
	}
	if t, ok := isoLocal(s); ok {
		return m.local(t, s)
	}
	at, err := events.ParseInstant(s)
	if err == nil {
		return at, nil
	}
	if rest, offset, ok := cutOffset(s); ok && len(rest) > len(time.DateOnly) {
		if t, ok := isoLocal(rest); ok {
			return taken(t.Add(-offset), s)
		}
	}
	return 0, fmt.Errorf("%q is no time: want 2026-11-22, 2026-11-22 10:00 or 2026-11-22T10:00:00Z, or say its form in the map's time, such as DD.MM.YYYY", clip(s))
}

// formed reads a time of the map's own form.
func (m *Map) formed(s string) (events.Instant, error) {
	if m.form.epoch != nil {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n >= 1e10 != (m.Time == "epoch milliseconds") {
			return 0, fmt.Errorf("%q is no time in %s", clip(s), m.Time)
		}
		return taken(m.form.epoch(n), s)
	}
	rest, offset, ok := s, time.Duration(0), true
	if m.form.offset {
		rest, offset, ok = cutOffset(s)
	}
	t, err := time.Parse(m.form.layout, asSign.Replace(strings.ToUpper(rest)))
	switch {
	case !ok || err != nil:
		return 0, fmt.Errorf("%q is no time of the form %s", clip(s), m.Time)
	case m.form.offset:
		return taken(t.Add(-offset), s)
	default:
		return m.local(t, s)
	}
}

// isoLocal reads an ISO date, with or without a time of day.
func isoLocal(s string) (time.Time, bool) {
	whole, fraction, some := strings.Cut(s, ".")
	for _, layout := range localLayouts {
		if len(whole) == len(layout) && (!some || len(layout) == len(time.DateTime) && fraction != "" && allDigits(fraction)) {
			if t, err := time.Parse(layout, s); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// cutOffset takes the offset from UTC off a time's end: Z, UTC, GMT, +01, +0100 or +01:00, with or without a space before.
func cutOffset(s string) (rest string, offset time.Duration, ok bool) {
	for _, zero := range []string{"Z", "z", "UTC", "GMT"} {
		if rest, ok := strings.CutSuffix(s, zero); ok {
			return strings.TrimRight(rest, " "), 0, true
		}
	}
	i := strings.LastIndexAny(s, "+-")
	if i < 0 {
		return s, 0, false
	}
	digits := s[i+1:]
	if len(digits) == len("01:00") && digits[2] == ':' {
		digits = digits[:2] + digits[3:]
	}
	if len(digits) == len("01") {
		digits += "00"
	}
	n, good := parseDigits(digits)
	if len(digits) != len("0100") || !allDigits(digits) || !good || n > 1400 || n%100 > 59 {
		return s, 0, false
	}
	offset = time.Duration(n/100)*time.Hour + time.Duration(n%100)*time.Minute
	if s[i] == '-' {
		offset = -offset
	}
	return strings.TrimRight(s[:i], " "), offset, true
}

// errNoTimezone is about a file as a whole: all of its times would be hours off, and days begin and end at others.
var errNoTimezone = errors.New("has no offset, and the map no timezone to read it in: write the shop's in the map, as timezone: America/New_York, or timezone: UTC")

func (m *Map) local(t time.Time, s string) (events.Instant, error) {
	if m.Timezone == "" {
		return 0, fmt.Errorf("time %q %w", clip(s), errNoTimezone)
	}
	return taken(m.calendar.Wall(t).Time(), s)
}

// taken returns a time as an instant, if events can have it.
func taken(t time.Time, s string) (events.Instant, error) {
	if t.UnixMilli() <= 0 || t.UTC().Year() > 9999 {
		return 0, fmt.Errorf("time %q cannot be taken: want one after 1970-01-01T00:00:00Z and before the year 10000", clip(s))
	}
	return events.InstantOf(t), nil
}
