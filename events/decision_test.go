package events_test

import (
	"encoding/json"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
)

func TestADecisionAlwaysHasEveryFieldOfTheContract(t *testing.T) {
	b, err := json.Marshal(events.Decision{})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"partition", "offset", "cause", "customer", "clock", "program", "result", "reason", "entries",
		"balance", "tier", "chain"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("%q is missing in %s", name, b)
		}
	}
	if string(fields["entries"]) != "[]" {
		t.Errorf("no entries are written as %s", fields["entries"])
	}
	if string(fields["reason"]) != `""` {
		t.Errorf("no reason is written as %s", fields["reason"])
	}
}
