package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// importCommand publishes files of events.
type importCommand struct {
	Files      []string `arg:"" name:"file" help:"JSON lines of events, or CSV with --map; - for standard input; gzip is fine."`
	Map        string   `placeholder:"FILE" help:"How CSV columns become events; see examples/."`
	Rejects    string   `placeholder:"FILE" help:"Publish the rest when some lines are bad, and write those there with the reason."`
	DriveClock bool     `help:"Tick along with history: at each local midnight, once everything before it is decided."`
	Until      string   `placeholder:"TIME" help:"With --drive-clock: tick on to there at the end."`
	Late       bool     `help:"Publish also events that are stale by the system's clock or ahead of where it waits, and, with --drive-clock, history that it is past."`
	Resume     string   `placeholder:"FILE" help:"Note there how far it got, and go on from there when it was interrupted."`
	Convert    string   `placeholder:"FILE" help:"Publish nothing; write the events as JSON lines, for accrue simulate; - for standard output."`
	DryRun     bool     `help:"Publish nothing; only read, check and count."`

	clusterFlags

	// decided waits until records are decided, ticked until a tick was taken; nil asks Kafka.
	decided func(context.Context, consumer.Offsets) error
	ticked  func(context.Context, events.Instant) error
}

// Help is shown by --help.
func (importCommand) Help() string {
	return `Reads events from files and publishes them to their topics. Everything is read and checked before anything is
published; if a line is bad, nothing is, unless --rejects names a file for such lines. Bad are also rows of CSV that could
only be refused: with a negative amount or a line twice, more than a day ahead of now, or with the id of another event and
other content, as when the rows of one order are in two files. Events in JSON lines that are so are published, and named.
Importing the same file again changes nothing, because the events have the same ids.

The rejects file has a line of JSON for each line that was left out, with the reason and its text. An order of which one
row is bad is left out whole; its good rows are there too, so that it can be sent again once the bad one is mended:

  (head -n 1 orders.csv; jq -r .text bad.jsonl) > again.csv

Exit code 1 when lines are bad and there is no --rejects, or when all of them are. A file without lines is no error.

A map says how a shop's CSV becomes events (examples/ has two):

  name: myshop                 # begins the events' ids
  timezone: Europe/Berlin      # of times without an offset; needed where there are any
  currency: EUR                # of amounts, where no column has it
  separator: ";"               # between columns, "\t" for a tab; a comma without it
  decimal: ","                 # in amounts; a point without it
  thousands: "."               # between groups of three digits, where there is something
  time: DD.MM.YYYY hh:mm:ss    # the form of times, if not 2026-11-22 10:00; hh or HH are 24 hours, mm minutes;
                               # M/D/YYYY h:mm AM takes one digit or two, Z at the end is an offset;
                               # MMM is Nov, MMMM November, in English;
                               # or epoch seconds, or epoch milliseconds
  event: OrderPlaced
  columns:                     # what a field of the event is read from:
    customer: customer_no      # a column,
    order: "{shop}-{date}-{n}" # columns in braces with text between; {n} numbers rows of which the rest is the same,
                               # and a customer or order with an empty column is none,
    amount: {sum: [paid, -off]}  # or columns that are added up, or taken away ({sum: [-off]} turns its sign around),
                               # or multiplied and rounded once, half a cent up: {product: [quantity, price]}
    at: date
  constants: {channel: WEB}    # fields that are the same in all rows
  skip: {status: [void, "X*"]} # rows that are left out: those with one of these texts in the column, or that begin so;
                               # "" is an empty one

The amount of an order is a row's own: a total that is in each row of its order would count as often. Each row has all
that an event needs: what a shop exports in several tables, such as orders and their items, is joined before.

A map for several kinds of files has sources instead of event, columns, constants and skip: a list of them, each with the
names of its files, as in {file: "orders*.csv", event: OrderPlaced, columns: {…}}. A file is read by the first that names it;
one with sales and returns is imported under two names, such as a link to it, each kind skipping the other's rows.

A running system takes events as late as the program does (late_events; any age, where it sets none). When some would be
stale by its clock nothing is published, unless they were decided before: then they change nothing. Nor is anything when
the clock is more than a day behind some, as after an engine was down, or while it waits for the rest of a history.

Whole histories need --drive-clock, so that points become active, expire and are reviewed at the time they would have.
Such an import also counts what became of the events, those that changed nothing with the reason.
When such an import is interrupted, the clock waits until it has been run again, and other histories are refused: see
accrue clock --help.

Examples:

  accrue import orders.jsonl
  accrue import orders.csv.gz returns.csv.gz --map shop.map.yaml --drive-clock --rejects bad.jsonl
  accrue import orders.csv --map shop.map.yaml --convert - | accrue simulate --program program.yaml --events - --tick day`
}

// mapBytesMax is beyond any map that a person writes.
const mapBytesMax = 1 << 20

// rejectsShown is how many rejects are told when nothing is published because of them.
const rejectsShown = 10

// Run implements the command.
func (c *importCommand) Run(r *run) error {
	if c.Until != "" && !c.DriveClock {
		return wrongUsage(errors.New("--until: needs --drive-clock"))
	}
	if c.Until != "" {
		if _, err := c.end(loyalty.NewCalendar(time.UTC)); err != nil {
			return err // before everything is read
		}
	}
	if err := c.keepApart(r); err != nil {
		return err
	}
	if err := c.mayWrite(); err != nil {
		return err
	}
	began := time.Now()
	batch, sum, err := c.read(r)
	if err != nil {
		return err
	}
	if c.Rejects == "" && len(sum.rejects) > 0 {
		return unreadLines(sum.rejects)
	}
	sum.tellDoubts(r)
	if err := c.settle(r, batch, sum); err != nil {
		return err
	}
	sum.Seconds = time.Since(began).Seconds()
	if err := c.summarize(r, sum); err != nil {
		return err
	}
	if sum.Events == 0 && sum.Rejected > 0 {
		return notSo(errors.New("no line could be taken, so there was nothing to publish"), fmt.Sprintf("%s has the reasons.", c.Rejects))
	}
	return nil
}

// settle does with what was read what was asked for. The rejects are written when nothing is in the way of the rest.
func (c *importCommand) settle(r *run, batch []events.Event, sum *imported) error {
	if c.Convert != "" {
		if err := c.writeRejects(sum); err != nil {
			return err
		}
		return c.convert(r, batch)
	}
	if err := c.checkTicks(batch); err != nil {
		return err
	}
	if err := c.checkEnd(sum.Last); err != nil {
		return err
	}
	if c.DryRun {
		return c.writeRejects(sum)
	}
	return c.publish(r, batch, sum)
}

// checkTicks refuses ticks that nobody waits for.
func (c *importCommand) checkTicks(batch []events.Event) error {
	isTick := func(e events.Event) bool { return e.EventType() == events.TypeTick }
	if !c.DriveClock && slices.ContainsFunc(batch, isTick) {
		return &failure{code: exitUsage,
			err:  errors.New("the files have Tick events, which only --drive-clock sends, because it waits for what comes before them"),
			hint: "Pass --drive-clock, or take the lines with a Tick out: a running system ticks by itself."}
	}
	return nil
}

// mayWrite refuses to begin when what is noted on the way cannot be: once events are published it is too late.
func (c *importCommand) mayWrite() error {
	var problems []error
	for _, f := range []named{{"--rejects", c.Rejects}, {"--convert", c.Convert}, {"--resume", c.Resume}} {
		if f.path == "" || f.path == "-" {
			continue
		}
		if err := mayCreate(f.path); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.by, err))
		}
	}
	return errors.Join(problems...)
}

// keepApart refuses outputs that would overwrite what is read, or each other.
func (c *importCommand) keepApart(r *run) error {
	read := []named{{"--map", c.Map}}
	for _, name := range c.Files {
		read = append(read, named{"FILE", name})
	}
	return r.keepApart(read, []named{{"--rejects", c.Rejects}, {"--convert", c.Convert}, {"--resume", c.Resume}})
}

// read reads all files.
func (c *importCommand) read(r *run) ([]events.Event, *imported, error) {
	sum := &imported{Files: c.Files}
	var m *intake.Map
	if c.Map != "" {
		source, err := readSmall(c.Map, mapBytesMax)
		if err != nil {
			return nil, nil, fmt.Errorf("--map: %w", err)
		}
		if len(source) > mapBytesMax {
			return nil, nil, notSo(fmt.Errorf("the map %s is larger than %d bytes: is it a map?", c.Map, mapBytesMax), "")
		}
		if m, err = intake.ParseMap(source, program.Exponent); err != nil {
			return nil, nil, notSo(fmt.Errorf("the map %s: %w", c.Map, err), "`accrue import --help` shows one, examples/ has more.")
		}
		sum.zone = m.Location()
	}
	// What is converted is published nowhere: a simulation may well look ahead.
	admit := &admission{seen: map[uint64]standing{}, seed: maphash.MakeSeed(), files: c.Files}
	if c.Convert == "" && c.Until == "" {
		admit.latest = events.InstantOf(time.Now().Add(aheadMost))
	}
	var files [][]events.Event
	for i, name := range c.Files {
		admit.file = uint32(i)
		one, err := c.readFile(r, m, name, admit.check, sum)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, one)
	}
	batch := intake.Merge(files...)
	sum.span(batch)
	sum.Rejected = int64(len(sum.rejects))
	return batch, sum, nil
}

// readFile reads one file: CSV by the map, sorted by time, or JSON lines, in their order.
func (c *importCommand) readFile(r *run, m *intake.Map, name string, check func(events.Event, int64) error, sum *imported) ([]events.Event, error) {
	in, err := intake.Open(name, r.Stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if m != nil && !strings.Contains(name, ".jsonl") {
		source, err := m.SourceOf(name)
		if err != nil {
			return nil, notSo(err, "Name the file as the map expects it, or add a source to the map.")
		}
		contents, err := m.ReadCSV(name, source, in, check)
		if err != nil {
			return nil, notSo(err, "")
		}
		return sum.take(contents), nil
	}
	if m == nil && strings.Contains(name, ".csv") {
		return nil, wrongUsage(fmt.Errorf("%s looks like CSV, and no --map says what its columns are", name))
	}
	var all []events.Event
	err = intake.ReadLines(r.ctx, name, in, func(l *intake.Line) error {
		sum.Read++
		if l.Err != nil {
			sum.rejects = append(sum.rejects, intake.Reject{File: name, Line: l.Number, Rows: 1, Reason: l.Err.Error(), Text: intake.ClipText(l.Text)})
			return nil
		}
		if err := check(l.Event, l.Number); err != nil {
			sum.doubt(name, l.Number, err)
		}
		all = append(all, l.Event)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// writeRejects writes the rejects to their file, if there is to be one.
func (c *importCommand) writeRejects(sum *imported) error {
	f, err := openRejects(c.Rejects)
	if err != nil {
		return err
	}
	defer f.close()
	for i := range sum.rejects {
		if err := f.add(&sum.rejects[i]); err != nil {
			return err
		}
	}
	return f.commit()
}

// unreadLines says what is wrong with lines. Good ones that would be left out with them are counted.
func unreadLines(rejects []intake.Reject) error {
	bad, good := 0, 0
	var problems []string
	for i := range rejects {
		if rejects[i].Rows == 0 {
			good++
			continue
		}
		if bad++; bad <= rejectsShown {
			problems = append(problems, rejects[i].Error())
		}
	}
	text := strings.Join(problems, "\n")
	if more := bad - len(problems); more > 0 {
		text += fmt.Sprintf("\n… and %d more", more)
	}
	if good > 0 {
		text += fmt.Sprintf("\n%s of the same orders would be left out with them", plural(good, "good line"))
	}
	return &failure{code: exitNotSo, problems: problems,
		err:  fmt.Errorf("%s cannot be taken, so nothing was published:\n%s", plural(bad, "line"), text),
		hint: "Mend them, or publish the rest by --rejects FILE, which gets these."}
}

// convert writes the events as JSON lines.
func (c *importCommand) convert(r *run, batch []events.Event) error {
	f, err := r.create(c.Convert)
	if err != nil {
		return fmt.Errorf("--convert: %w", err)
	}
	defer f.abandon()
	for _, e := range batch {
		line, err := events.EncodeJSON(e)
		if err != nil {
			return err
		}
		_, _ = f.Write(append(line, '\n'))
	}
	return f.commit()
}
