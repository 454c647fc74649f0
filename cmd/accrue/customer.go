package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
)

// customerFlags name the customer and the API.
type customerFlags struct {
	Customer string `arg:"" help:"The customer's id."`
	apiFlags
	// zone is the program's, in which people are told days.
	zone *time.Location
}

type balanceCommand struct{ customerFlags }

// Help is shown by --help.
func (balanceCommand) Help() string {
	return "Example:\n\n  accrue balance 00042 --url http://127.0.0.1:8080"
}

// Run implements the command.
func (c *balanceCommand) Run(r *run) error {
	var b api.Balance
	raw, err := c.askDays(r, &b, nil, "balance")
	if err != nil || r.json {
		return r.raw(raw, err)
	}
	return printBalance(r.Stdout, &b, c.zone)
}

func printBalance(w io.Writer, b *api.Balance, zone *time.Location) error {
	fmt.Fprintf(w, "%s points to spend", thousands(int64(b.Active)))
	for _, x := range []struct {
		n    events.Points
		what string
	}{{b.Pending, "pending"}, {b.Reserved, "reserved"}, {b.Deficit, "owed"}} {
		if x.n != 0 {
			fmt.Fprintf(w, ", %s %s", thousands(int64(x.n)), x.what)
		}
	}
	if b.Tier != "" {
		fmt.Fprint(w, textf("; tier %s", b.Tier))
	}
	fmt.Fprintln(w)
	for _, e := range b.Expiring {
		fmt.Fprintf(w, "  %s expire on %s\n", thousands(int64(e.Points)), day(e.At, zone))
	}
	t := b.Totals
	fmt.Fprintf(w, "ever: %s issued, %s redeemed, %s expired, %s revoked",
		thousands(int64(t.Issued)), thousands(int64(t.Redeemed)), thousands(int64(t.Expired)), thousands(int64(t.Revoked)))
	for _, x := range []struct {
		n    events.Points
		what string
	}{
		{t.Reinstated, "reinstated"}, {t.Adjusted, "adjusted"}, {t.TransferredIn, "transferred in"},
		{t.TransferredOut, "transferred out"}, {t.Forfeited, "forfeited"},
	} {
		if x.n != 0 {
			fmt.Fprintf(w, ", %s %s", thousands(int64(x.n)), x.what)
		}
	}
	_, err := fmt.Fprintf(w, " (as of %s)\n", b.AsOf)
	return err
}

type lotsCommand struct{ customerFlags }

// Run implements the command.
func (c *lotsCommand) Run(r *run) error {
	var l api.Lots
	raw, err := c.askDays(r, &l, nil, "lots")
	if err != nil || r.json {
		return r.raw(raw, err)
	}
	rows := make([][]any, len(l.Lots))
	for i, x := range l.Lots {
		rows[i] = []any{x.Lot, x.Order, x.Pending, x.Active, x.Reserved, x.Redeemed, x.Expired + x.ExpiredDue, day(x.EarnedAt, c.zone), day(x.ActiveAt, c.zone), day(x.ExpiresAt, c.zone)}
	}
	printTable(r.Stdout, []column{{"lot", true}, {"order", false}, {"pending", true}, {"active", true}, {"reserved", true},
		{"redeemed", true}, {"expired", true}, {"earned", false}, {"spendable", false}, {"expires", false}}, rows)
	return nil
}

type statementCommand struct {
	customerFlags
	Limit  int   `default:"20" help:"At most so many decisions, 1 to 500, newest first."`
	Before int64 `placeholder:"OFFSET" help:"Only decisions before this one."`
}

// Run implements the command.
func (c *statementCommand) Run(r *run) error {
	query := url.Values{"limit": {fmt.Sprint(c.Limit)}}
	if c.Before > 0 {
		query.Set("before", fmt.Sprint(c.Before))
	}
	var s api.Statement
	raw, err := c.askDays(r, &s, query, "statement")
	if err != nil || r.json {
		return r.raw(raw, err)
	}
	var rows [][]any
	for i := range s.Decisions {
		d := &s.Decisions[i]
		rows = append(rows, []any{d.Offset, day(d.Facts.At, c.zone), d.Cause.Event, string(d.Result), moved(d), d.Balance.Active, d.Balance.Pending})
	}
	printTable(r.Stdout, []column{{"ledger", true}, {"when", false}, {"event", false}, {"result", false}, {"moved", false}, {"active", true}, {"pending", true}}, rows)
	if s.Next > 0 {
		fmt.Fprintf(r.Stdout, "older ones: --before %d\n", s.Next)
	}
	return nil
}

// moved sums a decision's entries by type, or gives the reason where nothing moved. Events that had waited for the
// decision are named with what became of them.
func moved(d *events.Decision) string {
	var parts []string
	for _, t := range events.EntryTypes() {
		var sum events.Points
		for i := range d.Entries {
			if d.Entries[i].Type == t {
				sum += d.Entries[i].Points
			}
		}
		if sum != 0 {
			parts = append(parts, fmt.Sprintf("%s %s", t, thousands(int64(sum))))
		}
	}
	if len(parts) == 0 && d.Reason != "" {
		parts = append(parts, d.Reason)
	}
	for _, x := range d.Facts.Endings() {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s %s", x.Event, x.Result, x.Reason)))
	}
	return strings.Join(parts, ", ")
}

type tierCommand struct{ customerFlags }

// Run implements the command.
func (c *tierCommand) Run(r *run) error {
	var t api.Tier
	raw, err := c.askDays(r, &t, nil, "tier")
	if err != nil || r.json {
		return r.raw(raw, err)
	}
	if t.Tier == "" {
		fmt.Fprintln(r.Stdout, "The program has no tiers.")
		return nil
	}
	fmt.Fprint(r.Stdout, textf("%s, earning × %s", t.Tier, t.Multiplier))
	if len(t.Benefits) > 0 {
		fmt.Fprint(r.Stdout, textf(", with %s", strings.Join(t.Benefits, ", ")))
	}
	fmt.Fprintln(r.Stdout)
	if t.Next != nil {
		fmt.Fprintln(r.Stdout, textf("%s more to %s, from %s", counted(&t, t.Next.Missing), t.Next.Name, counted(&t, t.Next.From)))
	}
	if t.GraceUntil != 0 {
		fmt.Fprintf(r.Stdout, "to be earned again by %s\n", day(t.GraceUntil, c.zone))
	}
	return nil
}

// counted writes a threshold, or a part of it, in what the tiers count.
func counted(t *api.Tier, n int64) string {
	if t.Currency == "" {
		return thousands(n) + " points"
	}
	return inCurrency(events.Money(n), t.Currency)
}

type explainCommand struct {
	customerFlags
	Event string `arg:"" help:"The event's id, as in the statement."`
}

// Help is shown by --help.
func (explainCommand) Help() string {
	return "Tells how a decision came about: which rules matched, what caps left, which lots moved, under which program.\n\n" +
		"Example:\n\n  accrue explain 00042 cdnow:00042-1997-01-12-1"
}

// Run implements the command.
func (c *explainCommand) Run(r *run) error {
	var x api.Explanation
	raw, err := c.ask(r, &x, nil, "explain", c.Event)
	if err != nil || r.json {
		return r.raw(raw, err)
	}
	_, err = fmt.Fprint(r.Stdout, api.VisibleLines(x.Text))
	return err
}

// client returns the API, once the customer is one that can be asked for.
func (f *customerFlags) client() (*apiClient, error) {
	if f.Customer == "" {
		return nil, wrongUsage(errors.New("<customer>: is empty"))
	}
	return f.apiFlags.client()
}

// askDays is ask for what tells days, for which it looks up the zone.
func (f *customerFlags) askDays(r *run, answer any, query url.Values, what ...string) (json.RawMessage, error) {
	raw, err := f.ask(r, answer, query, what...)
	if err == nil && !r.json {
		f.zone, err = newAPIClient(f.URL).zone(r.ctx)
	}
	return raw, err
}

// ask reads one of a customer's resources, and returns it as it came too. People are told of an account that has ended who
// has its points.
func (f *customerFlags) ask(r *run, answer any, query url.Values, what ...string) (json.RawMessage, error) {
	c, err := f.client()
	if err != nil {
		return nil, err
	}
	if err := c.get(r.ctx, answer, query, append([]string{"v1", "customers", f.Customer}, what...)...); err != nil || r.json {
		return c.raw, err
	}
	var ended struct {
		Into string `json:"merged_into"`
	}
	if err := json.Unmarshal(c.raw, &ended); err == nil && ended.Into != "" {
		f.printMerged(r, ended.Into)
	}
	return c.raw, nil
}

// printMerged says who has a customer's points.
func (f *customerFlags) printMerged(r *run, into string) {
	fmt.Fprintln(r.Stdout, textf("customer %s was merged into %s, who has the points now: ask for that one", f.Customer, into))
}

// raw prints an answer as it came.
func (r *run) raw(b json.RawMessage, err error) error {
	if err != nil {
		return err
	}
	var v any
	answer := json.NewDecoder(bytes.NewReader(b))
	answer.UseNumber() // a float would round points
	if err := answer.Decode(&v); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	return r.printJSON(v)
}

// day writes the date that an instant has in a zone, "" for none.
func day(i events.Instant, zone *time.Location) string {
	if i == 0 {
		return ""
	}
	return i.Time().In(zone).Format(time.DateOnly)
}
