package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/accrue-loyalty/accrue/analytics"
	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
)

// deadletterCommand groups what there is to do with records that could not be read.
type deadletterCommand struct {
	List deadletterListCommand `cmd:"" help:"Records that could not be read or decided: from where, and why."`
	Show deadletterShowCommand `cmd:"" help:"One of them, with its bytes."`
}

// Help is shown by --help.
func (deadletterCommand) Help() string {
	return `A record that cannot be read, or whose customer is parked because of an error in accrue, is decided as UNREADABLE or
PARKED and copied to the topic deadletter; everything else goes on. See to the producer that wrote it, and have it send the
event again; a decision on a parked customer is to be reported. What each reason means: docs/reasons.md.

Examples:

  accrue deadletter list --reason wrong_key
  accrue deadletter show 0@17`
}

// deadLetter is the JSON form of one.
type deadLetter struct {
	ID        string         `json:"id"`
	Reason    string         `json:"reason"`
	Detail    string         `json:"detail"`
	Topic     string         `json:"topic"`
	Partition int32          `json:"partition"`
	Offset    int64          `json:"offset"`
	Time      events.Instant `json:"time"`
	Key       string         `json:"key"`
	Bytes     int            `json:"bytes"`
	Omitted   int64          `json:"omitted_bytes,omitempty"`
	Value     []byte         `json:"value,omitempty"`
}

func deadLetterOf(d *analytics.DeadRecord) deadLetter {
	l := &d.Letter
	return deadLetter{fmt.Sprintf("%d@%d", d.Partition, d.Offset), l.Reason, l.Detail, l.Topic, l.Partition, l.Offset, l.Time,
		printable(d.Key), len(d.Value), l.Omitted, nil}
}

// printable shows bytes as text where they are, and quoted where they are not.
func printable(b []byte) string {
	if utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool { return !strconv.IsPrint(r) }) {
		return string(b)
	}
	return strconv.QuoteToASCII(string(b))
}

// keyShownMax is how many characters of a key the table shows: one long key would push the details of all others away.
const keyShownMax = 40

type deadletterListCommand struct {
	Reason string `placeholder:"CODE" help:"Only those of this reason."`
	clusterFlags
}

// Run implements the command.
func (c *deadletterListCommand) Run(r *run) error {
	all := []deadLetter{}
	err := readDeadLetters(r, &c.clusterFlags, func(d *analytics.DeadRecord) error {
		if c.Reason == "" || c.Reason == d.Letter.Reason {
			all = append(all, deadLetterOf(d))
		}
		return nil
	})
	if err != nil {
		return err
	}
	// A newer version may have written reasons that this one does not know.
	if known := consumer.DeadLetterReasons(); c.Reason != "" && len(all) == 0 && !slices.Contains(known, c.Reason) {
		hint := "They are " + strings.Join(known, ", ") + "."
		if best := events.Nearest(c.Reason, known); best != "" {
			hint = fmt.Sprintf("Did you mean %q?", best)
		}
		return &failure{code: exitUsage, err: fmt.Errorf("--reason: %q is no reason of a dead letter", c.Reason), hint: hint}
	}
	if r.json {
		return r.printJSON(all)
	}
	if len(all) == 0 {
		fmt.Fprintln(r.Stdout, "No dead letters.")
		return nil
	}
	rows := make([][]any, len(all))
	for i, l := range all {
		key := []rune(l.Key)
		if len(key) > keyShownMax {
			key = append(key[:keyShownMax-1], '…')
		}
		rows[i] = []any{l.ID, l.Reason, fmt.Sprintf("%s-%d@%d", l.Topic, l.Partition, l.Offset), string(key), l.Bytes, l.Detail}
	}
	printTable(r.Stdout, []column{{"id", false}, {"reason", false}, {"from", false}, {"key", false}, {"bytes", true}, {"detail", false}}, rows)
	return nil
}

type deadletterShowCommand struct {
	ID string `arg:"" help:"As accrue deadletter list shows it: 0@17."`
	clusterFlags
}

// errFound ends the reading.
var errFound = errors.New("found")

// Run implements the command.
func (c *deadletterShowCommand) Run(r *run) error {
	var found deadLetter
	err := readDeadLetters(r, &c.clusterFlags, func(d *analytics.DeadRecord) error {
		if l := deadLetterOf(d); l.ID == c.ID {
			found = l
			found.Value = d.Value
			return errFound
		}
		return nil
	})
	switch {
	case err == nil:
		return notSo(fmt.Errorf("there is no dead letter %s", c.ID), "accrue deadletter list shows those there are.")
	case !errors.Is(err, errFound):
		return err
	case r.json:
		return r.printJSON(found)
	}
	fmt.Fprint(r.Stdout, textf("%s: %s\nfrom %s, partition %d, offset %d, %s\nkey %s\n", found.Reason, found.Detail,
		found.Topic, found.Partition, found.Offset, found.Time, found.Key))
	if found.Omitted > 0 {
		fmt.Fprintf(r.Stdout, "%s bytes, too many for the dead letters' topic: the record is where it came from, as long as that topic keeps it\n", thousands(found.Omitted))
		return nil
	}
	fmt.Fprintf(r.Stdout, "%d bytes:\n", found.Bytes)
	fmt.Fprintln(r.Stdout, api.VisibleLines(body(found.Value)))
	return nil
}

// body shows JSON as it is and other bytes quoted.
func body(b []byte) string {
	if json.Valid(b) {
		return string(b)
	}
	return printable(b)
}

func readDeadLetters(r *run, flags *clusterFlags, fn func(*analytics.DeadRecord) error) error {
	cl, err := flags.reach(r.ctx, false, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	bar := r.progress("reading", "records")
	defer bar.end()
	source := &analytics.Source{Options: cl.options, Prefix: cl.prefix, Codec: cl.codec, Progress: bar.set}
	return topicsMissing(source.DeadLetters(r.ctx, fn))
}
