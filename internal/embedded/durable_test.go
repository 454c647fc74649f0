package embedded_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/accrue-loyalty/accrue/internal/embedded"
)

func TestDurableClusterComesBack(t *testing.T) {
	dir := t.TempDir()
	one, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	createTopics(t, one, 2, "in", "out")
	produce(t, one, 20)
	s := session(t, one, "tx", "g", "in")
	echo(t, s, 20)
	s.Close()
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}

	two := start(t, embedded.Config{Dir: dir})
	if values, _ := readCommitted(t, two); len(values) != 20 {
		t.Errorf("after a restart the topic holds %d committed records, want 20", len(values))
	}
	produce(t, two, 5)
	echo(t, session(t, two, "tx", "g", "in"), 5)
	if values, _ := readCommitted(t, two); len(values) != 25 {
		t.Errorf("the group did not go on where it was: %d records, want 25", len(values))
	}
}

func TestADiskThatCannotBeWrittenIsTold(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	c := start(t, embedded.Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	createTopics(t, c, 1, "in")
	produce(t, c, 1)
	if log.Len() > 0 {
		t.Errorf("a disk that can be written is complained of: %s", &log)
	}
	createTopics(t, c, 1, "out")
	taken := filepath.Join(dir, "kafka", "partitions")
	if err := os.Rename(taken, taken+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...), kgo.RecordRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	err = cl.ProduceSync(t.Context(), &kgo.Record{Topic: "out"}).FirstErr()
	if !errors.Is(err, kerr.UnknownServerError) || !strings.Contains(log.String(), "not a directory") {
		t.Errorf("a batch was answered with %v, the log is %s", err, &log)
	}
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	start(t, embedded.Config{Dir: dir})
	if c, err := embedded.Start(embedded.Config{Dir: dir}); err == nil {
		_ = c.Close()
		t.Fatal("two clusters run on one folder")
	}
}

func schema(fields string) sr.Schema {
	return sr.Schema{Type: sr.TypeAvro, Schema: `{"type":"record","name":"R","fields":[` + fields + `]}`}
}

const (
	fieldsOne = `{"name":"a","type":"string"}`
	fieldsTwo = fieldsOne + `,{"name":"b","type":["null","string"],"default":null}`
)

func registryClient(t *testing.T, c *embedded.Cluster) *sr.Client {
	t.Helper()
	cl, err := sr.NewClient(sr.URLs(c.RegistryURL()))
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// register registers both schemas and the level, as an engine does at start.
func register(t *testing.T, c *embedded.Cluster) (ids []int) {
	t.Helper()
	cl := registryClient(t, c)
	for _, subject := range []string{"x", "y"} {
		for _, r := range cl.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatFullTransitive}, subject) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		for _, f := range []string{fieldsOne, fieldsTwo} {
			ss, err := cl.CreateSchema(t.Context(), subject, schema(f))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, ss.ID)
		}
	}
	return ids
}

func TestRegistryJournal(t *testing.T) {
	dir := t.TempDir()
	journal := filepath.Join(dir, "registry.jsonl")
	one, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ids := register(t, one)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}

	// A crash in the middle of a line.
	if err := os.WriteFile(journal, append(written, `{"method":"POST","pa`...), 0o644); err != nil {
		t.Fatal(err)
	}
	two := start(t, embedded.Config{Dir: dir})
	cl := registryClient(t, two)
	back, err := cl.SchemaByID(t.Context(), ids[1])
	if err != nil || back.Schema != schema(fieldsTwo).Schema {
		t.Errorf("schema %d came back as %q (%v)", ids[1], back.Schema, err)
	}
	if level := cl.Compatibility(t.Context(), "y")[0]; level.Level != sr.CompatFullTransitive {
		t.Errorf("the level came back as %v (%v)", level.Level, level.Err)
	}
	if again := register(t, two); again[1] != ids[1] || again[3] != ids[3] {
		t.Errorf("ids were %v, and %v after a restart", ids, again)
	}
	if after, err := os.ReadFile(journal); err != nil || string(after) != string(written) {
		t.Errorf("registering again changed the journal (%v):\n%s", err, after)
	}
}

// Clients ask with the subject that they would write to, which is another by another naming strategy.
func TestASchemaIsFoundByItsIdWhateverTheSubject(t *testing.T) {
	c := start(t, embedded.Config{})
	id := register(t, c)[1]
	for path, want := range map[string]int{
		fmt.Sprintf("/schemas/ids/%d?subject=orders-value", id):                  http.StatusOK,
		fmt.Sprintf("/schemas/ids/%d?subject=orders-value&fetchMaxId=false", id): http.StatusOK,
		fmt.Sprintf("/schemas/ids/%d/schema?subject=orders-value", id):           http.StatusOK,
		"/schemas/ids/9999?subject=orders-value":                                 http.StatusNotFound,
		fmt.Sprintf("/schemas/ids/%d?subject=:.other:orders-value", id):          http.StatusNotFound,
	} {
		resp, err := http.Get(c.RegistryURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestDamagedJournalIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "registry.jsonl"), []byte("not json\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err := embedded.Start(embedded.Config{Dir: dir}); err == nil {
		_ = c.Close()
		t.Fatal("a damaged journal was accepted")
	}
}
