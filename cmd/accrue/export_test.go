package main_test

import (
	"context"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/racetest"
)

// TestTheLedgerIsExportedAndTheUnreadableShown has an order and bytes that nobody can read.
func TestTheLedgerIsExportedAndTheUnreadableShown(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml")
	accrue(t, orderLine("1", "ann", "2026-01-01T12:00:00Z", "50000"), s.cluster("import", "-")...).want(t, 0)
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	bob := strings.Repeat("bob", 50)
	junk := &kgo.Record{Topic: "accrue.orders", Key: []byte(bob), Value: []byte("junk")}
	if err := cl.ProduceSync(context.Background(), junk).FirstErr(); err != nil {
		t.Fatal(err)
	}
	list := s.cluster("deadletter", "list")
	eventually(t, "the junk is a dead letter", func() bool {
		return strings.Contains(accrue(t, "", list...).want(t, 0).stdout, "unknown_framing")
	})
	if o := accrue(t, "", list...).want(t, 0); !strings.Contains(o.stdout, " "+bob[:39]+"… ") {
		t.Errorf("a long key must be cut: %s", o.stdout)
	}
	letters := decode[[]struct{ ID, Reason, Topic, Key string }](t, accrue(t, "", append(list, "-o", "json")...).want(t, 0).stdout)
	if len(letters) != 1 || letters[0].Topic != "accrue.orders" || letters[0].Key != bob {
		t.Fatalf("the dead letters are %+v", letters)
	}
	if o := accrue(t, "", s.cluster("deadletter", "show", letters[0].ID)...).want(t, 0); !strings.Contains(o.stdout, "\njunk\n") {
		t.Errorf("the dead letter is shown as %q", o.stdout)
	}
	accrue(t, "", s.cluster("deadletter", "show", "9@9")...).want(t, 1, "there is no dead letter 9@9")
	if o := accrue(t, "", s.cluster("deadletter", "list", "--reason", "too_large")...).want(t, 0); !strings.Contains(o.stdout, "No dead letters") {
		t.Errorf("dead letters of another reason: %s", o.stdout)
	}

	o := accrue(t, "", s.cluster("export", "--format", "csv", "--customer", "ann")...).want(t, 0)
	rows, err := csv.NewReader(strings.NewReader(o.stdout)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("the export has %d rows, %v: %s", len(rows), err, o.stdout)
	}
	if row := strings.Join(rows[1], ","); !strings.Contains(row, "ann,1,OrderPlaced") || !strings.Contains(row, "EARN,500") {
		t.Errorf("the entry is exported as %s", row)
	}
	if o = accrue(t, "", s.cluster("export", "--format", "csv", "--customer", "nobody")...).want(t, 0); !strings.HasPrefix(o.stdout, "partition,") || strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("the export of nobody must have its header: %s", o.stdout)
	}
	o = accrue(t, "", s.cluster("export")...).want(t, 0)
	if n := strings.Count(o.stdout, "\n"); n != 2 || !strings.Contains(o.stdout, "UNREADABLE") {
		t.Errorf("the export has %d decisions: %s", n, o.stdout)
	}
}
