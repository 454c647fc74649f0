package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	main "github.com/accrue-loyalty/accrue/cmd/accrue"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/internal/racetest/racekafka"
)

// outcome is what a run of the program left.
type outcome struct {
	code           int
	stdout, stderr string
}

// accrue runs the program to its end.
func accrue(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	m := &main.Main{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Kafka: racekafka.Options()}
	code := m.Run(t.Context(), args)
	return outcome{code, out.String(), errs.String()}
}

// want checks the exit code, and that standard error says all of the texts.
func (o outcome) want(t *testing.T, code int, texts ...string) outcome {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", o.code, code, clip(o.stdout), clip(o.stderr))
	}
	for _, text := range texts {
		if !strings.Contains(o.stderr, text) {
			t.Errorf("standard error lacks %q:\n%s", text, clip(o.stderr))
		}
	}
	return o
}

func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}

// write puts a file in a folder of the test's own.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// service is a command that stays up.
type service struct {
	main.Addresses
	main     *main.Main
	done     chan int
	out, log *lockedBuffer
}

// lockedBuffer takes what a running command prints.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a command that stays up, and ends it with the test.
func serve(t *testing.T, args ...string) *service {
	t.Helper()
	s := &service{done: make(chan int, 1), out: &lockedBuffer{}, log: &lockedBuffer{}}
	ready := make(chan main.Addresses, 1)
	s.main = &main.Main{Stdin: strings.NewReader(""), Stdout: s.out, Stderr: s.log, Kafka: racekafka.Options(),
		Ready: func(a main.Addresses) { ready <- a }}
	go func() { s.done <- s.main.Run(context.Background(), args) }()
	t.Cleanup(s.main.Close)
	select {
	case s.Addresses = <-ready:
	case code := <-s.done:
		t.Fatalf("it ended with exit code %d:\n%s", code, s.log)
	case <-time.After(time.Minute):
		t.Fatalf("it did not come up:\n%s", s.log)
	}
	return s
}

// dev starts a broker, a registry, the engine and its API on free ports, and returns when it answers for all customers.
// The clock does not tick. One worker is ready sooner than several, which wait for each other.
func dev(t *testing.T, more ...string) *service {
	t.Helper()
	s := serve(t, append([]string{"dev", "--dir", t.TempDir(), "--port", "0", "--registry-port", "0", "--listen", "127.0.0.1:0",
		"--tick", "0", "--workers", "1", "--log-level", "error", "--program", "demo/program.yaml"}, more...)...)
	// Asked without the command, whose flags would be described anew each time.
	eventually(t, "it is ready", func() bool {
		r, err := http.Get(s.API + "/readyz")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return s
}

// cluster are the flags that reach the service's broker.
func (s *service) cluster(args ...string) []string {
	return append(args, "--brokers", s.Brokers, "--registry", s.Registry)
}

// eventually asks until ok, for a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, clip(text))
	}
	return v
}

func TestEveryCommandHelps(t *testing.T) {
	racetest.Skip(t)
	for _, c := range []string{"", "demo", "dev", "run", "healthcheck", "topics", "topics create", "topics check", "program",
		"program validate", "program publish", "program show", "program diff", "program schema", "simulate", "import", "export",
		"deadletter", "deadletter list", "deadletter show", "clock", "clock show", "clock release", "verify", "report",
		"report cohorts", "balance", "lots", "statement", "tier", "explain", "redeem", "confirm", "cancel", "adjust", "calculate",
		"version", "completion"} {
		o := accrue(t, "", append(strings.Fields(c), "--help")...)
		if o.code != 0 || !strings.Contains(o.stdout, "Usage: accrue") {
			t.Errorf("%s --help: exit code %d, printed %s%s", c, o.code, o.stdout, o.stderr)
		}
	}
}

func TestHelpShowsDefaults(t *testing.T) {
	for command, want := range map[string]string{"dev": "Default: ./accrue-dev ($ACCRUE_DIR).", "balance": "Default: http://127.0.0.1:8080"} {
		if o := accrue(t, "", command, "--help").want(t, 0); !strings.Contains(strings.Join(strings.Fields(o.stdout), " "), want) {
			t.Errorf("%s --help lacks %q:\n%s", command, want, o.stdout)
		}
	}
}

func TestWrongUsageSaysSo(t *testing.T) {
	racetest.Skip(t)
	accrue(t, "").want(t, 2, "Try `accrue demo`")
	accrue(t, "", "simulat").want(t, 2, `did you mean "simulate"`)
	accrue(t, "", "simulate").want(t, 2, "--events", "Try `accrue simulate --help`")
	accrue(t, "", "balance", "ann", "--url", "nowhere").want(t, 2, "--url", "http://127.0.0.1:8080")
	accrue(t, "", "program", "validate", "x.yaml", "--bogus").want(t, 2, "Try `accrue program validate --help`.")
	accrue(t, "", "redeem", "ann", "-5").want(t, 2, "points: is -5, must be more than 0")
	accrue(t, "", "redeem", "ann", "5", "--order-total=-1").want(t, 2, "--order-total: is -1, must be 0 or more")
	accrue(t, "", "redeem", "ann", "--", "-5").want(t, 2, "points: is -5, must be more than 0")
	accrue(t, "", "confirm", "ann", "r1", "--points", "-5").want(t, 2, "--points: is -5")
	accrue(t, "", "confirm", "ann", "r1", "--points", "0").want(t, 2, "--points: is 0, must be more than 0")
	accrue(t, "", "confirm", "ann", "r1", "--points", "x").want(t, 2, "--points")
	accrue(t, "", "adjust", "ann", "-50", "--reason", "x").want(t, 2, "--points=-50")
	accrue(t, "", "balance", "-5").want(t, 2, "Write -- before")
	accrue(t, "", "report", "cohorts", "--discount", "NaN").want(t, 2, "--discount: is NaN")
	for says, args := range map[string]string{
		`there is no command bogus`:                                      "topics bogus",
		`a command is missing: one of "create", "check"`:                 "topics",
		`a command is missing: "cohorts"`:                                "report",
		`missing: <customer> <points>`:                                   "redeem",
		`accrue: --limit: is 0, want 1 to 500`:                           "statement ann --limit 0",
		`--tick: is "soon", want a duration such as 1s, 500ms or 0`:      "run --tick soon",
		`--tick: is "hour", want one of "day"`:                           "simulate --program p --events e --tick hour",
		`--workers: is "x", want a whole number`:                         "run --workers x",
		`--partition: is "x", want a whole number of at most 2147483647`: "verify --partition x",
		`--discount: is "x", want a number such as 0.1`:                  "report cohorts --discount x",
		`--replicas: is -1, want 0 to 32767`:                             "topics create --replicas=-1",
		`--advertise: "kafka-1:8080" is no address such as http`:         "run --advertise kafka-1:8080",
		`--points: is 0, want how many to add, or, below 0, to take`:     "adjust ann --points 0 --reason r --actor a",
	} {
		accrue(t, "", strings.Fields(args)...).want(t, 2, says)
	}
}

func TestErrorsAreJSONWhereJSONIsAskedFor(t *testing.T) {
	want := func(code float64, problems int, args ...string) {
		t.Helper()
		o := accrue(t, "not an event\n{}\n", args...).want(t, int(code))
		var e struct {
			Error    string   `json:"error"`
			Problems []string `json:"problems"`
			Exit     float64  `json:"exit"`
		}
		if err := json.Unmarshal([]byte(o.stderr), &e); err != nil || e.Error == "" || e.Exit != code || len(e.Problems) != problems {
			t.Errorf("accrue %s: the error as JSON is %s", strings.Join(args, " "), o.stderr)
		}
	}
	bad := write(t, "bad.yaml", "program: test\nbogus: 1\nalso: 2\n")
	want(2, 0, "simulate", "--output", "json")
	want(2, 0, "simulate", "--output=json")
	want(2, 0, "-o", "json", "bogus")
	want(2, 0, "-ojson", "bogus")
	want(2, 0, "-o=json", "bogus")
	want(2, 0, "program", "validate", bad, "--bogus", "-o", "json")
	want(1, 2, "import", "-", "--dry-run", "-o", "json")
	o := accrue(t, "", "program", "validate", bad, "-o", "json").want(t, 1)
	found := decode[struct{ Problems []any }](t, o.stdout).Problems
	if len(found) < 2 {
		t.Fatalf("the program has %d problems, this test needs some", len(found))
	}
	want(1, len(found), "program", "diff", bad, bad, "-o", "json")
	t.Setenv("ACCRUE_OUTPUT", "json")
	want(2, 0, "bogus")
	accrue(t, "", "bogus", "-o", "text").want(t, 2, "accrue: there is no command bogus")
}

func TestFlagsThatCannotBeMeantAreNamed(t *testing.T) {
	racetest.Skip(t)
	for flag, args := range map[string][]string{
		"--listen: \"bogus\"":             {"dev", "--listen", "bogus"},
		"--listen: \":99999\"":            {"run", "--listen", ":99999"},
		"--listen: \"\"":                  {"demo", "--listen", ""},
		"--workers: is 0":                 {"run", "--workers", "0"},
		"--tick: is -1s":                  {"run", "--tick", "-1s"},
		"--hash-key ($ACCRUE_HASH_KEY)":   {"dev", "--hash-key", "short"},
		"--memory-mib: is 255, want 256":  {"run", "--memory-mib", "255"},
		"--partitions: is 0":              {"dev", "--partitions", "0"},
		"--port: is 70000":                {"dev", "--port", "70000"},
		"--registry-port: is -1":          {"dev", "--registry-port", "-1"},
		"--limit: is 0, want 1 to 500":    {"statement", "ann", "--limit", "0"},
		"--limit: is 100000":              {"statement", "ann", "--limit", "100000"},
		"--brokers ($ACCRUE_BROKERS): is": {"verify", "--brokers", ""},
		"--dir ($ACCRUE_DIR): is empty":   {"dev", "--dir", ""},
		"--redemption: is empty: give":    {"redeem", "ann", "5", "--redemption", ""},
		"--reward: is empty":              {"redeem", "ann", "5", "--reward="},
		"--order: is empty":               {"confirm", "ann", "r1", "--order", ""},
		"--source: of which version?":     {"program", "show", "--source"},
		"--id: is empty":                  {"adjust", "ann", "--points=5", "--reason", "x", "--actor", "ada", "--id", ""},
	} {
		accrue(t, "", args...).want(t, 2, flag)
	}
	t.Setenv("ACCRUE_DIR", "")
	accrue(t, "", "run").want(t, 2, "--dir ($ACCRUE_DIR): is empty")
	accrue(t, "", "dev", "--dir", "x", "--workers", "0", "--partitions", "0").want(t, 2,
		"accrue: --workers: is 0, want 1 to 1024\n--partitions: is 0, want 1 to 10000\nTry `accrue dev --help`.\n")
}

func TestABrokerThatDoesNotAnswerMayWantNoTLS(t *testing.T) {
	t.Parallel() // it mostly waits
	accrue(t, "", "verify", "--tls", "--brokers", "127.0.0.1:1").want(t, 3, "expect TLS?")
	accrue(t, "", "verify", "--sasl-user", "ada", "--brokers", "127.0.0.1:1").want(t, 3, "by SASL without TLS?")
	accrue(t, "", "verify", "--tls", "--sasl-user", "ada", "--brokers", "127.0.0.1:1").want(t, 3, "expect TLS and a login by SASL?")
	accrue(t, "", "verify", "--brokers", "127.0.0.1:1").want(t, 3, "Is it running, and is --brokers ($ACCRUE_BROKERS) its address?")
}

func TestABalanceTellsWhereItsPointsCameFrom(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"customer":"ann","active":1035,"totals":{"adjusted":-5,"transferred_in":1000,"reinstated":40}}`)
	}))
	defer server.Close()
	const want = "ever: 0 issued, 0 redeemed, 0 expired, 0 revoked, 40 reinstated, -5 adjusted, 1,000 transferred in (as of"
	if o := accrue(t, "", "balance", "ann", "--url", server.URL).want(t, 0); !strings.Contains(o.stdout, want) {
		t.Errorf("it said %q, want %q", o.stdout, want)
	}
}

func TestATierIsToldInWhatItCounts(t *testing.T) {
	for what, want := range map[string]string{
		`"metric":"spend","currency":"USD"`: "4,000.00 USD more to Gold, from 5,000.00 USD",
		`"metric":"spend","currency":"JPY"`: "400,000 JPY more to Gold, from 500,000 JPY",
		`"metric":"points"`:                 "400,000 points more to Gold, from 500,000 points",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"tier":"Basic","multiplier":"1","next":{"name":"Gold","from":500000,"missing":400000},`+what+`}`)
		}))
		defer server.Close()
		if o := accrue(t, "", "tier", "ann", "--url", server.URL).want(t, 0); !strings.Contains(o.stdout, "\n"+want+"\n") {
			t.Errorf("%s is told as %q, want %q", what, o.stdout, want)
		}
	}
}

// The days are Berlin's: both times are of the day before in UTC.
func TestDaysAreTheProgramsAndAnEndedAccountNamesItsSurvivor(t *testing.T) {
	answers := map[string]string{
		"/v1/program":                 `{"timezone":"Europe/Berlin"}`,
		"/v1/customers/ann/balance":   `{"active":0,"expiring":[{"at":"2027-12-31T23:00:00.000Z","points":5}],"merged_into":"bob"}`,
		"/v1/customers/ann/lots":      `{"lots":[{"lot":1,"earned_at":"2026-11-22T23:30:00.000Z"}],"merged_into":"bob"}`,
		"/v1/customers/ann/statement": `{"decisions":[{"facts":{"at":"2026-11-22T23:30:00.000Z"}}],"merged_into":"bob"}`,
		"/v1/customers/ann/tier":      `{"tier":"Gold","multiplier":"1","grace_until":"2027-12-31T23:00:00.000Z","merged_into":"bob"}`,
		"/v1/calculate":               `{"earns":0,"result":"FORWARDED","merged_into":"bob"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	defer server.Close()
	for command, day := range map[string]string{"balance": "2028-01-01", "lots": "2026-11-23", "statement": "2026-11-23", "tier": "2028-01-01"} {
		o := accrue(t, "", command, "ann", "--url", server.URL).want(t, 0)
		if !strings.Contains(o.stdout, day) || !strings.Contains(o.stdout, "customer ann was merged into bob") {
			t.Errorf("%s printed %q, want %s in it, and bob", command, o.stdout, day)
		}
		o = accrue(t, "", command, "ann", "--url", server.URL, "-o", "json").want(t, 0)
		if decode[map[string]any](t, o.stdout)["merged_into"] != "bob" {
			t.Errorf("%s printed %s", command, o.stdout)
		}
	}
	if o := accrue(t, "", "calculate", "ann", "--amount", "5", "--url", server.URL).want(t, 0); strings.Contains(o.stdout, "0 points") || !strings.Contains(o.stdout, "bob") {
		t.Errorf("calculate printed %q", o.stdout)
	}
}

func TestAServerThatIsNotAccrueIsNotQuoted(t *testing.T) {
	status := http.StatusNotFound
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<!doctype html>\n<title>Shop</title>\n<p>Nothing here.\n")
	}))
	defer foreign.Close()
	for _, status = range []int{http.StatusNotFound, http.StatusOK, http.StatusBadGateway} {
		o := accrue(t, "", "balance", "ann", "--url", foreign.URL).want(t, 3, strconv.Itoa(status), "not accrue's", "--url ($ACCRUE_URL)")
		if strings.Contains(o.stderr, "Nothing here") || strings.Count(o.stderr, "\n") != 2 {
			t.Errorf("it said more than the first line:\n%s", o.stderr)
		}
	}
}

func TestARefusalSaysWhatToDoNext(t *testing.T) {
	racetest.Skip(t)
	for reason, want := range map[api.Reason]string{
		api.ReasonUnknownCustomer:   "Check the id.",
		api.ReasonErased:            "needs a new id",
		api.ReasonUnknownEvent:      "accrue statement",
		api.ReasonUnknownRedemption: "accrue redeem --redemption ID",
		api.ReasonConflict:          "--id",
		"balance_too_low":           "accrue lots",
		"below_minimum":             "another number",
		"unknown_reward":            "accrue program show",
		"under_review":              "FraudReviewed",
		"redemption_cancelled":      "accrue statement",
		"reservation_lapsed":        "accrue redeem",
		"duplicate_redemption":      "by --redemption",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(reason.Status())
			_ = json.NewEncoder(w).Encode(api.Problem{Status: reason.Status(), Reason: reason, Detail: "no", Errors: []string{"why"}})
		}))
		defer server.Close()
		accrue(t, "", "redeem", "red", "7", "--url", server.URL).want(t, 1, "accrue: no ("+string(reason)+")\n  why\n", want)
		o := accrue(t, "", "redeem", "red", "7", "--url", server.URL, "-o", "json").want(t, 1)
		e := decode[struct {
			Reason, Hint string
			Problems     []string
		}](t, o.stderr)
		if e.Reason != string(reason) || !strings.Contains(e.Hint, want) || len(e.Problems) != 1 {
			t.Errorf("as JSON: %s", o.stderr)
		}
	}
}
