package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/accrue-loyalty/accrue/analytics"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
)

// reportCommand answers the money side's questions.
type reportCommand struct {
	Cohorts reportCohortsCommand `cmd:"" help:"Customers by the month of their first order, and what they did since."`
}

type reportCohortsCommand struct {
	Format   string  `enum:",table,json,csv" default:"" placeholder:"table|json|csv" help:"A table for people, JSON, or CSV with a row for each cohort and month."`
	Discount float64 `default:"0.10" placeholder:"RATE" help:"Yearly rate at which later revenue counts less in the discounted lifetime value."`
	Heatmap  string  `placeholder:"FILE" help:"Draw who ordered again there, as .svg or .html."`
	clusterFlags
}

// Help is shown by --help.
func (reportCohortsCommand) Help() string {
	return `Replays the ledger and the orders from the brokers, without any engine. Orders count once, however often they were
sent. Lifetime value is revenue less refunds per customer of the cohort, plain and discounted; what each figure means
is printed with it.

Examples:

  accrue report cohorts
  accrue report cohorts --format csv > cohorts.csv
  accrue report cohorts --discount 0.15 --heatmap cohorts.html`
}

// Run implements the command.
func (c *reportCohortsCommand) Run(r *run) error {
	heatmap := strings.HasSuffix(c.Heatmap, ".svg") || strings.HasSuffix(c.Heatmap, ".html")
	if c.Heatmap != "" && !heatmap {
		return wrongUsage(fmt.Errorf("--heatmap: %s ends neither in .svg nor in .html", c.Heatmap))
	}
	if !(c.Discount >= 0 && c.Discount <= 10) { // NaN is neither
		return wrongUsage(fmt.Errorf("--discount: is %g, want a yearly rate such as 0.10", c.Discount))
	}
	cl, err := c.reach(r.ctx, false, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	table, err := readCohorts(r, cl, c.Discount)
	if err != nil {
		return err
	}
	if c.Heatmap != "" {
		if err := writeHeatmap(table, c.Heatmap); err != nil {
			return err
		}
	}
	switch {
	case c.Format == "json" || c.Format == "" && r.json:
		return r.printJSON(table)
	case c.Format == "csv":
		if err := table.WriteCSV(r.Stdout); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
		return nil
	}
	printCohorts(r.Stdout, table)
	return nil
}

// readCohorts replays the topics, with months on the latest program's calendar.
func readCohorts(r *run, cl *cluster, discount float64) (*analytics.Cohorts, error) {
	history, err := cl.client.Programs(r.ctx)
	if err != nil {
		return nil, topicsMissing(err)
	}
	if len(history) == 0 {
		return nil, couldNot(consumer.ErrNoProgram, "The program's timezone says where months begin.")
	}
	p := history[len(history)-1]
	bar := r.progress("reading", "records")
	defer bar.end()
	table, err := analytics.ReadCohorts(r.ctx, &analytics.Source{Options: cl.options, Prefix: cl.prefix, Codec: cl.codec, Progress: bar.set},
		analytics.CohortConfig{Location: p.Calendar.Location(), Currency: p.Currency, Decimals: p.Exponent, Discount: discount})
	if err != nil {
		return nil, topicsMissing(err)
	}
	return table, nil
}

func writeHeatmap(table *analytics.Cohorts, path string) error {
	f, err := createFile(path)
	if err != nil {
		return fmt.Errorf("--heatmap: %w", err)
	}
	defer f.abandon()
	write := table.WriteSVG
	if strings.HasSuffix(path, ".html") {
		write = table.WriteHTML
	}
	if err := write(f); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return f.commit()
}

// cohortColumns are the months since the first order that the table shows: more don't fit a terminal. The last is the
// last there is.
func cohortColumns(c *analytics.Cohorts) []int {
	last := 0
	for i := range c.Cohorts {
		last = max(last, len(c.Cohorts[i].Months)-1)
	}
	var shown []int
	for _, since := range []int{1, 2, 3, 6, 12, 24, 36} {
		if since < last {
			shown = append(shown, since)
		}
	}
	if last > 0 {
		shown = append(shown, last)
	}
	return shown
}

// printCohorts prints a cohort a row: who ordered again, and lifetime value.
func printCohorts(w io.Writer, c *analytics.Cohorts) {
	columns := []column{{"first order", false}, {"customers", true}, {"orders", true}, {"revenue", true}, {"points", true}}
	shown := cohortColumns(c)
	for _, since := range shown {
		columns = append(columns, column{fmt.Sprintf("+%d", since), true})
	}
	columns = append(columns, column{"LTV", true}, column{"discounted", true})
	var rows [][]any
	for _, co := range c.Cohorts {
		var orders int64
		var revenue float64
		var points events.Points
		for _, m := range co.Months {
			orders, revenue, points = orders+m.Orders, revenue+float64(m.Revenue-m.Refunds), points+m.Points
		}
		row := []any{co.Month, thousands(co.Customers), thousands(orders), money(revenue, c.Decimals), thousands(int64(points))}
		for _, since := range shown {
			if since >= len(co.Months) {
				row = append(row, "")
				continue
			}
			row = append(row, fmt.Sprintf("%.1f%%", 100*float64(co.Months[since].Active)/float64(co.Customers)))
		}
		last := co.Months[len(co.Months)-1]
		rows = append(rows, append(row, money(last.LTV, c.Decimals), money(last.LTVDiscounted, c.Decimals)))
	}
	printTable(w, columns, rows)
	fmt.Fprintf(w, "+n: customers with an order n calendar months (%s) after the month of their first. Revenue is in %s, less refunds.\n", c.Timezone, c.Currency)
	fmt.Fprintf(w, "LTV: %s; discounted: %s.\n", c.Definitions["ltv_minor"], c.Definitions["ltv_discounted_minor"])
}

// money writes minor units as major units: 1234567 as 12,345.67.
func money(minor float64, decimals int) string {
	s := fmt.Sprintf("%0*d", decimals+1, int64(math.Abs(math.Round(minor))))
	whole, _ := strconv.ParseInt(s[:len(s)-decimals], 10, 64) // digits of an int64
	text := thousands(whole)
	if decimals > 0 {
		text += "." + s[len(s)-decimals:]
	}
	if minor < 0 {
		text = "-" + text
	}
	return text
}
