package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/program"
)

// importCommand publishes files of events.
type importCommand struct {
	Files      []string `arg:"" name:"file" help:"JSON lines of events, or CSV with --map; - for standard input; gzip is fine."`
	Map        string   `placeholder:"FILE" help:"How CSV columns become events; see examples/."`
	Rejects    string   `placeholder:"FILE" help:"Publish the rest when some lines are bad, and write those there with the reason."`
	DriveClock bool     `help:"Tick along with history: at each local midnight, once everything before it is decided."`
	Until      string   `placeholder:"TIME" help:"With --drive-clock: tick on to there at the end."`
	Late       bool     `help:"Publish history although the system's clock is past it: its points may be refused, or expire at once."`
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
published; if a line is bad, nothing is, unless --rejects names a file for such lines. Importing the same file again
changes nothing, because the events have the same ids.

A map says how a shop's CSV becomes events (examples/ has three):

  name: myshop                 # begins the events' ids
  timezone: Europe/Berlin      # of times without an offset
  currency: EUR
  event: OrderPlaced
  columns: {customer: customer_no, order: order_no, at: date, sku: article, quantity: pieces, amount: total}

Whole histories need --drive-clock, so that points become active, expire and are reviewed at the time they would have.
When such an import is interrupted, the clock waits until it has been run again: see accrue clock --help.

Examples:

  accrue import orders.jsonl
  accrue import orders.csv.gz returns.csv.gz --map shop.map.yaml --drive-clock --rejects bad.jsonl
  accrue import orders.csv --map shop.map.yaml --convert - | accrue simulate --program program.yaml --events - --tick day`
}

// imported is what an import did.
type imported struct {
	Files []string `json:"files"`
	// Read counts rows and lines, Skipped those that the map leaves out.
	Read    int64 `json:"read"`
	Skipped int64 `json:"skipped"`
	// Events were made of them; Rejected could not be.
	Events    int64 `json:"events"`
	Rejected  int64 `json:"rejected"`
	Published int64 `json:"published"`
	// Resumed were published by the run before.
	Resumed int64 `json:"resumed"`
	// Before is set when the whole history was imported before, and nothing was left to do.
	Before bool `json:"imported_before"`
	// Ticks were sent to drive the clock, to all partitions each.
	Ticks   int64          `json:"ticks"`
	First   events.Instant `json:"first"`
	Last    events.Instant `json:"last"`
	Seconds float64        `json:"seconds"`

	rejects []intake.Reject
	// open is set while the clock waits for the rest of the history.
	open bool
	// zone is where the days of First and Last are told; nil is UTC.
	zone *time.Location
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
	if err := c.keepApart(r); err != nil {
		return err
	}
	began := time.Now()
	batch, sum, err := c.read(r)
	if err != nil {
		return err
	}
	if err := c.settleRejects(sum); err != nil {
		return err
	}
	switch {
	case c.Convert != "":
		err = c.convert(r, batch)
	case !c.DryRun:
		err = c.publish(r, batch, sum)
	}
	if err != nil {
		return err
	}
	sum.Seconds = time.Since(began).Seconds()
	return c.summarize(r, sum)
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
	var files [][]events.Event
	for _, name := range c.Files {
		one, err := c.readFile(r, m, name, sum)
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

// take counts what a CSV file held and returns its events by time.
func (s *imported) take(contents *intake.Contents) []events.Event {
	s.Read += contents.Rows
	s.Skipped += contents.Skipped
	s.rejects = append(s.rejects, contents.Rejects...)
	s.Rejected = int64(len(s.rejects))
	batch := contents.ByTime()
	s.span(batch)
	return batch
}

// span notes how many events there are, and from when to when.
func (s *imported) span(batch []events.Event) {
	s.Events = int64(len(batch))
	for _, e := range batch {
		at := e.Head().At
		if s.First == 0 || at < s.First {
			s.First = at
		}
		s.Last = max(s.Last, at)
	}
}

// readFile reads one file: CSV by the map, sorted by time, or JSON lines, in their order.
func (c *importCommand) readFile(r *run, m *intake.Map, name string, sum *imported) ([]events.Event, error) {
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
		contents, err := m.ReadCSV(name, source, in)
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
			sum.rejects = append(sum.rejects, intake.Reject{File: name, Line: l.Number, Rows: 1, Reason: l.Err.Error(), Text: clipText(l.Text)})
			return nil
		}
		all = append(all, l.Event)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// settleRejects writes the rejects to their file, or refuses to go on without one.
func (c *importCommand) settleRejects(sum *imported) error {
	if c.Rejects == "" {
		if len(sum.rejects) == 0 {
			return nil
		}
		var problems []string
		for i := range min(len(sum.rejects), rejectsShown) {
			problems = append(problems, sum.rejects[i].Error())
		}
		text := strings.Join(problems, "\n")
		if more := len(sum.rejects) - len(problems); more > 0 {
			text += fmt.Sprintf("\n… and %d more", more)
		}
		return &failure{code: exitNotSo, problems: problems,
			err:  fmt.Errorf("%s cannot be read, so nothing was published:\n%s", plural(len(sum.rejects), "line"), text),
			hint: "Mend them, or publish the rest by --rejects FILE, which gets these."}
	}
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

// convert writes the events as JSON lines.
func (c *importCommand) convert(r *run, batch []events.Event) error {
	var w *bufio.Writer
	var f *fileOut
	if c.Convert == "-" {
		w = bufio.NewWriterSize(r.Stdout, 64<<10)
	} else {
		var err error
		if f, err = createFile(c.Convert); err != nil {
			return fmt.Errorf("--convert: %w", err)
		}
		defer f.abandon()
		w = bufio.NewWriterSize(f, 64<<10)
	}
	for _, e := range batch {
		line, err := events.EncodeJSON(e)
		if err != nil {
			return err
		}
		_, _ = w.Write(append(line, '\n')) // the writer keeps its error for Flush
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the events: %w", err)
	}
	if f != nil {
		return f.commit()
	}
	return nil
}

// summarize prints what was done. Where the events went to standard output, it is for people only.
func (c *importCommand) summarize(r *run, sum *imported) error {
	if c.Convert == "-" {
		r.note("%s", sum)
		return nil
	}
	if r.json {
		return r.printJSON(sum)
	}
	_, err := fmt.Fprintln(r.Stdout, sum)
	return err
}

// String tells it in a sentence.
func (s *imported) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s made %s", grouped(s.Read, "line"), plural(len(s.Files), "file"), grouped(s.Events, "event"))
	if s.Events > 0 {
		zone := cmp.Or(s.zone, time.UTC)
		fmt.Fprintf(&b, " from %s to %s", s.First.Time().In(zone).Format(time.DateOnly), s.Last.Time().In(zone).Format(time.DateOnly))
	}
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "; %s skipped by the map", grouped(s.Skipped, "line"))
	}
	if s.Rejected > 0 {
		fmt.Fprintf(&b, "; %s rejected", grouped(s.Rejected, "line"))
	}
	if s.Resumed > 0 {
		fmt.Fprintf(&b, "; %s published before", grouped(s.Resumed, "event"))
	}
	if s.Before {
		b.WriteString("; all of it was imported before")
	}
	if s.Published > 0 {
		fmt.Fprintf(&b, "; %s published", grouped(s.Published, "event"))
	}
	if s.Ticks > 0 {
		fmt.Fprintf(&b, " with %s", grouped(s.Ticks, "tick"))
	}
	fmt.Fprintf(&b, "; %.1f s", s.Seconds)
	return b.String()
}

// grouped returns "1,234 lines".
func grouped(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// thousands returns 1234567 as 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
