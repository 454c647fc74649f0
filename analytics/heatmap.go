package analytics

import (
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"strconv"
	"strings"
)

// columns name the figures of a cohort's month, as in JSON, in the order in which they are written and explained.
var columns = [...]string{"month", "customers", "since", "active", "orders", "revenue_minor", "refunds_minor", "points",
	"points_redeemed", "ltv_minor", "ltv_discounted_minor"}

func (c *Cohort) cells(m *CohortMonth) []string {
	return []string{c.Month, fmt.Sprint(c.Customers), fmt.Sprint(m.Since), fmt.Sprint(m.Active), fmt.Sprint(m.Orders),
		fmt.Sprint(int64(m.Revenue)), fmt.Sprint(int64(m.Refunds)), fmt.Sprint(int64(m.Points)), fmt.Sprint(int64(m.Redeemed)),
		strconv.FormatFloat(m.LTV, 'f', 2, 64), strconv.FormatFloat(m.LTVDiscounted, 'f', 2, 64)}
}

// WriteCSV writes the table with a row for each cohort and month, money in minor units.
func (c *Cohorts) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write(columns[:]) // the writer keeps its error
	for i := range c.Cohorts {
		for j := range c.Cohorts[i].Months {
			_ = out.Write(c.Cohorts[i].cells(&c.Cohorts[i].Months[j]))
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
	// widthMin is what the heading takes, also above a few months, with a zone of a long name.
	widthMin = 680
)

// WriteSVG draws the share of each cohort that ordered in each month since its first.
func (c *Cohorts) WriteSVG(w io.Writer) error {
	months := 0
	for _, co := range c.Cohorts {
		months = max(months, len(co.Months))
	}
	var b strings.Builder
	width, height := max(leftWidth+months*cellWidth+10, widthMin), topHeight+len(c.Cohorts)*cellHeight+10
	heading := "Customers who ordered, by month of first order (" + html.EscapeString(c.Timezone) + ")"
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="11" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<desc>A row for each month of first orders, with its customers; a column for each month since; in the cells, how many percent of those customers ordered then.</desc>\n", heading)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="10" y="20" font-size="14">%s</text>`+"\n", heading)
	fmt.Fprintf(&b, `<text x="10" y="%d" fill="#555">months since →</text>`+"\n", topHeight-8)
	for i := range months {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#555">%d</text>`+"\n", leftWidth+i*cellWidth+cellWidth/2, topHeight-8, i)
	}
	for row, co := range c.Cohorts {
		y := topHeight + row*cellHeight
		fmt.Fprintf(&b, `<text x="10" y="%d">%s  (%d)</text>`+"\n", y+cellHeight*2/3, co.Month, co.Customers)
		for _, m := range co.Months {
			x := leftWidth + m.Since*cellWidth
			share := float64(m.Active) / float64(co.Customers)
			fill, ink := shade(share)
			fmt.Fprintf(&b, `<g><title>%s + %d months: %d of %d ordered, %d orders</title>`, co.Month, m.Since, m.Active, co.Customers, m.Orders)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, x, y, cellWidth-1, cellHeight-1, fill)
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="%s">%.1f%%</text></g>`+"\n", x+cellWidth/2, y+cellHeight*2/3, ink, 100*share)
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// shade goes from nearly white at 0 to a dark blue at 1, faster at the lower end, where cohorts differ. Ink is black on the
// lighter ones and white on the others, so that the contrast is 4.5 to 1 at least.
func shade(share float64) (fill, ink string) {
	lo, hi := [3]float64{244, 247, 251}, [3]float64{8, 48, 107}
	const darkFrom = 0.643 // here both contrast alike
	t := min(1, max(0, share))
	t = 1 - (1-t)*(1-t)
	mix := func(i int) int { return int(lo[i] + (hi[i]-lo[i])*t) }
	if ink = "#000"; t > darkFrom {
		ink = "#fff"
	}
	return fmt.Sprintf("#%02x%02x%02x", mix(0), mix(1), mix(2)), ink
}

// pageHead begins a page that is read on a telephone too: what is wider scrolls by itself.
const pageHead = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Cohorts</title>
<style>body{font-family:sans-serif;margin:2em} .wide{overflow-x:auto} td,th{padding:0 .6em;text-align:right;white-space:nowrap}</style>
<body>
`

// WriteHTML writes a page with the heatmap, all figures and what they mean.
func (c *Cohorts) WriteHTML(w io.Writer) error {
	var b strings.Builder
	b.WriteString(pageHead + `<div class="wide" tabindex="0">` + "\n")
	if err := c.WriteSVG(&b); err != nil {
		return err
	}
	b.WriteString("</div>\n" + `<details><summary>All figures</summary><div class="wide" tabindex="0"><table>` + "\n")
	fmt.Fprintf(&b, "<caption>Amounts are in minor units of %s, which has %d decimals.</caption>\n<tr>", html.EscapeString(c.Currency), c.Decimals)
	for _, name := range columns {
		fmt.Fprintf(&b, `<th scope="col">%s</th>`, name)
	}
	b.WriteString("</tr>\n")
	for i := range c.Cohorts {
		for j := range c.Cohorts[i].Months {
			fmt.Fprintf(&b, "<tr><td>%s</td></tr>\n", strings.Join(c.Cohorts[i].cells(&c.Cohorts[i].Months[j]), "</td><td>"))
		}
	}
	b.WriteString("</table></div></details>\n<dl>\n")
	for _, name := range columns {
		fmt.Fprintf(&b, "<dt><b>%s</b></dt><dd>%s</dd>\n", name, html.EscapeString(c.Definitions[name]))
	}
	b.WriteString("</dl>\n</body></html>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
