package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// latestOf returns the latest time of any partition's clock, 0 when none was set.
func latestOf(states []consumer.ClockState) (latest events.Instant) {
	for _, s := range states {
		latest = max(latest, s.At)
	}
	return latest
}

// drive publishes history with the ticks that belong to it, as `accrue simulate --tick day` has them: before an event,
// one for each local midnight that the highest event time passes. A tick is sent once everything before it is decided;
// what comes after it is sent later, and bears a later time, by which the engine orders what it has polled. A customer's
// events are decided in the order of the files, also when they are on several topics; what crosses customers within a day
// (transfers, merges, rewards of referrals) the partitions do in their own time.
func (c *importCommand) drive(r *run, cl *cluster, p *publisher, batch []events.Event, identity string, note *checkpoint, sum *imported, history loyalty.History, told func()) (err error) {
	rest := batch[note.published():]
	if len(rest) == 0 {
		return nil
	}
	clock, stood, err := c.takeClock(r, cl, rest[0].Head().At, identity)
	if err != nil {
		return err
	}
	defer func() {
		sum.open = err != nil && clock.KeepsOpen()
		release, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), pingMax)
		defer cancel()
		err = errors.Join(err, clock.Close(release, err == nil))
	}()
	decided, taken := c.decided, c.ticked
	if decided == nil {
		decided = func(ctx context.Context, upTo consumer.Offsets) error {
			return cl.client.WaitDecided(ctx, upTo, r.saysStalled())
		}
		taken = func(ctx context.Context, _ events.Instant) error { return cl.client.WaitTicked(ctx, r.saysStalled()) }
	}
	d := &driving{run: r, p: p, clock: clock, decided: decided, clockTaken: taken, stood: stood, waiting: map[string]schemas.Topic{}, calendar: func(at events.Instant) loyalty.Calendar { return history.At(at).Calendar }}
	for _, e := range batch[:note.published()] {
		d.latest = max(d.latest, e.Head().At)
	}
	for i, e := range rest {
		if err := d.passMidnights(e.Head().At, func() error {
			told()
			return note.note(note.published() + d.sinceNote())
		}); err != nil {
			return err
		}
		d.latest = max(d.latest, e.Head().At)
		if e.EventType() == events.TypeTick {
			err = d.tick(e.Head().At)
			d.handled = i + 1
		} else {
			err = d.publish(e)
			d.handled = i + 1
		}
		if err != nil {
			return err
		}
	}
	if err := c.finish(d); err != nil {
		return err
	}
	sum.Ticks = d.ticks
	return note.note(int64(len(batch)))
}

// checkEnd refuses to drive the clock ahead of now by a wrong year in a file: --until has to say so.
func (c *importCommand) checkEnd(last events.Instant) error {
	if !c.DriveClock || c.Until != "" || last <= events.InstantOf(time.Now().Add(aheadMost)) {
		return nil
	}
	return notSo(fmt.Errorf("the last event is of %s, more than a day ahead of now, and the clock, once there, never goes back", last),
		"Is the year right? If it is, say how far the clock is to go, by --until.")
}

// days returns the programs whose days the clock is driven by, and refuses an end that it cannot be driven to.
func (c *importCommand) days(r *run, cl *cluster, last events.Instant) (loyalty.History, error) {
	history, err := cl.client.Programs(r.ctx)
	if err != nil {
		return nil, topicsMissing(err)
	}
	if len(history) == 0 {
		return nil, couldNot(consumer.ErrNoProgram, "The program's timezone says where the days begin.")
	}
	if c.Until == "" {
		return history, nil
	}
	until, err := c.end(history.At(last).Calendar)
	switch {
	case err != nil:
		return nil, err
	case until < last:
		return nil, wrongUsage(fmt.Errorf("--until: %s lies before the last event, at %s", until, last))
	}
	return history, nil
}

// end returns the time of --until.
func (c *importCommand) end(calendar loyalty.Calendar) (events.Instant, error) {
	at, err := parseTime(c.Until, calendar)
	if err != nil {
		return 0, wrongUsage(fmt.Errorf("--until: %w", err))
	}
	return at, nil
}

// finish decides what is left and ticks on to the end that was asked for.
func (c *importCommand) finish(d *driving) error {
	if c.Until == "" {
		return d.settle()
	}
	until, err := c.end(d.calendar(d.latest))
	if err != nil {
		return err
	}
	if err := d.passMidnights(until, func() error { return nil }); err != nil {
		return err
	}
	return d.tick(until)
}

// takeClock becomes the clock's driver, and returns where the clock stands, at the earliest. What mayPublish has let pass
// although the clock is past it goes on from there.
func (c *importCommand) takeClock(r *run, cl *cluster, first events.Instant, identity string) (*consumer.ClockDriver, events.Instant, error) {
	states, err := cl.client.Clocks(r.ctx)
	if err != nil {
		return nil, 0, err
	}
	earliest := states[0].At
	for _, s := range states {
		earliest = min(earliest, s.At)
	}
	clock, err := cl.client.DriveClock(r.ctx, max(first, latestOf(states)), identity, c.Late)
	if errors.Is(err, consumer.ErrClockOpen) {
		return nil, 0, couldNot(err, openHint)
	}
	if errors.Is(err, consumer.ErrClockTaken) {
		return nil, 0, couldNot(err, "Wait until that import is through. If it was killed, run this again once the time is over: it goes on from there.")
	}
	if err != nil {
		return nil, 0, couldNot(err, "")
	}
	return clock, earliest, nil
}

// stalledAfter is how long nothing may be decided before somebody who waits for it is told.
const stalledAfter = 10 * time.Second

// saysStalled returns a report of progress that says when there is none, which mostly is because no engine runs.
func (r *run) saysStalled() func(waiting int64) {
	last, since := int64(-1), time.Now()
	return func(waiting int64) {
		switch {
		case waiting != last:
			last, since = waiting, time.Now()
		case waiting > 0 && time.Since(since) >= stalledAfter:
			since = time.Now()
			r.note("%s wait to be decided: is an engine running (`accrue run`)?", grouped(waiting, "record"))
		}
	}
}

// driving is one drive through history.
type driving struct {
	run     *run
	p       *publisher
	clock   *consumer.ClockDriver
	decided func(context.Context, consumer.Offsets) error
	// clockTaken waits until the engine has taken a tick.
	clockTaken func(context.Context, events.Instant) error
	calendar   func(events.Instant) loyalty.Calendar

	// stood is where the clock stood at the beginning: a tick before it says nothing, so none is sent. A history that is
	// imported again thus goes as fast as its events are decided.
	stood events.Instant
	// latest is the highest event time so far.
	latest events.Instant
	// waiting has the topic of each customer's events that were sent since everything was decided.
	waiting map[string]schemas.Topic
	// handled is how many events were sent, noted how many of them are in the checkpoint.
	handled, noted int
	ticks          int64
	// last is the last tick, ticked when it was sent, by the wall clock.
	last   events.Instant
	ticked time.Time
}

// sinceNote returns how many events were settled since the last time it was asked.
func (d *driving) sinceNote() int64 {
	n := d.handled - d.noted
	d.noted = d.handled
	return int64(n)
}

// stamp is the time of the next record: later than the last tick's, because the engine orders what it has polled by
// time.
func (d *driving) stamp() time.Time {
	now := time.Now()
	if after := d.ticked.Add(time.Millisecond); now.Before(after) {
		return after
	}
	return now
}

// publish sends an event. The engine keeps the order of one topic, not that between two: so what the customer has on
// another topic is decided before.
func (d *driving) publish(e events.Event) error {
	customer, topic := e.Head().Customer, schemas.TopicOf(e.EventType())
	if before, waits := d.waiting[customer]; waits && before != topic {
		if err := d.settle(); err != nil {
			return err
		}
	}
	d.waiting[customer] = topic
	return d.p.send(d.run.ctx, e, d.stamp())
}

// passMidnights ticks at each local midnight after the highest event time, up to and including at; before the first
// event there is none. settled is called once everything before the first of them is decided.
func (d *driving) passMidnights(at events.Instant, settled func() error) error {
	if d.latest == 0 {
		return nil
	}
	calendar := d.calendar(d.latest)
	m := calendar.Next(d.latest, loyalty.Day)
	for m <= at && m < d.stood {
		m = calendar.Next(m, loyalty.Day)
	}
	if m > at {
		return nil
	}
	if err := d.settle(); err != nil {
		return err
	}
	if err := settled(); err != nil {
		return err
	}
	for ; m <= at; m = calendar.Next(m, loyalty.Day) {
		if err := d.send(m); err != nil {
			return err
		}
	}
	return d.taken()
}

// tick sends a tick of the files, or the last one, once everything before it is decided, and waits for it.
func (d *driving) tick(at events.Instant) error {
	if err := d.settle(); err != nil || at < d.stood {
		return err
	}
	if err := d.send(at); err != nil {
		return err
	}
	return d.taken()
}

func (d *driving) send(at events.Instant) error {
	if err := d.clock.Tick(d.run.ctx, at); err != nil {
		return fmt.Errorf("ticking at %s: %w", at, err)
	}
	d.ticks++
	d.last, d.ticked = at, time.Now()
	return nil
}

// settle waits until everything that was sent is decided.
func (d *driving) settle() error {
	if err := d.p.flush(d.run.ctx); err != nil {
		return err
	}
	if err := d.decided(d.run.ctx, d.p.sentSoFar()); err != nil {
		return fmt.Errorf("waiting for decisions: %w", err)
	}
	clear(d.waiting)
	return nil
}

// taken waits until the engine has taken the last tick.
func (d *driving) taken() error {
	if d.ticks == 0 {
		return nil
	}
	if err := d.clockTaken(d.run.ctx, d.last); err != nil {
		return fmt.Errorf("waiting for the clock: %w", err)
	}
	return nil
}
