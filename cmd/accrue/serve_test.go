package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	main "github.com/accrue-loyalty/accrue/cmd/accrue"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/internal/racetest/racekafka"
)

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOneCustomerFromOrderToRedemption goes through the client commands.
func TestOneCustomerFromOrderToRedemption(t *testing.T) {
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml")
	url := "--url=" + s.API
	for _, what := range []string{"balance", "lots", "statement", "tier", "explain"} {
		args := []string{what, "ann", url}
		if what == "explain" {
			args = append(args, "1")
		}
		accrue(t, "", args...).want(t, 1, "nothing has been decided for this customer yet", "unknown_customer", "Check the id.")
	}
	accrue(t, orderLine("1", "ann", "2026-01-01T12:00:00Z", "50000"), s.cluster("import", "-")...).want(t, 0)
	eventually(t, "the order is decided", func() bool { return accrue(t, "", "balance", "ann", url).code == 0 })
	say := func(wants []string, args ...string) {
		t.Helper()
		o := accrue(t, "", append(args, url)...).want(t, 0)
		for _, want := range wants {
			if !strings.Contains(o.stdout, want) {
				t.Errorf("accrue %s printed %q, want %q in it", strings.Join(args, " "), o.stdout, want)
			}
		}
	}
	say([]string{"500 points to spend", "tier Basic"}, "balance", "ann")
	say([]string{"500", "2026-01-01"}, "lots", "ann")
	say([]string{"APPLIED", "EARN 500"}, "statement", "ann")
	say([]string{"Basic", "\n500.00 USD more to Plus, from 1,000.00 USD\n"}, "tier", "ann")
	say([]string{"base: 500.00 USD at 1 point for each 1.00 USD", "500 points earned"}, "explain", "ann", "1")
	say([]string{"would earn 12 points", "12 by base", "up to 500 points, worth 5.00 USD; the order's total is 12.50 USD\n"}, "calculate", "ann", "--amount", "12.50")
	say([]string{"redemption r1: reserved, 200 points; balance 300", "lapses at"}, "redeem", "ann", "200", "--redemption", "r1")
	say([]string{"redemption r1: reserved, 200 points"}, "redeem", "ann", "200", "--redemption", "r1")
	say([]string{"confirmed, 200 points; balance 300"}, "confirm", "ann", "r1")
	say([]string{"cancelled, 200 points; balance 500"}, "cancel", "ann", "r1")
	say([]string{"APPLIED: ADJUST_DOWN 50; balance 450"}, "adjust", "ann", "--points=-50", "--reason", "counted twice", "--actor", "ada")
	o := accrue(t, "", "adjust", "ann", "--points", "-5000", "--reason", "x", "--actor", "ada", url).want(t, 1, "balance_too_low", "450 spendable", "`accrue lots`")
	if o.stdout != "" {
		t.Errorf("a refused adjustment printed %s", o.stdout)
	}
	accrue(t, "", "redeem", "ann", "5000", url).want(t, 1, "balance_too_low", "450 spendable")
	accrue(t, "", "redeem", "ann", "--points", "x", url).want(t, 2)
	shows := func(text string) {
		t.Helper()
		eventually(t, "the statement shows "+text, func() bool {
			return strings.Contains(accrue(t, "", "statement", "bob", url).stdout, text)
		})
	}
	accrue(t, `{"type":"OrderReturned","id":"back","customer":"bob","at":"2026-01-02T12:00:00Z","order":"o-2","return":"t1","lines":[{"line":"9","amount_minor":100}]}`,
		s.cluster("import", "-")...).want(t, 0)
	shows("order_unknown")
	accrue(t, orderLine("2", "bob", "2026-01-01T12:00:00Z", "500"), s.cluster("import", "-")...).want(t, 0)
	shows("EARN 5, back REFUSED unknown_line")
	say([]string{"was refused when that came", "See 2, at"}, "explain", "bob", "back")
	accrue(t, "", "calculate", "ann", "--amount", "12.505", url).want(t, 2, "more decimals")
	accrue(t, "", "calculate", "ann", "--amount", "12.50", "--currency", "XYZ", url).want(t, 2, `"XYZ" is no ISO 4217 currency`)
	o = accrue(t, "", "calculate", "ann", "--amount", "500", "--currency", "JPY", url).want(t, 1, "no rate for JPY (unknown_currency)")
	if o.stdout != "" {
		t.Errorf("a cart in an unknown currency could be paid: %s", o.stdout)
	}
	o = accrue(t, "", "calculate", "ann", "--amount", "500", "--currency", "JPY", url, "-o", "json").want(t, 1)
	if e := decode[map[string]any](t, o.stderr); e["reason"] != "unknown_currency" || decode[map[string]any](t, o.stdout)["result"] != "REFUSED" {
		t.Errorf("as JSON: %s%s", o.stdout, o.stderr)
	}
	for cart, want := range map[string]string{"null": "it is other JSON", "[1]": "it is other JSON", `{"lines": `: "unexpected EOF", `{} x`: "goes on after the cart"} {
		accrue(t, cart, "calculate", "ann", "--cart", "-", url).want(t, 2, "--cart: - ", want)
	}
	const cart = `{"currency":"USD","lines":[{"line":"1","sku":"x","quantity":1,"amount_minor":12345678901234567}]}`
	if o := accrue(t, cart, "calculate", "ann", "--cart", "-", url, "-o", "json").want(t, 0); !strings.Contains(o.stdout, "12345678901234567") {
		t.Errorf("the cart was another: %s", o.stdout)
	}
	accrue(t, "", "explain", "ann", "nothing", url).want(t, 1)
	for _, path := range []string{"", "/", "/readyz", "/healthz"} {
		accrue(t, "", "healthcheck", "--url", s.API+path).want(t, 0)
	}
	accrue(t, "", "healthcheck", "--url", "http://127.0.0.1:1").want(t, 1, "not healthy")
	accrue(t, "", "healthcheck", "--url", "nowhere").want(t, 2, "--url", "http://127.0.0.1:8080")
	accrue(t, "", "balance", "ann", "--url", "http://127.0.0.1:1").want(t, 3, "Is an instance running there?")
	o = accrue(t, "", "balance", "ann", url, "-o", "json").want(t, 0)
	if b := decode[map[string]any](t, o.stdout); b["active"] != 450.0 || b["position"] == "" {
		t.Errorf("the balance as JSON is %s", o.stdout)
	}
	o = accrue(t, "", "redeem", "ann", "5000", url, "-o", "json").want(t, 1)
	if e := decode[map[string]any](t, o.stderr); e["reason"] != "balance_too_low" || e["exit"] != 1.0 {
		t.Errorf("the refusal as JSON is %s", o.stderr)
	}
	accrue(t, "", s.cluster("verify", "--partition", "0", "--partition", "1")...).want(t, 0)
	accrue(t, "", s.cluster("verify", "--partition", "99")...).want(t, 2, "no partition 99")
}

// TestARepeatSaysHowTheRedemptionStands asks for the same redemptions again, as a checkout does that has not heard back.
func TestARepeatSaysHowTheRedemptionStands(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml", "--tick", "100ms")
	earn := func(t *testing.T, points string) {
		t.Helper()
		accrue(t, "", "adjust", "ann", "--points="+points, "--reason", "a gift", "--actor", "ada", "--url", s.API).want(t, 0)
	}
	refused := func(t *testing.T, text string, args ...string) {
		t.Helper()
		accrue(t, "", append(args, "--url", s.API)...).want(t, 1, text)
	}
	done := func(t *testing.T, text string, args ...string) {
		t.Helper()
		if o := accrue(t, "", append(args, "--url", s.API)...).want(t, 0); !strings.Contains(o.stdout, text) {
			t.Errorf("accrue %s printed %q, want %q in it", strings.Join(args, " "), o.stdout, text)
		}
	}
	redeem := func(points, id string) []string { return []string{"redeem", "ann", points, "--redemption", id} }

	earn(t, "500")
	t.Run("what was refused is decided anew", func(t *testing.T) {
		refused(t, "balance_too_low", redeem("600", "r1")...)
		refused(t, "unknown_redemption", "confirm", "ann", "r1")
		refused(t, "unknown_redemption", "cancel", "ann", "r1")
		earn(t, "500")
		done(t, "r1: reserved, 600 points; balance 400, reserved 600", redeem("600", "r1")...)
		refused(t, "invalid_points", "confirm", "ann", "r1", "--points", "700")
	})
	t.Run("reserved once", func(t *testing.T) {
		done(t, "r1: reserved, 600 points; balance 400, reserved 600", redeem("600", "r1")...)
		refused(t, "r1 exists already, and is reserved", redeem("200", "r1")...)
	})
	t.Run("confirmed, it is not reserved", func(t *testing.T) {
		done(t, "r1: confirmed, 500 points; balance 500, reserved 0", "confirm", "ann", "r1", "--points", "500")
		done(t, "r1: confirmed, 500 points", "confirm", "ann", "r1", "--points", "500")
		refused(t, "r1 is confirmed already, with 500 points", "confirm", "ann", "r1", "--points", "400")
		refused(t, "r1 exists already, and is confirmed", redeem("600", "r1")...)
		o := accrue(t, "", append(redeem("600", "r1"), "--url", s.API, "-o", "json")...).want(t, 1)
		if e := decode[map[string]any](t, o.stderr); e["reason"] != "duplicate_redemption" || decode[map[string]any](t, o.stdout)["state"] != "confirmed" {
			t.Errorf("as JSON: %s%s", o.stdout, o.stderr)
		}
	})
	t.Run("cancelled, neither", func(t *testing.T) {
		done(t, "r1: cancelled, 500 points; balance 1,000", "cancel", "ann", "r1")
		done(t, "r1: cancelled, 0 points; balance 1,000", "cancel", "ann", "r1")
		refused(t, "r1 exists already, and is cancelled", redeem("600", "r1")...)
		refused(t, "give the next redemption another", redeem("600", "r1")...)
		refused(t, "reservation_cancelled", "confirm", "ann", "r1")
	})
	t.Run("lapsed, neither", func(t *testing.T) {
		body := fmt.Sprintf(`{"customer":"ann","points":100,"redemption":"r2","at":%q}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
		resp, err := http.Post(s.API+"/v1/redemptions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		eventually(t, "the reservation has lapsed", func() bool {
			return strings.Contains(accrue(t, "", append(redeem("100", "r2"), "--url", s.API)...).stderr, "r2 exists already, and is lapsed")
		})
		refused(t, "reservation_lapsed", "confirm", "ann", "r2")
		done(t, "r2: lapsed, 0 points", "cancel", "ann", "r2")
	})
	t.Run("under an id of its own it is answered as at first", func(t *testing.T) {
		refused(t, "balance_too_low", append(redeem("1100", "r3"), "--id", "k1")...)
		earn(t, "500")
		refused(t, "balance_too_low", append(redeem("1100", "r3"), "--id", "k1")...)
		done(t, "r3: reserved, 1,100 points", append(redeem("1100", "r3"), "--id", "k2")...)
		done(t, "r3: confirmed, 1,100 points", "confirm", "ann", "r3", "--id", "k3")
		refused(t, "event_id_reused", "cancel", "ann", "r3", "--id", "k3")
	})
}

// TestOddIDsAreAskedForAndShown has customers that a path would swallow, and an event that would paint the terminal.
func TestOddIDsAreAskedForAndShown(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml")
	url := "--url=" + s.API
	customers := []string{"..", ".", "a/b", "%2E", "?x#y"}
	in := orderLine(`x\u001b[2J\u001b[31mEVIL\nFAKE 99`, "esc", "2026-01-01T12:00:00Z", "100")
	for i, customer := range customers {
		in += orderLine(strconv.Itoa(i), customer, "2026-01-01T12:00:00Z", "100")
	}
	accrue(t, in, s.cluster("import", "-")...).want(t, 0)
	for _, customer := range customers {
		eventually(t, "the order of "+customer+" is decided", func() bool { return accrue(t, "", "balance", customer, url).code == 0 })
		for _, what := range []string{"lots", "statement", "tier"} {
			accrue(t, "", what, customer, url).want(t, 0)
		}
	}
	eventually(t, "the odd order is decided", func() bool { return accrue(t, "", "balance", "esc", url).code == 0 })
	for _, args := range [][]string{{"statement", "esc"}, {"lots", "esc"}, {"explain", "esc", "x\x1b[2J\x1b[31mEVIL\nFAKE 99"}} {
		o := accrue(t, "", append(args, url)...).want(t, 0)
		if strings.Contains(o.stdout, "\x1b") || strings.Contains(o.stdout, "\nFAKE") || !strings.Contains(o.stdout, `x\x1b[2J\x1b[31mEVIL\nFAKE 99`) {
			t.Errorf("%s printed %q", args[0], o.stdout)
		}
	}
	o := accrue(t, "", "statement", "esc", url, "-o", "json").want(t, 0)
	if !strings.Contains(o.stdout, `"x\u001b[2J\u001b[31mEVIL\nFAKE 99"`) {
		t.Errorf("the statement as JSON must have the id as it is: %s", o.stdout)
	}
	for _, args := range [][]string{{"balance", ""}, {"redeem", "", "5"}, {"explain", "esc", ""}, {"cancel", "esc", ""}} {
		accrue(t, "", append(args, url)...).want(t, 2, "is empty")
	}
}

func TestProgramsArePublishedOnce(t *testing.T) {
	racetest.Skip(t)
	t.Parallel() // it mostly waits
	s := dev(t, "--program", "testdata/plain.yaml")
	o := accrue(t, "", s.cluster("program", "publish", "testdata/plain.yaml")...).want(t, 0)
	if !strings.Contains(o.stdout, "nothing to do") {
		t.Errorf("publishing it again: %s", o.stdout)
	}
	o = accrue(t, "", s.cluster("program", "publish", "testdata/plain.yaml", "-o", "json")...).want(t, 0)
	if p := decode[map[string]any](t, o.stdout); p["published"] != false || p["version"] != 1.0 || p["hash"] == nil {
		t.Errorf("publishing it again, as JSON: %s", o.stdout)
	}
	at := decode[map[string]any](t, o.stdout)["effective_at"].(string)
	accrue(t, "", s.cluster("program", "publish", "testdata/plain.yaml", "--at", at)...).want(t, 0)
	accrue(t, "", s.cluster("program", "publish", "testdata/plain.yaml", "--at", "2099-01-01")...).want(t, 1,
		"version 1, in effect from "+at, "2099-01-01T05:00:00.000Z was not used", "change the file")
	accrue(t, "", s.cluster("program", "diff", "1", "2", "--prefix", "none.")...).want(t, 3, "accrue topics create")
	accrue(t, "", s.cluster("program", "diff", "1", "9")...).want(t, 1, "there is no version 9", "`accrue program show`")
	accrue(t, "", s.cluster("deadletter", "list", "--reason", "wrong_key")...).want(t, 0)
	accrue(t, "", s.cluster("deadletter", "list", "--reason", "wrong_keyy")...).want(t, 2, `"wrong_keyy" is no reason`, `Did you mean "wrong_key"?`)
	accrue(t, "", s.cluster("deadletter", "list", "--reason", "x")...).want(t, 2, "They are unknown_framing, ")
	other := write(t, "other.yaml", plainProgram)
	accrue(t, "", s.cluster("program", "publish", other, "--at", "2020-01-01")...).want(t, 2, "--now")
	o = accrue(t, "", s.cluster("program", "publish", other)...).want(t, 0)
	if !strings.Contains(o.stdout, "is version 2") {
		t.Errorf("publishing another: %s", o.stdout)
	}
	if o = accrue(t, "", s.cluster("program", "show")...).want(t, 0); strings.Count(o.stdout, "20") < 4 {
		t.Errorf("the versions: %s", o.stdout)
	}
	if o = accrue(t, "", s.cluster("program", "show", "2", "--source")...).want(t, 0); !strings.Contains(o.stdout, "revision: 1\n") {
		t.Errorf("the published source must name the revision: %s", o.stdout)
	}
	if o = accrue(t, "", s.cluster("program", "diff", "1", other)...).want(t, 1); !strings.Contains(o.stdout, "tier") {
		t.Errorf("the differences: %s", o.stdout)
	}
	accrue(t, "", s.cluster("program", "show", "9")...).want(t, 1, "there is no version 9; the latest is 2")
	accrue(t, "", s.cluster("program", "show", "0")...).want(t, 1, "there is no version 0; the latest is 2")
	again := write(t, "again.yaml", strings.Replace(plainProgram, "points: 1", "points: 2", 1))
	o = accrue(t, "", s.cluster("program", "publish", again, "--now")...).want(t, 0)
	if !strings.Contains(o.stdout, "is version 3") || !strings.Contains(o.stdout, "then version 2, which was published before, takes its place") {
		t.Errorf("publishing another before the second takes effect: %s", o.stdout)
	}
	accrue(t, "", s.cluster("topics", "check")...).want(t, 0)
	accrue(t, "", s.cluster("topics", "check", "--prefix", "other.")...).want(t, 1)
	accrue(t, "", s.cluster("topics", "create", "--partitions", "3")...).want(t, 1, "asked were 3 partitions, and the topics that are there have 4: accrue.orders, ", "topics made: none", "leave --partitions out")
	if o = accrue(t, "", s.cluster("topics", "create", "--prefix", "odd.", "--partitions", "5")...).want(t, 0); strings.Count(o.stdout, " made") != 13 {
		t.Errorf("topics made: %s", o.stdout)
	}
	accrue(t, "", s.cluster("program", "diff", "1", "2", "--prefix", "odd.")...).want(t, 1, "there is no version 1", "accrue program publish FILE")
	accrue(t, "", s.cluster("topics", "create", "--prefix", "many.", "--replicas", "5")...).want(t, 3, "the cluster has 1; topics made: none", "leave --replicas out")
	accrue(t, "", s.cluster("topics", "create", "--prefix", "odd.", "--partitions", "0")...).want(t, 2, "--partitions: is 0")
	kafka, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	if _, err := kadm.NewClient(kafka).DeleteTopics(t.Context(), "odd.returns"); err != nil {
		t.Fatal(err)
	}
	accrue(t, "", s.cluster("topics", "create", "--prefix", "odd.", "--partitions", "3")...).want(t, 1, "are there have 5", "topics made: none")
	accrue(t, "", s.cluster("topics", "check", "--prefix", "odd.")...).want(t, 1)
	if o = accrue(t, "", s.cluster("topics", "create", "--prefix", "odd.")...).want(t, 0); strings.Count(o.stdout, " made") != 1 {
		t.Errorf("topics made: %s", o.stdout)
	}
	accrue(t, "", s.cluster("topics", "check", "--prefix", "odd.")...).want(t, 0)
	if _, err := kadm.NewClient(kafka).DeleteTopics(t.Context(), "odd.ledger"); err != nil {
		t.Fatal(err)
	}
	if o = accrue(t, "", s.cluster("topics", "check", "--prefix", "odd.")...).want(t, 1); !strings.Contains(o.stdout, "odd.ledger") || strings.Contains(o.stdout, "odd.orders") {
		t.Errorf("without a ledger: %s", o.stdout)
	}
	accrue(t, "", s.cluster("report", "cohorts", "--prefix", "other.")...).want(t, 3, "accrue topics create")
	accrue(t, "", s.cluster("report", "cohorts", "--heatmap", "x.png")...).want(t, 2, ".svg")
}

func TestASecondInstanceWithTheSameFolderIsRefused(t *testing.T) {
	t.Parallel() // it mostly waits
	s := dev(t)
	run := append(s.cluster("run", "--listen", "127.0.0.1:0", "--log-level", "error", "--tick", "0", "--instance", "a", "--output", "json"), "--dir", t.TempDir())
	first := serve(t, run...)
	if up := decode[struct{ Addresses main.Addresses }](t, first.out.String()); up.Addresses != first.Addresses {
		t.Errorf("standard output is %s, it listens at %+v", first.out, first.Addresses)
	}
	accrue(t, "", run...).want(t, 3, "uses that folder", "--dir")
}

func TestWhatDevCannotTakeIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := t.TempDir()
	for _, args := range [][]string{
		{"--port", port, "--registry-port", "0", "--listen", "127.0.0.1:0"},
		{"--port", "0", "--registry-port", port, "--listen", "127.0.0.1:0"},
		{"--port", "0", "--registry-port", "0", "--listen", "127.0.0.1:" + port},
	} {
		accrue(t, "", append([]string{"dev", "--dir", filepath.Join(dir, "x"), "--log-level", "error"}, args...)...).want(t, 3, "127.0.0.1:"+port, "port")
	}
	accrue(t, "", "dev", "--dir", filepath.Join(dir, "x"), "--log-level", "error", "--port", "0", "--registry-port", "0", "--listen", "192.0.2.1:0").want(t, 3, "no such address")
	file := write(t, "afile", "")
	o := accrue(t, "", "dev", "--dir", file, "--port", "0", "--registry-port", "0", "--listen", "127.0.0.1:0").want(t, 3, "not a directory", "a folder is needed")
	if strings.Contains(o.stderr, "port") {
		t.Errorf("a file in the folder's place has nothing to do with ports: %s", o.stderr)
	}
}

// Several workers join the group one after the other, and partitions move between them until all have.
func TestADevThatSaysItIsReadyAnswers(t *testing.T) {
	t.Parallel() // it mostly waits
	s := serve(t, "dev", "--dir", t.TempDir(), "--port", "0", "--registry-port", "0", "--listen", "127.0.0.1:0", "--log-level", "error",
		"--program", "testdata/plain.yaml", "--workers", "4")
	for _, want := range []string{"accrue dev is ready", "API       " + s.API + "\n", "export ACCRUE_URL=" + s.API + " ACCRUE_BROKERS=" + s.Brokers + " ACCRUE_REGISTRY=" + s.Registry + "\n"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("standard output lacks %q:\n%s", want, s.out)
		}
	}
	accrue(t, "", "healthcheck", "--url", s.API+"/readyz").want(t, 0)
	for n := range 100 {
		customer := "c" + strconv.Itoa(n)
		refused, err := http.Post(s.API+"/v1/redemptions", "application/json", strings.NewReader(`{"customer":"`+customer+`","points":10}`))
		if err != nil {
			t.Fatal(err)
		}
		refused.Body.Close()
		known, err := http.Get(s.API + "/v1/customers/" + customer + "/balance")
		if err != nil {
			t.Fatal(err)
		}
		known.Body.Close()
		if refused.StatusCode != http.StatusConflict || known.StatusCode != http.StatusOK {
			t.Fatalf("a redemption without points was answered %s, the balance after it %s", refused.Status, known.Status)
		}
	}
}

// A script learns the ports from standard output; without a program it has to, to publish one.
func TestADevWithoutAProgramSaysWhereToPublishOne(t *testing.T) {
	t.Parallel() // it mostly waits
	out := &lockedBuffer{}
	m := &main.Main{Stdin: strings.NewReader(""), Stdout: out, Stderr: io.Discard, Kafka: racekafka.Options()}
	go m.Run(context.Background(), []string{"dev", "--dir", t.TempDir(), "--port", "0", "--registry-port", "0", "--listen", "127.0.0.1:0", "--output", "json"})
	t.Cleanup(m.Close)
	eventually(t, "it says where it is", func() bool { return strings.HasSuffix(out.String(), "\n") })
	up := decode[struct{ Addresses main.Addresses }](t, out.String())
	s := &service{Addresses: up.Addresses}
	accrue(t, "", s.cluster("program", "publish", "testdata/plain.yaml")...).want(t, 0)
	eventually(t, "it is ready", func() bool { return accrue(t, "", "healthcheck", "--url", s.API+"/readyz").code == 0 })
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("it printed more than a line:\n%s", out)
	}
}

func TestADevFolderKeepsWhatIsInIt(t *testing.T) {
	t.Parallel() // it mostly waits
	dir := t.TempDir()
	s := dev(t, "--dir", dir)
	accrue(t, "", "dev", "--dir", dir, "--port", "0", "--registry-port", "0", "--listen", "127.0.0.1:0", "--log-level", "error").want(t, 3, "in use by another process")
	accrue(t, orderLine("1", "ann", "2026-01-01T12:00:00Z", "50000"), s.cluster("import", "-")...).want(t, 0)
	eventually(t, "the order is decided", func() bool { return accrue(t, "", "balance", "ann", "--url", s.API).code == 0 })
	before := balanceOf(t, s, "ann")
	s.main.Close()
	s = dev(t, "--dir", dir)
	eventually(t, "the state is restored", func() bool { return accrue(t, "", "balance", "ann", "--url", s.API).code == 0 })
	if after := balanceOf(t, s, "ann"); after != before {
		t.Errorf("before %s, after a restart %s", before, after)
	}
}
