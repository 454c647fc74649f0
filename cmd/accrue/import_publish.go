package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
)

// checkpointEvery is how many events are published between two notes of how far an import is.
const checkpointEvery = 20_000

// historyAge is how far behind the clock the first event may be without being history: producers' delays are shorter.
const historyAge = 24 * time.Hour

// importLinger makes batches of what a file has.
const importLinger = 10 * time.Millisecond

// publish sends the events to a cluster.
func (c *importCommand) publish(r *run, batch []events.Event, sum *imported) error {
	r.endsInOrder()
	cl, err := c.reach(r.ctx, true, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	return c.publishTo(r, cl, batch, sum)
}

func (c *importCommand) publishTo(r *run, cl *cluster, batch []events.Event, sum *imported) error {
	if len(batch) == 0 {
		return nil
	}
	if err := cl.client.CheckPartitions(r.ctx); err != nil {
		return fmt.Errorf("nothing was published: %w", topicsMissing(err))
	}
	identity := ""
	if c.Resume != "" || c.DriveClock {
		identity = identityOf(batch)
	}
	note, err := openCheckpoint(c.Resume, identity)
	if err != nil {
		return err
	}
	sum.Resumed = note.published()
	if err := c.mayPublish(r, cl, batch[sum.Resumed:], identity, sum); err != nil || sum.Before {
		return err
	}
	p, err := newPublisher(r.ctx, cl, importLinger)
	if err != nil {
		return err
	}
	defer p.close()
	bar := r.progress("importing", "events")
	defer bar.end()
	told := func() { bar.set(sum.Resumed+p.acked.Load(), int64(len(batch))) }
	if c.DriveClock {
		err = c.drive(r, cl, p, batch, identity, note, sum, told)
	} else {
		err = c.send(r, p, batch, note, told)
	}
	sum.Published = p.acked.Load()
	if err != nil {
		hint := "Run it again: what was published is recognised and changes nothing."
		if c.Resume != "" {
			hint = "Run it again to go on from there."
		}
		if errors.Is(err, kerr.MessageTooLarge) {
			hint = "Raise the bound (`accrue topics check` says what it should be), or take the event out, and run it again."
		}
		if sum.open {
			hint += "\nUntil then the system's clock waits for the rest of the history; `accrue clock release` gives it up."
		}
		var f *failure
		if errors.As(err, &f) {
			return err
		}
		if r.ctx.Err() != nil {
			err = errors.New("it was interrupted")
		}
		return couldNot(fmt.Errorf("%s of %s were published, then: %w", thousands(sum.Published), grouped(int64(len(batch)), "event"), err), hint)
	}
	return nil
}

// send publishes everything after what was published before.
func (c *importCommand) send(r *run, p *publisher, batch []events.Event, note *checkpoint, told func()) error {
	done := note.published()
	for from := int(done); from < len(batch); from += checkpointEvery {
		to := min(from+checkpointEvery, len(batch))
		for _, e := range batch[from:to] {
			if err := p.send(r.ctx, e, time.Time{}); err != nil {
				return err
			}
		}
		if err := p.flush(r.ctx); err != nil {
			return err
		}
		if err := note.note(int64(to)); err != nil {
			return err
		}
		told()
	}
	return nil
}

// mayPublish refuses what would not become what it was: history that meets a clock that is past it. It sets
// sum.Before when all of the history was imported before.
func (c *importCommand) mayPublish(r *run, cl *cluster, rest []events.Event, identity string, sum *imported) error {
	states, err := cl.client.Clocks(r.ctx)
	if err != nil {
		return topicsMissing(err)
	}
	clock := latestOf(states)
	if c.Late || len(rest) == 0 || clock <= sum.First+events.Instant(historyAge.Milliseconds()) {
		return nil
	}
	if !c.DriveClock {
		return couldNot(fmt.Errorf("the system's clock stands at %s, and these events begin at %s", clock, sum.First),
			"Decided now, points that should have been spent or expired in between would be late, or the events refused as stale.\n"+
				"Import history into a system without a clock yet (another --prefix, before `accrue run` ticks) with --drive-clock,\n"+
				"or, if late decisions are what you want, pass --late.")
	}
	live := slices.ContainsFunc(states, func(s consumer.ClockState) bool { return s.Live })
	if !live && slices.ContainsFunc(states, func(s consumer.ClockState) bool { return s.History == identity }) {
		return nil // it goes on, or does so once more
	}
	if sum.Before, err = cl.client.DrivenThrough(r.ctx, identity); err != nil || sum.Before {
		return err
	}
	hint := "Import history into a system without a clock yet (another --prefix, before `accrue run` ticks), or pass --late: of events that\n" +
		"were imported before nothing changes, the others are decided under that clock."
	if slices.ContainsFunc(states, func(s consumer.ClockState) bool { return s.Open }) {
		hint = "The import of other events was begun here and is not through: run that again. If these are the same files, mended, pass\n" +
			"--late: of events that were imported before nothing changes, the others are decided under that clock."
	}
	return couldNot(fmt.Errorf("the system's clock stands at %s, past the beginning of this history at %s, and never goes back", clock, sum.First), hint)
}
