package events_test

import (
	"testing"

	"github.com/accrue-loyalty/accrue/events"
)

func TestTimesAreThoseOfRFC3339(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-01T09:00:00.123456Z":   "2026-01-01T09:00:00.123Z",
		"2026-01-01t09:00:00.123z":      "2026-01-01T09:00:00.123Z",
		"2026-01-01T09:00:00-05:00":     "2026-01-01T14:00:00.000Z",
		"2016-12-31T23:59:60Z":          "2017-01-01T00:00:00.000Z",
		"2017-01-01T00:59:60.500+01:00": "2017-01-01T00:00:00.500Z",
		"2026-01-01T09:00:60Z":          "",
		"2026-01-01T9:00:00Z":           "",
		"2026-01-01T09:00:00,5Z":        "",
		"2026-01-01 09:00:00Z":          "",
		"2026-01-01T09:00:00":           "",
		"2026-02-30T09:00:00Z":          "",
		"1970-01-01T00:00:00Z":          "",
		"":                              "",
	} {
		got := ""
		if at, err := events.ParseInstant(text); err == nil {
			got = at.String()
		}
		if got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
}
