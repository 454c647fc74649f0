package main_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/schemas"
)

// An import that was killed leaves a lease on the clock, as a driver does that is not closed.
func TestAClockThatIsDrivenIsReleasedLater(t *testing.T) {
	b := startBroker(t)
	b.accrue("topics", "create", "--partitions", "2").want(t, 0)
	b.accrue("program", "publish", "testdata/plain.yaml").want(t, 0)
	if o := b.accrue("clock", "show").want(t, 0); !strings.Contains(o.stdout, "not set yet") || !strings.Contains(o.stdout, "after the partition's first decision") {
		t.Errorf("a clock without a history is %s", o.stdout)
	}
	if o := b.accrue("clock", "release").want(t, 0); !strings.Contains(o.stdout, "nothing to release") {
		t.Errorf("releasing it is answered %s", o.stdout)
	}
	client, err := consumer.NewClient(consumer.DefaultKafkaConfig(b.at), schemas.NewCodec())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	driver, err := client.DriveClock(t.Context(), 1, "a history", false)
	if err != nil {
		t.Fatal(err)
	}
	waits := regexp.MustCompile(`keeps it for (1m0s|[0-9]+s) more unless it renews that`)
	history := write(t, "history.jsonl", orderLine("1", "ann", "2026-01-01T12:00:00Z", "500"))
	for _, args := range [][]string{{"clock", "release"}, {"import", history, "--drive-clock"}} {
		if o := b.accrue(args...).want(t, 3, "somebody else drives the clock", "If it was killed, run this again once the time is over"); !waits.MatchString(o.stderr) {
			t.Errorf("%v does not say how long to wait: %s", args, o.stderr)
		}
	}
	if o := b.accrue("clock", "show").want(t, 0); !strings.Contains(o.stdout, "unless it renews that") {
		t.Errorf("a clock that is driven is %s", o.stdout)
	}
	if err := driver.Close(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	if o := b.accrue("clock", "release").want(t, 0); !strings.Contains(o.stdout, "Released") {
		t.Errorf("releasing it is answered %s", o.stdout)
	}
}
