package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// programCommand looks after the rules.
type programCommand struct {
	Validate programValidateCommand `cmd:"" help:"Check a program file: every problem at once, with its line."`
	Publish  programPublishCommand  `cmd:"" help:"Make a program file the next version of the rules."`
	Show     programShowCommand     `cmd:"" help:"Show the published versions, or one of them."`
	Diff     programDiffCommand     `cmd:"" help:"Say in words what differs between two programs."`
	Schema   programSchemaCommand   `cmd:"" help:"Print the JSON Schema of program files, for editors."`
}

type programValidateCommand struct {
	File string `arg:"" help:"The program file."`
}

// Run implements the command.
func (c *programValidateCommand) Run(r *run) error {
	source, err := readSmall(c.File, program.SourceBytesMax)
	if err != nil {
		return fmt.Errorf("reading the program: %w", err)
	}
	p, err := program.Parse(source, c.File)
	var problems program.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	if r.json {
		if problems == nil {
			problems = program.Problems{}
		}
		if err := r.printJSON(map[string]any{"file": c.File, "valid": err == nil, "problems": problems}); err != nil {
			return err
		}
		if err != nil {
			return alreadyTold()
		}
		return nil
	}
	if err != nil {
		return invalidProgram(err)
	}
	_, err = fmt.Fprintln(r.Stdout, textf("%s is valid: program %s, %s", c.File, p.Name, plural(len(p.Earn), "rule")))
	return err
}

type programPublishCommand struct {
	File string `arg:"" help:"The program file."`
	At   string `placeholder:"TIME" help:"When it takes effect, by the events' own time: 2027-01-01 (in the program's timezone) or RFC 3339. A minute from now by default; the first version holds from now."`
	Now  bool   `help:"Allow a time that is near or past. What was decided stays as it is."`
	clusterFlags
}

// Help is shown by --help.
func (programPublishCommand) Help() string {
	return "Publishes a version of the rules. Versions are never changed: each decision names the one that it was made by.\n" +
		"Publishing the latest version's file again does nothing: exit code 1 if --at asks for another time than it has.\n\nExample:\n\n  accrue program publish program.yaml --at 2027-01-01"
}

// Run implements the command.
func (c *programPublishCommand) Run(r *run) error {
	source, err := readSmall(c.File, program.SourceBytesMax)
	if err != nil {
		return fmt.Errorf("reading the program: %w", err)
	}
	p, err := program.Parse(source, c.File)
	if err != nil {
		return invalidProgram(err)
	}
	draft := program.Draft{Source: source, File: c.File, Immediately: c.Now, Now: events.InstantOf(time.Now())}
	if c.At != "" {
		if draft.EffectiveAt, err = parseTime(c.At, p.Calendar); err != nil {
			return wrongUsage(fmt.Errorf("--at: %w", err))
		}
	}
	cl, err := c.reach(r.ctx, true, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	published, before, err := publishProgram(r.ctx, cl, draft)
	switch {
	case errors.Is(err, program.ErrUnchanged):
		return c.unchanged(r, published, draft.EffectiveAt)
	case errors.Is(err, program.ErrTooSoon):
		return wrongUsage(fmt.Errorf("%w; --now allows it all the same", err))
	case err != nil:
		return topicsMissing(invalidProgram(err))
	}
	if r.json {
		return r.printJSON(publishedAs(true, published))
	}
	_, err = fmt.Fprintln(r.Stdout, textf("%s is version %d, in effect from %s", p.Name, published.Version, published.EffectiveAt))
	if next := nextAfter(before, published.EffectiveAt); next != nil {
		fmt.Fprintf(r.Stdout, "until %s: then version %d, which was published before, takes its place\n", next.EffectiveAt, next.Version)
	}
	return err
}

// unchanged says that the latest version is this file already, and since when it holds; at is when it was to hold, 0 for any
// time.
func (c *programPublishCommand) unchanged(r *run, latest events.ProgramPublished, at events.Instant) error {
	if r.json {
		if err := r.printJSON(publishedAs(false, latest)); err != nil {
			return err
		}
	}
	switch {
	case at != 0 && at != latest.EffectiveAt:
		return notSo(fmt.Errorf("%w: version %d, in effect from %s; %s was not used", program.ErrUnchanged, latest.Version, latest.EffectiveAt, at),
			"A version's time is never changed. Rules that shall hold from another time are a version of their own: change the file, if only a comment.")
	case r.json:
		return nil
	}
	_, err := fmt.Fprintf(r.Stdout, "nothing to do: %s: version %d, in effect from %s\n", program.ErrUnchanged, latest.Version, latest.EffectiveAt)
	return err
}

// nextAfter returns the version that takes effect next after an instant; nil when there is none.
func nextAfter(all []events.ProgramPublished, at events.Instant) (next *events.ProgramPublished) {
	for i := range all {
		if v := &all[i]; v.EffectiveAt > at && (next == nil || v.EffectiveAt <= next.EffectiveAt) {
			next = v
		}
	}
	return next
}

// publishedAs is the JSON form of a version and whether it is new.
func publishedAs(now bool, v events.ProgramPublished) map[string]any {
	return map[string]any{"published": now, "version": v.Version, "hash": v.Hash, "effective_at": v.EffectiveAt}
}

// publishProgram publishes a draft, and returns the versions before it, too. The first of all need not give notice. With
// [program.ErrUnchanged] it returns the version that there is.
func publishProgram(ctx context.Context, cl *cluster, draft program.Draft) (published events.ProgramPublished, before []events.ProgramPublished, err error) {
	have, err := cl.client.ProgramSources(ctx)
	if err != nil {
		return published, nil, err
	}
	if len(have) > 0 {
		// Looked at first: that nothing is to do is so whenever the version was to take effect.
		look := draft
		look.Latest, look.Immediately = &have[len(have)-1], true
		if _, _, err := program.Prepare(look); errors.Is(err, program.ErrUnchanged) {
			return *look.Latest, have, err
		}
	}
	draft.Immediately = draft.Immediately || len(have) == 0
	published, err = cl.client.PublishProgram(ctx, draft)
	if !errors.Is(err, program.ErrUnchanged) {
		return published, have, err
	}
	// Asked once more, because somebody else may have published it just now.
	have, again := cl.client.ProgramSources(ctx)
	if again != nil || len(have) == 0 {
		return published, have, cmp.Or(again, err)
	}
	return have[len(have)-1], have, err
}

type programShowCommand struct {
	Version *int32 `arg:"" optional:"" help:"The version to show; without it, all are listed."`
	Source  bool   `help:"Print that version's file as it was published."`
	clusterFlags
}

// Run implements the command.
func (c *programShowCommand) Run(r *run) error {
	if c.Source && c.Version == nil {
		return wrongUsage(errors.New("--source: of which version? `accrue program show` lists them, `accrue program show 1 --source` prints the first one's file"))
	}
	cl, err := c.reach(r.ctx, false, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	all, err := cl.client.ProgramSources(r.ctx)
	if err != nil {
		return topicsMissing(err)
	}
	if len(all) == 0 {
		return notSo(consumer.ErrNoProgram, "")
	}
	if c.Version == nil {
		return listPrograms(r, all)
	}
	for _, v := range all {
		if v.Version != *c.Version {
			continue
		}
		if c.Source {
			_, err := fmt.Fprint(r.Stdout, v.Source)
			return err
		}
		p, err := program.Load(v)
		if err != nil {
			return err
		}
		return describeProgram(r, v, p)
	}
	return notSo(fmt.Errorf("there is no version %d; the latest is %d", *c.Version, all[len(all)-1].Version), "`accrue program show` lists them all.")
}

func listPrograms(r *run, all []events.ProgramPublished) error {
	if r.json {
		return r.printJSON(map[string]any{"versions": all})
	}
	rows := make([][]any, len(all))
	for i, v := range all {
		rows[i] = []any{v.Version, v.EffectiveAt.String(), v.PublishedAt.String(), v.Hash.String()[:12]}
	}
	printTable(r.Stdout, []column{{"version", true}, {"in effect from", false}, {"published", false}, {"hash", false}}, rows)
	return nil
}

func describeProgram(r *run, v events.ProgramPublished, p *loyalty.Program) error {
	facts := program.Describe(p)
	if r.json {
		return r.printJSON(map[string]any{"version": v.Version, "hash": v.Hash, "effective_at": v.EffectiveAt, "published_at": v.PublishedAt, "says": facts})
	}
	fmt.Fprintf(r.Stdout, "version %d, in effect from %s, published %s, %.12s\n", v.Version, v.EffectiveAt, v.PublishedAt, v.Hash)
	rows := make([][]any, len(facts))
	for i, f := range facts {
		rows[i] = []any{f.Subject, f.Field, f.Value}
	}
	printTable(r.Stdout, []column{{"", false}, {"", false}, {"", false}}, rows)
	return nil
}

type programDiffCommand struct {
	From string `arg:"" help:"A program file, or the number of a published version."`
	To   string `arg:"" help:"Likewise."`
	clusterFlags
}

// Help is shown by --help.
func (programDiffCommand) Help() string {
	return "Compares what the programs mean, not how they are written. Exit code 0: they say the same; 1: they differ, or standard error\n" +
		"says that a file is not valid or that there is no such version.\n\nExample:\n\n  accrue program diff 3 program.yaml"
}

// Run implements the command: exit code 1 when they differ.
func (c *programDiffCommand) Run(r *run) error {
	from, err := c.load(r, c.From)
	if err != nil {
		return err
	}
	to, err := c.load(r, c.To)
	if err != nil {
		return err
	}
	changes := program.Diff(from, to)
	if r.json {
		if changes == nil {
			changes = []program.Change{}
		}
		if err := r.printJSON(map[string]any{"changes": changes}); err != nil {
			return err
		}
	} else {
		for _, x := range changes {
			fmt.Fprintln(r.Stdout, textf("%s", x.String()))
		}
		if len(changes) == 0 {
			fmt.Fprintln(r.Stdout, "They say the same.")
		}
	}
	if len(changes) > 0 {
		return alreadyTold()
	}
	return nil
}

// load reads a file, or a published version when what is the number of one and no file.
func (c *programDiffCommand) load(r *run, what string) (*loyalty.Program, error) {
	n, err := strconv.ParseInt(what, 10, 32)
	if _, missing := os.Stat(what); err != nil || missing == nil {
		return loadProgram(filepath.Clean(what))
	}
	cl, err := c.reach(r.ctx, false, nil, r.Kafka...)
	if err != nil {
		return nil, err
	}
	defer cl.close()
	all, err := cl.client.ProgramSources(r.ctx)
	if err != nil {
		return nil, topicsMissing(err)
	}
	for _, v := range all {
		if int64(v.Version) == n {
			return program.Load(v)
		}
	}
	hint := "`accrue program show` lists the published versions."
	if len(all) == 0 {
		hint = "Nothing has been published: `accrue program publish FILE` does. Files are compared by their names."
	}
	return nil, notSo(fmt.Errorf("there is no version %d, and no file of that name", n), hint)
}

type programSchemaCommand struct{}

// Help is shown by --help.
func (programSchemaCommand) Help() string {
	return "Editors complete and check a program file that begins with\n\n  # yaml-language-server: $schema=./program.schema.json\n\n" +
		"Example:\n\n  accrue program schema > program.schema.json"
}

// Run implements the command.
func (programSchemaCommand) Run(r *run) error {
	_, err := r.Stdout.Write(program.Schema())
	return err
}
