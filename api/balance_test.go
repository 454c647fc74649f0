package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func TestBalance(t *testing.T) {
	t.Run("shows what was earned, where it stands and since when", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 100)
		r := s.get("/v1/customers/ann/balance").is(http.StatusOK)
		var b api.Balance
		r.into(&b)
		if b.Customer != "ann" || b.Active != 100 || b.Totals.Issued != 100 || b.Tier != "Bronze" || b.QualifyingMinor != 10_000 {
			t.Errorf("the balance is %+v", b)
		}
		if len(b.Expiring) != 1 || b.Expiring[0].Points != 100 {
			t.Errorf("expiring is %+v", b.Expiring)
		}
		if b.AsOf != events.InstantOf(now) || b.Position != r.header.Get("Accrue-Position") || b.Position == "" {
			t.Errorf("as of %s, position %q, header %q", b.AsOf, b.Position, r.header.Get("Accrue-Position"))
		}
		if ct := r.header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("content type %q", ct)
		}
	})

	t.Run("leaves out points that have expired before any tick says so", func(t *testing.T) {
		clock := now
		s := open(t, func(c *api.Config) { c.Now = func() time.Time { return clock } })
		s.order("ann", "o1", 100)
		before := s.get("/v1/customers/ann/balance").is(http.StatusOK)
		clock = now.AddDate(0, 0, 30)
		after := s.get("/v1/customers/ann/balance", "If-None-Match", before.header.Get("ETag")).is(http.StatusOK)
		var b api.Balance
		after.into(&b)
		if b.Active != 0 || b.ExpiredDue != 100 || len(b.Expiring) != 0 {
			t.Errorf("after the expiry: %+v", b)
		}
		var lots api.Lots
		s.get("/v1/customers/ann/lots").is(http.StatusOK).into(&lots)
		if len(lots.Lots) != 1 || lots.Lots[0].Active != 0 || lots.Lots[0].ExpiredDue != 100 {
			t.Errorf("lots after the expiry: %+v", lots.Lots)
		}
		s.tick(events.InstantOf(clock))
		if b := s.balance("ann"); b.Active != 0 || b.ExpiredDue != 0 || b.Totals.Expired != 100 {
			t.Errorf("after the tick: %+v", b)
		}
	})

	t.Run("says not modified until something changes", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 100)
		etag := s.get("/v1/customers/ann/balance").is(http.StatusOK).header.Get("ETag")
		same := s.get("/v1/customers/ann/balance", "If-None-Match", `"other", `+etag).is(http.StatusNotModified)
		if len(same.body) != 0 || same.header.Get("ETag") != etag {
			t.Errorf("304 with body %q and ETag %q", same.body, same.header.Get("ETag"))
		}
		s.order("ann", "o2", 50)
		r := s.get("/v1/customers/ann/balance", "If-None-Match", etag).is(http.StatusOK)
		if r.header.Get("ETag") == etag {
			t.Error("another balance has the same ETag")
		}
	})

	t.Run("names the survivor of a merged customer", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 100)
		s.post("/v1/events", `{"type":"AccountsMerged","id":"m","customer":"ann","at":"2026-11-22T09:30:00Z","into":"bob"}`).is(202)
		if b := s.balance("ann"); b.MergedInto != "bob" || b.Active != 0 {
			t.Errorf("the ended account: %+v", b)
		}
		if b := s.balance("bob"); b.Active != 100 {
			t.Errorf("the survivor: %+v", b)
		}
	})

	t.Run("takes any id in the path", func(t *testing.T) {
		s := open(t)
		const odd = `a/b "ü"<&>%`
		s.order(odd, "o1", 5)
		var b api.Balance
		s.get("/v1/customers/a%2Fb%20%22%C3%BC%22%3C&%3E%25/balance").is(http.StatusOK).into(&b)
		if b.Customer != odd || b.Active != 5 {
			t.Errorf("the balance is %+v", b)
		}
	})
}

func TestBalanceRefusals(t *testing.T) {
	const path = "/v1/customers/ann/balance"
	everywhere := func(s *shop, p api.Place) {
		s.edit(func() {
			for n := range s.partitions {
				s.place[n] = p
			}
		})
	}
	t.Run("unknown customer", func(t *testing.T) {
		open(t).get(path).problem(http.StatusNotFound, api.ReasonUnknownCustomer)
	})
	t.Run("erased customer", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 5)
		s.post("/v1/events", `{"type":"ErasureRequested","id":"e","customer":"ann","at":"2026-11-22T09:30:00Z"}`).is(202)
		s.get(path).problem(http.StatusNotFound, api.ReasonErased)
	})
	t.Run("a query that cannot be read", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 5)
		for _, query := range []string{"min_offset=%zz", "min_offset=9;x=1"} {
			s.get(path+"?"+query).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
			s.get("/v1/customers/ann/lots?"+query).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		}
	})
	t.Run("another instance answers", func(t *testing.T) {
		s := open(t)
		everywhere(s, api.Place{State: api.Elsewhere, Owner: "http://10.0.0.7:8080"})
		r := s.get(path)
		p := r.problem(http.StatusMisdirectedRequest, api.ReasonNotOwner)
		if p.Owner != "http://10.0.0.7:8080" || r.header.Get("Accrue-Owner") != p.Owner {
			t.Errorf("owner %q, header %q", p.Owner, r.header.Get("Accrue-Owner"))
		}
	})
	t.Run("restoring", func(t *testing.T) {
		s := open(t, hasty)
		everywhere(s, api.Place{State: api.Restoring, Folded: 7, Target: 9})
		r := s.get(path)
		p := r.problem(http.StatusServiceUnavailable, api.ReasonRestoring)
		if p.Restore == nil || *p.Restore != (api.Progress{Folded: 7, Target: 9}) || r.header.Get("Retry-After") == "" {
			t.Errorf("restore %+v, Retry-After %q", p.Restore, r.header.Get("Retry-After"))
		}
	})
	t.Run("nobody answers", func(t *testing.T) {
		s := open(t, hasty)
		everywhere(s, api.Place{State: api.Unowned})
		s.get(path).problem(http.StatusServiceUnavailable, api.ReasonNoOwner)
	})
	t.Run("quarantined", func(t *testing.T) {
		s := open(t)
		everywhere(s, api.Place{State: api.Quarantined})
		s.get(path).problem(http.StatusServiceUnavailable, api.ReasonQuarantined)
		everywhere(s, api.Place{State: api.Quarantined, Why: "the disk is full"})
		if p := s.get(path).problem(http.StatusServiceUnavailable, api.ReasonQuarantined); !strings.Contains(p.Detail, "the disk is full") {
			t.Errorf("what stopped it is not named: %s", p.Detail)
		}
	})
	t.Run("the state cannot be read", func(t *testing.T) {
		s := open(t)
		s.edit(func() { s.storeErr = errors.New("disk on fire") })
		p := s.get(path).problem(http.StatusServiceUnavailable, api.ReasonStoreUnavailable)
		if strings.Contains(p.Detail, "fire") || !strings.Contains(s.log.String(), "fire") {
			t.Errorf("the cause belongs into the log, not into the answer: %q", p.Detail)
		}
	})
	t.Run("no program", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 5)
		s.edit(func() { s.history = nil })
		s.get(path).problem(http.StatusServiceUnavailable, api.ReasonNoProgram)
	})
	t.Run("unknown query parameter", func(t *testing.T) {
		p := open(t).get(path+"?min_ofset=3").problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		if !strings.Contains(p.Detail, `"min_ofset"`) {
			t.Errorf("the parameter is not named: %s", p.Detail)
		}
	})
	t.Run("wrong method", func(t *testing.T) {
		r := open(t).send(http.MethodDelete, path, "")
		r.problem(http.StatusMethodNotAllowed, api.ReasonMethodNotAllowed)
		if r.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("Allow: %q", r.header.Get("Allow"))
		}
	})
	t.Run("no such route", func(t *testing.T) {
		open(t).get("/v1/custmers/ann/balance").problem(http.StatusNotFound, api.ReasonNoSuchRoute)
	})
}

func TestReadYourWrites(t *testing.T) {
	const path = "/v1/customers/ann/balance"
	t.Run("a read waits for the ledger offset it names", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 5)
		position := s.get(path).is(http.StatusOK).header.Get("Accrue-Position")
		at, err := api.ParsePosition(position)
		if err != nil {
			t.Fatal(err)
		}
		at.Next++
		answered := make(chan reply, 1)
		go func() { answered <- s.get(path + "?min_offset=" + at.String()) }()
		select {
		case r := <-answered:
			t.Fatalf("answered before the position was reached: %s", r.body)
		case <-time.After(20 * time.Millisecond):
		}
		s.order("ann", "o2", 7)
		var b api.Balance
		r := <-answered
		r.is(http.StatusOK).into(&b)
		if b.Active != 12 {
			t.Errorf("the read does not reflect what it waited for: %+v", b)
		}
	})
	t.Run("a read waits for the events that were handed in", func(t *testing.T) {
		s := open(t, func(c *api.Config) { c.WaitMax = time.Second })
		s.edit(func() { s.silent = true })
		position := s.order("ann", "o1", 5).header.Get("Accrue-Position")
		if !strings.Contains(position, "@orders:1") {
			t.Fatalf("the position of the event is %q", position)
		}
		r := s.get(path, "Accrue-Position", position)
		p := r.problem(http.StatusServiceUnavailable, api.ReasonPositionNotReached)
		if p.Position == "" || r.header.Get("Retry-After") == "" {
			t.Errorf("position %q, Retry-After %q", p.Position, r.header.Get("Retry-After"))
		}
		go s.edit(func() {
			c := s.topics["orders"]
			for partition, records := range c {
				s.decide(records[0], events.Cause{Topic: "orders", Partition: partition, Event: records[0].Head().ID})
			}
		})
		var b api.Balance
		s.get(path, "Accrue-Position", position).is(http.StatusOK).into(&b)
		if b.Active != 5 {
			t.Errorf("the balance is %+v", b)
		}
	})
	t.Run("positions of other partitions do not hold a read up", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 5)
		at, err := api.ParsePosition(s.get(path).header.Get("Accrue-Position"))
		if err != nil {
			t.Fatal(err)
		}
		at.Partition, at.Next = (at.Partition+1)%s.partitions, 1_000_000
		s.get(path, "Accrue-Position", at.String()).is(http.StatusOK)
	})
	t.Run("all the positions of an answer may be sent as min_offset", func(t *testing.T) {
		s := open(t, hasty)
		s.order("ann", "o1", 5)
		at, err := api.ParsePosition(s.get(path).header.Get("Accrue-Position"))
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := api.Position{Partition: (at.Partition + 1) % s.partitions, Next: 1_000_000}
		list := fmt.Sprintf("%s, %d@orders:1, %s", elsewhere, at.Partition, at)
		late := fmt.Sprintf("%s, %d@orders:2", at, at.Partition)
		for _, read := range []string{path, "/v1/customers/ann/lots"} {
			s.get(read + "?min_offset=" + url.QueryEscape(list)).is(http.StatusOK)
			s.get(read+"?min_offset="+url.QueryEscape(late)).problem(http.StatusServiceUnavailable, api.ReasonPositionNotReached)
		}
	})
	t.Run("positions count on whichever line of the header they are", func(t *testing.T) {
		s := open(t, hasty)
		s.order("ann", "o1", 5)
		at := s.get(path).header.Get("Accrue-Position")
		late, err := api.ParsePosition(at)
		if err != nil {
			t.Fatal(err)
		}
		late.Next++
		for _, read := range []string{path, "/v1/customers/ann/lots"} {
			s.get(read, "Accrue-Position", at, "Accrue-Position", at).is(http.StatusOK)
			s.get(read, "Accrue-Position", at, "Accrue-Position", late.String()).
				problem(http.StatusServiceUnavailable, api.ReasonPositionNotReached)
		}
	})
	t.Run("a parameter that is given twice is refused", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 5)
		for _, read := range []string{path + "?min_offset=0&min_offset=4000", "/v1/customers/ann/statement?limit=1&limit=2"} {
			p := s.get(read).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
			if !strings.Contains(p.Detail, "given 2 times") {
				t.Errorf("%s: the detail is %q", read, p.Detail)
			}
		}
		s.get("/metrics?name[]=go_goroutines&name[]=go_threads").is(http.StatusOK)
	})
	t.Run("what is no position is refused", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 5)
		for _, bad := range []string{"x", "-1", "3@", "3@x", "3@:4", "3@4,x", "3@4,5"} {
			s.get(path+"?min_offset="+bad).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
			s.get(path, "Accrue-Position", bad).problem(http.StatusUnprocessableEntity, api.ReasonInvalidRequest)
		}
	})
}

func TestPositionsSurviveTheirText(t *testing.T) {
	for _, p := range []api.Position{{}, {Partition: 3, Next: 812}, {Partition: 3, Topic: "orders", Next: 17}} {
		if got, err := api.ParsePosition(p.String()); err != nil || got != p {
			t.Errorf("%s was read as %v, %v", p, got, err)
		}
	}
}

// The hot path writes its own JSON; it must be what encoding/json would write.
func TestFastJSONEqualsEncodingJSON(t *testing.T) {
	points := rapid.Map(rapid.Int64(), func(n int64) events.Points { return events.Points(n) })
	instant := rapid.Map(rapid.Int64Range(1, 253402300799999), func(n int64) events.Instant { return events.Instant(n) })
	expiring := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) loyalty.Expiring {
		return loyalty.Expiring{At: instant.Draw(t, "at"), Points: points.Draw(t, "points")}
	}), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		p := func(name string) events.Points { return points.Draw(t, name) }
		b := api.Balance{
			Summary: loyalty.Summary{
				Customer: rapid.String().Draw(t, "customer"), Active: p("active"), Pending: p("pending"),
				Reserved: p("reserved"), Deficit: p("deficit"), Tier: rapid.String().Draw(t, "tier"),
				QualifyingMinor:  rapid.Int64().Draw(t, "qualifying"),
				QualifyingPoints: rapid.Ptr(points, true).Draw(t, "qualifying points"),
				Totals: loyalty.Totals{
					Issued: p("issued"), Redeemed: p("redeemed"), Expired: p("expired"), Revoked: p("revoked"),
					Reinstated: p("reinstated"), Adjusted: p("adjusted"), TransferredIn: p("in"), TransferredOut: p("out"),
					Forfeited: p("forfeited"),
				},
				Expiring: expiring.Draw(t, "expiring"),
			},
			ExpiredDue: p("due"), MergedInto: rapid.SampledFrom([]string{"", "bob", "<ü>"}).Draw(t, "into"),
			Position: "3@812", AsOf: instant.Draw(t, "as of"),
		}
		want, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(string(api.AppendBalance(nil, &b)), "\n"); got != string(want) {
			t.Fatalf("written by hand:\n%s\nby encoding/json:\n%s", got, want)
		}
	})
}

// bare answers with fixed bytes: the most that net/http can do.
func bare(body []byte) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/customers/{customer}/balance", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	return mux
}

func benchmarkOverTCP(b *testing.B, h http.Handler) {
	server := httptest.NewServer(h)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 4096)
		for pb.Next() {
			r, err := client.Get(server.URL + "/v1/customers/ann/balance")
			if err != nil {
				b.Error(err)
				return
			}
			for err == nil {
				_, err = r.Body.Read(buf)
			}
			_ = r.Body.Close()
		}
	})
}

func benchmarkInMemory(b *testing.B, h http.Handler) {
	r := httptest.NewRequest(http.MethodGet, "/v1/customers/ann/balance", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := discard{http.Header{}}
		h.ServeHTTP(w, r)
	}
}

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkBalance compares the hot route with a handler that returns the same bytes and knows nothing.
func BenchmarkBalance(b *testing.B) {
	s := open(&testing.T{})
	for _, id := range []string{"o1", "o2", "o3"} {
		s.order("ann", id, 100)
	}
	body := s.get("/v1/customers/ann/balance").body
	b.Run("handler/bare", func(b *testing.B) { benchmarkInMemory(b, bare(body)) })
	b.Run("handler/accrue", func(b *testing.B) { benchmarkInMemory(b, s.server.Handler()) })
	b.Run("tcp/bare", func(b *testing.B) { benchmarkOverTCP(b, bare(body)) })
	b.Run("tcp/accrue", func(b *testing.B) { benchmarkOverTCP(b, s.server.Handler()) })
}
