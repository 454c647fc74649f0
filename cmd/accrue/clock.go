package main

import (
	"fmt"

	"github.com/accrue-loyalty/accrue/consumer"
)

// clockCommand groups what there is to do with the clock.
type clockCommand struct {
	Show    clockShowCommand    `cmd:"" help:"Where the clock of each partition stands, and who drives it."`
	Release clockReleaseCommand `cmd:"" help:"Let the clock go that waits for the rest of a history."`
}

// Help is shown by --help.
func (clockCommand) Help() string {
	return `Each partition has a clock: points become active and expire, and tiers are reviewed, by its ticks alone. A running
engine sends them; while history is imported with --drive-clock the import does, and the wall clock waits.`
}

type clockShowCommand struct{ clusterFlags }

// Run implements the command.
func (c *clockShowCommand) Run(r *run) error {
	cl, err := c.reach(r.ctx, true, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	states, err := cl.client.Clocks(r.ctx)
	if err != nil {
		return topicsMissing(err)
	}
	if r.json {
		return r.printJSON(states)
	}
	rows := make([][]any, len(states))
	for i, s := range states {
		at := "not set yet"
		if s.At != 0 {
			at = s.At.String()
		}
		rows[i] = []any{s.Partition, at, drivenBy(&s)}
	}
	printTable(r.Stdout, []column{{"partition", true}, {"stands at", false}, {"driven by", false}}, rows)
	return nil
}

// drivenBy says in words who moves a clock on.
func drivenBy(s *consumer.ClockState) string {
	switch {
	case s.Driver != "":
		return "an import: " + s.Driver
	case s.Open:
		return "nobody: it waits for the rest of a history"
	default:
		return "the wall clock, unless --tick is 0"
	}
}

type clockReleaseCommand struct{ clusterFlags }

// Help is shown by --help.
func (clockReleaseCommand) Help() string {
	return `While history is imported with --drive-clock the wall clock waits, and it waits on when the import is interrupted:
one tick of today would make the rest of the history stale, and let what was imported expire. Running the import again
goes on from there.

When nobody will, this gives the clock back. It cannot be undone: everything that is due by today happens.`
}

// Run implements the command.
func (c *clockReleaseCommand) Run(r *run) error {
	cl, err := c.reach(r.ctx, true, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	released, err := cl.client.ReleaseClock(r.ctx)
	if err != nil {
		return couldNot(topicsMissing(err), "")
	}
	if r.json {
		return r.printJSON(map[string]bool{"released": released})
	}
	text := "The clock is the wall clock's: there was nothing to release."
	if released {
		text = "Released: the wall clock ticks from now on."
	}
	_, err = fmt.Fprintln(r.Stdout, text)
	return err
}
