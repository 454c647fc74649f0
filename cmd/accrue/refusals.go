package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// refusals counts the events that changed nothing because the rules did not take them, at once or when their wait for an
// order ended.
type refusals struct {
	n        int64
	byReason map[string]int64
}

func (r *refusals) count(d *events.Decision) {
	// What comes by the topic of transfers the engine sent itself.
	if d.Cause.Topic != string(schemas.TopicTransfers) {
		r.add(d.Result, d.Reason)
	}
	for _, x := range d.Facts.Endings() {
		r.add(x.Result, x.Reason)
	}
}

func (r *refusals) add(result events.Result, reason string) {
	switch result {
	case events.Refused, events.Conflict, events.Stale, events.Future:
	default:
		return
	}
	if r.byReason == nil {
		r.byReason = map[string]int64{}
	}
	r.n++
	r.byReason[reason]++
}

// tell says it of so many events, the most frequent reason first.
func (r *refusals) tell(of int64) string {
	reasons := slices.SortedFunc(maps.Keys(r.byReason), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.byReason[b], r.byReason[a]), cmp.Compare(a, b))
	})
	for i, reason := range reasons {
		reasons[i] = thousands(r.byReason[reason]) + " " + reason
	}
	were := "were"
	if r.n == 1 {
		were = "was"
	}
	return fmt.Sprintf("%s of %s %s refused: %s", thousands(r.n), grouped(of, "event"), were, strings.Join(reasons, ", "))
}
