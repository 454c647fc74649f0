package sim_test

import (
	"os"
	"testing"

	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/internal/sim"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// BenchmarkHistory decides the music shop's whole history with a tick a day; ns/op is for an order.
func BenchmarkHistory(b *testing.B) {
	source, err := os.ReadFile("../../cmd/accrue/demo/program.yaml")
	if err != nil {
		b.Fatal(err)
	}
	p, err := program.Parse(source, "program.yaml")
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("../../cmd/accrue/demo/cdnow.map.yaml")
	if err != nil {
		b.Fatal(err)
	}
	m, err := intake.ParseMap(text, program.Exponent)
	if err != nil {
		b.Fatal(err)
	}
	f, err := intake.Open("../../cmd/accrue/demo/cdnow.csv.gz", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	c, err := m.ReadCSV("cdnow.csv.gz", &m.Sources[0], f, nil)
	if err != nil {
		b.Fatal(err)
	}
	all := c.ByTime()
	b.ResetTimer()
	b.ReportAllocs()
	var e *sim.Engine
	for i := range b.N {
		at := i % len(all)
		if at == 0 {
			if e, err = sim.New(sim.Config{Programs: loyalty.History{p}, DailyTicks: true}); err != nil {
				b.Fatal(err)
			}
		}
		if err := e.Apply(all[at], int64(at)); err != nil {
			b.Fatal(err)
		}
	}
}
