package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/accrue-loyalty/accrue/analytics"
	"github.com/accrue-loyalty/accrue/events"
)

// exportCommand writes the ledger for other programs.
type exportCommand struct {
	Format   string `enum:"jsonl,csv" default:"jsonl" help:"jsonl: a decision a line, whole; csv: an entry a line, for spreadsheets and databases."`
	To       string `placeholder:"FILE" help:"Where to write; standard output by default. The file appears when it is whole."`
	Customer string `placeholder:"ID" help:"Only this customer's."`
	clusterFlags
}

// Help is shown by --help.
func (exportCommand) Help() string {
	return `Writes every committed decision of the ledger, the partitions mixed as they come, the decisions of one customer in
order. It needs the topics, and no engine.

Example:

  accrue export --format csv --to entries.csv --brokers kafka-1:9092`
}

// Run implements the command.
func (c *exportCommand) Run(r *run) error {
	cl, err := c.reach(r.ctx, false, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	out, err := r.create(c.To)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer out.abandon()
	write := writeDecisions(out)
	if c.Format == "csv" {
		write = writeEntries(out)
	}
	bar := r.progress("exporting", "records")
	source := &analytics.Source{Options: cl.options, Prefix: cl.prefix, Codec: cl.codec, Progress: bar.set}
	err = source.Decisions(r.ctx, func(d *events.Decision) error {
		if c.Customer != "" && d.Customer != c.Customer {
			return nil
		}
		return write(d)
	})
	bar.end()
	if err != nil {
		return topicsMissing(fmt.Errorf("exporting the ledger: %w", err))
	}
	return out.commit()
}

func writeDecisions(w io.Writer) func(*events.Decision) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(d *events.Decision) error { return enc.Encode(d) }
}

// writeEntries writes a header to w, then a line for each entry; a decision without entries has one line.
func writeEntries(w io.Writer) func(*events.Decision) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"partition", "offset", "customer", "event", "event_type", "at", "result", "reason", // w keeps an error
		"entry", "points", "lot", "rule", "asked", "order", "redemption", "earned_at", "active_at", "expires_at", "tier"})
	out.Flush()
	return func(d *events.Decision) error {
		entries := d.Entries
		if len(entries) == 0 {
			entries = []events.Entry{{}}
		}
		for i := range entries {
			e := &entries[i]
			if err := out.Write([]string{number(int64(d.Partition)), number(d.Offset), d.Customer, d.Cause.Event,
				string(d.Facts.Type), d.Facts.At.String(), string(d.Result), d.Reason, string(e.Type), number(int64(e.Points)),
				number(e.Lot), e.Rule, number(int64(e.Asked)), e.Order, e.Redemption, e.EarnedAt.String(), e.ActiveAt.String(),
				e.ExpiresAt.String(), d.Tier}); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
