package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// checkpointEvery is how many events are published between two notes of how far an import is.
const checkpointEvery = 20_000

// historyAge is how far behind the clock the first event may be without being history: producers' delays are shorter.
const historyAge = 24 * time.Hour

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
	note, err := openCheckpoint(c.Resume, batch)
	if err != nil {
		return err
	}
	sum.Resumed = note.published()
	if err := c.mayPublish(r, cl, batch[sum.Resumed:], sum); err != nil {
		return err
	}
	p, err := newPublisher(r.ctx, cl)
	if err != nil {
		return err
	}
	defer p.close()
	bar := r.progress("importing", "events")
	defer bar.end()
	told := func() { bar.set(sum.Resumed+p.acked.Load(), int64(len(batch))) }
	if c.DriveClock {
		err = c.drive(r, cl, p, batch, note, sum, told)
	} else {
		err = c.send(r, p, batch, note, told)
	}
	sum.Published = p.acked.Load()
	if err != nil {
		hint := "Run it again: what was published is recognised and changes nothing."
		if c.Resume != "" {
			hint = "Run it again to go on from there."
		}
		var f *failure
		if errors.As(err, &f) {
			return err
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

// mayPublish refuses what would not become what it was: history that meets a clock that is past it, and ticks that
// nobody waits for.
func (c *importCommand) mayPublish(r *run, cl *cluster, rest []events.Event, sum *imported) error {
	_, clock, err := systemClock(r.ctx, cl)
	if err != nil {
		return topicsMissing(err)
	}
	if !c.DriveClock {
		for _, e := range rest {
			if e.EventType() == events.TypeTick {
				return wrongUsage(errors.New("the files have Tick events, which only --drive-clock sends, because it waits for what comes before them"))
			}
		}
	}
	if c.Late || clock == 0 || len(rest) == 0 {
		return nil
	}
	end := sum.Last
	if c.Until != "" {
		// The calendar's timezone makes a day's difference at most, which the allowance covers.
		until, err := c.end(loyalty.Calendar{})
		if err != nil {
			return err
		}
		end = max(end, until)
	}
	switch {
	case !c.DriveClock && sum.First < clock-events.Instant(historyAge.Milliseconds()):
		return couldNot(fmt.Errorf("the system's clock stands at %s, and these events begin at %s", clock, sum.First),
			"Decided now, points that should have been spent or expired in between would be late, or the events refused as stale.\n"+
				"Import history into a system without a clock yet (another --prefix, before `accrue run` ticks) with --drive-clock,\n"+
				"or, if late decisions are what you want, pass --late.")
	case c.DriveClock && end < clock-events.Instant(historyAge.Milliseconds()):
		return couldNot(fmt.Errorf("the system's clock stands at %s, past the end of this history at %s, and never goes back", clock, end),
			"If it was imported before, there is nothing to do. Otherwise import it into a system without a clock yet, or pass --late.")
	}
	return nil
}
