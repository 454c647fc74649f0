package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	main "github.com/accrue-loyalty/accrue/cmd/accrue"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/internal/racetest/racekafka"
)

const shopMap = "name: shop\ntimezone: America/New_York\ncurrency: USD\nevent: OrderPlaced\n" +
	"columns: {customer: customer, order: number, at: date, amount: total}\n"

func TestImportSaysWhatIsWrongWithAFile(t *testing.T) {
	m := write(t, "shop.map.yaml", shopMap)
	missing := write(t, "orders.csv", "custmer,number,date,total\nann,1,2026-01-01,10.00\n")
	accrue(t, "", "import", missing, "--map", m, "--dry-run").want(t, 1,
		`no column "customer", which the map reads for "customer"; its columns are custmer, number, date, total. Did you mean "custmer"?`)
	accrue(t, "", "import", missing).want(t, 2, "looks like CSV", "--map")
	accrue(t, "", "import", "nowhere.csv", "--map", m).want(t, 3, "nowhere.csv")
	accrue(t, "", "import", missing, "--map", write(t, "bad.yaml", "nam: x\n")).want(t, 1, "field nam is no key of a map")

	bad := write(t, "orders.csv", "customer,number,date,total\nann,1,2026-01-01,10.00\nbob,2,2026-01-01,ten\n")
	accrue(t, "", "import", bad, "--map", m, "--brokers", "127.0.0.1:1").want(t, 1, "nothing was published", `line 3: amount (total): "ten" is no amount`, "--rejects")
	rejects := filepath.Join(t.TempDir(), "rejects.jsonl")
	o := accrue(t, "", "import", bad, "--map", m, "--dry-run", "--rejects", rejects, "-o", "json").want(t, 0)
	sum := decode[map[string]any](t, o.stdout)
	if sum["read"] != 2.0 || sum["events"] != 1.0 || sum["rejected"] != 1.0 || sum["published"] != 0.0 {
		t.Errorf("summary %v", sum)
	}
	if b, err := os.ReadFile(rejects); err != nil || !strings.Contains(string(b), `"line":3,"rows":1,"reason":"amount (total)`) {
		t.Errorf("rejects %s, %v", b, err)
	}
}

func TestImportOfNothingIsNoError(t *testing.T) {
	m := write(t, "shop.map.yaml", shopMap)
	for _, args := range [][]string{{write(t, "orders.csv", "customer,number,date,total\n"), "--map", m}, {write(t, "empty.jsonl", "")}, {write(t, "blank.jsonl", "\n \n")}} {
		o := accrue(t, "", append([]string{"import", "--dry-run", "-o", "json"}, args...)...).want(t, 0)
		if strings.Contains(o.stdout, "imported_before") || !strings.Contains(o.stdout, `"events": 0`) {
			t.Errorf("%v: the summary is %s", args, o.stdout)
		}
	}
}

func TestImportHelpHasTheKeysOfAMap(t *testing.T) {
	help := accrue(t, "", "import", "--help").want(t, 0).stdout
	_, keys, _ := strings.Cut(accrue(t, "", "import", "-", "--map", write(t, "bad.yaml", "nam: x\n")).want(t, 1, "keys are ").stderr, "keys are ")
	keys, _, _ = strings.Cut(keys, "\n")
	for key := range strings.SplitSeq(keys, ", ") {
		if !strings.Contains(help, key+":") && !strings.Contains(help, key+" instead") {
			t.Errorf("the help does not say what %s is in a map", key)
		}
	}
}

func TestImportCountsWhatIsLeftOut(t *testing.T) {
	m := write(t, "shop.map.yaml", shopMap)
	orders := write(t, "orders.csv", "customer,number,date,total\nann,1,2026-01-01,1\nann,1,2026-01-01,\nann,1,2026-01-01,3\n")
	accrue(t, "", "import", orders, "--map", m, "--dry-run").want(t, 1, "accrue: 1 line cannot be taken", "line 3: amount (total): is empty\n2 good lines of the same orders")
	rejects := filepath.Join(t.TempDir(), "rejects.jsonl")
	o := accrue(t, "", "import", orders, "--map", m, "--dry-run", "--rejects", rejects).want(t, 1, "no line could be taken", rejects)
	if !strings.Contains(o.stdout, "made 0 events; 3 lines rejected") {
		t.Errorf("the summary is %s", o.stdout)
	}
	b, err := os.ReadFile(rejects)
	want := `","line":2,"reason":"belongs to a rejected order: see line 3","text":"ann,1,2026-01-01,1"}` + "\n"
	if err != nil || strings.Count(string(b), "\n") != 3 || !strings.Contains(string(b), want) {
		t.Errorf("rejects %s, %v; want in it %s", b, err, want)
	}
}

func TestWhatIsInvalidOfAnOrderIsSaid(t *testing.T) {
	line := func(more string) string {
		return `{"type":"OrderPlaced","id":"1","customer":"ann","at":"2026-01-01T12:00:00Z","order":"1","currency":"USD","lines":[{"line":"a","sku":"x","quantity":1,"amount_minor":1},` + more + "}"
	}
	for lines, want := range map[string]string{
		line(`{"line":"a","sku":"x","quantity":1,"amount_minor":1}]`):                           `line "a": is there twice`,
		line(`{"line":"b","sku":"x","quantity":1,"amount_minor":1,"discount_minor":-1}]`):       `line "b": discount_minor: is negative; it is written without a sign`,
		line(`{"line":"b","sku":"x","quantity":1,"amount_minor":1}],"order_discount_minor":-5`): "order_discount_minor: is negative; it is written without a sign",
	} {
		accrue(t, lines+"\n", "import", "-", "--dry-run").want(t, 0, "line 1: would be refused (invalid_order): "+want)
	}
}

func TestADryRunRefusesWhatTheImportWould(t *testing.T) {
	ticks := `{"type":"Tick","id":"t","at":"2026-01-01T12:00:00Z"}` + "\n" + `{"type":"Tick","id":"t","at":"2026-01-02T12:00:00Z"}`
	accrue(t, ticks, "import", "-", "--dry-run").want(t, 2, "Tick events", "Pass --drive-clock")
	accrue(t, ticks, "import", "-", "--dry-run", "--drive-clock").want(t, 0) // ticks may have one id
	one := orderLine("1", "ann", "2026-01-01T12:00:00Z", "500")
	ahead := time.Now().Add(25 * time.Hour).UTC().Format(time.RFC3339)
	lines := one + one + strings.Replace(one, "500", "600", 1) + strings.Replace(one, `"ann"`, `"bob"`, 1) + orderLine("2", "ann", "2026-01-01T12:00:00Z", "-5") +
		`{"type":"OrderReturned","id":"3","customer":"ann","at":"2026-01-02T12:00:00Z","order":"o-1","return":"r","lines":[{"line":"1","amount_minor":-1}]}` + "\n" +
		orderLine("4", "ann", ahead, "500") + `{"type":"Tick","id":"t","at":"` + ahead + `"}` + "\n"
	accrue(t, lines, "import", "-", "--dry-run", "--drive-clock").want(t, 1, "5 events could only be refused:",
		"line 7: at: "+ahead[:10], "line 8: at: "+ahead[:10], "more than a day ahead of now: is the year right?",
		"more than a day ahead of now, and the clock, once there, never goes back", "by --until")
	o := accrue(t, lines, "import", "-", "--dry-run", "--drive-clock", "--until", "2099-01-01").want(t, 0, "3 events could only be refused:", "-: line 3: has the id of another event of the same customer, at -: line 1,",
		"line 5: would be refused (invalid_order): line \"1\": amount_minor: is negative; what came back is an OrderReturned of its own", "line 6: would be refused (invalid_return): line \"1\": amount_minor: is negative")
	if !strings.Contains(o.stdout, "made 8 events") {
		t.Errorf("the summary is %s", o.stdout)
	}
	accrue(t, orderLine("4", "ann", ahead, "500"), "import", "-", "--convert", "-").want(t, 0)
}

func TestRowsOfOneOrderAreInOneFile(t *testing.T) {
	m := write(t, "shop.map.yaml", shopMap)
	const row = "ann,1,2026-01-01,10.00\n"
	first, second := write(t, "a.csv", "customer,number,date,total\n"+row), write(t, "b.csv", "customer,number,date,total\nbob,2,2026-01-01,1\n"+row+row)
	rejects := filepath.Join(t.TempDir(), "rejects.jsonl")
	accrue(t, "", "import", first, first, second, "--map", m, "--dry-run").want(t, 1, second+": line 3: has the id of another event of the same customer, at "+first+": line 2,")
	o := accrue(t, "", "import", first, second, "--map", m, "--dry-run", "--rejects", rejects).want(t, 0)
	b, err := os.ReadFile(rejects)
	if err != nil || strings.Count(string(b), `"text":"ann,1,2026-01-01,10.00"`) != 2 || !strings.Contains(o.stdout, "made 2 events") {
		t.Errorf("rejects %s, %v; the summary is %s", b, err, o.stdout)
	}
}

func TestImportNamesFilesThatItCannotWriteBeforeAnythingElse(t *testing.T) {
	for _, flag := range []string{"--resume", "--rejects", "--convert"} {
		accrue(t, "", "import", "nowhere.jsonl", flag, filepath.Join(t.TempDir(), "nowhere", "x")).want(t, 3, flag+": writing", "nowhere/x")
	}
	accrue(t, "{}\x00", "import", "-", "--dry-run", "--rejects", "/dev/null").want(t, 1, "no line could be taken")
	accrue(t, "{\x00}\x00", "import", "-", "--dry-run").want(t, 1, "- is UTF-16")
}

func TestImportWithoutABrokerSaysSo(t *testing.T) {
	began := time.Now()
	accrue(t, orderLine("1", "ann", "2026-01-01T12:00:00Z", "500"), "import", "-", "--brokers", "127.0.0.1:1").want(t, 3, "no answer from Kafka at 127.0.0.1:1", "Is it running", "accrue dev")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v to say so", took)
	}
}

func TestImportTellsDaysAsTheMapDoes(t *testing.T) {
	m := write(t, "shop.map.yaml", shopMap)
	// 8 in the evening in New York is the next day in UTC.
	orders := write(t, "orders.csv", "customer,number,date,total\nbob,2,2025-11-19 20:00,20.00\nann,1,2025-11-19 21:00,10.00\n")
	o := accrue(t, "", "import", orders, "--map", m, "--dry-run").want(t, 0)
	if !strings.Contains(o.stdout, "2 events from 2025-11-19 to 2025-11-19") {
		t.Errorf("it says %s", o.stdout)
	}
	lines := write(t, "orders.jsonl", orderLine("1", "ann", "2025-11-20T01:00:00Z", "500"))
	if o := accrue(t, "", "import", lines, "--dry-run").want(t, 0); !strings.Contains(o.stdout, "from 2025-11-20 to 2025-11-20") {
		t.Errorf("it says %s", o.stdout)
	}
	accrue(t, "", "import", orders, "--map", "/dev/zero", "--dry-run").want(t, 1, "is larger than 1048576 bytes")
}

func TestImportConvertsForSimulate(t *testing.T) {
	m := write(t, "shop.map.yaml", shopMap)
	orders := write(t, "orders.csv", "customer,number,date,total\nbob,2,2026-01-02,20.00\nann,1,2026-01-01,10.00\n")
	o := accrue(t, "", "import", orders, "--map", m, "--convert", "-").want(t, 0, "2 lines of 1 file made 2 events")
	sim := accrue(t, o.stdout, "simulate", "--program", write(t, "p.yaml", plainProgram), "--events", "-").want(t, 0)
	if !strings.HasPrefix(o.stdout, `{"type":"OrderPlaced","id":"shop:1","customer":"ann"`) || strings.Count(sim.stdout, "\n") != 2 {
		t.Errorf("converted to %s, which gives %s", o.stdout, sim.stdout)
	}
}

// TestImportingAgainChangesNothing drives the clock through a small history twice, and compares with the simulation.
func TestImportingAgainChangesNothing(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t)
	var lines strings.Builder
	for day := range 40 {
		at := time.Date(1997, 3, 1+day, 15, 0, 0, 0, time.UTC).Format(time.RFC3339)
		for i, customer := range []string{"ann", "bob", "cid"}[:1+day%3] {
			lines.WriteString(orderLine(fmt.Sprintf("%d-%d", day, i), customer, at, fmt.Sprint(1000+100*day)))
		}
	}
	file := write(t, "orders.jsonl", lines.String())
	note := filepath.Join(t.TempDir(), "note")
	args := s.cluster("import", file, "--drive-clock", "--until", "1997-04-15", "-o", "json")
	ahead := write(t, "ahead.jsonl", orderLine("x", "ann", time.Now().AddDate(0, 0, 2).UTC().Format(time.RFC3339), "1"))
	accrue(t, "", s.cluster("import", file, ahead, "--drive-clock")...).want(t, 1, "more than a day ahead of now, and the clock, once there, never goes back", "by --until")
	for until, want := range map[string]string{
		"nonsense": "--until: ", "1997-04-01": "--until: 1997-04-01T05:00:00.000Z lies before the last event, at 1997-04-09",
	} {
		accrue(t, "", s.cluster("import", file, "--drive-clock", "--until", until)...).want(t, 2, want)
	}
	if o := accrue(t, "", s.cluster("clock", "show")...).want(t, 0); strings.Contains(o.stdout, "history") {
		t.Errorf("an end that cannot be was noticed too late: %s", o.stdout)
	}
	first := decode[map[string]any](t, accrue(t, "", append(args, "--resume", note)...).want(t, 0).stdout)
	if fmt.Sprint(first["results"]) != fmt.Sprint(map[string]any{"APPLIED": first["events"]}) {
		t.Errorf("first import: %v", first["results"])
	}
	if first["published"] != first["events"] || first["ticks"] != 46.0 {
		t.Errorf("first import %v, want all published, and a tick for each midnight and one for the end", first)
	}
	simulated := accrue(t, lines.String(), "simulate", "--program", "demo/program.yaml", "--events", "-", "--tick", "day", "--until", "1997-04-15").want(t, 0)
	before := map[string]string{}
	for line := range strings.Lines(simulated.stdout) {
		want := decode[map[string]any](t, line)
		customer := want["customer"].(string)
		before[customer] = balanceOf(t, s, customer)
		got := decode[map[string]any](t, before[customer])
		// The API says what can be spent now, in 2026: everything has expired since. What was done is the same.
		if fmt.Sprint(got["totals"]) != fmt.Sprint(want["totals"]) || got["pending"] != want["pending"] {
			t.Errorf("%s: the engine has %s, the simulation %s", customer, before[customer], line)
		}
	}
	if len(before) != 3 {
		t.Fatalf("the simulation has %d customers", len(before))
	}
	// With the note, nothing is sent; without, all of it is recognised.
	again := decode[map[string]any](t, accrue(t, "", append(args, "--resume", note)...).want(t, 0).stdout)
	if again["published"] != 0.0 || again["resumed"] != first["events"] {
		t.Errorf("resumed import %v", again)
	}
	if got := decode[map[string]any](t, accrue(t, "", args...).want(t, 0).stdout)["results"]; fmt.Sprint(got) != fmt.Sprint(map[string]any{"DUPLICATE": first["events"]}) {
		t.Errorf("imported again: %v", got)
	}
	for customer, balance := range before {
		if got := balanceOf(t, s, customer); got != balance {
			t.Errorf("%s had %s, has %s", customer, balance, got)
		}
	}
	accrue(t, "", append(s.cluster("import", write(t, "other.jsonl", orderLine("x", "ann", "1997-03-01T00:00:00Z", "1"))), "--resume", note)...).want(t, 2, "other events")
	corrected := write(t, "corrected.jsonl", strings.Replace(lines.String(), "1000", "1001", 1))
	if o := accrue(t, "", s.cluster("import", corrected, "--drive-clock", "--late")...).want(t, 0); !strings.Contains(o.stdout, "\n1 CONFLICT: another event of that id was decided before") {
		t.Errorf("a corrected file: %s", o.stdout)
	}
	o := accrue(t, "", s.cluster("verify")...).want(t, 0)
	if !strings.Contains(o.stdout, "0 differences") {
		t.Errorf("verify: %s", o.stdout)
	}
}

// TestImportNamesWhatItsTopicsDoNotTake has an event that is too large among small ones, and topics that the engine would
// not run on.
func TestImportNamesWhatItsTopicsDoNotTake(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t)
	kafka, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	admin := kadm.NewClient(kafka)
	bound := kadm.AlterConfig{Name: "max.message.bytes", Value: kadm.StringPtr("1000")}
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{bound}, "accrue.orders"); err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	for n := range 100 {
		in.WriteString(orderLine(fmt.Sprint("small-", n), "ann", "2026-01-01T12:00:00Z", "500"))
		if n == 50 {
			in.WriteString(strings.Replace(orderLine("large", "ann", "2026-01-01T12:00:00Z", "500"), `"sku":"x"`, `"sku":"`+strings.Repeat("x", 100)+`","category":"`+strings.Repeat("y", 1000)+`"`, 1))
		}
	}
	accrue(t, in.String(), s.cluster("import", "-")...).want(t, 3, `100 of 101 events were published, then: event "large" of customer "ann" has 1`,
		"accrue.orders takes at most 1000 in a batch (its max.message.bytes)", "Raise the bound")

	accrue(t, "", s.cluster("topics", "create", "--prefix", "odd.", "--partitions", "3")...).want(t, 0)
	if _, err := admin.DeleteTopics(t.Context(), "odd.returns"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(t.Context(), 2, 1, nil, "odd.returns"); err != nil {
		t.Fatal(err)
	}
	accrue(t, in.String(), s.cluster("import", "-", "--prefix", "odd.")...).want(t, 3, "nothing was published: ", "odd.ledger has 3, odd.returns has 2", "Delete the topics that differ")
}

// balanceOf returns a customer's balance without what changes with time and place.
func balanceOf(t *testing.T, s *service, customer string) string {
	t.Helper()
	b := decode[map[string]any](t, accrue(t, "", "balance", customer, "--url", s.API, "-o", "json").want(t, 0).stdout)
	return fmt.Sprintf(`{"pending":%v,"active":%v,"reserved":%v,"totals":%s}`, b["pending"], b["active"], b["reserved"], mustJSON(t, b["totals"]))
}

// TestOldHistoryIsRefusedByALiveSystem lets the wall clock tick first.
func TestOldHistoryIsRefusedByALiveSystem(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--tick", "20ms")
	now := time.Now().UTC().Format(time.RFC3339)
	accrue(t, orderLine("1", "ann", now, "500"), s.cluster("import", "-")...).want(t, 0)
	old := write(t, "old.jsonl", orderLine("2", "bob", "1997-01-01T12:00:00Z", "500")+orderLine("3", "bob", "1997-02-01T12:00:00Z", "500"))
	eventually(t, "the clock has ticked", func() bool {
		return strings.Contains(accrue(t, "", s.cluster("clock", "show", "-o", "json")...).stdout, `"live": true`)
	})
	accrue(t, "", s.cluster("import", old, "--drive-clock")...).want(t, 3, "never goes back")
	// Without the registry nobody can tell where the clock stands.
	accrue(t, "", "import", old, "--brokers", s.Brokers).want(t, 3, "no schema registry is configured", "--registry")
	// The program sets no bound to how late events may be.
	accrue(t, "", s.cluster("import", old)...).want(t, 0, "long after the first of these events, of 1997-01-01", "--drive-clock")
	ticks := `{"type":"Tick","id":"t","at":"` + now + `"}`
	accrue(t, ticks, s.cluster("import", "-", "--late")...).want(t, 2, "Tick events", "--drive-clock")
}

// TestEventsAreImportedAsLateAsTheProgramTakesThem has a program that takes them thirty days late.
func TestEventsAreImportedAsLateAsTheProgramTakesThem(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", write(t, "late.yaml", plainProgram+"late_events: {accept_within: 30 days}\n"))
	ago := func(days int) string { return time.Now().UTC().AddDate(0, 0, -days).Format(time.RFC3339) }
	order := func(id string, days int) string {
		return write(t, id+".jsonl", orderLine(id, "bob", ago(days), "500"))
	}
	results := func(want string) func() bool {
		return func() bool {
			var all []string
			for line := range strings.Lines(accrue(t, "", s.cluster("export", "--customer", "bob")...).want(t, 0).stdout) {
				d := decode[struct {
					Result string
					Cause  struct{ Event string }
				}](t, line)
				all = append(all, d.Cause.Event+" "+d.Result)
			}
			return strings.Join(all, ", ") == want
		}
	}
	before := order("before", 50)
	accrue(t, "", s.cluster("import", before)...).want(t, 0) // there is no clock yet
	eventually(t, "it is decided", results("before APPLIED"))
	accrue(t, orderLine("1", "ann", ago(0), "500"), s.cluster("import", "-", "--drive-clock", "--until", ago(0))...).want(t, 0)

	late := order("late", 2)
	accrue(t, "", s.cluster("import", late)...).want(t, 0)
	accrue(t, "", s.cluster("import", late)...).want(t, 0)
	eventually(t, "it counts once", results("before APPLIED, late APPLIED, late DUPLICATE"))

	stale, rejects := order("stale", 40), filepath.Join(t.TempDir(), "rejects.jsonl")
	bad := write(t, "bad.jsonl", "{}\n")
	accrue(t, "", s.cluster("import", before, late, stale, order("staler", 45), bad, "--rejects", rejects)...).want(t, 3,
		"2 of 4 events would be refused as stale", "the first is staler of customer bob", "version 1 of the program takes events 30 days late", "Nothing was published", "--late", "--drive-clock")
	if _, err := os.Stat(rejects); err == nil {
		t.Error("the rejects were written, though nothing was published")
	}
	accrue(t, "", s.cluster("import", before, bad, "--rejects", rejects)...).want(t, 0) // it was decided when it could be
	if _, err := os.Stat(rejects); err != nil {
		t.Error(err)
	}
	accrue(t, "", s.cluster("import", stale, "--late")...).want(t, 0)
	eventually(t, "the ledger has what became of all", results("before APPLIED, late APPLIED, late DUPLICATE, before STALE, stale STALE"))
}

func TestEventsAheadOfAClockThatStandsStillAreNoticed(t *testing.T) {
	at := events.InstantOf(time.Now())
	e := &events.AppInstalled{Header: events.Header{ID: "1", Customer: "ann", At: at}}
	const day = events.Instant(24 * 3600 * 1000)
	for name, c := range map[string]struct {
		state consumer.ClockState
		want  bool
	}{
		"two days behind":                      {consumer.ClockState{At: at - 2*day, Live: true}, true},
		"a day behind":                         {consumer.ClockState{At: at - day, Live: true}, false},
		"driven to there, which takes any":     {consumer.ClockState{At: at - 2*day}, false},
		"waiting for the rest of a history":    {consumer.ClockState{At: at - 2*day, Open: true}, true},
		"not set yet, so that nothing is late": {consumer.ClockState{}, false},
	} {
		if got := main.AheadOf([]events.Event{e}, []consumer.ClockState{c.state}); got != nil != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAnInterruptedHistoryGoesOn ends an import in the middle, in a system whose wall clock ticks fast.
func TestAnInterruptedHistoryGoesOn(t *testing.T) {
	t.Parallel() // it mostly waits
	s := dev(t, "--tick", "20ms")
	var lines strings.Builder
	days := racetest.Of(200, 40)
	for day := range days {
		at := time.Date(1997, 3, 1+day, 15, 0, 0, 0, time.UTC).Format(time.RFC3339)
		lines.WriteString(orderLine(fmt.Sprint(day), []string{"ann", "bob", "cid"}[day%3], at, fmt.Sprint(1000+10*day)))
	}
	file := write(t, "orders.jsonl", lines.String())
	args := s.cluster("import", file, "--drive-clock")

	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stderr bytes.Buffer
	m := &main.Main{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &stderr, Kafka: racekafka.Options()}
	ended := make(chan int)
	go func() { ended <- m.Run(ctx, args) }()
	clocks := func() []consumer.ClockState {
		return decode[[]consumer.ClockState](t, accrue(t, "", s.cluster("clock", "show", "-o", "json")...).want(t, 0).stdout)
	}
	eventually(t, "history is under way", func() bool { return clocks()[0].At != 0 })
	interrupt()
	if code := <-ended; code != 3 || !strings.Contains(stderr.String(), "was interrupted") || !strings.Contains(stderr.String(), "accrue clock release") {
		t.Fatalf("the interrupted import ended with %d and said:\n%s", code, &stderr)
	}
	time.Sleep(300 * time.Millisecond) // the wall clock would have ticked
	for _, c := range clocks() {
		if c.Live || !c.Open {
			t.Errorf("after the interruption the clock is %+v", c)
		}
	}
	says := func(text string, args ...string) {
		t.Helper()
		if o := accrue(t, "", args...).want(t, 0); !strings.Contains(o.stdout, text) {
			t.Errorf("%v said %s, want %q", args, o.stdout, text)
		}
	}
	says("waits for the rest of a history", s.cluster("clock", "show")...)
	for _, at := range []string{"1997-02-01T12:00:00Z", "2005-02-01T12:00:00Z"} { // before where the clock stands, and after
		other := write(t, "other.jsonl", orderLine("x", "zoe", at, "500"))
		accrue(t, "", s.cluster("import", other, "--drive-clock")...).want(t, 3, "waits for the rest of another history", "begun here", "accrue clock release")
	}
	// Without the ticks between them all events would be decided at this clock, for good.
	accrue(t, "", s.cluster("import", file)...).want(t, 3, "waits for the rest of a history", "Nothing was published", "--drive-clock")

	says(fmt.Sprintf("%d events published", days), args...)
	simulated := accrue(t, lines.String(), "simulate", "--program", "demo/program.yaml", "--events", "-", "--tick", "day").want(t, 0)
	for line := range strings.Lines(simulated.stdout) {
		want := decode[struct {
			Customer string
			Totals   struct{ Issued int }
		}](t, line)
		got := decode[struct{ Totals struct{ Issued int } }](t, accrue(t, "", "balance", want.Customer, "--url", s.API, "-o", "json").want(t, 0).stdout)
		if want.Totals.Issued == 0 || got.Totals.Issued != want.Totals.Issued {
			t.Errorf("%s was issued %d points, want %d", want.Customer, got.Totals.Issued, want.Totals.Issued)
		}
	}
	eventually(t, "the wall clock ticks again", func() bool {
		return slices.ContainsFunc(clocks(), func(c consumer.ClockState) bool { return c.Live })
	})
	says("imported before", args...)
	says("there is nothing to release", s.cluster("clock", "release")...)
	says("0 differences", s.cluster("verify")...)
}
