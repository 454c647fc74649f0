package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
)

const session = `{"type":"SessionOpened","id":"s1","customer":"ann","at":"2026-11-22T09:00:00Z"}`

func TestPublish(t *testing.T) {
	t.Run("one event is answered with its place in Kafka", func(t *testing.T) {
		s := open(t)
		r := s.post("/v1/events", session).is(http.StatusAccepted)
		var one api.Taken
		r.into(&one)
		if one.Event != "s1" || one.Customer != "ann" || one.Status != 202 || one.Position == nil ||
			one.Position.Topic != "engagement" || one.Position.Offset != 0 {
			t.Errorf("answered %s", r.body)
		}
		if want := fmt.Sprintf("%d@engagement:1", one.Position.Partition); r.header.Get("Accrue-Position") != want {
			t.Errorf("Accrue-Position is %q, want %q", r.header.Get("Accrue-Position"), want)
		}
	})
	t.Run("each of several is answered on its own", func(t *testing.T) {
		for _, form := range []string{"[%s]", `{"events":[%s]}`} {
			s := open(t)
			body := fmt.Sprintf(form, session+`,{"type":"SessionOpened","id":"s2","customer":"bob","at":"2026-11-22T09:00:00Z","ref":"x"},`+
				strings.ReplaceAll(session, "s1", "s3"))
			var all api.TakenAll
			s.post("/v1/events", body).is(http.StatusMultiStatus).into(&all)
			if all.Accepted != 2 || all.Refused != 1 || len(all.Results) != 3 {
				t.Fatalf("answered %+v", all)
			}
			bad := all.Results[1]
			if bad.Status != 422 || bad.Reason != api.ReasonInvalidEvent || !strings.Contains(bad.Detail, `"ref"`) ||
				bad.Event != "s2" || bad.Customer != "bob" {
				t.Errorf("the typo is answered with %+v", bad)
			}
			if all.Results[2].Position.Offset != 1 {
				t.Errorf("the third is at %+v", all.Results[2].Position)
			}
		}
	})
	t.Run("a thousand events are taken, one more is too many", func(t *testing.T) {
		s := open(t)
		list := func(n int) string {
			all := make([]string, n)
			for i := range all {
				all[i] = strings.ReplaceAll(session, "s1", fmt.Sprint("s", i))
			}
			return "[" + strings.Join(all, ",") + "]"
		}
		var all api.TakenAll
		s.post("/v1/events", list(1000)).is(http.StatusAccepted).into(&all)
		if all.Accepted != 1000 {
			t.Errorf("%d of 1000 were accepted", all.Accepted)
		}
		s.post("/v1/events", list(1001)).problem(http.StatusRequestEntityTooLarge, api.ReasonTooManyEvents)
	})
	t.Run("the same event twice counts once", func(t *testing.T) {
		s := open(t)
		s.order("ann", "o1", 100)
		s.order("ann", "o1", 100)
		if b := s.balance("ann"); b.Active != 100 {
			t.Errorf("the balance is %+v", b)
		}
	})
}

func TestPublishRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
		reason api.Reason
		detail string
	}{
		"no JSON":            {`{"type":`, 400, api.ReasonInvalidJSON, "JSON"},
		"a mark in front":    {"\ufeff" + session, 400, api.ReasonInvalidJSON, "byte order mark"},
		"nothing":            {``, 400, api.ReasonInvalidJSON, "body"},
		"a number":           {`7`, 400, api.ReasonInvalidJSON, "neither"},
		"an empty array":     {`[]`, 422, api.ReasonInvalidRequest, "no event"},
		"more beside events": {`{"events":[],"evnts":[]}`, 422, api.ReasonInvalidRequest, "nothing else"},
		"events twice":       {`{"events":[],"events":[]}`, 422, api.ReasonInvalidRequest, "nothing else"},
		"no type":            {`{"id":"s1"}`, 422, api.ReasonInvalidEvent, `"type"`},
		"an unknown type":    {`{"type":"OrderPlced"}`, 422, api.ReasonInvalidEvent, `"OrderPlced"`},
		"an unknown field":   {strings.Replace(session, `"id"`, `"ident":"x","id"`, 1), 422, api.ReasonInvalidEvent, `"ident"`},
		"everything missing": {`{"type":"OrderReturned"}`, 422, api.ReasonInvalidEvent, "return: is missing"},
		"a misspelt field":   {strings.Replace(session, `"customer"`, `"custmer"`, 1), 422, api.ReasonInvalidEvent, `did you mean "customer"?`},
		"not UTF-8":          {strings.Replace(session, `"ann"`, "\"a\xff\xfeb\"", 1), 422, api.ReasonInvalidEvent, `field "customer" is not UTF-8`},
		"half a surrogate":   {strings.Replace(session, `"ann"`, `"a\ud800b"`, 1), 422, api.ReasonInvalidEvent, `field "customer" is not UTF-8`},
		"personal and not UTF-8": {"{\"type\":\"AccountRegistered\",\"id\":\"1\",\"customer\":\"ann\",\"at\":\"2026-11-22T09:00:00Z\",\"email\":\"\xe9@x.org\"}", 422,
			api.ReasonInvalidEvent, `field "email" is not UTF-8`},
		"a customer twice":     {strings.Replace(session, `"customer"`, `"customer":"bob","customer"`, 1), 422, api.ReasonInvalidEvent, "written twice"},
		"a wrong type":         {`{"type":"OrderPlaced","id":5}`, 422, api.ReasonInvalidEvent, `"id"`},
		"an event of accrue's": {`{"type":"TransferCredited","id":"x","customer":"ann","at":"2026-11-22T09:00:00Z"}`, 422, api.ReasonInvalidEvent, "accrue itself"},
		"a tick":               {`{"type":"Tick","at":"2026-11-22T09:00:00Z"}`, 422, api.ReasonInvalidEvent, "accrue itself"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			p := s.post("/v1/events", c.body).problem(c.status, c.reason)
			if !strings.Contains(p.Detail, c.detail) {
				t.Errorf("the detail %q does not say %q", p.Detail, c.detail)
			}
			if len(s.topics) != 0 {
				t.Error("something was published all the same")
			}
		})
	}
	t.Run("another content type", func(t *testing.T) {
		open(t).post("/v1/events", session, "Content-Type", "text/csv").
			problem(http.StatusUnsupportedMediaType, api.ReasonNotJSON)
	})
	t.Run("another encoding", func(t *testing.T) {
		p := open(t).post("/v1/events", session, "Content-Encoding", "gzip").
			problem(http.StatusUnsupportedMediaType, api.ReasonNotJSON)
		if !strings.Contains(p.Detail, "without Content-Encoding") {
			t.Errorf("the detail is %q", p.Detail)
		}
		open(t).post("/v1/events", session, "Content-Encoding", "identity").is(http.StatusAccepted)
	})
	t.Run("JSON by another name", func(t *testing.T) {
		open(t).post("/v1/events", session, "Content-Type", "application/cloudevents+json; charset=utf-8").is(202)
	})
	t.Run("Kafka does not answer", func(t *testing.T) {
		s := open(t)
		s.edit(func() { s.publishErr = errors.New("no leader") })
		r := s.post("/v1/events", session)
		p := r.problem(http.StatusServiceUnavailable, api.ReasonKafkaUnavailable)
		if r.header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "may have taken all the same: send it again with the same id s1") {
			t.Errorf("Retry-After %q, detail %q", r.header.Get("Retry-After"), p.Detail)
		}
		var all api.TakenAll
		s.post("/v1/events", "["+session+"]").is(http.StatusMultiStatus).into(&all)
		if all.Results[0].Status != 503 || all.Results[0].Reason != api.ReasonKafkaUnavailable {
			t.Errorf("answered %+v", all)
		}
	})
}

// counted counts what is read of a body. A client may still be sending when it has its answer.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestLongBodiesAreNotRead(t *testing.T) {
	for _, path := range []string{"/v1/events", "/v1/redemptions", "/v1/redemptions/r/confirm", "/v1/redemptions/r/cancel", "/v1/calculate"} {
		t.Run("with its length given "+path, func(t *testing.T) {
			s := open(t)
			body := &counted{Reader: zeros{}}
			r := httptest.NewRequest(http.MethodPost, path, body)
			r.Header.Set("Content-Type", "application/json")
			r.ContentLength = 100 << 20
			w := httptest.NewRecorder()
			s.server.Handler().ServeHTTP(w, r)
			reply{t, w.Code, w.Header(), w.Body.Bytes()}.problem(http.StatusRequestEntityTooLarge, api.ReasonBodyTooLarge)
			if body.n.Load() != 0 {
				t.Errorf("%d bytes were read", body.n.Load())
			}
		})
		t.Run("without a length "+path, func(t *testing.T) {
			s := open(t)
			body := &counted{Reader: zeros{}}
			r := httptest.NewRequest(http.MethodPost, path, body)
			r.Header.Set("Content-Type", "application/json")
			r.ContentLength = -1
			w := httptest.NewRecorder()
			s.server.Handler().ServeHTTP(w, r)
			p := reply{t, w.Code, w.Header(), w.Body.Bytes()}.problem(http.StatusRequestEntityTooLarge, api.ReasonBodyTooLarge)
			if body.n.Load() > 2<<20 || !strings.Contains(p.Detail, "1048576") {
				t.Errorf("%d bytes were read, detail %q", body.n.Load(), p.Detail)
			}
		})
	}
	t.Run("a body of just the limit is read", func(t *testing.T) {
		s := open(t, func(c *api.Config) { c.BodyBytesMax = 2048 })
		body := session + strings.Repeat(" ", 2048-len(session))
		s.post("/v1/events", body).is(http.StatusAccepted)
		s.post("/v1/events", body+" ").problem(http.StatusRequestEntityTooLarge, api.ReasonBodyTooLarge)
	})
}

const registered = `{"type":"AccountRegistered","id":"%s","customer":"%s","at":"2026-11-22T09:00:00Z"%s}`

func TestPersonalDataIsHashedOnTheWayIn(t *testing.T) {
	publish := func(t *testing.T, s *shop, customer, fields string) *events.AccountRegistered {
		t.Helper()
		s.post("/v1/events", fmt.Sprintf(registered, "reg-"+customer, customer, fields)).is(http.StatusAccepted)
		for _, records := range s.topics["crm"] {
			for _, e := range records {
				if e.Head().Customer == customer {
					return e.(*events.AccountRegistered)
				}
			}
		}
		t.Fatal("the event was not published")
		return nil
	}
	t.Run("the values are nowhere to be found", func(t *testing.T) {
		s := open(t)
		e := publish(t, s, "ann", `,"email":"Ann.Smith@Example.com","ip":"203.0.113.9","address":"1 Main St."`)
		for _, hash := range []string{e.EmailHash, e.EmailDomainHash, e.IPHash, e.AddressHash} {
			if len(hash) != 64 {
				t.Errorf("%q is not a SHA-256 in hexadecimal", hash)
			}
		}
		raw, err := events.EncodeJSON(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"mith", "xample", "203.0", "Main"} {
			if strings.Contains(string(raw), secret) || strings.Contains(s.log.String(), secret) {
				t.Errorf("%q is in the event or in the log", secret)
			}
		}
	})
	t.Run("equal mailboxes have equal hashes", func(t *testing.T) {
		s := open(t)
		same := []string{"ann.smith@gmail.com", "AnnSmith@Gmail.com", "annsmith+shop@googlemail.com", " annsmith@gmail.com "}
		first := publish(t, s, "c0", fmt.Sprintf(`,"email":%q`, same[0]))
		for i, address := range same[1:] {
			if e := publish(t, s, fmt.Sprint("c", i+1), fmt.Sprintf(`,"email":%q`, address)); e.EmailHash != first.EmailHash ||
				e.EmailDomainHash != first.EmailDomainHash {
				t.Errorf("%q has another hash than %q", address, same[0])
			}
		}
		dots := publish(t, s, "d0", `,"email":"ann.smith@example.com"`)
		none := publish(t, s, "d1", `,"email":"annsmith@example.com"`)
		if dots.EmailHash == none.EmailHash {
			t.Error("dots count outside of Gmail")
		}
	})
	t.Run("equal addresses have equal hashes", func(t *testing.T) {
		s := open(t)
		first := publish(t, s, "c0", `,"address":"Müllerstraße 1"`)
		for i, address := range []string{"müllerstraße, 1", "Mu\u0308llerstraße 1"} {
			if e := publish(t, s, fmt.Sprint("c", i+1), fmt.Sprintf(`,"address":%q`, address)); e.AddressHash != first.AddressHash {
				t.Errorf("%+q has another hash", address)
			}
		}
	})
	t.Run("the key matters", func(t *testing.T) {
		a := publish(t, open(t), "ann", `,"ip":"::ffff:203.0.113.9"`)
		b := publish(t, open(t), "ann", `,"ip":"203.0.113.9"`)
		c := publish(t, open(t, func(c *api.Config) { c.HashKey = api.Secret("another key of 16 bytes") }), "ann", `,"ip":"203.0.113.9"`)
		if a.IPHash != b.IPHash || b.IPHash == c.IPHash {
			t.Errorf("hashes %q, %q, and with another key %q", a.IPHash, b.IPHash, c.IPHash)
		}
	})
	t.Run("without a key they are refused", func(t *testing.T) {
		s := open(t, func(c *api.Config) { c.HashKey = nil })
		p := s.post("/v1/events", fmt.Sprintf(registered, "r", "ann", `,"email":"ann@example.com"`)).
			problem(http.StatusUnprocessableEntity, api.ReasonNoHashKey)
		if !strings.Contains(p.Detail, "email_hash") || strings.Contains(p.Detail, "ann@") {
			t.Errorf("detail %q", p.Detail)
		}
		publish(t, s, "bob", `,"email_hash":"abc"`)
	})
	for name, fields := range map[string]string{
		"value and hash":            `,"email":"ann@example.com","email_hash":"abc"`,
		"no e-mail":                 `,"email":"verysecret"`,
		"no IP address":             `,"ip":"verysecret"`,
		"no text":                   `,"address":["verysecret"]`,
		"an empty one":              `,"address":" - "`,
		"an e-mail as its hash":     `,"email_hash":"verysecret@gmail.com"`,
		"an IP address as its hash": `,"ip_hash":"2001:db8::5ec2"`,
		"an address as its hash":    `,"address_hash":"1 verysecret Street"`,
		"another's field":           `,"EMail":"verysecret@example.com"`,
	} {
		t.Run("refused without repeating it: "+name, func(t *testing.T) {
			s := open(t)
			p := s.post("/v1/events", fmt.Sprintf(registered, "r", "ann", fields)).
				problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
			if strings.Contains(p.Detail, "verysecret") || strings.Contains(s.log.String(), "verysecret") {
				t.Errorf("the value is repeated: %s", p.Detail)
			}
		})
	}
	t.Run("only orders and registrations may carry them", func(t *testing.T) {
		body := strings.Replace(session, `"id"`, `"email":"ann@example.com","id"`, 1)
		open(t).post("/v1/events", body).problem(http.StatusUnprocessableEntity, api.ReasonInvalidEvent)
	})
}

// A client that hangs up before Kafka has answered is not Kafka's failure, which operators are alerted of.
func TestAClientThatHangsUpIsNoErrorOfKafka(t *testing.T) {
	s := open(t)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/events", strings.NewReader(`{"type":"AppInstalled","id":"1","customer":"ann","at":"2026-01-01T00:00:00Z"}`))
	r.Header.Set("Content-Type", "application/json")
	s.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if text := s.log.String(); strings.Contains(text, "ERROR") {
		t.Errorf("the log says:\n%s", text)
	}

	s.order("ann", "o1", 10)
	s.onLedger = func(ctx context.Context) error { return ctx.Err() }
	r = httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/customers/ann/statement", nil)
	s.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if text := s.log.String(); strings.Contains(text, "ERROR") {
		t.Errorf("after reading the log says:\n%s", text)
	}
}

// The log leaves out what repeats itself, and can't where each line names another record.
func TestALedgerThatDoesNotAnswerIsComplainedOfInTheSameWords(t *testing.T) {
	s := open(t, func(c *api.Config) { c.PublishMax = 10 * time.Millisecond })
	s.order("ann", "o1", 10)
	reads := 0
	s.onLedger = func(ctx context.Context) error {
		<-ctx.Done()
		reads++
		return fmt.Errorf("reading ledger-0@%d: %w", reads, ctx.Err())
	}
	said := map[string]bool{}
	for range 2 {
		s.log.Reset()
		s.get("/v1/customers/ann/statement").problem(http.StatusServiceUnavailable, api.ReasonKafkaUnavailable)
		_, text, _ := strings.Cut(s.log.String(), "level=ERROR")
		said[text] = true
	}
	if len(said) != 1 || said[""] {
		t.Errorf("the log says %q", slices.Collect(maps.Keys(said)))
	}
}
