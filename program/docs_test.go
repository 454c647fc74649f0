package program_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/program"
)

const docs = "../docs/program.md"

// The tables of the reference are written from the parser's own (go test ./program -update).
func TestTheReferenceListsEveryKeyAndField(t *testing.T) {
	content, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	keys, fields := program.Reference()
	got := replaceBlock(t, replaceBlock(t, string(content), "keys", keys), "fields", fields)
	if *update {
		if err := os.WriteFile(docs, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != string(content) {
		t.Errorf("docs/program.md is behind the table; run with -update:\n%s", difference(string(content), got))
	}
}

func replaceBlock(t *testing.T, text, name, block string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	head, rest, ok := strings.Cut(text, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("docs/program.md has no block %s", name)
	}
	return head + begin + block + end + tail
}

// Every whole program that the reference shows is one.
func TestTheReferencesProgramsParse(t *testing.T) {
	content, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(content), -1) {
		if !strings.HasPrefix(m[1], "program:") {
			continue
		}
		shown++
		if _, err := program.Parse([]byte(m[1]), "docs/program.md"); err != nil {
			t.Error(err)
		}
	}
	if shown == 0 {
		t.Error("the reference shows no program")
	}
}
