package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/accrue-loyalty/accrue/analytics"
	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// historyAge is how far behind the clock the first event may be for the clock to be driven on from there.
const historyAge = 24 * time.Hour

// historyNoted is from which age on events that are not stale are told to meet a clock that is past them.
const historyNoted = 30 * 24 * time.Hour

// mayPublish refuses what would not become what it was: events that would be stale, or, where the clock is to be driven,
// history that the clock is past. It sets sum.Before when all of the history was imported before.
func (c *importCommand) mayPublish(r *run, cl *cluster, rest []events.Event, identity string, sum *imported) error {
	states, err := cl.client.Clocks(r.ctx)
	if err != nil {
		return topicsMissing(err)
	}
	switch {
	case c.Late || len(rest) == 0:
		return nil
	case c.DriveClock:
		return c.mayDrive(r, cl, states, identity, sum)
	}
	if err := refuseStale(r, cl, rest, states); err != nil {
		return err
	}
	if clock := latestOf(states); clock > sum.First+events.Instant(historyNoted.Milliseconds()) {
		r.note("the system's clock stands at %s, long after the first of these events, of %s: what they bring becomes spendable and expires "+
			"by that clock (a whole history needs --drive-clock, and a system without a clock yet)", clock, sum.First)
	}
	return nil
}

// openHint says what to do about another history that is open.
const openHint = "The import of other events was begun here and is not through: run that again. If these are the same files, mended, pass\n" +
	"--late: of events that were imported before nothing changes, the others are decided under that clock. If nobody will go on\n" +
	"with the other import, `accrue clock release` gives it up."

// mayDrive is [importCommand.mayPublish] for history that comes with its own ticks.
func (c *importCommand) mayDrive(r *run, cl *cluster, states []consumer.ClockState, identity string, sum *imported) (err error) {
	clock := latestOf(states)
	other := slices.ContainsFunc(states, func(s consumer.ClockState) bool { return s.Open && s.History != identity && s.Driver == "" })
	if !other && clock <= sum.First+events.Instant(historyAge.Milliseconds()) {
		return nil
	}
	live := slices.ContainsFunc(states, func(s consumer.ClockState) bool { return s.Live })
	if !live && slices.ContainsFunc(states, func(s consumer.ClockState) bool { return s.History == identity }) {
		return nil // it goes on, or does so once more
	}
	if sum.Before, err = cl.client.DrivenThrough(r.ctx, identity); err != nil || sum.Before {
		return err
	}
	if other {
		return couldNot(consumer.ErrClockOpen, openHint)
	}
	hint := "Import history into a system without a clock yet (another --prefix, before `accrue run` ticks), or pass --late: of events that\n" +
		"were imported before nothing changes, the others are decided under that clock."
	return couldNot(fmt.Errorf("the system's clock stands at %s, past the beginning of this history at %s, and never goes back", clock, sum.First), hint)
}

// eventKey names an event: ids are unique per customer.
type eventKey struct{ customer, id string }

func keyOf(e events.Event) eventKey { return eventKey{e.Head().Customer, e.Head().ID} }

// refuseStale refuses events that would be stale, or too far ahead, by the clocks of their partitions, and would lose what
// they should bring. Those that were decided before bring nothing anew: nothing is lost with them.
func refuseStale(r *run, cl *cluster, rest []events.Event, states []consumer.ClockState) error {
	if latestOf(states) == 0 {
		return nil // without a clock nothing is too old
	}
	history, err := cl.client.Programs(r.ctx)
	if err != nil {
		return topicsMissing(err)
	}
	if len(history) == 0 {
		return couldNot(consumer.ErrNoProgram, "The system's clock goes already, and a program says how late events may come: publish it first, or pass --late.")
	}
	if e := aheadOf(rest, states); e != nil {
		h := e.Head()
		if s := states[schemas.Partition(h.Customer, int32(len(states)))]; s.Open {
			return couldNot(errors.New(textf("the clock waits for the rest of a history, and %s of customer %s, of %s, would be decided while it stands at %s", h.ID, h.Customer, h.At, s.At)),
				"Nothing was published. If these are of that history, pass --drive-clock again; if not, import them when it is through, or pass\n"+
					"--late to have them decided by that clock. If nobody will go on with it, `accrue clock release` gives it up.")
		}
		return couldNot(errors.New(textf("%s of customer %s, of %s, would be refused as too far ahead: the system's clock stands at %s", h.ID, h.Customer, h.At, clockOf(states, h.Customer))),
			"Nothing was published. The clock goes on with a running engine (`accrue run`): start it, and run this again once `accrue clock show` has today.")
	}
	stale := staleOf(rest, history, states)
	if len(stale) == 0 {
		return nil
	}
	if err := forgetDecided(r, cl, stale); err != nil || len(stale) == 0 {
		return err
	}
	var first events.Event
	for _, e := range stale {
		if h := e.Head(); first == nil || h.At < first.Head().At || h.At == first.Head().At && h.ID < first.Head().ID {
			first = e
		}
	}
	h := first.Head()
	p := history.At(h.At)
	return couldNot(errors.New(textf("%s of %s would be refused as stale, the first is %s of customer %s, of %s: version %d of the program takes events %s late, "+
		"and the system's clock stands at %s", thousands(int64(len(stale))), grouped(int64(len(rest)), "event"), h.ID, h.Customer, h.At, p.Version,
		p.AcceptWithin, clockOf(states, h.Customer))),
		"Nothing was published. Leave them out, or pass --late to have them refused in the ledger. A whole history belongs into a system without\n"+
			"a clock yet (another --prefix, before `accrue run` ticks), with --drive-clock.")
}

// aheadOf returns an event that would be refused as being from the future by a clock that stands still, or be decided before
// its time where the clock waits for the rest of a history; or nil. What is ahead of the time itself was named already, and no
// clock that goes takes it.
func aheadOf(rest []events.Event, states []consumer.ClockState) events.Event {
	latest := events.InstantOf(time.Now().Add(aheadMost))
	for _, e := range rest {
		s := states[schemas.Partition(e.Head().Customer, int32(len(states)))]
		if at := e.Head().At; (s.Live || s.Open) && at <= latest && at > s.At+events.Instant(aheadMost.Milliseconds()) {
			return e
		}
	}
	return nil
}

// clockOf returns the clock of a customer's partition.
func clockOf(states []consumer.ClockState, customer string) events.Instant {
	return states[schemas.Partition(customer, int32(len(states)))].At
}

// staleOf returns the events that would be stale now, by their ids.
func staleOf(rest []events.Event, history loyalty.History, states []consumer.ClockState) map[eventKey]events.Event {
	stale := map[eventKey]events.Event{}
	for _, e := range rest {
		h := e.Head()
		if p := history.At(h.At); p.AcceptWithin != nil && p.Calendar.Add(h.At, *p.AcceptWithin) < clockOf(states, h.Customer) {
			stale[keyOf(e)] = e
		}
	}
	return stale
}

// forgetDecided takes those out of stale that the ledger has decided already, as they are. It reads the whole ledger, if
// need be: that is for imports which would be refused otherwise.
func forgetDecided(r *run, cl *cluster, stale map[eventKey]events.Event) error {
	bar := r.progress("looking for them in the ledger", "records")
	defer bar.end()
	source := &analytics.Source{Options: cl.options, Prefix: cl.prefix, Codec: cl.codec, Progress: bar.set}
	all := errors.New("all were found")
	err := source.Decisions(r.ctx, func(d *events.Decision) error {
		key := eventKey{d.Customer, d.Cause.Event}
		if e := stale[key]; e != nil && api.Remembered(d.Result) && d.Facts.Payload == events.PayloadOf(e) {
			if delete(stale, key); len(stale) == 0 {
				return all
			}
		}
		return nil
	})
	if errors.Is(err, all) {
		return nil
	}
	return topicsMissing(err)
}
