package main_test

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	main "github.com/accrue-loyalty/accrue/cmd/accrue"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/internal/racetest/racekafka"
)

// fullDisk takes nothing.
type fullDisk struct{}

// Write implements [io.Writer].
func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// lost runs a command whose output nobody takes, and wants it to say so.
func lost(t *testing.T, args ...string) {
	t.Helper()
	var errs bytes.Buffer
	m := &main.Main{Stdin: strings.NewReader(""), Stdout: fullDisk{}, Stderr: &errs, Kafka: racekafka.Options()}
	code := m.Run(t.Context(), args)
	if want := "writing to standard output: no space left on device"; code != 3 || strings.Count(errs.String(), want) != 1 {
		t.Errorf("accrue %s: exit code %d, want 3 and %q once in\n%s", strings.Join(args, " "), code, want, errs.String())
	}
}

func TestOutputThatIsLostIsAnError(t *testing.T) {
	other := write(t, "other.yaml", plainProgram)
	for _, args := range [][]string{
		{"--help"}, {"import", "--help"}, {"version"}, {"completion", "bash"}, {"program", "schema"}, {"program", "validate", other},
		{"program", "diff", "demo/program.yaml", other}, {"program", "diff", other, other}, {"program", "diff", other, other, "-o", "json"},
		{"import", "-", "--dry-run"},
	} {
		lost(t, args...)
	}
	// What went wrong otherwise is what is told.
	accrue(t, "", "program", "validate", "nowhere.yaml").want(t, 3, "nowhere.yaml")
}

func TestOutputOfASystemThatIsLostIsAnError(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml")
	accrue(t, orderLine("1", "ann", "2026-01-01T12:00:00Z", "50000"), s.cluster("import", "-")...).want(t, 0)
	eventually(t, "the order is decided", func() bool { return accrue(t, "", "balance", "ann", "--url", s.API).code == 0 })
	for _, what := range []string{"report cohorts", "verify", "program show", "program show 1", "topics check", "topics check --prefix other.",
		"topics create --partitions 4", "deadletter list"} {
		lost(t, s.cluster(strings.Fields(what)...)...)
	}
	for _, what := range []string{"balance", "lots", "statement", "tier"} {
		lost(t, what, "ann", "--url", s.API)
	}
}

// TestWrittenFilesAreForWhomTheyWere has customers' data, which others may not read.
func TestWrittenFilesAreForWhomTheyWere(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	t.Chdir(t.TempDir())
	for name, mode := range map[string]os.FileMode{"kept": 0o640, "open": 0o666} {
		err := os.WriteFile(name, nil, 0o600)
		if err == nil {
			err = os.Chmod(name, mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"link": "kept", "later": "dir/there", "dir": ".", "twice": "later"} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	line := orderLine("1", "ann", "2026-01-01T12:00:00Z", "500")
	for _, c := range []struct {
		name, file string
		mode       os.FileMode
	}{{"new", "new", 0o600}, {"open", "open", 0o666}, {"link", "kept", 0o640}, {"twice", "there", 0o600}} {
		accrue(t, line, "import", "-", "--convert", c.name).want(t, 0)
		info, err := os.Lstat(c.file)
		if err != nil || info.Mode() != c.mode || info.Size() < 100 {
			t.Errorf("%s: %v, %v; want the event in a file of mode %s", c.name, info, err, c.mode)
		}
	}
	if all, err := os.ReadDir("."); err != nil || len(all) != 8 {
		t.Errorf("the folder has %v, %v", all, err)
	}
}

func TestJSONIsNotWrittenForWebPages(t *testing.T) {
	o := accrue(t, "", "redeem", "a<b>&c", "-o", "json").want(t, 2, "<points>")
	if strings.Contains(o.stderr, `\u003c`) {
		t.Errorf("the error as JSON is %s", o.stderr)
	}
}
