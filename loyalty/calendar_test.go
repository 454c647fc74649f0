package loyalty_test

import (
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func TestTheLastDayOf2040Ends(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, _ := events.ParseInstant("2040-12-31T12:00:00Z")
	got := loyalty.NewCalendar(loc).Add(at, loyalty.Step{N: 1, Unit: loyalty.Days})
	if want := "2041-01-01T12:00:00.000Z"; got.String() != want {
		t.Errorf("a day after %s is %s, want %s", at, got, want)
	}
}
