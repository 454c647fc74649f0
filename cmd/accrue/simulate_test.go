package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/internal/racetest"
)

const plainProgram = `program: test
currency: USD
timezone: America/New_York
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
`

func orderLine(id, customer, at, cents string) string {
	return `{"type":"OrderPlaced","id":"` + id + `","customer":"` + customer + `","at":"` + at + `","order":"o-` + id +
		`","currency":"USD","lines":[{"line":"1","sku":"x","quantity":1,"amount_minor":` + cents + `}]}` + "\n"
}

func TestSimulatePrintsALineACustomer(t *testing.T) {
	program := write(t, "program.yaml", plainProgram+"hold: {days: 7}\nexpiry: {after: 1 month}\n")
	in := orderLine("1", "zoe", "2026-01-01T12:00:00Z", "1050") + "\n" + orderLine("2", "ann", "2026-01-03T12:00:00.123456+01:00", "299") +
		`{"type":"ErasureRequested","id":"3","customer":"bob","at":"2026-01-03T12:00:00Z"}` + "\n"
	o := accrue(t, in, "simulate", "--program", program, "--events", "-", "--tick", "day", "--until", "2026-01-10").want(t, 0)
	totals := `"redeemed":0,"expired":0,"revoked":0,"reinstated":0,"adjusted":0,"transferred_in":0,"transferred_out":0,"forfeited":0}`
	want := `{"customer":"ann","active":0,"pending":2,"reserved":0,"deficit":0,"tier":"","qualifying_minor":0,"totals":{"issued":2,` + totals + `,"expiring":[]}` + "\n" +
		`{"customer":"zoe","active":10,"pending":0,"reserved":0,"deficit":0,"tier":"","qualifying_minor":0,"totals":{"issued":10,` + totals + `,"expiring":[{"at":"2026-02-08T12:00:00.000Z","points":10}]}` + "\n"
	if o.stdout != want {
		t.Errorf("printed\n%s\nwant\n%s", o.stdout, want)
	}
}

func TestSimulateTakesLaterVersions(t *testing.T) {
	first := write(t, "first.yaml", plainProgram)
	second := write(t, "second.yaml", strings.Replace(plainProgram, "points: 1", "points: 2", 1))
	// Midnight in New York is 05:00 UTC.
	in := orderLine("1", "ann", "2026-03-01T04:59:59Z", "5000") + orderLine("2", "ann", "2026-03-01T05:00:00Z", "5000") +
		`{"type":"OrderReturned","id":"3","customer":"ann","at":"2026-03-02T00:00:00Z","order":"o-1","return":"r"}`
	o := accrue(t, in, "simulate", "--program", first, "--program", second+"@2026-03-01", "--events", "-").want(t, 0)
	if !strings.Contains(o.stdout, `"active":100,`) || !strings.Contains(o.stdout, `"issued":150,`) {
		t.Errorf("printed %s, want 50 + 100 issued and the first order's 50 taken back", o.stdout)
	}
	accrue(t, in, "simulate", "--program", first, "--program", second, "--events", "-").want(t, 2, "needs the time from which it holds")
	accrue(t, in, "simulate", "--program", first, "--program", second+"@soon", "--events", "-").want(t, 2, `"soon" is no time`)
}

func TestSimulateWritesDecisions(t *testing.T) {
	program := write(t, "program.yaml", plainProgram)
	in := orderLine("1", "ann", "2026-01-01T12:00:00Z", "500") + orderLine("2", "ann", "2026-01-01T12:00:00Z", "-1") +
		strings.Replace(orderLine("3", "ann", "2026-01-01T12:00:00Z", "500"), "USD", "XYZ", 1)
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	accrue(t, in, "simulate", "--program", program, "--events", "-", "--decisions", path).want(t, 0)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d decisions, want 3:\n%s", len(lines), b)
	}
	for i, want := range []string{
		`"offset":0,"cause":{"topic":"orders","partition":0,"offset":1,"event":"1"},"customer":"ann","clock":null,"program":{"version":1,"hash":"`,
		`"result":"REFUSED","reason":"invalid_order"`,
		`"result":"REFUSED","reason":"unknown_currency"`,
	} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("decision %d lacks %s:\n%s", i, want, lines[i])
		}
	}
	if strings.Contains(lines[1], `"chain":""`) || !strings.Contains(lines[0], `"chain":""`) {
		t.Errorf("the second decision must carry the first one's hash, the first none:\n%s", b)
	}
}

func TestSimulateTellsHowManyEventsWereRefused(t *testing.T) {
	program := write(t, "program.yaml", plainProgram)
	good := orderLine("1", "ann", "2026-01-01T12:00:00Z", "500")
	bad := orderLine("2", "ann", "2026-01-01T12:00:00Z", "-1") + orderLine("3", "bob", "2026-01-01T12:00:00Z", "-1") +
		strings.Replace(orderLine("4", "ann", "2026-01-01T12:00:00Z", "500"), "USD", "XYZ", 1) + orderLine("1", "ann", "2026-01-01T12:00:00Z", "501")
	simulate := []string{"simulate", "--program", program, "--events", "-"}
	alone := accrue(t, good, simulate...).want(t, 0)
	if alone.stderr != "" {
		t.Errorf("nothing was refused, and it says %q", alone.stderr)
	}
	o := accrue(t, good+bad+good, simulate...).want(t, 0)
	if want := "4 of 6 events were refused: 2 invalid_order, 1 event_id_reused, 1 unknown_currency (--decisions FILE has each)\n"; o.stderr != want {
		t.Errorf("it says %q, want %q", o.stderr, want)
	}
	if !strings.HasPrefix(o.stdout, alone.stdout) || strings.Count(o.stdout, "\n") != 2 {
		t.Errorf("the balances are\n%s, want ann's as before, and bob's", o.stdout)
	}
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	accrue(t, good+bad, append(simulate, "--decisions", path)...).want(t, 0, "("+path+" has each)")
}

func TestSimulateCountsWhatWasRefusedAfterItHadWaited(t *testing.T) {
	program := write(t, "program.yaml", plainProgram+"late_events: {accept_within: 30 days}\n")
	returned := func(id, order, line string) string {
		return `{"type":"OrderReturned","id":"` + id + `","customer":"ann","at":"2026-01-02T12:00:00Z","order":"` + order +
			`","return":"` + id + `","lines":[{"line":"` + line + `","amount_minor":100}]}` + "\n"
	}
	in := returned("good", "o-1", "1") + returned("bad", "o-1", "9") + returned("late", "o-2", "1") +
		orderLine("1", "ann", "2026-01-01T12:00:00Z", "500")
	accrue(t, in, "simulate", "--program", program, "--events", "-", "--until", "2026-03-01").want(t, 0,
		"2 of 4 events were refused: 1 older_than_accepted, 1 unknown_line (--decisions FILE has each)\n")
}

func TestSimulateSaysThatThereIsNoEvent(t *testing.T) {
	program := write(t, "program.yaml", plainProgram)
	const tick = `{"type":"Tick","id":"t","at":"2026-01-01T00:00:00Z"}`
	for in, want := range map[string]string{"": "there is no event in standard input", "\n\n": "there is no event in standard input", tick: "there are only ticks in standard input"} {
		o := accrue(t, in, "simulate", "--program", program, "--events", "-").want(t, 0, want)
		if o.stdout != "" {
			t.Errorf("printed %q", o.stdout)
		}
	}
}

func TestSimulateNamesTheBadLine(t *testing.T) {
	racetest.Skip(t)
	program := write(t, "program.yaml", plainProgram)
	good := orderLine("1", "ann", "2026-01-01T12:00:00Z", "500")
	cases := []struct{ name, line, want string }{
		{"broken JSON", `{"type":`, "line 3: reading an event"},
		{"unknown field", strings.Replace(good, `"sku"`, `"skoo"`, 1), `line 3: reading OrderPlaced: unknown field "skoo"`},
		{"not UTF-8", strings.Replace(good, `"customer":"ann"`, "\"customer\":\"a\xffb\"", 1), `line 3: reading an event: field "customer" is not UTF-8`},
		{"a decimal amount", strings.Replace(good, "500", "120.5", 1), `field "lines[0].amount_minor" is 120.5: want a whole number in minor units`},
		{"half an event", good[:50], "line 3: reading OrderPlaced: not JSON: it ends too early; each line must hold one whole event"},
		{"unknown type", `{"type":"OrderLost"}`, `unknown event type "OrderLost"`},
		{"long id", strings.Replace(good, `"customer":"ann"`, `"customer":"`+strings.Repeat("a", 1<<20)+`"`, 1), "customer: has 1048576 bytes, at most 128 are allowed"},
		{"no time", `{"type":"AppInstalled","id":"1","customer":"ann"}`, "at: is missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := good + "\n" + c.line + "\n" + strings.ReplaceAll(good, `"1"`, `"9"`)
			o := accrue(t, in, "simulate", "--program", program, "--events", "-").want(t, 1, c.want, "--rejects")
			if o.stdout != "" || len(o.stderr) > 2000 {
				t.Errorf("printed %q, and %d bytes of errors; want nothing, and a short error", o.stdout, len(o.stderr))
			}
			dir := t.TempDir()
			accrue(t, in, "simulate", "--program", program, "--events", "-", "--decisions", filepath.Join(dir, "d.jsonl")).want(t, 1, c.want)
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("it left %v behind, %v", left, err)
			}
			rejects := filepath.Join(t.TempDir(), "rejects.jsonl")
			o = accrue(t, in, "simulate", "--program", program, "--events", "-", "--rejects", rejects).want(t, 0, "1 line left out")
			b, err := os.ReadFile(rejects)
			if err != nil || strings.Count(string(b), "\n") != 1 || !strings.Contains(string(b), `"line":3`) {
				t.Errorf("rejects %s, %v", clip(string(b)), err)
			}
			if !strings.Contains(o.stdout, `"customer":"ann"`) {
				t.Errorf("the good lines were not decided: %s", o.stdout)
			}
		})
	}
}

func TestSimulateRefusesWhatCannotBe(t *testing.T) {
	racetest.Skip(t)
	program := write(t, "program.yaml", plainProgram)
	in := orderLine("1", "ann", "2026-01-05T12:00:00Z", "500")
	accrue(t, in, "simulate", "--program", program, "--events", "-", "--until", "2026-01-05").want(t, 2, "the end lies before the last event", "leave --until out")
	accrue(t, in, "simulate", "--program", program, "--events", "-", "--until", "later").want(t, 2, `"later" is no time`)
	accrue(t, in, "simulate", "--program", program, "--events", "nowhere.jsonl").want(t, 3, "nowhere.jsonl", "Check the path")
	accrue(t, in, "simulate", "--program", program, "--events", t.TempDir()).want(t, 3, "a file is needed")
	accrue(t, in, "simulate", "--program", "nowhere.yaml", "--events", "-").want(t, 3, "nowhere.yaml")
	if _, err := os.Stat("/dev/zero"); err == nil {
		accrue(t, "", "program", "validate", "/dev/zero").want(t, 1, "the file is larger than 1048576 bytes")
		accrue(t, in, "simulate", "--program", "/dev/zero", "--events", "-").want(t, 1, "the file is larger than 1048576 bytes")
	}
	misspelt := write(t, "misspelt.yaml", strings.Replace(plainProgram, "per:", "pre:", 1))
	accrue(t, in, "simulate", "--program", misspelt, "--events", "-").want(t, 1, ":5:", "pre", "per")
	accrue(t, "{\x00}\x00", "simulate", "--program", "testdata/plain.yaml", "--events", "-").want(t, 1, "- is UTF-16")
	accrue(t, "", "program", "validate", misspelt).want(t, 1, "1 problem", ":5:")
	if _, err := os.Stat("/dev/full"); err == nil {
		accrue(t, strings.Repeat(in, 1000), "simulate", "--program", program, "--events", "-", "--decisions", "/dev/full").want(t, 3, "/dev/full", "The disk is full")
	}
}
