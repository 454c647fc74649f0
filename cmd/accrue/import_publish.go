package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// checkpointEvery is how many events are published between two notes of how far an import is.
const checkpointEvery = 20_000

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
	if !c.DriveClock || len(batch) == 0 {
		return c.publishTo(r, cl, batch, sum)
	}
	before, err := cl.client.LedgerEnds(r.ctx)
	if err != nil {
		return fmt.Errorf("nothing was published: %w", topicsMissing(err))
	}
	if err := c.publishTo(r, cl, batch, sum); err != nil || sum.Published == 0 {
		return err
	}
	// All of it is decided.
	bar := r.progress("reading what became of it", "decisions")
	defer bar.end()
	sum.Results, err = cl.client.Results(r.ctx, before, func(read int64) { bar.set(read, sum.Published) })
	return err
}

func (c *importCommand) publishTo(r *run, cl *cluster, batch []events.Event, sum *imported) error {
	if len(batch) == 0 {
		return c.writeRejects(sum)
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
	var history loyalty.History
	if c.DriveClock {
		if history, err = c.days(r, cl, sum.Last); err != nil {
			return err
		}
	}
	if err := c.mayPublish(r, cl, batch[sum.Resumed:], identity, sum); err != nil {
		return err
	}
	if err := c.writeRejects(sum); err != nil || sum.Before {
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
		err = c.drive(r, cl, p, batch, identity, note, sum, history, told)
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
