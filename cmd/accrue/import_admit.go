package main

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// aheadMost is how far ahead of the wall clock an event may be, and history be driven unless --until says how far: the
// engine takes events from clocks that are so far ahead, and a clock that was driven into the future never goes back.
const aheadMost = 24 * time.Hour

// admission refuses events that could only be refused later, while it is known where they stand: for what they hold, for a
// time that has not come, or because another event has their id.
type admission struct {
	// seen has the hashes of the events' keys: the keys themselves would take twice the memory.
	seen map[uint64]standing
	seed maphash.Seed
	// files are those that are read, and file the one at hand, by its place among them.
	files []string
	file  uint32
	// latest is the last time that is taken; 0 is any: nothing is published, or --until says how far history goes.
	latest events.Instant
}

// standing is an event and where it stands.
type standing struct {
	event events.Event
	line  uint32
	file  uint32
}

// check returns why an event is not taken. The same event may come again.
func (a *admission) check(e events.Event, line int64) error {
	if e.EventType() == events.TypeTick {
		return a.inTime(e)
	}
	hash := maphash.Comparable(a.seed, keyOf(e))
	first, again := a.seen[hash]
	if again = again && keyOf(first.event) == keyOf(e); again && events.PayloadOf(first.event) != events.PayloadOf(e) {
		return fmt.Errorf("has the id of another event of the same customer, at %s: line %d, and other content, so that only one of them would count: "+
			"put the rows of one event into one file, or give it an id of its own", a.files[first.file], first.line)
	}
	if reason, what := loyalty.Invalid(e); reason != "" {
		return fmt.Errorf("would be refused (%s): %s", reason, what)
	}
	if err := a.inTime(e); err != nil || again {
		return err
	}
	a.seen[hash] = standing{e, uint32(line), a.file}
	return nil
}

func (a *admission) inTime(e events.Event) error {
	if at := e.Head().At; a.latest != 0 && at > a.latest {
		return fmt.Errorf("at: %s is more than a day ahead of now: is the year right?", at)
	}
	return nil
}
