package loyalty_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/sim"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt with what the rules answer now")

// TestCases runs testdata/*.txt. A file holds cases; a case is a heading, a program and a story, one event a line, with
// what became of it indented below. testdata/README says how a line is written.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for _, c := range splitCases(string(text)) {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+c.name, func(t *testing.T) {
				got := c.run(t)
				out.WriteString(got)
				if !*update && got != c.text {
					t.Errorf("%s: %s\n%s", file, c.name, difference(c.text, got))
				}
			})
		}
		if *update {
			if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// difference shows the first line that differs, with its surroundings.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n  want %s\n  got  %s\nafter %s", i+1, w[i], g[i], strings.Join(w[max(0, i-3):i], "\n      "))
		}
	}
	return "the lengths differ:\n" + got
}

type goldenCase struct{ name, text string }

// splitCases cuts a file at its headings; what stands before the first belongs to it.
func splitCases(text string) []goldenCase {
	var cases []goldenCase
	for _, line := range strings.SplitAfter(text, "\n") {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			cases = append(cases, goldenCase{name: strings.TrimSpace(name)})
		}
		if len(cases) == 0 {
			cases = append(cases, goldenCase{name: "preface"})
		}
		cases[len(cases)-1].text += line
	}
	return cases
}

const programHead = "program: case\ncurrency: USD\ntimezone: Europe/Berlin\npoint_value: 0.01\n"

// run plays the story and returns the case with the answers of now.
func (c goldenCase) run(t *testing.T) string {
	var out strings.Builder
	var yaml strings.Builder
	var world *world
	for _, line := range strings.SplitAfter(c.text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "    ") && world != nil:
			continue // An old answer.
		case strings.HasPrefix(line, "  ") && world == nil:
			yaml.WriteString(strings.TrimPrefix(line, "  "))
			out.WriteString(line)
		case trimmed == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line)
		default:
			if world == nil {
				world = newWorld(t, yaml.String())
			}
			out.WriteString(line)
			for _, answer := range world.play(t, trimmed) {
				out.WriteString("    " + answer + "\n")
			}
		}
	}
	return out.String()
}

// world is the engine in memory and what it has decided since it was last asked.
type world struct {
	engine  *sim.Engine
	answers []string
	events  int64
	folded  map[string]*twin
}

func newWorld(t *testing.T, yaml string) *world {
	source := programHead + yaml
	for _, key := range []string{"currency", "timezone", "point_value"} {
		if strings.Contains("\n"+yaml, "\n"+key+":") {
			i := strings.Index(source, key+":")
			source = source[:i] + source[i+strings.Index(source[i:], "\n")+1:]
		}
	}
	p, err := program.Parse([]byte(source), "case.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	w := &world{folded: map[string]*twin{}}
	w.engine, err = sim.New(sim.Config{Programs: loyalty.History{p}, DailyTicks: strings.Contains(yaml, "# daily ticks"),
		Decided: func(d *events.Decision) error {
			w.answers = append(w.answers, describe(d)...)
			return w.fold(d)
		}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// fold holds every decision of a case to what the ledger makes of it.
func (w *world) fold(d *events.Decision) error {
	x := w.folded[d.Customer]
	if x == nil {
		x = &twin{folded: loyalty.NewAccount(d.Customer), refolded: loyalty.NewMemoryRecords()}
		w.folded[d.Customer] = x
	}
	decided := w.engine.Account(d.Customer)
	if err := loyalty.CheckTally(decided); err != nil {
		return err
	}
	return foldsAlike(x.folded, x.refolded, decided, w.engine.Records(d.Customer), d)
}

// play applies one line of a story and returns what became of it.
func (w *world) play(t *testing.T, line string) []string {
	w.answers = nil
	if name, ok := strings.CutPrefix(line, "balance "); ok {
		return w.balance(name)
	}
	w.events++
	ev, err := parseStory(line, fmt.Sprintf("e%d", w.events))
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if err := w.engine.Apply(ev, w.events); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return w.answers
}

// balance says what a customer has, leaving out what is zero.
func (w *world) balance(customer string) []string {
	for s := range w.engine.Balances() {
		if s.Customer != customer {
			continue
		}
		text := fmt.Sprintf("active %d", s.Active)
		for _, x := range []struct {
			name string
			n    events.Points
		}{
			{"pending", s.Pending}, {"reserved", s.Reserved}, {"deficit", s.Deficit}, {"issued", s.Totals.Issued},
			{"redeemed", s.Totals.Redeemed}, {"expired", s.Totals.Expired}, {"revoked", s.Totals.Revoked},
			{"reinstated", s.Totals.Reinstated}, {"adjusted", s.Totals.Adjusted},
			{"transferred in", s.Totals.TransferredIn}, {"transferred out", s.Totals.TransferredOut},
			{"forfeited", s.Totals.Forfeited},
		} {
			if x.n != 0 {
				text += fmt.Sprintf(", %s %d", x.name, x.n)
			}
		}
		if s.Tier != "" {
			text += fmt.Sprintf(", %s (qualifying %.2f)", s.Tier, float64(s.QualifyingMinor)/100)
		}
		lines := []string{text}
		for _, x := range s.Expiring {
			lines = append(lines, fmt.Sprintf("%d expire %s", x.Points, x.At))
		}
		return lines
	}
	return []string{"unknown"}
}

// describe puts a decision into words, one line for the result and one for each entry.
func describe(d *events.Decision) []string {
	head := string(d.Result)
	if d.Reason != "" {
		head += " " + d.Reason
	}
	if d.Facts.Type == events.TypeTick || d.Cause.Topic == "transfers" {
		head = d.Customer + ": " + head
	}
	lines := []string{head}
	for _, e := range d.Entries {
		line := fmt.Sprintf("%s %d", e.Type, e.Points)
		if e.Type == events.TierChanged {
			line = fmt.Sprintf("%s %s", e.Type, d.Tier)
		}
		if e.Rule != "" {
			line += " " + e.Rule
		}
		if e.Asked != 0 && e.Asked != e.Points {
			line += fmt.Sprintf(" of %d asked", e.Asked)
		}
		if e.Lot != 0 {
			line += fmt.Sprintf(", lot %d", e.Lot)
		}
		if e.ActiveAt > e.EarnedAt && e.Type == events.Earn {
			line += ", active " + e.ActiveAt.String()
		}
		if e.ExpiresAt != 0 && (e.Type == events.Earn || e.Type == events.Reinstate) {
			line += ", expires " + e.ExpiresAt.String()
		}
		lines = append(lines, "  "+line)
	}
	if g := d.Facts.Grace; g != nil && *g != 0 {
		lines = append(lines, "  grace until "+g.String())
	}
	for _, x := range d.Facts.Endings() {
		if x.Result != events.Applied {
			lines = append(lines, fmt.Sprintf("  no longer waits: %s, %s %s", x.Event, x.Result, x.Reason))
		}
	}
	return lines
}
