package consumer

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// rest counts what the ledger, which ends at end, has not decided, and looks for decisions that it had.
func (v *verifier) rest(ctx context.Context, end int64, committed offsetsCommitted) error {
	for t, s := range v.sources {
		if t == clockIndex {
			continue // most ticks leave no decision
		}
		named := s.taken
		group, _ := committed.Lookup(s.name, v.id)
		if decided, ok := parseCommit(group.Metadata); ok && decided > named {
			last := &events.Decision{Cause: events.Cause{Topic: string(inputNames[t]), Partition: v.id, Offset: decided - 1}}
			return v.differs(&kgo.Record{Offset: end}, last, nil,
				"the group has committed that topic's records below %d as decided, the ledger names those below %d only: it lacks decisions that were made", decided, named)
		}
		n, err := s.rest(ctx)
		if err != nil {
			return err
		}
		v.result.Undecided += n
	}
	return v.restOfClock(ctx, end, committed)
}

// restOfClock follows the clock to where the group says that it stands, and looks for decisions that the ledger should have by
// then. Most ticks leave none, so that no later record misses one.
func (v *verifier) restOfClock(ctx context.Context, end int64, committed offsetsCommitted) error {
	group, _ := committed.Lookup(v.clock.source.name, v.id)
	if note, ok := parseClockNote(group.Metadata); ok {
		if err := v.clock.applyTo(ctx, note.tick); err != nil {
			return err
		}
	}
	if broken := v.clock.broken; len(broken) > 0 && broken[0].offset < v.clock.now.offset {
		lacking := &events.Decision{Cause: events.Cause{Topic: string(schemas.TopicClock), Partition: v.id, Offset: broken[0].offset}}
		return v.differs(&kgo.Record{Offset: end}, lacking, nil, "the ledger lacks the decision that this record of the clock cannot be read: %v", broken[0].reason)
	}
	return v.overdue(end)
}

// overdue looks at every customer for what the clock has made due. What the tick that the clock stands at did, an engine may
// still be working off; but it took that tick when the one before was done. What became due under it by a decision waits for
// the next.
func (v *verifier) overdue(end int64) error {
	before, now := v.clock.before, v.clock.now
	var first *events.Decision
	var more int
	for _, a := range v.accounts {
		if a.parked {
			continue // left alone until an instance is started anew
		}
		if made, ok := v.dueAt(a, before); ok {
			// A version that was not known yet when the customer was listed makes reviews due later on; lots don't ask for one.
			if made == nil || made.Program.Version > a.newest && !movesPoints(made) {
				v.result.Due++
				continue
			}
			more++
			if first == nil || made.Customer < first.Customer {
				first = &events.Decision{Cause: made.Cause, Customer: made.Customer, Entries: slices.Clone(made.Entries)}
			}
		} else if _, ok := v.dueAt(a, now); ok {
			v.result.Due++
		}
	}
	if first == nil {
		return nil
	}
	others := ""
	if more > 1 {
		others = fmt.Sprintf("; so it lacks those of %d other customers", more-1)
	}
	return v.differs(&kgo.Record{Offset: end}, first, nil, "the ledger lacks what was due for the customer at the tick of %s, which was worked off: %d entries, the first %s%s",
		before.at, len(first.Entries), firstEntry(first), others)
}

// dueAt returns what a tick has to do for a customer, nil where finding that out breaks down; false: nothing.
func (v *verifier) dueAt(a *verified, tick clock) (*events.Decision, bool) {
	p := v.history.At(tick.at)
	if p == nil || a.account.Clock >= tick.at {
		return nil, false
	}
	made, ok, err := decideTickSafely(&v.rules, p, v.history, a.account, a.records, tick.at, tick.cause(v.id))
	return made, ok || err != nil
}

func movesPoints(d *events.Decision) bool {
	return slices.ContainsFunc(d.Entries, func(e events.Entry) bool { return e.Points > 0 })
}
