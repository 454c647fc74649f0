package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/internal/racetest"
)

// TestAnAdjustmentCountsOnceUnderItsID repeats adjustments, as a script does that has not heard back.
func TestAnAdjustmentCountsOnceUnderItsID(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml")
	adjust := func(customer, points, id string, more ...string) outcome {
		return accrue(t, "", append([]string{"adjust", customer, "--points=" + points, "--reason", "a gift", "--actor", "ada", "--id", id, "--url", s.API}, more...)...)
	}
	ledger := func() int { return strings.Count(accrue(t, "", s.cluster("export")...).want(t, 0).stdout, "\n") }
	done := func(text string, o outcome) {
		t.Helper()
		if o.want(t, 0); !strings.HasPrefix(o.stdout, text) {
			t.Errorf("it printed %q, want %q", o.stdout, text)
		}
	}
	done("APPLIED: ADJUST 500; balance 500\n", adjust("ann", "500", "gift-1"))
	adjust("ann", "-600", "taken-1").want(t, 1, "balance_too_low")
	accrue(t, orderLine("order-1", "ann", "2026-01-01T12:00:00Z", "10000"), s.cluster("import", "-")...).want(t, 0)
	eventually(t, "the order is decided", func() bool { return accrue(t, "", "explain", "ann", "order-1", "--url", s.API).code == 0 })
	before := ledger()

	done("APPLIED: ADJUST 500; balance 600\n", adjust("ann", "500", "gift-1"))
	adjust("ann", "-600", "taken-1").want(t, 1, "balance_too_low", "600 spendable")
	for _, o := range []outcome{adjust("ann", "-500", "gift-1"), adjust("ann", "500", "order-1"), adjust("ann", "500", "gift-1", "--actor", "eve")} {
		if o.want(t, 1, "(event_id_reused)", "Nothing of this was applied", "--id"); o.stdout != "" {
			t.Errorf("a reused id printed %s", o.stdout)
		}
	}
	for reason, o := range map[string]outcome{"event_id_reused": adjust("ann", "5", "gift-1", "-o", "json"), "balance_too_low": adjust("ann", "-700", "taken-2", "-o", "json")} {
		if e := decode[map[string]any](t, o.want(t, 1).stderr); e["reason"] != reason || e["exit"] != 1.0 || e["error"] == "" || e["hint"] == nil {
			t.Errorf("as JSON: %s", o.stderr)
		}
	}
	if after := ledger(); after != before+1 {
		t.Errorf("the ledger had %d records and has %d, want one more, of the refusal under a new id", before, after)
	}
}

// TestWhoWasMergedAwayIsNotAdjusted merges ann into bob.
func TestWhoWasMergedAwayIsNotAdjusted(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml")
	adjust := func(customer, id string, more ...string) outcome {
		return accrue(t, "", append([]string{"adjust", customer, "--points=50", "--reason", "a gift", "--actor", "ada", "--id", id, "--url", s.API}, more...)...)
	}
	adjust("ann", "gift-1").want(t, 0)
	at := time.Now().UTC().Format(time.RFC3339)
	sent := `{"type":"AccountsMerged","id":"m","customer":"ann","at":"` + at + `","into":"bob"}
{"type":"PointsAdjusted","id":"gift-2","customer":"ann","at":"` + at + `","points":50,"reason":"a gift","actor":"ada"}`
	accrue(t, sent, s.cluster("import", "-")...).want(t, 0)
	both := func() bool {
		return strings.HasPrefix(accrue(t, "", "balance", "bob", "--url", s.API).stdout, "100 points to spend")
	}
	eventually(t, "bob has both gifts", both)

	for _, id := range []string{"gift-3", "gift-4"} {
		if o := adjust("ann", id).want(t, 1, "customer ann was merged into bob (account_merged)", "Nothing was sent", "accrue adjust bob --points=50"); o.stdout != "" {
			t.Errorf("it printed %s", o.stdout)
		}
	}
	if e := decode[map[string]any](t, adjust("ann", "gift-5", "-o", "json").want(t, 1).stderr); e["reason"] != "account_merged" || e["exit"] != 1.0 {
		t.Errorf("as JSON: %v", e)
	}
	// What was on its way when the accounts were merged is the survivor's; repeating it says so.
	if o := adjust("ann", "gift-2").want(t, 0); !strings.Contains(o.stdout, "merged into bob, for whom it is decided: accrue explain bob gift-2") {
		t.Errorf("it printed %q", o.stdout)
	}
	adjust("ann", "gift-1").want(t, 0)
	if !both() {
		t.Error("bob has something else by now")
	}
	accrue(t, "", "explain", "bob", "gift-2", "--url", s.API).want(t, 0)
}
