package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/analytics"
	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/state"
)

//go:embed demo/cdnow.csv.gz demo/cdnow.map.yaml demo/program.yaml
var demoFiles embed.FS

// demoCommand shows everything on one shop's real purchases.
type demoCommand struct {
	Listen string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the API listens; port 0 takes any free one."`
	Exit   bool   `help:"End after the tour."`
	logFlags
}

// Help is shown by --help.
func (demoCommand) Help() string {
	return `Starts a broker, a schema registry, the engine and its API in this process and in memory, imports the purchases of the
music shop CDNOW from January 1997 to June 1998 under a sample program with tiers, holds and expiry, and shows what came
of it. It stays up, in July 1998, for you to try things; Ctrl-C ends it and leaves nothing behind.

Examples:

  accrue demo
  accrue demo --exit --output json | jq .verify`
}

// The demonstration's customers, and what it does with them.
const (
	demoPartitions = 4
	// demoEnd is when the demonstration's time goes on from.
	demoEnd      = "1998-07-01"
	demoShopper  = "00328"
	demoOrder    = "cdnow:00328-1997-11-23-1"
	demoRedeem   = 200
	demoDiscount = 0.10
)

// demoCustomers are shown: a regular, the one with most points, and one who came back once.
var demoCustomers = [...]string{demoShopper, "07592", "00004"}

// demonstration is what the tour found, and its JSON form.
type demonstration struct {
	Version    string             `json:"version"`
	Addresses  Addresses          `json:"addresses"`
	Import     imported           `json:"import"`
	Balances   []api.Balance      `json:"balances"`
	Explained  api.Explanation    `json:"explained"`
	Redemption demoRedemption     `json:"redemption"`
	Cohorts    *analytics.Cohorts `json:"cohorts"`
	Verify     verification       `json:"verify"`
	Seconds    float64            `json:"seconds"`
}

// demoRedemption is points reserved and spent.
type demoRedemption struct {
	Reserved  api.Redemption `json:"reserved"`
	Confirmed api.Redemption `json:"confirmed"`
}

// Run implements the command.
func (c *demoCommand) Run(r *run) error {
	r.endsInOrder()
	began := time.Now()
	level := c.logger(r)
	if c.LogLevel == "info" {
		level = newLog(r.Stderr, slog.LevelWarn)
	}
	dir, err := os.MkdirTemp("", "accrue-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the state: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	w, err := startWorld(r.ctx, worldConfig{partitions: demoPartitions, kafka: r.Kafka}, level)
	if err != nil {
		return err
	}
	defer w.close(level)
	now := &demoClock{}
	i, err := c.instance(r.ctx, w, dir, now, level)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(r.ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return i.run(ctx, level) })
	g.Go(func() error {
		tour := &demoTour{run: r.under(ctx), world: w, instance: i, now: now, out: r.Stdout}
		if r.json {
			tour.out = io.Discard
		}
		if err := tour.walk(began); err != nil {
			return err
		}
		if r.json {
			if err := r.printJSON(&tour.found); err != nil {
				return err
			}
		}
		r.ready(tour.found.Addresses)
		if c.Exit {
			stop()
			return nil
		}
		tour.farewell()
		<-ctx.Done()
		return nil
	})
	return engineStopped(g.Wait())
}

// under returns r with another context.
func (r *run) under(ctx context.Context) *run {
	c := *r
	c.ctx = ctx
	return &c
}

// instance publishes the sample program and starts an engine whose clock the tour drives.
func (c *demoCommand) instance(ctx context.Context, w *world, dir string, now *demoClock, log *slog.Logger) (*instance, error) {
	source, err := demoFiles.ReadFile("demo/program.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading the sample program: %w", err)
	}
	if _, _, err := publishProgram(ctx, w.cluster, program.Draft{Source: source, File: "demo/program.yaml", Now: events.InstantOf(time.Now())}); err != nil {
		return nil, fmt.Errorf("publishing the sample program: %w", err)
	}
	return newInstance(ctx, w.cluster, instanceConfig{
		dir: filepath.Join(dir, "state"), listen: c.Listen, name: "demo", workers: consumer.DefaultConfig().Workers, now: now.Now,
		state: func(sc *state.Config) { sc.MemTableBytes = 16 << 20 },
	}, log)
}

// demoClock is the API's time: the shop's, once its history is over.
type demoClock struct {
	from, began time.Time
}

// Now returns the time in the shop.
func (c *demoClock) Now() time.Time {
	if c.from.IsZero() {
		return time.Now()
	}
	return c.from.Add(time.Since(c.began))
}

// demoTour shows one thing after the other.
type demoTour struct {
	*run
	world    *world
	instance *instance
	now      *demoClock
	out      io.Writer
	found    demonstration
}

func (t *demoTour) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

func (t *demoTour) walk(began time.Time) error {
	t.found.Version, t.found.Addresses = versionOf(), t.world.addresses(t.instance)
	for _, step := range []func() error{t.importHistory, t.showBalances, t.explainOrder, t.redeem, t.showCohorts, t.verifyLedger} {
		err := step()
		switch {
		case err != nil && t.ctx.Err() != nil:
			// What the step says of going on later is not so here: everything was in memory.
			return interrupted()
		case err != nil:
			return err
		}
	}
	t.found.Seconds = time.Since(began).Seconds()
	return nil
}

// importHistory publishes the shop's purchases, with a tick at each midnight, as `accrue import --drive-clock` does.
func (t *demoTour) importHistory() error {
	t.say("A broker, a schema registry, the engine and its API run in this process.\n")
	began := time.Now()
	batch, sum, err := demoHistory()
	if err != nil {
		return err
	}
	cmd := importCommand{DriveClock: true, Until: demoEnd, decided: t.instance.decided, ticked: t.instance.ticked}
	if err := cmd.publishTo(t.run, t.world.cluster, batch, sum); err != nil {
		return err
	}
	sum.Seconds = time.Since(began).Seconds()
	t.found.Import = *sum
	end := t.instance.programs.History()[0].Calendar
	at, err := parseDate(demoEnd, end)
	if err != nil {
		return err
	}
	if err := t.instance.swept(t.ctx); err != nil {
		return err
	}
	t.now.from, t.now.began = at.Time(), time.Now()
	t.say("CDNOW, January 1997 to June 1998: %s imported, with a tick at each of %d midnights, in %.1f s (%s a second).\n",
		grouped(sum.Published, "purchase"), sum.Ticks, sum.Seconds, thousands(int64(float64(sum.Published)/sum.Seconds)))
	return nil
}

// demoHistory reads the embedded purchases.
func demoHistory() ([]events.Event, *imported, error) {
	text, err := demoFiles.ReadFile("demo/cdnow.map.yaml")
	if err != nil {
		return nil, nil, fmt.Errorf("reading the sample map: %w", err)
	}
	m, err := intake.ParseMap(text, program.Exponent)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the sample map: %w", err)
	}
	packed, err := demoFiles.ReadFile("demo/cdnow.csv.gz")
	if err != nil {
		return nil, nil, fmt.Errorf("reading the sample history: %w", err)
	}
	const name = "cdnow.csv.gz"
	in, err := intake.Open("-", bytes.NewReader(packed))
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	contents, err := m.ReadCSV(name, &m.Sources[0], in, nil)
	if err != nil {
		return nil, nil, err
	}
	sum := &imported{Files: []string{name}}
	return sum.take(contents), sum, nil
}

func (t *demoTour) client() *apiClient { return newAPIClient(t.instance.url) }

func (t *demoTour) showBalances() error {
	t.say("Balances, as of 1 July 1998 (GET %s/v1/customers/%s/balance):\n", t.instance.url, demoShopper)
	zone, err := t.client().zone(t.ctx)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, customer := range demoCustomers {
		var b api.Balance
		if err := t.client().get(t.ctx, &b, nil, "v1", "customers", customer, "balance"); err != nil {
			return err
		}
		t.found.Balances = append(t.found.Balances, b)
		next := ""
		if len(b.Expiring) > 0 {
			next = fmt.Sprintf("%s on %s", thousands(int64(b.Expiring[0].Points)), day(b.Expiring[0].At, zone))
		}
		rows = append(rows, []any{customer, b.Tier, thousands(int64(b.Active)), thousands(int64(b.Pending)),
			thousands(int64(b.Totals.Issued)), thousands(int64(b.Totals.Expired)), next})
	}
	printTable(t.out, []column{{"customer", false}, {"tier", false}, {"to spend", true}, {"pending", true}, {"issued", true}, {"expired", true}, {"next to expire", false}}, rows)
	return nil
}

func (t *demoTour) explainOrder() error {
	if err := t.client().get(t.ctx, &t.found.Explained, nil, "v1", "customers", demoShopper, "explain", demoOrder); err != nil {
		return err
	}
	t.say("\nWhere do customer %s's points come from? (accrue explain %s %s)\n", demoShopper, demoShopper, demoOrder)
	t.say("  %s", strings.ReplaceAll(strings.TrimSpace(t.found.Explained.Text), "\n", "\n  "))
	return nil
}

func (t *demoTour) redeem() error {
	c := t.client()
	x := &t.found.Redemption
	body := api.RedeemRequest{ID: "demo-redeem", Customer: demoShopper, Redemption: "demo", Points: new(events.Points(demoRedeem))}
	began := time.Now()
	if err := c.post(t.ctx, body, &x.Reserved, "v1", "redemptions"); err != nil {
		return err
	}
	took := time.Since(began)
	settle := api.ConfirmRequest{SettleRequest: api.SettleRequest{ID: "demo-confirm", Customer: demoShopper}}
	if err := c.post(t.ctx, settle, &x.Confirmed, "v1", "redemptions", "demo", "confirm"); err != nil {
		return err
	}
	t.say("\nAt the till, over HTTP: %d points %s in %d ms, then %s; %s are left to spend.\n", demoRedeem, x.Reserved.State,
		took.Milliseconds(), x.Confirmed.State, thousands(int64(x.Confirmed.Balance.Active)))
	return nil
}

func (t *demoTour) showCohorts() error {
	table, err := readCohorts(t.run, t.world.cluster, demoDiscount)
	if err != nil {
		return err
	}
	t.found.Cohorts = table
	t.say("Customers by the month of their first order, from the topics alone (accrue report cohorts):\n")
	printCohorts(t.out, table)
	return nil
}

func (t *demoTour) verifyLedger() error {
	report, err := verify(t.run, t.world.cluster, nil)
	if err != nil {
		return err
	}
	t.found.Verify = verified(report)
	t.say("\nIs the ledger right? Every record's cause is read from its topic and decided once more (accrue verify):\n")
	for _, d := range report.Differences() {
		t.say("%s", d.String())
	}
	t.say("  %s, %s a second, %s.", grouped(report.Records, "record"), thousands(int64(report.RecordsPerSecond())), plural(len(report.Differences()), "difference"))
	if len(report.Differences()) > 0 {
		return alreadyTold()
	}
	return nil
}

// farewell says where things are.
func (t *demoTour) farewell() {
	a := t.found.Addresses
	t.say(`
It stays up; Ctrl-C ends it. Kafka is at %s, the API at %s. In another terminal:

  accrue balance 07592 --url %s
  accrue redeem 07592 1000 --url %s
  accrue calculate 07592 --amount 59.90 --url %s
  accrue report cohorts --brokers %s --registry %s --heatmap cohorts.html
  curl %s/v1/customers/07592/lots`, a.Brokers, a.API, a.API, a.API, a.API, a.Brokers, a.Registry, a.API)
}
