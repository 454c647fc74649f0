package loyalty

import (
	"fmt"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// Unit is the unit of a [Step].
type Unit uint8

// The units. Minutes and hours are exact; the others are calendar steps that keep the local time of day.
const (
	Minutes Unit = iota
	Hours
	Days
	Weeks
	Months
	Years
)

var unitNames = [...]string{"minute", "hour", "day", "week", "month", "year"}

// Step is a length of time as people say it: 30 minutes, 12 months.
type Step struct {
	N    int64
	Unit Unit
}

// String returns the form that a program file has.
func (s Step) String() string {
	name := unitNames[s.Unit]
	if s.N != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", s.N, name)
}

// ParseStep is the inverse of String; the unit may be singular or plural.
func ParseStep(text string) (Step, error) {
	var n int64
	var name string
	if _, err := fmt.Sscanf(text, "%d %s", &n, &name); err != nil || n < 0 || n > 1_000_000 || len(strings.Fields(text)) != 2 {
		return Step{}, fmt.Errorf("%q is not a duration such as 30 minutes, 1 day or 12 months", text)
	}
	for i, u := range unitNames {
		if name == u || name == u+"s" {
			return Step{n, Unit(i)}, nil
		}
	}
	return Step{}, fmt.Errorf("%q is not a unit of time: use minutes, hours, days, weeks, months or years", name)
}

// Calendar reckons in the local time of one timezone. The zero Calendar is UTC. It decides itself what a local time
// means that a change of the clocks skips (it moves forward by the gap) or repeats (the first counts), because
// time.Date answers differently east and west of Greenwich.
type Calendar struct {
	loc *time.Location
	// zones is a table of loc, or nil.
	zones *zones
}

// NewCalendar returns the calendar of loc.
func NewCalendar(loc *time.Location) Calendar { return Calendar{loc, newZones(loc)} }

// Location returns the timezone.
func (c Calendar) Location() *time.Location {
	if c.loc == nil {
		return time.UTC
	}
	return c.loc
}

const (
	secondsPerDay = 86_400
	millisPerDay  = secondsPerDay * 1000
	// offsetMax is beyond every offset from UTC that the zone database knows, in seconds.
	offsetMax = 16 * 3600
)

// local returns the wall clock at t as milliseconds since 1970-01-01T00:00 on that clock.
func (c Calendar) local(t events.Instant) int64 {
	if c.loc == nil || c.loc == time.UTC {
		return int64(t)
	}
	if c.zones.covers(int64(t)) {
		return c.zones.local(t)
	}
	_, offset := time.UnixMilli(int64(t)).In(c.loc).Zone()
	return int64(t) + int64(offset)*1000
}

// instant is the inverse of local: the first instant with that wall clock, or, in a gap, as much later as the gap is.
func (c Calendar) instant(local int64) events.Instant {
	if c.loc == nil || c.loc == time.UTC {
		return events.Instant(local)
	}
	if c.zones.covers(local) {
		return c.zones.instant(local)
	}
	at := time.UnixMilli(local - offsetMax*1000).In(c.loc)
	for {
		_, offset := at.Zone()
		end := zoneEnd(at)
		t := local - int64(offset)*1000
		if end.IsZero() || t < end.UnixMilli() {
			return events.Instant(t)
		}
		// The next zone begins at end. Where its clock has passed local already, local was skipped.
		_, next := end.Zone()
		if end.UnixMilli()+int64(next)*1000 > local {
			return events.Instant(t)
		}
		at = end
	}
}

// zoneEnd returns when the offset at t ends; zero: never. On the last day of a leap year from 2040 on, package time
// names a moment that has passed: the offset lasts at least as long as that day.
func zoneEnd(t time.Time) time.Time {
	_, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		end = t.Truncate(24 * time.Hour).Add(24 * time.Hour)
	}
	return end
}

// Add returns the instant s after t. Months that are too short end on their last day. A step of 0 returns t.
func (c Calendar) Add(t events.Instant, s Step) events.Instant {
	switch {
	case s.N == 0:
		return t
	case s.Unit == Minutes:
		return t + events.Instant(s.N*60_000)
	case s.Unit == Hours:
		return t + events.Instant(s.N*3_600_000)
	}
	local := c.local(t)
	days, millis := floorDiv(local, millisPerDay)
	switch s.Unit {
	case Days:
		days += s.N
	case Weeks:
		days += 7 * s.N
	case Months:
		days = addMonths(days, s.N)
	case Years:
		days = addMonths(days, 12*s.N)
	case Minutes, Hours:
		panic("loyalty: exact units were handled")
	}
	return c.instant(days*millisPerDay + millis)
}

// Start returns the first instant of the period that holds t.
func (c Calendar) Start(t events.Instant, p Period) events.Instant { return c.periodStart(t, p, 0) }

// Next returns the first instant of the period after the one that holds t.
func (c Calendar) Next(t events.Instant, p Period) events.Instant { return c.periodStart(t, p, 1) }

// Previous returns the first instant of the period before the one that holds t.
func (c Calendar) Previous(t events.Instant, p Period) events.Instant { return c.periodStart(t, p, -1) }

func (c Calendar) periodStart(t events.Instant, p Period, shift int64) events.Instant {
	days, _ := floorDiv(c.local(t), millisPerDay)
	switch p {
	case Day:
		days += shift
	case Week:
		// 1970-01-01 was a Thursday.
		_, weekday := floorDiv(days+3, 7)
		days += 7*shift - weekday
	case Month:
		y, m, _ := civil(days)
		days = daysOf(y, int64(m)+shift, 1)
	case Year:
		y, _, _ := civil(days)
		days = daysOf(y+shift, 1, 1)
	case PeriodNone:
		return 0
	}
	return c.dayStart(days)
}

// NextDate returns the start of the first local date month-day that begins after t. 29 February falls on the 28th in
// years without it.
func (c Calendar) NextDate(t events.Instant, month, day int) events.Instant {
	days, _ := floorDiv(c.local(t), millisPerDay)
	year, _, _ := civil(days)
	for ; ; year++ {
		last := daysOf(year, int64(month)+1, 1) - daysOf(year, int64(month), 1)
		if start := c.dayStart(daysOf(year, int64(month), min(int64(day), last))); start > t {
			return start
		}
	}
}

// dayStart returns the first instant of a local date, which need not be its midnight.
func (c Calendar) dayStart(days int64) events.Instant { return c.instant(days * millisPerDay) }

// Date returns the local date at t.
func (c Calendar) Date(t events.Instant) (year int64, month, day int) {
	days, _ := floorDiv(c.local(t), millisPerDay)
	return civil(days)
}

func addMonths(days, n int64) int64 {
	y, m, d := civil(days)
	first := daysOf(y, int64(m)+n, 1)
	last := daysOf(y, int64(m)+n+1, 1) - first
	return first + min(int64(d), last) - 1
}

// daysOf counts the days from 1970-01-01 to a date of the Gregorian calendar; month may lie outside 1 to 12. The
// formula counts in eras of 400 years that begin in March (Howard Hinnant, chrono-compatible date algorithms).
func daysOf(year, month, day int64) int64 {
	carry, m := floorDiv(month-1, 12)
	year += carry
	m++
	if m <= 2 {
		year--
		m += 12
	}
	era, yearOfEra := floorDiv(year, 400)
	dayOfYear := (153*(m-3)+2)/5 + day - 1
	return era*146_097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719_468
}

// civil is the inverse of daysOf.
func civil(days int64) (year int64, month, day int) {
	era, dayOfEra := floorDiv(days+719_468, 146_097)
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*dayOfYear + 2) / 153
	year = yearOfEra + era*400
	if m >= 10 {
		return year + 1, int(m - 9), int(dayOfYear - (153*m+2)/5 + 1)
	}
	return year, int(m + 3), int(dayOfYear - (153*m+2)/5 + 1)
}

func floorDiv(a, b int64) (quotient, remainder int64) {
	q, r := a/b, a%b
	if r < 0 {
		return q - 1, r + b
	}
	return q, r
}
