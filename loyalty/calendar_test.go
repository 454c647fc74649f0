package loyalty_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// The table of a calendar answers like package time, at the changes of the clocks and beyond its years too.
func TestCalendarTableAgreesWithTime(t *testing.T) {
	year := func(y int) int64 { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() }
	calendars := map[string]loyalty.Calendar{}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe",
			"Asia/Tehran", "Pacific/Apia", "Africa/Casablanca", "Africa/Monrovia", "America/Scoresbysund", "Asia/Kathmandu", "UTC"}).Draw(t, "zone")
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := calendars[zone]; !ok {
			calendars[zone] = loyalty.NewCalendar(loc)
		}
		c := calendars[zone]
		plain := c.WithoutTable()
		at := rapid.Int64Range(year(1965), year(2105)).Draw(t, "at")
		if _, end := time.UnixMilli(at).In(loc).ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(t, "near a change") {
			at = end.UnixMilli() + rapid.Int64Range(-30*3_600_000, 30*3_600_000).Draw(t, "off")
		}
		if rapid.IntRange(0, 9).Draw(t, "at the end of 2040") == 0 {
			at = year(2041) + rapid.Int64Range(-50*3_600_000, 50*3_600_000).Draw(t, "from 2041")
		}
		i := events.Instant(at)
		if got, want := c.Wall(time.UnixMilli(at)), plain.Wall(time.UnixMilli(at)); got != want {
			t.Fatalf("the wall clock %s: %s, without the table %s", i, got, want)
		}
		step := loyalty.Step{N: rapid.Int64Range(-40, 40).Draw(t, "n"), Unit: loyalty.Unit(rapid.IntRange(0, 5).Draw(t, "unit"))}
		if got, want := c.Add(i, step), plain.Add(i, step); got != want {
			t.Fatalf("%s and %s: %s, without the table %s", i, step, got, want)
		}
		for p := loyalty.Day; p <= loyalty.Year; p++ {
			if c.Start(i, p) != plain.Start(i, p) || c.Next(i, p) != plain.Next(i, p) || c.Previous(i, p) != plain.Previous(i, p) {
				t.Fatalf("the %s of %s is %s to %s, without the table %s to %s", p, i, c.Start(i, p), c.Next(i, p), plain.Start(i, p), plain.Next(i, p))
			}
		}
	})
}

func TestTheLastDayOf2040Ends(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := events.ParseInstant("2040-12-31T12:00:00Z")
	got := loyalty.NewCalendar(loc).Add(at, loyalty.Step{N: 1, Unit: loyalty.Days})
	if want := "2041-01-01T12:00:00.000Z"; got.String() != want {
		t.Errorf("a day after %s is %s, want %s", at, got, want)
	}
}
