package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/analytics"
)

func TestTheCohortTableShowsTheMonthsThatThereAre(t *testing.T) {
	for months, want := range map[int]string{
		0: "", 1: "", 2: "+1", 4: "+1 +2 +3", 18: "+1 +2 +3 +6 +12 +17", 25: "+1 +2 +3 +6 +12 +24", 120: "+1 +2 +3 +6 +12 +24 +36 +119",
	} {
		c := &analytics.Cohorts{}
		if months > 0 {
			c.Cohorts = []analytics.Cohort{{Month: "2026-01", Customers: 1, Months: make([]analytics.CohortMonth, months)}}
		}
		var out bytes.Buffer
		printCohorts(&out, c)
		header, _, _ := strings.Cut(out.String(), "\n")
		_, header, _ = strings.Cut(header, "points")
		header, _, _ = strings.Cut(header, "LTV")
		if got := strings.Join(strings.Fields(header), " "); got != want {
			t.Errorf("%d months: the columns are %q, want %q", months, got, want)
		}
	}
}
