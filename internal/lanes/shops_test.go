//go:build !race

package lanes_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

const requireShops = "ACCRUE_REQUIRE_SHOPS"

// shop is one shop's export, and what is known of it.
type shop struct {
	name, mapFile, program string
	// begins is before its first event.
	begins string
	files  []string

	orders, returns, skipped, customers int64
	revenue                             int64 // minor units
	// pointsPlain is a point for each whole unit, rounded down once an order.
	pointsPlain int64
}

func (s *shop) events() int64 { return s.orders + s.returns }

// TestRealShops imports three shops' histories on a real broker, twice, and holds what comes out to what was reckoned by
// other means.
func TestRealShops(t *testing.T) {
	if os.Getenv("ACCRUE_KAFKA") == "" {
		skip(t, requireShops, "importing shops needs a Kafka broker: scripts/lane.sh shops")
	}
	folder := cmp.Or(os.Getenv("ACCRUE_SHOPS"), "../../../shared/data")
	shops := []shop{
		{name: "cdnow", mapFile: "../../cmd/accrue/demo/cdnow.map.yaml", program: "testdata/shops/cdnow.program.yaml", begins: "1997-01-01",
			files:  []string{"../../cmd/accrue/demo/cdnow.csv.gz"},
			orders: 69_659, customers: 23_570, revenue: 2_500_315_63, pointsPlain: 2_453_159},
		// The coupons of the grocery are the manufacturers' payment for the shop's customer, so they lower nothing: what the
		// line cost is what earns. Their file is not read.
		{name: "grocery", mapFile: "../../examples/grocery.map.yaml", program: "testdata/shops/grocery.program.yaml", begins: "2017-01-01",
			files:  []string{filepath.Join(folder, "journey_orders.csv.gz")},
			orders: 35_048, customers: 567, revenue: 1_009_122_17, pointsPlain: 992_065},
		// 1,389 rows of the returns name no order (match none): bought before the file begins, or credits that are no goods.
		// No order here gave points for them, so there is nothing to take back, and the map skips them. The others are one
		// event for each return and order: 3,880.
		{name: "gifts", mapFile: "../../examples/gift-shop.map.yaml", program: "testdata/shops/gifts.program.yaml", begins: "2010-12-01",
			files:  []string{filepath.Join(folder, "retail_orders.csv.gz"), filepath.Join(folder, "retail_returns.csv.gz")},
			orders: 18_536, returns: 3_880, skipped: 1_389, customers: 4_339, revenue: 8_911_407_90, pointsPlain: 8_902_670},
	}
	for _, s := range shops {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // imports mostly wait: for the decisions of a day, before the next
			for _, f := range s.files {
				if _, err := os.Stat(f); err != nil {
					skip(t, requireShops, "the shop's export is not here: %v. ACCRUE_SHOPS names its folder", err)
				}
			}
			s.live(t)
		})
	}
}

// live is the life of a shop's system: set up, import, restart on an empty folder, import again.
func (s *shop) live(t *testing.T) {
	want := s.reckoned(t)
	sys := newSystem(t, "")
	expected := s.simulated(t, sys)
	customers := make([]string, len(expected))
	for i := range expected {
		customers[i] = expected[i].Customer
	}

	sys.must("topics", "create", "--partitions", "4")
	sys.must("program", "publish", s.program, "--at", s.begins, "--now")
	one := sys.start()
	if ticks := s.imports(sys); ticks < 300 {
		t.Errorf("%d ticks drove the clock through more than a year of days with orders", ticks)
	}
	first := one.balances(customers)
	compare(t, "after the import, against simulate", first, expected)
	s.totals(t, first, want)
	table := s.cohorts(sys, want)
	one.stop()

	two := sys.start() // with an empty folder: all of it comes from the ledger
	compare(t, "restored from the ledger", two.balances(customers), first)
	if ticks := s.imports(sys); ticks > 1 {
		t.Errorf("the second import sent %d ticks to a clock that is past them", ticks)
	}
	compare(t, "after importing everything a second time", two.balances(customers), first)
	if again := s.cohorts(sys, want); !reflect.DeepEqual(again.Cohorts, table.Cohorts) {
		t.Errorf("the second import changed the cohorts")
	}
	s.verify(sys)
}

// imports runs `accrue import` with the clock driven, checks what it says of the files, and returns how many ticks it sent.
func (s *shop) imports(sys *system) int64 {
	t := sys.t
	t.Helper()
	var did struct {
		Events, Published, Skipped, Rejected, Ticks int64
		Seconds                                     float64
	}
	sys.mustJSON(&did, append([]string{"import", "--map", s.mapFile, "--drive-clock"}, s.files...)...)
	if did.Events != s.events() || did.Published != s.events() || did.Skipped != s.skipped || did.Rejected != 0 {
		t.Errorf("import says %+v; want %d events, %d rows skipped, none rejected", did, s.events(), s.skipped)
	}
	t.Logf("imported %d events with %d ticks in %.1f s", did.Published, did.Ticks, did.Seconds)
	return did.Ticks
}

// verify decides both imports once more: every event of them has one decision, and all are what the rules say.
func (s *shop) verify(sys *system) {
	t := sys.t
	t.Helper()
	var v struct {
		Records, Differences int64
		Seconds              float64
	}
	sys.mustJSON(&v, "verify")
	if v.Differences != 0 || v.Records < 2*s.events() {
		t.Errorf("verify: %d differences in %d records; want none in at least %d", v.Differences, v.Records, 2*s.events())
	}
	t.Logf("verified %d records in %.1f s: %d differences", v.Records, v.Seconds, v.Differences)
}

// simulated decides the same files without Kafka and returns the balances, one a customer.
func (s *shop) simulated(t *testing.T, sys *system) []balance {
	t.Helper()
	lines := filepath.Join(t.TempDir(), s.name+".jsonl")
	sys.must(append([]string{"import", "--map", s.mapFile, "--convert", lines}, s.files...)...)
	out := sys.must("simulate", "--program", s.program, "--events", lines, "--tick", "day")
	var all []balance
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var b balance
		if err := d.Decode(&b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	if int64(len(all)) != s.customers {
		t.Fatalf("simulate printed %d customers, want %d", len(all), s.customers)
	}
	return all
}

// compare reports the customers whose balances differ.
func compare(t *testing.T, when string, got, want []balance) {
	t.Helper()
	const shown = 3
	different := 0
	for i := range want {
		if reflect.DeepEqual(got[i], want[i]) {
			continue
		}
		if different++; different <= shown {
			t.Errorf("%s: %+v\nwant %+v", when, got[i], want[i])
		}
	}
	if different > 0 {
		t.Errorf("%s: %d of %d balances differ", when, different, len(want))
		return
	}
	t.Logf("%s: %d balances are the same", when, len(want))
}

// cohortTable is what `accrue report cohorts` prints, as far as it is compared.
type cohortTable struct {
	Timezone string   `json:"timezone"`
	Cohorts  []cohort `json:"cohorts"`
}

type cohort struct {
	Month     string        `json:"month"`
	Customers int64         `json:"customers"`
	Months    []cohortMonth `json:"months"`
}

type cohortMonth struct {
	Since         int     `json:"since"`
	Active        int64   `json:"active"`
	Orders        int64   `json:"orders"`
	Revenue       int64   `json:"revenue_minor"`
	Refunds       int64   `json:"refunds_minor"`
	Points        int64   `json:"points"`
	Redeemed      int64   `json:"points_redeemed"`
	LTV           float64 `json:"ltv_minor"`
	LTVDiscounted float64 `json:"ltv_discounted_minor"`
}

// reckoning is what check.py says of a shop.
type reckoning struct {
	cohortTable
	Customers   int64            `json:"customers"`
	Orders      int64            `json:"orders"`
	Revenue     int64            `json:"revenue_minor"`
	Returns     int64            `json:"returns"`
	Skipped     int64            `json:"skipped"`
	PointsPlain int64            `json:"points_plain"`
	Totals      map[string]int64 `json:"totals"`
	Tiers       map[string]int64 `json:"tiers"`
}

// reckoned has check.py reckon the shop, and holds it to the figures that the data's own description gives.
func (s *shop) reckoned(t *testing.T) *reckoning {
	t.Helper()
	python := cmp.Or(os.Getenv("ACCRUE_PYTHON"), "python3")
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), python, append([]string{"testdata/shops/check.py", s.name}, s.files...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s check.py: %v (it needs Python 3.9 or later; ACCRUE_PYTHON names another)", python, err)
	}
	var r reckoning
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	t.Logf("%5.1f s  check.py %s", time.Since(began).Seconds(), s.name)
	known := fmt.Sprint(s.customers, s.orders, s.revenue, s.returns, s.skipped, s.pointsPlain)
	if got := fmt.Sprint(r.Customers, r.Orders, r.Revenue, r.Returns, r.Skipped, r.PointsPlain); got != known {
		t.Fatalf("check.py reads customers, orders, revenue, returns, skipped rows, points %s; want %s", got, known)
	}
	return &r
}

// ltvTolerance is how far a lifetime value may be off: it is printed to a hundredth of a minor unit.
const ltvTolerance = 0.0051

// cohorts runs the report and compares it with the reckoned table, which is returned as the report has it.
func (s *shop) cohorts(sys *system, want *reckoning) *cohortTable {
	t := sys.t
	t.Helper()
	var got cohortTable
	sys.mustJSON(&got, "report", "cohorts")
	if got.Timezone != want.Timezone || len(got.Cohorts) != len(want.Cohorts) {
		t.Fatalf("the report has %d cohorts in %s, want %d in %s", len(got.Cohorts), got.Timezone, len(want.Cohorts), want.Timezone)
	}
	var orders, customers, revenue int64
	for i, g := range got.Cohorts {
		w := want.Cohorts[i]
		if g.Month != w.Month || g.Customers != w.Customers || len(g.Months) != len(w.Months) {
			t.Errorf("cohort %s: %d customers, %d months; want %s: %d, %d", g.Month, g.Customers, len(g.Months), w.Month, w.Customers, len(w.Months))
			continue
		}
		customers += g.Customers
		for j, m := range g.Months {
			x := w.Months[j]
			near := math.Abs(m.LTV-x.LTV) < ltvTolerance && math.Abs(m.LTVDiscounted-x.LTVDiscounted) < ltvTolerance
			x.LTV, x.LTVDiscounted = m.LTV, m.LTVDiscounted
			if m != x || !near {
				t.Errorf("cohort %s: %+v\nwant %+v", g.Month, m, w.Months[j])
			}
			orders += m.Orders
			revenue += m.Revenue
		}
	}
	if customers != s.customers || orders != s.orders || revenue != s.revenue {
		t.Errorf("the report counts %d customers, %d orders, %d; want %d, %d, %d", customers, orders, revenue, s.customers, s.orders, s.revenue)
	}
	t.Logf("the report's %d cohorts with %d orders of %d customers are what check.py reckons", len(got.Cohorts), orders, customers)
	return &got
}

// totals compares the sums of all balances with what was reckoned. Where orders came back, what is left of their points
// is not reckoned, only that none is lost.
func (s *shop) totals(t *testing.T, all []balance, want *reckoning) {
	t.Helper()
	sum, tiers := map[string]int64{}, map[string]int64{}
	for i := range all {
		b := &all[i]
		tiers[b.Tier]++
		sum["active"] += b.Active
		sum["pending"] += b.Pending
		sum["expired"] += b.Totals["expired"]
		sum["issued"] += b.Totals["issued"]
		sum["revoked"] += b.Totals["revoked"]
		sum["other"] += b.Reserved + b.Deficit + b.Totals["redeemed"] + b.Totals["reinstated"] + b.Totals["adjusted"]
	}
	if sum["other"] != 0 || sum["issued"] != sum["active"]+sum["pending"]+sum["expired"]+sum["revoked"] {
		t.Errorf("the balances don't add up: %v", sum)
	}
	t.Logf("points of all balances: %v; tiers: %v", sum, tiers)
	if s.returns == 0 {
		for _, name := range slices.Sorted(maps.Keys(want.Totals)) {
			if sum[name] != want.Totals[name] {
				t.Errorf("%s: %d points, check.py reckons %d", name, sum[name], want.Totals[name])
			}
		}
	} else if sum["issued"] != want.Totals["issued"] || sum["revoked"] == 0 {
		t.Errorf("%d points issued, %d taken back; check.py reckons %d issued", sum["issued"], sum["revoked"], want.Totals["issued"])
	}
	if len(want.Tiers) > 0 && !maps.Equal(tiers, want.Tiers) {
		t.Errorf("tiers %v, check.py reckons %v", tiers, want.Tiers)
	}
}
