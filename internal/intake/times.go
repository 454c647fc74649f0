package intake

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/accrue-loyalty/accrue/events"
)

// localLayouts are the forms of local times that need no explanation.
var localLayouts = [...]string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"}

// timeLetters are those of a map's own form of times, with Go's; the first three make the date. MM is the month alone.
var timeLetters = [...][2]string{{"YYYY", "2006"}, {"MM", "01"}, {"DD", "02"}, {"HH", "15"}, {"hh", "15"}, {"mm", "04"}, {"ss", "05"}}

// layoutOf returns Go's layout for a form of times, "" for none. With something twice, left out of the date, or in other
// letters, it would read other times than the shop's, or none.
func layoutOf(form string) (string, error) {
	if form == "" {
		return "", nil
	}
	layout, rest, good := form, form, true
	for i, l := range timeLetters {
		n := strings.Count(form, l[0])
		good = good && (n == 1 || n == 0 && i > 2)
		layout, rest = strings.ReplaceAll(layout, l[0], l[1]), strings.ReplaceAll(rest, l[0], "")
	}
	other := func(r rune) bool { return r != 'T' && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	if !good || strings.Count(layout, "15") > 1 || strings.ContainsFunc(rest, other) {
		return "", fmt.Errorf("time: %q is no form of times: want YYYY, MM and DD, then hh or HH (24 hours), mm (minutes) and ss as far as there are any, each once, with signs, spaces or T between them", form)
	}
	return layout, nil
}

// instant reads a time: RFC 3339, the map's own form, or an ISO date, with or without a time of day. Without an
// offset it is local to the map's timezone; without a time of day it is the first instant of that date.
func (m *Map) instant(s string) (events.Instant, error) {
	if m.layout != "" {
		if t, err := time.Parse(m.layout, s); err == nil {
			return m.local(t, s)
		}
		return 0, fmt.Errorf("%q is no time of the form %s", clip(s), m.Time)
	}
	for _, layout := range localLayouts {
		if len(s) == len(layout) {
			if t, err := time.Parse(layout, s); err == nil {
				return m.local(t, s)
			}
		}
	}
	at, err := events.ParseInstant(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no time: want 2026-11-22, 2026-11-22 10:00 or 2026-11-22T10:00:00Z, or say its form in the map's time, such as DD.MM.YYYY", clip(s))
	}
	return at, nil
}

// errNoTimezone is about a file as a whole: all of its times would be hours off, and days begin and end at others.
var errNoTimezone = errors.New("has no offset, and the map no timezone to read it in: write the shop's in the map, as timezone: America/New_York, or timezone: UTC")

func (m *Map) local(t time.Time, s string) (events.Instant, error) {
	if m.Timezone == "" {
		return 0, fmt.Errorf("time %q %w", clip(s), errNoTimezone)
	}
	at := m.calendar.Wall(t)
	if at <= 0 || t.Year() > 9999 {
		return 0, fmt.Errorf("time %q cannot be taken: want one after 1970-01-01T00:00:00Z and before the year 10000", clip(s))
	}
	return at, nil
}
