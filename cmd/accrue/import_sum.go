package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
)

// imported is what an import did.
type imported struct {
	Files []string `json:"files"`
	// Read counts rows and lines, Skipped those that the map leaves out.
	Read    int64 `json:"read"`
	Skipped int64 `json:"skipped"`
	// Events were made of them; Rejected rows and lines were left out, good ones of bad orders among them.
	Events   int64 `json:"events"`
	Rejected int64 `json:"rejected"`
	// Doubtful events are in the files as whole events, and could only be refused.
	Doubtful  int64 `json:"doubtful"`
	Published int64 `json:"published"`
	// Resumed were published by the run before.
	Resumed int64 `json:"resumed"`
	// Before is set when it is known that the whole history was imported before, so that nothing was left to do.
	Before bool `json:"imported_before,omitempty"`
	// Results say what became of the events that producers sent meanwhile, these and others'; with --drive-clock.
	Results map[events.Result]int64 `json:"results,omitempty"`
	// Ticks were sent to drive the clock, to all partitions each.
	Ticks   int64          `json:"ticks"`
	First   events.Instant `json:"first"`
	Last    events.Instant `json:"last"`
	Seconds float64        `json:"seconds"`

	rejects []intake.Reject
	doubts  []string // the first ones
	// open is set while the clock waits for the rest of the history.
	open bool
	// zone is where the days of First and Last are told; nil is UTC.
	zone *time.Location
}

// take counts what a CSV file held and returns its events by time.
func (s *imported) take(contents *intake.Contents) []events.Event {
	s.Read += contents.Rows
	s.Skipped += contents.Skipped
	s.rejects = append(s.rejects, contents.Rejects...)
	s.Rejected = int64(len(s.rejects))
	batch := contents.ByTime()
	s.span(batch)
	return batch
}

// doubt notes an event that could only be refused. Whoever writes whole events may mean them so; the ledger tells what
// becomes of them.
func (s *imported) doubt(file string, line int64, err error) {
	if s.Doubtful++; s.Doubtful <= rejectsShown {
		s.doubts = append(s.doubts, fmt.Sprintf("%s: line %d: %v", file, line, err))
	}
}

func (s *imported) tellDoubts(r *run) {
	if s.Doubtful > 0 {
		r.note("%s could only be refused:", grouped(s.Doubtful, "event"))
	}
	for _, d := range s.doubts {
		r.note("%s", d)
	}
	if more := s.Doubtful - int64(len(s.doubts)); more > 0 {
		r.note("… and %s more", thousands(more))
	}
}

// span notes how many events there are, and from when to when.
func (s *imported) span(batch []events.Event) {
	s.Events = int64(len(batch))
	for _, e := range batch {
		at := e.Head().At
		if s.First == 0 || at < s.First {
			s.First = at
		}
		s.Last = max(s.Last, at)
	}
}

// summarize prints what was done. Where the events went to standard output, it is for people only.
func (c *importCommand) summarize(r *run, sum *imported) error {
	if c.Convert == "-" {
		r.note("%s", sum)
		return nil
	}
	if r.json {
		return r.printJSON(sum)
	}
	_, err := fmt.Fprintln(r.Stdout, sum)
	return err
}

// String tells it in a sentence.
func (s *imported) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s made %s", grouped(s.Read, "line"), plural(len(s.Files), "file"), grouped(s.Events, "event"))
	if s.Events > 0 {
		zone := cmp.Or(s.zone, time.UTC)
		fmt.Fprintf(&b, " from %s to %s", s.First.Time().In(zone).Format(time.DateOnly), s.Last.Time().In(zone).Format(time.DateOnly))
	}
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "; %s skipped by the map", grouped(s.Skipped, "line"))
	}
	if s.Rejected > 0 {
		fmt.Fprintf(&b, "; %s rejected", grouped(s.Rejected, "line"))
	}
	if s.Resumed > 0 {
		fmt.Fprintf(&b, "; %s published before", grouped(s.Resumed, "event"))
	}
	if s.Before {
		b.WriteString("; all of it was imported before")
	}
	if s.Published > 0 {
		fmt.Fprintf(&b, "; %s published", grouped(s.Published, "event"))
	}
	if s.Ticks > 0 {
		fmt.Fprintf(&b, " with %s", grouped(s.Ticks, "tick"))
	}
	fmt.Fprintf(&b, "; %.1f s", s.Seconds)
	for _, result := range slices.Sorted(maps.Keys(s.Results)) {
		if why := untaken[result]; why != "" {
			fmt.Fprintf(&b, "\n%s %s: %s", thousands(s.Results[result]), result, why)
		}
	}
	return b.String()
}

// untaken are the results of events that changed nothing, with why.
var untaken = map[events.Result]string{
	events.Duplicate:  "decided before, as when a file is imported again",
	events.Conflict:   "another event of that id was decided before, and stays as it was: what was corrected needs an adjustment",
	events.Stale:      "older than the program still takes",
	events.Future:     "further ahead of the clock than the program takes",
	events.Refused:    "against the program's rules; `accrue explain` has the reason",
	events.Unreadable: "no event; `accrue deadletter list` has them",
	events.Parked:     "set aside with their customer, because of an error in accrue; `accrue verify` has more",
}

// grouped returns "1,234 lines".
func grouped(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// thousands returns 1234567 as 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
