package main_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	main "github.com/accrue-loyalty/accrue/cmd/accrue"
)

// TestNothingThatIsReadIsOverwritten names one file twice in every way.
func TestNothingThatIsReadIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	files := map[string]string{
		"o.csv": "customer,number,date,total\nann,1,2026-01-01,10.00\n", "m.yaml": shopMap,
		"in.jsonl": orderLine("1", "ann", "2026-01-01T12:00:00Z", "500") + orderLine("2", "ann", "2026-01-01T12:00:00Z", "-1"), "p.yaml": plainProgram,
	}
	for name, content := range files {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("in.jsonl", "link.jsonl"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", "here"); err != nil {
		t.Fatal(err)
	}
	imports, simulate := "import o.csv --map m.yaml --dry-run ", "simulate --program p.yaml --events in.jsonl "
	cases := []struct{ args, want string }{
		{imports + "--rejects o.csv", "--rejects o.csv is what FILE o.csv reads"},
		{imports + "--rejects " + filepath.Join(dir, "o.csv"), "is what FILE o.csv reads"},
		{imports + "--rejects m.yaml", "--rejects m.yaml is what --map m.yaml reads"},
		{imports + "--convert ./o.csv", "--convert ./o.csv is what FILE o.csv reads"},
		{imports + "--resume o.csv", "--resume o.csv is what FILE o.csv reads"},
		{imports + "--convert new --rejects here/new", "--rejects here/new and --convert new are one file"},
		{simulate + "--rejects in.jsonl", "--rejects in.jsonl is what --events in.jsonl reads"},
		{simulate + "--rejects link.jsonl", "is what --events in.jsonl reads"},
		{simulate + "--decisions ./in.jsonl", "--decisions ./in.jsonl is what --events in.jsonl reads"},
		{simulate + "--program p.yaml@2027-01-01 --decisions p.yaml", "--decisions p.yaml is what --program p.yaml reads"},
		{simulate + "--decisions new --rejects ./new", "--decisions new and --rejects ./new are one file"},
	}
	for _, c := range cases {
		t.Run(c.args, func(t *testing.T) {
			accrue(t, "", strings.Fields(c.args)...).want(t, 2, c.want)
			for name, content := range files {
				if b, err := os.ReadFile(name); err != nil || string(b) != content {
					t.Errorf("%s was %q, is %q, %v", name, content, b, err)
				}
			}
			if _, err := os.Stat("new"); err == nil {
				t.Error("something was written")
			}
		})
	}
	t.Run("what the shell has opened", func(t *testing.T) {
		in, err := os.Open("in.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		var errs bytes.Buffer
		m := &main.Main{Stdin: in, Stdout: io.Discard, Stderr: &errs}
		if code := m.Run(t.Context(), strings.Fields("import - --dry-run --rejects in.jsonl")); code != 2 || !strings.Contains(errs.String(), "is what FILE - reads") {
			t.Errorf("exit code %d, %s", code, errs.String())
		}
	})
	t.Run("other files, and devices, are written", func(t *testing.T) {
		accrue(t, "", strings.Fields(simulate+"--decisions d.jsonl --rejects r.jsonl")...).want(t, 0)
		accrue(t, "", strings.Fields(simulate+"--decisions d.jsonl --rejects r.jsonl")...).want(t, 0)
		accrue(t, "", strings.Fields(simulate+"--decisions /dev/null --rejects /dev/null")...).want(t, 0)
	})
}
