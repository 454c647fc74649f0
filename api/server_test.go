package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
)

func TestInstance(t *testing.T) {
	t.Run("is alive", func(t *testing.T) {
		if r := open(t).get("/healthz").is(http.StatusOK); !strings.Contains(string(r.body), `"ok"`) {
			t.Errorf("answered %s", r.body)
		}
	})
	ready := func(s *shop, status int) api.Readiness {
		s.t.Helper()
		var got api.Readiness
		s.get("/readyz").is(status).into(&got)
		return got
	}
	t.Run("is ready when all it owns can be read", func(t *testing.T) {
		s := open(t)
		s.place[1] = api.Place{State: api.Elsewhere, Owner: "http://other:8080"}
		if got := ready(s, http.StatusOK); !got.Ready || got.Owned != 3 {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("is not ready while it restores, and says how far it is", func(t *testing.T) {
		s := open(t)
		s.place[1] = api.Place{State: api.Restoring, Folded: 5, Target: 9}
		got := ready(s, http.StatusServiceUnavailable)
		if got.Ready || len(got.Restoring) != 1 || got.Restoring[0].Folded != 5 || got.Restoring[0].Target != 9 {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("is not ready before all its workers have joined", func(t *testing.T) {
		s := open(t)
		s.joining.Store(true)
		if got := ready(s, http.StatusServiceUnavailable); got.Joined || got.Owned != 4 {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("stays ready while others have lost theirs", func(t *testing.T) {
		s := open(t)
		s.place[1] = api.Place{State: api.Unowned}
		ready(s, http.StatusServiceUnavailable)
		s.place[1] = api.Place{State: api.Elsewhere, Owner: "http://other:8080"}
		ready(s, http.StatusOK)
		s.place[1] = api.Place{State: api.Unowned}
		if got := ready(s, http.StatusOK); got.Unassigned != 1 {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("is not ready before anything was assigned", func(t *testing.T) {
		s := open(t)
		for n := range s.partitions {
			s.place[n] = api.Place{State: api.Unowned}
		}
		if got := ready(s, http.StatusServiceUnavailable); got.Unassigned != 4 {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("lists its partitions", func(t *testing.T) {
		s := rich(t)
		s.place[1] = api.Place{State: api.Elsewhere, Owner: "http://other:8080"}
		var got api.Partitions
		s.get("/v1/partitions").is(http.StatusOK).into(&got)
		if len(got.Partitions) != 4 || got.Partitions[1].Owner != "http://other:8080" || got.Partitions[1].State != "elsewhere" ||
			got.Partitions[0].State != "owned" || got.Partitions[0].Clock != events.InstantOf(now) {
			t.Errorf("answered %+v", got)
		}
	})
	t.Run("shows the program", func(t *testing.T) {
		s := open(t)
		var got api.Program
		s.get("/v1/program").is(http.StatusOK).into(&got)
		if got.Current.Version != 1 || got.Current.Program != "test-rewards" || got.Currency != "USD" || got.Value != "1" || len(got.Versions) != 1 ||
			got.Redemption != (api.RedemptionBounds{Minimum: 10, Step: 1, TTL: "30 minutes"}) || got.Rates != nil {
			t.Errorf("answered %+v", got)
		}
		s.edit(func() {
			s.history[0].Redemption.MaxShare = big.NewRat(1, 3)
			s.history[0].Rates = map[string]*big.Rat{"JPY": big.NewRat(65, 100)}
		})
		var bound api.Program
		s.get("/v1/program").is(http.StatusOK).into(&bound)
		if bound.Redemption.MaxShare != "1/3" || bound.Rates["JPY"] != "0.65" {
			t.Errorf("answered %+v", bound)
		}
		s.edit(func() { s.history = nil })
		s.get("/v1/program").problem(http.StatusServiceUnavailable, api.ReasonNoProgram)
	})
	t.Run("a bug is an answer, not the end", func(t *testing.T) {
		s := rich(t)
		s.edit(func() { s.accounts["ann"].a = nil })
		s.edit(func() { s.accounts["ann"].r = nil })
		s.get("/v1/customers/ann/balance").problem(http.StatusNotFound, api.ReasonUnknownCustomer)
		broken := rich(t)
		broken.edit(func() { broken.history[0].Tiers.Levels = nil })
		broken.get("/v1/customers/ann/balance").problem(http.StatusInternalServerError, api.ReasonInternal)
		if !strings.Contains(broken.log.String(), "panicked") {
			t.Error("the log does not say so")
		}
	})
}

func TestPathsAreNotRedirected(t *testing.T) {
	s := rich(t)
	for _, path := range []string{
		"/v1/customers//balance", "/v1//customers/a%2Fb/balance", "//v1/customers/ann/balance", "/v1/customers/./balance",
		"/v1/customers/../balance", "/v1/customers/ann/lots/..", "/v1/customers/ann/orders/.", "/v1/customers/ann/lots//",
	} {
		if p := s.get(path).problem(http.StatusNotFound, api.ReasonNoSuchRoute); !strings.Contains(p.Detail, "segment") {
			t.Errorf("%s: the detail is %q", path, p.Detail)
		}
	}
	s.post("/v1/redemptions//confirm", `{"customer":"ann"}`).problem(http.StatusNotFound, api.ReasonNoSuchRoute)
	s.get("/v1/customers/ann/balance/").problem(http.StatusNotFound, api.ReasonNoSuchRoute)
	for path, customer := range map[string]string{"a%2F%2Fb": "a//b", "%2E%2E": "..", ".a": ".a", "%2F.": "/."} {
		s.order(customer, "o1", 5)
		if b := s.balance(path); b.Customer != customer || b.Active != 5 {
			t.Errorf("%s is answered for %+v", path, b)
		}
	}
}

func TestNoLabelNamesACustomer(t *testing.T) {
	s := open(t)
	const customer = "a-customer-like-no-other"
	s.order(customer, "o1", 100)
	for _, path := range []string{"balance", "lots", "statement", "tier", "orders/o1", "explain/placed-o1", "nonsense"} {
		s.get("/v1/customers/" + customer + "/" + path)
	}
	s.get("/v1/customers/" + customer + "-2/balance")
	s.post("/v1/redemptions", strings.ReplaceAll(redeem(60, `,"redemption":"r1"`), "ann", customer))
	s.post("/v1/redemptions/"+customer+"/confirm", `{"customer":"`+customer+`"}`)
	s.post("/v1/calculate", `{"customer":"`+customer+`"}`)
	s.post("/v1/events", "x", "Content-Type", customer)

	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	routes := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), customer) {
					t.Errorf("%s has the label %s=%q", f.GetName(), l.GetName(), l.GetValue())
				}
				if l.GetName() == "route" {
					routes[l.GetValue()] = true
				}
			}
		}
	}
	for _, want := range []string{"GET /v1/customers/{customer}/balance", "POST /v1/redemptions", "/"} {
		if !routes[want] {
			t.Errorf("no figure of the route %q: %v", want, routes)
		}
	}
	if strings.Contains(s.log.String(), customer) {
		t.Error("the log names the customer")
	}
}

func TestPartitionMetrics(t *testing.T) {
	s := open(t)
	decided := time.UnixMilli(1_000_000)
	figures := []api.PartitionFigures{
		{Partition: 0, Phase: "running", Ledger: 7, End: 7, Newest: events.InstantOf(decided), Due: 4},
		{Partition: 2, Phase: "stopped", Ledger: 100, End: 200, Waiting: 12, Newest: events.InstantOf(decided)},
		{Partition: 3, Phase: "running", Waiting: 1},
		{Partition: 4, Phase: "running", Waiting: 1, Newest: events.InstantOf(decided.Add(time.Hour))},
	}
	m := api.NewPartitionMetrics([]string{"running", "stopped"}, func() []api.PartitionFigures { return figures },
		func() time.Time { return decided.Add(2 * time.Second) })
	if err := s.reg.Register(m); err != nil {
		t.Fatal(err)
	}
	text := string(s.get("/metrics").is(http.StatusOK).body)
	for _, line := range []string{
		`accrue_partition_phase{partition="0",phase="running"} 1`,
		`accrue_partition_phase{partition="0",phase="stopped"} 0`,
		`accrue_partition_phase{partition="2",phase="running"} 0`,
		`accrue_partition_phase{partition="2",phase="stopped"} 1`,
		`accrue_lag_records{partition="2"} 12`,
		`accrue_lag_seconds{partition="0"} 0`, // nothing waits, however long ago the last came
		`accrue_lag_seconds{partition="2"} 2`,
		`accrue_lag_seconds{partition="3"} 0`,
		`accrue_lag_seconds{partition="4"} 0`,
		`accrue_restore_position{partition="2"} 100`,
		`accrue_restore_target{partition="2"} 200`,
		`accrue_due_customers{partition="0"} 4`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	figures = figures[:1] // the others have moved to another instance
	if text := string(s.get("/metrics").is(http.StatusOK).body); strings.Contains(text, `partition="2"`) {
		t.Error("/metrics still has figures of a partition that has moved")
	}
}

func TestEngineMetrics(t *testing.T) {
	s := open(t)
	m, err := api.NewEngineMetrics(s.reg)
	if err != nil {
		t.Fatal(err)
	}
	m.Decided(events.TypeOrderPlaced, events.Applied, 7)
	m.Moved(events.Earn, 250)
	m.Batch(7, time.Millisecond, 5*time.Millisecond)
	m.Latency(9 * time.Millisecond)
	m.Outcome("committed")
	m.DeadLetters("unknown_schema", 1)
	text := string(s.get("/metrics").is(http.StatusOK).body)
	for _, line := range []string{
		`accrue_decisions_total{result="APPLIED",type="OrderPlaced"} 7`,
		`accrue_points_total{entry="EARN"} 250`,
		`accrue_batch_records_sum 7`,
		`accrue_event_to_commit_seconds_count 1`,
		`accrue_transactions_total{outcome="committed"} 1`,
		`accrue_dead_letters_total{reason="unknown_schema"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if _, err := api.NewEngineMetrics(s.reg); err == nil {
		t.Error("the same figures were registered twice")
	}
}

// openapi is what the test needs of the document.
type openapi struct {
	Paths map[string]map[string]struct {
		OperationID string                     `json:"operationId"`
		RequestBody map[string]json.RawMessage `json:"requestBody"`
		Responses   map[string]json.RawMessage `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
			Required   []string                   `json:"required"`
		} `json:"schemas"`
	} `json:"components"`
}

func TestOpenAPI(t *testing.T) {
	s := open(t)
	r := s.get("/openapi.json").is(http.StatusOK)
	var doc openapi
	if err := json.Unmarshal(r.body, &doc); err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			documented[strings.ToUpper(method)+" "+path] = true
			if method == "post" && op.RequestBody == nil {
				t.Errorf("POST %s has no body in the document", path)
			}
			if len(op.Responses) == 0 || op.OperationID == "" {
				t.Errorf("%s %s is described with %+v", method, path, op)
			}
		}
	}
	// The document itself is not one of its operations.
	served := map[string]bool{}
	for _, route := range s.server.Routes() {
		if !strings.HasPrefix(route, "GET /openapi") {
			served[route] = true
		}
	}
	for route := range served {
		if !documented[route] {
			t.Errorf("%s is served but not in the document", route)
		}
	}
	for route := range documented {
		if !served[route] {
			t.Errorf("%s is in the document but not served", route)
		}
	}
	for _, route := range []string{
		"GET /v1/customers/{customer}/balance", "GET /v1/customers/{customer}/lots", "GET /v1/customers/{customer}/statement",
		"GET /v1/customers/{customer}/tier", "GET /v1/customers/{customer}/orders/{order}",
		"GET /v1/customers/{customer}/explain/{event}", "GET /v1/customers/{customer}/redemptions/{redemption}", "POST /v1/events", "POST /v1/redemptions",
		"POST /v1/redemptions/{id}/confirm", "POST /v1/redemptions/{id}/cancel", "POST /v1/calculate", "GET /healthz",
		"GET /readyz", "GET /metrics",
	} {
		if !served[route] {
			t.Errorf("the contract's %s is missing", route)
		}
	}
	t.Run("every reference leads somewhere", func(t *testing.T) {
		for _, part := range strings.Split(string(r.body), `"$ref":"#/components/schemas/`)[1:] {
			name, _, _ := strings.Cut(part, `"`)
			if _, ok := doc.Components.Schemas[name]; !ok {
				t.Errorf("there is no schema %q", name)
			}
		}
	})
	t.Run("answers have the fields of the document", func(t *testing.T) {
		s := rich(t)
		for schema, path := range map[string]string{
			"Balance": "balance", "Lots": "lots", "Statement": "statement", "Tier": "tier", "Order": "orders/o1",
			"Explanation": "explain/placed-o1",
		} {
			var body map[string]any
			s.get("/v1/customers/ann/" + path).is(http.StatusOK).into(&body)
			for field := range body {
				if _, ok := doc.Components.Schemas[schema].Properties[field]; !ok {
					t.Errorf("%s: the field %q is not in the document", schema, field)
				}
			}
		}
	})
	t.Run("a decision has every field of the contract", func(t *testing.T) {
		for _, field := range []string{"partition", "offset", "cause", "customer", "clock", "program", "result", "reason", "entries",
			"balance", "tier", "chain"} {
			if !slices.Contains(doc.Components.Schemas["Decision"].Required, field) {
				t.Errorf("%q is not required", field)
			}
		}
	})
	t.Run("a decision from before the first tick has no clock", func(t *testing.T) {
		s := open(t)
		s.edit(func() { s.clock = 0 })
		s.order("ann", "o1", 100)
		for _, path := range []string{"statement", "explain/placed-o1", "tier", "lots", "balance"} {
			s.get("/v1/customers/ann/" + path).is(http.StatusOK)
		}
		s.post("/v1/redemptions", redeem(60, "")).is(http.StatusCreated)
	})
	t.Run("a number of points that the rules refuse is no matter of form", func(t *testing.T) {
		rich(t).post("/v1/redemptions", redeem(0, "")).problem(http.StatusConflict, "invalid_points")
		if strings.Contains(string(doc.Components.Schemas["RedeemRequest"].Properties["points"]), "minimum") {
			t.Error("the document has a minimum for them")
		}
	})
	t.Run("events have their JSON names", func(t *testing.T) {
		for _, field := range []string{"type", "id", "customer", "at", "order", "lines", "order_discount_minor", "email", "email_hash"} {
			if _, ok := doc.Components.Schemas["OrderPlaced"].Properties[field]; !ok {
				t.Errorf("OrderPlaced lacks %q", field)
			}
		}
	})
}

func TestServe(t *testing.T) {
	serve := func(t *testing.T) (s *shop, address string, stop context.CancelFunc, ended chan error) {
		t.Helper()
		s = open(t, func(c *api.Config) { c.WaitMax = 300 * time.Millisecond })
		ctx, cancel := context.WithCancel(t.Context())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended = make(chan error, 1)
		go func() { ended <- s.server.Serve(ctx, l) }()
		return s, l.Addr().String(), cancel, ended
	}
	t.Run("lets a running request finish before it stops", func(t *testing.T) {
		s, address, stop, ended := serve(t)
		s.order("ann", "o1", 5)
		answered, waits := make(chan int, 1), make(chan struct{})
		s.onPosition = func() { close(waits) }
		go func() {
			r, err := http.Get("http://" + address + "/v1/customers/ann/balance?min_offset=5000")
			if err != nil {
				t.Error(err)
				answered <- 0
				return
			}
			_ = r.Body.Close()
			answered <- r.StatusCode
		}()
		<-waits
		stop()
		if status := <-answered; status != http.StatusServiceUnavailable {
			t.Errorf("the running request was answered with %d", status)
		}
		if err := <-ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if _, err := http.Get("http://" + address + "/healthz"); err == nil {
			t.Error("it still answers")
		}
	})
	t.Run("refuses a body of 100 MB at once", func(t *testing.T) {
		_, address, stop, _ := serve(t)
		defer stop()
		body := &counted{Reader: io.LimitReader(zeros{}, 100<<20)}
		r, err := http.NewRequest(http.MethodPost, "http://"+address+"/v1/events", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 100 << 20
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusRequestEntityTooLarge || body.n.Load() > 20<<20 {
			t.Errorf("answered %d after %d bytes", resp.StatusCode, body.n.Load())
		}
	})
	for name, rest := range map[string]string{
		"breaks off":           "Content-Length: 100\r\n\r\n{\"type\"",
		"breaks off in a part": "Transfer-Encoding: chunked\r\n\r\n64\r\n{\"type\"",
		"is framed wrongly":    "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nnext\r\n{}\r\n0\r\n\r\n",
	} {
		t.Run("has not got a body that "+name, func(t *testing.T) {
			s, address, stop, _ := serve(t)
			defer stop()
			for _, path := range []string{"/v1/events", "/v1/redemptions"} {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				if _, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: shop\r\n"+rest); err != nil {
					t.Fatal(err)
				}
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				reply{t, resp.StatusCode, resp.Header, body}.problem(http.StatusRequestTimeout, api.ReasonRequestTimeout)
			}
			if len(s.log.String()) > 0 {
				t.Errorf("logged %s", s.log)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Run("the defaults are right", func(t *testing.T) {
		if err := api.DefaultConfig().Validate(); err != nil {
			t.Error(err)
		}
	})
	t.Run("everything wrong is reported at once", func(t *testing.T) {
		err := api.Config{HashKey: api.Secret("short")}.Validate()
		for _, want := range []string{"largest body", "events", "hash key", "decision", "clock", "shutdown", "Kafka"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
	})
	t.Run("the key does not print", func(t *testing.T) {
		cfg := api.DefaultConfig()
		cfg.HashKey = api.Secret("a very secret key")
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", cfg.HashKey, "cfg", cfg)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", cfg.HashKey)
		raw, err := json.Marshal(cfg.HashKey)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%v %+v %#v %s %x %q", cfg, cfg, cfg, cfg.HashKey, cfg.HashKey, cfg.HashKey) + log.String() + string(raw)
		for _, leak := range []string{"very secret", fmt.Sprintf("%x", "very secret"), "dmVyeS"} {
			if strings.Contains(text, leak) {
				t.Errorf("%q is in %s", leak, text)
			}
		}
	})
	t.Run("parts may not be missing", func(t *testing.T) {
		if _, err := api.New(api.DefaultConfig(), api.Parts{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil {
			t.Error("a server without parts was made")
		}
	})
}
