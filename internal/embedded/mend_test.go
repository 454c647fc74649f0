package embedded_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/embedded"
)

// killed returns a folder as a broker on dir would leave it if it were killed now.
func killed(t *testing.T, dir string) string {
	t.Helper()
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return left
}

// transact begins a transaction and sends value to each of the partitions of out.
func transact(t *testing.T, c *embedded.Cluster, value string, partitions ...int32) *kgo.Client {
	t.Helper()
	cl := client(t, c, kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "out", Partition: p, Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return cl
}

func commit(t *testing.T, cl *kgo.Client) {
	t.Helper()
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

// cut takes bytes off the end of a partition's file.
func cut(t *testing.T, dir string, partition int, suffix string, bytes int64) {
	t.Helper()
	path := filepath.Join(dir, "kafka", "partitions", "out-"+strconv.Itoa(partition), "0"+suffix)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-bytes); err != nil {
		t.Fatal(err)
	}
}

// The next transaction of the same producer must not commit what a kill left open, also when the broker is killed again.
func TestAKilledBrokersTransactionsAreEnded(t *testing.T) {
	const markerBytes, entryBytes = 78, 15
	for name, c := range map[string]struct {
		commits bool                            // the transaction ends before the kill
		torn    func(t *testing.T, left string) // and what of it was not written any more
		want    []string
	}{
		"open": {want: []string{"next"}},
		"open, and not in the index yet": {
			torn: func(t *testing.T, left string) { cut(t, left, 0, ".idx", entryBytes) },
			want: []string{"next"},
		},
		"open, and its last batch cut short": {
			torn: func(t *testing.T, left string) { cut(t, left, 0, ".dat", 1) },
			want: []string{"next"},
		},
		"committed in one partition, not yet in the other": {
			commits: true,
			torn: func(t *testing.T, left string) {
				cut(t, left, 0, ".dat", markerBytes)
				cut(t, left, 0, ".idx", entryBytes)
			},
			want: []string{"first", "first", "next"},
		},
		"committed": {commits: true, want: []string{"first", "first", "next"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			one := start(t, embedded.Config{Dir: dir, FastWrites: true})
			createTopics(t, one, 2, "out")
			cl := transact(t, one, "first", 0, 1)
			if c.commits {
				commit(t, cl)
			}
			left := killed(t, dir)
			if err := os.WriteFile(filepath.Join(left, "kafka", "partitions", ".DS_Store"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if c.torn != nil {
				c.torn(t, left)
			}
			two := start(t, embedded.Config{Dir: left, FastWrites: true})
			commit(t, transact(t, two, "next", 0))
			if values, _ := readCommitted(t, two); !slices.Equal(values, c.want) {
				t.Errorf("after the kill %q is committed, want %q", values, c.want)
			}
			three := start(t, embedded.Config{Dir: killed(t, left), FastWrites: true})
			if values, _ := readCommitted(t, three); !slices.Equal(values, c.want) {
				t.Errorf("after another kill %q is committed, want %q", values, c.want)
			}
		})
	}
}
