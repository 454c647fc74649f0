package program_test

import (
	"os"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/program"
)

// testdata/diff.txt has a list of edits of vip-rewards.yaml, one a line as old => new, and the changes that they make.
func TestDiffSaysWhatChanged(t *testing.T) {
	const file = "testdata/diff.txt"
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edits, _, ok := strings.Cut(string(content), "---\n")
	if !ok {
		t.Fatal("no line of dashes")
	}
	before := string(samples(t)["vip-rewards.yaml"])
	after := before
	for line := range strings.Lines(edits) {
		from, to, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " => ")
		if !ok {
			continue
		}
		edited := strings.Replace(after, from, strings.ReplaceAll(to, `\n`, "\n"), 1)
		if edited == after {
			t.Fatalf("%q is not in the sample", from)
		}
		after = edited
	}
	var b strings.Builder
	b.WriteString(edits + "---\n")
	for _, c := range program.Diff(parse(t, before), parse(t, after)) {
		b.WriteString(c.String() + "\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if b.String() != string(content) {
		t.Errorf("got\n%s", difference(string(content), b.String()))
	}
}

func TestDescribe(t *testing.T) {
	const file = "testdata/every-key.describe.txt"
	var b strings.Builder
	for _, f := range program.Describe(parse(t, string(samples(t)["every-key.yaml"]))) {
		b.WriteString(f.Subject + ": " + f.Field + ": " + f.Value + "\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s", difference(string(want), b.String()))
	}
}

func TestAChangeIsOneLine(t *testing.T) {
	const before = "program: p\ncurrency: USD\ntimezone: UTC\nearn:\n- id: a\n  on: OrderPlaced\n  points: 1\n"
	after := before + "  when: |\n    event.channel == \"APP\" &&\n      event.store == \"1\"\n"
	changes := program.Diff(parse(t, before), parse(t, after))
	if len(changes) != 1 || changes[0].String() != `rule a: when: added: event.channel == "APP" && event.store == "1"` {
		t.Errorf("got %v", changes)
	}
}
