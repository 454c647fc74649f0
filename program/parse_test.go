package program_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/program"
)

var update = flag.Bool("update", false, "rewrite what the files in testdata expect")

// A file of testdata/problems has cases: a name after ===, a program, and, after the last line of dashes, the problems
// that it has.
func TestProblemsAreReportedAllAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(string(content), "\n=== ")
			got := parts[0]
			for _, c := range parts[1:] {
				name, rest, _ := strings.Cut(c, "\n")
				at := strings.LastIndex("\n"+rest, "\n---\n")
				if at < 0 {
					t.Fatalf("case %q has no line of dashes", name)
				}
				source := rest[:at]
				_, err := program.Parse([]byte(source), "p.yaml")
				if err == nil {
					t.Errorf("case %q has no problem", name)
					continue
				}
				got += "\n=== " + name + "\n" + source + "---\n" + err.Error() + "\n"
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(content) {
				t.Errorf("got\n%s\nrun with -update if that is right", difference(string(content), got))
			}
		})
	}
}

// difference lists the lines that only one of the texts has.
func difference(want, got string) string {
	count := map[string]int{}
	for l := range strings.Lines(want) {
		count[l]--
	}
	for l := range strings.Lines(got) {
		count[l]++
	}
	var b strings.Builder
	for _, text := range []string{want, got} {
		for l := range strings.Lines(text) {
			if n := count[l]; n != 0 {
				b.WriteString(map[bool]string{true: "+ ", false: "- "}[n > 0] + l)
				count[l] = 0
			}
		}
	}
	return b.String()
}

func TestProblemsHaveAJSONForm(t *testing.T) {
	_, err := program.Parse([]byte("program: p\ncurrency: USD\ntimezone: UTC\nhold: 3\nearn: [{id: a, on: AppInstalled, points: 1}]\n"), "p.yaml")
	var problems program.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %T", err)
	}
	b, err := json.Marshal(problems)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"file":"p.yaml","line":4,"column":7,"path":"hold","message":"\"3\" is not a duration such as 30 minutes, 1 day or 12 months","suggestion":"write the unit too: 3 days"}]`
	if !bytes.Equal(b, []byte(want)) {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}
