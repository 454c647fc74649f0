package analytics_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/analytics"
)

// years are cohorts of five years, in whose cells are all shares from 0 % to 100 %.
func years() *analytics.Cohorts {
	c := &analytics.Cohorts{Timezone: "America/Argentina/ComodRivadavia", Currency: "<&>", Decimals: 2}
	for row := range 60 {
		co := analytics.Cohort{Month: fmt.Sprintf("%d-%02d", 2020+row/12, row%12+1), Customers: 1000}
		for since := range 60 - row {
			co.Months = append(co.Months, analytics.CohortMonth{Since: since, Active: int64((row*60 + since) % 1001), Orders: 7, LTV: float64(row)})
		}
		c.Cohorts = append(c.Cohorts, co)
	}
	return c
}

// contrast is WCAG's ratio of two colours, from 1 to 21.
func contrast(a, b [3]int64) float64 {
	luminance := func(rgb [3]int64) float64 {
		sum := 0.0
		for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
			v := float64(rgb[i]) / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			sum += weight * v
		}
		return sum
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func colour(t *testing.T, hex string) (rgb [3]int64) {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	for i := range rgb {
		v, err := strconv.ParseInt(hex[2*i:2*i+2], 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		rgb[i] = v
	}
	return rgb
}

func TestEveryCellOfTheHeatmapCanBeRead(t *testing.T) {
	var svg bytes.Buffer
	if err := years().WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	cells := regexp.MustCompile(`fill="#(\w+)"/><text [^>]*fill="#(\w+)">([^<]*)<`).FindAllStringSubmatch(svg.String(), -1)
	if len(cells) != 60*61/2 {
		t.Fatalf("%d cells, want %d", len(cells), 60*61/2)
	}
	for _, cell := range cells {
		if ratio := contrast(colour(t, cell[1]), colour(t, cell[2])); ratio < 4.5 {
			t.Fatalf("%s is written in #%s on #%s: a contrast of %.1f, want 4.5", cell[3], cell[2], cell[1], ratio)
		}
	}
	if err := xml.Unmarshal(svg.Bytes(), new(struct {
		Title string `xml:"title"`
	})); err != nil {
		t.Errorf("the picture is no XML: %v", err)
	}
}

// A heading of so many letters at that size is at most eight pixels a letter.
func TestTheHeadingFitsAboveFewMonths(t *testing.T) {
	c := years()
	c.Cohorts = c.Cohorts[59:]
	var svg bytes.Buffer
	if err := c.WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	head := regexp.MustCompile(`width="(\d+)"(?s:.*?)font-size="14">([^<]*)<`).FindStringSubmatch(svg.String())
	if width, err := strconv.Atoi(head[1]); err != nil || width < 10+8*len(head[2]) {
		t.Errorf("%q is in a picture of %s pixels", head[2], head[1])
	}
}

func TestThePageHasTheFiguresOfTheTable(t *testing.T) {
	w := newWorld(t)
	w.accept(w.order("ann", "1", "2026-01-10T10:00:00Z", 1000, 0), "", 20)
	w.accept(w.order("ann", "2", "2026-03-10T10:00:00Z", 500, 0), "", 10)
	c, err := analytics.ReadCohorts(t.Context(), w.source, analytics.CohortConfig{Location: time.UTC, Currency: "<&>", Decimals: 2, Discount: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	var table, page bytes.Buffer
	if err := c.WriteCSV(&table); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		if want := "<tr><td>" + strings.Join(row, "</td><td>") + "</td></tr>"; !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, name := range rows[0] {
		if c.Definitions[name] == "" || !strings.Contains(page.String(), "<dt><b>"+name+"</b></dt><dd>") {
			t.Errorf("nothing says what %s is", name)
		}
	}
	if strings.Contains(page.String(), "<&>") {
		t.Error("the currency is not escaped")
	}
}
