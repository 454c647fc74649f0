package intake_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/program"
)

// shared is where the shops' exports lie that are too large, or not ours, to be carried along.
const shared = "../../../shared/data"

func readFile(t *testing.T, mapFile, file string) *intake.Contents {
	t.Helper()
	source, err := os.ReadFile(mapFile)
	if err != nil {
		t.Fatal(err)
	}
	m, err := intake.ParseMap(source, program.Exponent)
	if err != nil {
		t.Fatal(err)
	}
	f, err := intake.Open(file, nil)
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: %s is not here", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := m.SourceOf(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.ReadCSV(file, s, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShopsAreReadWhole(t *testing.T) {
	if racetest.Enabled {
		t.Skip("SKIPPED under the race detector: the plain run reads the shops whole")
	}
	cases := []struct {
		name, mapFile, file string
		rows, skipped       int64
		records             int
		customers           int
		total               events.Money
	}{
		{"music", "../../cmd/accrue/demo/cdnow.map.yaml", "../../cmd/accrue/demo/cdnow.csv.gz", 69_659, 0, 69_659, 23_570, 2_500_315_63},
		{"grocery", "../../examples/grocery.map.yaml", filepath.Join(shared, "journey_orders.csv.gz"), 325_159, 0, 35_048, 567, 1_009_122_17},
		{"gifts", "../../examples/gift-shop.map.yaml", filepath.Join(shared, "retail_orders.csv.gz"), 397_924, 0, 18_536, 4_339, 8_911_407_90},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := readFile(t, c.mapFile, c.file)
			customers := map[string]bool{}
			ids := map[string]bool{}
			var total events.Money
			rows := 0
			for _, r := range got.Records {
				o := r.Event.(*events.OrderPlaced)
				customers[o.Customer] = true
				ids[o.Customer+"\x00"+o.ID] = true
				rows += r.Rows
				for _, l := range o.Lines {
					total += l.Amount - l.Discount
				}
			}
			for _, r := range got.Rejects {
				t.Errorf("rejected: %v", &r)
			}
			if got.Rows != c.rows || got.Skipped != c.skipped || len(got.Records) != c.records || len(customers) != c.customers || total != c.total {
				t.Errorf("rows %d, skipped %d, orders %d, customers %d, total %d; want %d, %d, %d, %d, %d",
					got.Rows, got.Skipped, len(got.Records), len(customers), total, c.rows, c.skipped, c.records, c.customers, c.total)
			}
			if len(ids) != len(got.Records) || int64(rows) != got.Rows {
				t.Errorf("%d event ids of %d orders of %d rows", len(ids), len(got.Records), rows)
			}
		})
	}
}

func TestReturnsNameTheirOrders(t *testing.T) {
	got := readFile(t, "../../examples/gift-shop.map.yaml", filepath.Join(shared, "retail_returns.csv.gz"))
	returns := map[string]bool{}
	var amount events.Money
	lines := 0
	for _, r := range got.Records {
		e := r.Event.(*events.OrderReturned)
		returns[e.Customer+"\x00"+e.Return] = true
		lines += r.Rows
		for _, l := range e.Lines {
			amount += l.Amount
		}
	}
	if got.Rows != 9_120 || got.Skipped != 1_389 || lines != 7_731 || len(got.Rejects) != 0 {
		t.Errorf("rows %d, skipped %d, used %d, rejected %d; want 9120, 1389, 7731, 0", got.Rows, got.Skipped, lines, len(got.Rejects))
	}
	if len(returns) != len(got.Records) {
		t.Errorf("%d return ids for %d events", len(returns), len(got.Records))
	}
	if amount <= 0 || amount > 611_342_09 {
		t.Errorf("returned %d pence, more than the file has", amount)
	}
}

func TestReadingTwiceGivesTheSameIDs(t *testing.T) {
	if racetest.Enabled {
		t.Skip("SKIPPED under the race detector: the plain run reads the shops whole")
	}
	first := readFile(t, "../../cmd/accrue/demo/cdnow.map.yaml", "../../cmd/accrue/demo/cdnow.csv.gz")
	second := readFile(t, "../../cmd/accrue/demo/cdnow.map.yaml", "../../cmd/accrue/demo/cdnow.csv.gz")
	sameDay := 0
	for i := range first.Records {
		a, b := first.Records[i].Event, second.Records[i].Event
		if events.PayloadOf(a) != events.PayloadOf(b) {
			t.Fatalf("record %d differs: %+v, then %+v", i, a, b)
		}
		if id := a.Head().ID; id[len(id)-2:] != "-1" {
			sameDay++
		}
	}
	if sameDay == 0 {
		t.Error("no customer bought twice on a day, so the numbering was not tried")
	}
}
