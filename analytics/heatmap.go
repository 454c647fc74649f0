package analytics

import (
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"
)

// WriteCSV writes the table with a row for each cohort and month, money in minor units.
func (c *Cohorts) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"month", "customers", "since", "active", "orders", "revenue_minor", "refunds_minor", "points",
		"points_redeemed", "ltv_minor", "ltv_discounted_minor"}) // the writer keeps its error
	for _, co := range c.Cohorts {
		for _, m := range co.Months {
			_ = out.Write([]string{co.Month, fmt.Sprint(co.Customers), fmt.Sprint(m.Since), fmt.Sprint(m.Active), fmt.Sprint(m.Orders),
				fmt.Sprint(int64(m.Revenue)), fmt.Sprint(int64(m.Refunds)), fmt.Sprint(int64(m.Points)), fmt.Sprint(int64(m.Redeemed)),
				strconv.FormatFloat(m.LTV, 'f', 2, 64), strconv.FormatFloat(m.LTVDiscounted, 'f', 2, 64)})
		}
	}
	out.Flush()
	return out.Error()
}

// The measures of the heatmap, in pixels.
const (
	cellWidth  = 46
	cellHeight = 24
	leftWidth  = 150
	topHeight  = 64
)

// WriteSVG draws the share of each cohort that ordered in each month since its first.
func (c *Cohorts) WriteSVG(w io.Writer) error {
	columns := 0
	for _, co := range c.Cohorts {
		columns = max(columns, len(co.Months))
	}
	var b strings.Builder
	width, height := leftWidth+columns*cellWidth+10, topHeight+len(c.Cohorts)*cellHeight+10
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="11" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<title>Cohorts</title><rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="10" y="20" font-size="14">Customers who ordered again, by month of first order (%s)</text>`+"\n", html.EscapeString(c.Timezone))
	fmt.Fprintf(&b, `<text x="10" y="%d" fill="#555">months since →</text>`+"\n", topHeight-8)
	for i := range columns {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#555">%d</text>`+"\n", leftWidth+i*cellWidth+cellWidth/2, topHeight-8, i)
	}
	for row, co := range c.Cohorts {
		y := topHeight + row*cellHeight
		fmt.Fprintf(&b, `<text x="10" y="%d">%s  (%d)</text>`+"\n", y+cellHeight*2/3, co.Month, co.Customers)
		for _, m := range co.Months {
			share := float64(m.Active) / float64(co.Customers)
			x := leftWidth + m.Since*cellWidth
			ink := "#222"
			if share > 0.6 {
				ink = "#fff"
			}
			fmt.Fprintf(&b, `<g><title>%s + %d months: %d of %d ordered, %d orders</title>`, co.Month, m.Since, m.Active, co.Customers, m.Orders)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, x, y, cellWidth-1, cellHeight-1, shade(share))
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="%s">%.1f%%</text></g>`+"\n", x+cellWidth/2, y+cellHeight*2/3, ink, 100*share)
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// shade goes from nearly white at 0 to a dark blue at 1, faster at the lower end, where cohorts differ.
func shade(share float64) string {
	lo, hi := [3]float64{244, 247, 251}, [3]float64{8, 48, 107}
	t := min(1, max(0, share))
	t = 1 - (1-t)*(1-t)
	mix := func(i int) int { return int(lo[i] + (hi[i]-lo[i])*t) }
	return fmt.Sprintf("#%02x%02x%02x", mix(0), mix(1), mix(2))
}

// WriteHTML writes a page with the heatmap and what the figures mean.
func (c *Cohorts) WriteHTML(w io.Writer) error {
	var b strings.Builder
	b.WriteString("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Cohorts</title>\n<body style=\"font-family:sans-serif;margin:2em\">\n")
	if err := c.WriteSVG(&b); err != nil {
		return err
	}
	b.WriteString("<dl>\n")
	for _, key := range definitionOrder {
		fmt.Fprintf(&b, "<dt><b>%s</b></dt><dd>%s</dd>\n", key, html.EscapeString(c.Definitions[key]))
	}
	b.WriteString("</dl>\n</body></html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// definitionOrder is the order in which the definitions are told.
var definitionOrder = [...]string{"month", "since", "active", "orders", "revenue_minor", "refunds_minor", "points", "ltv_minor", "ltv_discounted_minor"}
