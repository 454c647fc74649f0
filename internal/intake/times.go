package intake

import (
	"errors"
	"fmt"
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// localLayouts are the forms of local times that need no explanation.
var localLayouts = [...]string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"}

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
