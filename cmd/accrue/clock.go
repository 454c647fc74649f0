package main

import (
	"errors"
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
engine sends one a second, the wall clock's; while history is imported with --drive-clock the import sends its own, and the
wall clock waits.

Examples:

  accrue clock show        # where they stand
  accrue clock release     # an import was interrupted, and nobody will run it again`
}

type clockShowCommand struct{ clusterFlags }

// Help is shown by --help.
func (clockShowCommand) Help() string {
	return `What was due by the time at which a clock stands has happened: points became active or expired, tiers were reviewed. A
partition without a decision has no clock yet. With the wall clock in charge it is seconds behind now; one that is further
behind says that no engine runs, or that it has yet to catch up.`
}

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
		return fmt.Sprintf("an import (%s), until %s unless it renews that", s.Driver, s.Until)
	case s.Open:
		return "nobody: it waits for the rest of a history"
	case s.At == 0:
		return "nobody: the wall clock begins after the partition's first decision"
	default:
		return "the wall clock, while an engine runs (whose --tick is not 0)"
	}
}

type clockReleaseCommand struct{ clusterFlags }

// Help is shown by --help.
func (clockReleaseCommand) Help() string {
	return `While history is imported with --drive-clock the wall clock waits, and it waits on when the import is interrupted:
one tick of today would make the rest of the history stale, and let what was imported expire. Running the import again
goes on from there.

When nobody will, this gives the clock back. It cannot be undone: everything that is due by today happens. An import that
was killed keeps the clock for up to a minute; until then this is refused, and says for how long.`
}

// Run implements the command.
func (c *clockReleaseCommand) Run(r *run) error {
	cl, err := c.reach(r.ctx, true, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	released, err := cl.client.ReleaseClock(r.ctx)
	if errors.Is(err, consumer.ErrClockTaken) {
		return couldNot(err, "That import runs: wait for it, or end it first. If it was killed, run this again once the time is over.")
	}
	if err != nil {
		return couldNot(topicsMissing(err), "")
	}
	if r.json {
		return r.printJSON(map[string]bool{"released": released})
	}
	text := "No history is open: there is nothing to release."
	if released {
		text = "Released: the wall clock ticks from now on."
	}
	_, err = fmt.Fprintln(r.Stdout, text)
	return err
}
