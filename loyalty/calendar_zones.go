package loyalty

import (
	"slices"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// Zone returns the timezone of an IANA name. The machine's files of zones hold others: its own, which differs from machine to
// machine, one that says that none is set, and two copies of them all, of which one counts leap seconds.
func Zone(name string) (*time.Location, bool) {
	folder, _, _ := strings.Cut(name, "/")
	if slices.Contains([]string{"Local", "localtime", "posixrules", "Factory", "posix", "right"}, folder) {
		return nil, false
	}
	loc, err := time.LoadLocation(name)
	return loc, err == nil
}

// zones are the offsets that a timezone has had and will have over the years of most events, in milliseconds. An order
// asks for half a dozen of them; package time would search all of them from the start each time.
type zones struct {
	// from is when each offset begins, ascending; the last one ends at until.
	from, offset []int64
	until        int64
	// first is, for each span of time, the offset that it begins with.
	first []uint16
}

// zoneSpan is the length of a span of the table's index, as a power of two of milliseconds: 12 days, so that few of them
// have a change of the clocks.
const zoneSpan = 30

// newZones returns the table of loc from 1970 to 2100; package time answers beyond.
func newZones(loc *time.Location) *zones {
	last := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	z := &zones{until: last.UnixMilli()}
	for at := time.UnixMilli(0).In(loc); ; {
		_, offset := at.Zone()
		z.from, z.offset = append(z.from, at.UnixMilli()), append(z.offset, int64(offset)*1000)
		end := zoneEnd(at)
		if end.IsZero() || !end.Before(last) {
			break
		}
		at = end
	}
	z.index()
	return z
}

func (z *zones) index() {
	i := 0
	for t := z.from[0]; t < z.until; t += 1 << zoneSpan {
		for i+1 < len(z.from) && z.from[i+1] <= t {
			i++
		}
		z.first = append(z.first, uint16(i))
	}
}

// covers reports whether the table answers for every instant that may have the wall clock local, or is local.
func (z *zones) covers(local int64) bool {
	return z != nil && local-offsetMax*1000 >= z.from[0] && local+offsetMax*1000 < z.until
}

// at returns the index of the offset at t, which the table covers.
func (z *zones) at(t int64) int {
	i := int(z.first[(t-z.from[0])>>zoneSpan])
	for i+1 < len(z.from) && z.from[i+1] <= t {
		i++
	}
	return i
}

// local is [Calendar.local] of the table.
func (z *zones) local(t events.Instant) int64 { return int64(t) + z.offset[z.at(int64(t))] }

// instant is [Calendar.instant] of the table.
func (z *zones) instant(local int64) events.Instant {
	for i := z.at(local - offsetMax*1000); ; i++ {
		t := local - z.offset[i]
		// The next zone begins before t. Where its clock has passed local already, local was skipped.
		if i+1 == len(z.from) || t < z.from[i+1] || z.from[i+1]+z.offset[i+1] > local {
			return events.Instant(t)
		}
	}
}
