package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes puts all routes on one mux.
func (s *Server) routes(reg prometheus.Gatherer) http.Handler {
	mux := &listedMux{ServeMux: http.NewServeMux()}
	h := humago.New(mux, s.humaConfig())
	s.doc = h.OpenAPI()
	s.registerCustomers(h)
	s.registerEvents(h)
	s.registerRedemptions(h)
	s.registerCalculate(h)
	s.registerExplain(h)
	s.registerInstance(h)

	mux.HandleFunc(balancePattern, s.balance)
	s.documentBalance()
	mux.HandleFunc("GET "+metricsPath, promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorLog: promLog{s.log}}).ServeHTTP)
	s.documentMetrics()
	documentNulls(s.doc.Components.Schemas.Map())
	documentTexts(s.doc.Components.Schemas.Map())
	s.patterns = mux.patterns
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { noRoute(mux.ServeMux, w, r) })
	return s.around(mux.ServeMux)
}

// listedMux remembers its patterns.
type listedMux struct {
	*http.ServeMux
	patterns []string
}

// HandleFunc adds a route.
func (m *listedMux) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.HandleFunc(pattern, handler)
}

// humaConfig is huma's, without what belongs to others: no pages that load scripts from elsewhere, no links added to
// bodies, JSON as encoding/json writes it.
func (s *Server) humaConfig() huma.Config {
	c := huma.DefaultConfig("accrue", s.cfg.Version)
	c.Info.Description = "Loyalty points: balances, redemptions, events. Times are RFC 3339 in UTC, money is in minor " +
		"units, points are integers. Errors are RFC 9457 problems with a stable reason."
	c.CreateHooks = nil
	c.DocsPath, c.SchemasPath = "", ""
	c.Transformers = []huma.Transformer{s.ownProblems}
	c.RejectUnknownQueryParameters = true
	format := huma.Format{
		Marshal:   func(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) },
		Unmarshal: json.Unmarshal,
	}
	c.Formats = map[string]huma.Format{jsonType: format, "json": format}
	c.Components.Schemas = newSchemas()
	return c
}

// around is what every request passes through: it refuses bodies that no route would take, before reading them, and what
// cannot be read of an address or says two things, turns a panic into an answer, and measures.
func (s *Server) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := recorders.Get().(*recorder)
		rec.ResponseWriter, rec.status = w, 0
		defer func() {
			if v := recover(); v != nil {
				s.panicked(rec, r, v)
			}
			s.metrics.observe(r.Pattern, rec.status, time.Since(began))
			rec.ResponseWriter = nil
			recorders.Put(rec)
		}()
		if r.Method == http.MethodPost {
			if p := s.refuseBody(r); p != nil {
				// The rest of the body is not worth reading.
				rec.Header().Set("Connection", "close")
				p.write(rec)
				return
			}
			r.Body = arriving{r.Body}
		}
		if unclean(r.URL) {
			problem(ReasonNoSuchRoute, "a segment of the path is empty, or . or ..: an id is missing, or cannot stand in a path").write(rec)
			return
		}
		if p := refuseRepeated(r); p != nil {
			p.write(rec)
			return
		}
		next.ServeHTTP(rec, r)
	})
}

// unclean reports whether the mux would redirect to another path, because segments of this one are empty, or dots. That
// would be a path without the id that is missing, and no answer in JSON. Ids may hold the same in escaped form.
func unclean(u *url.URL) bool {
	// Nearly every path is told without its escaped form.
	if !strings.Contains(u.Path, "//") && !strings.Contains(u.Path, "/.") {
		return false
	}
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		// One slash may end a path.
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return true
		}
	}
	return false
}

// refuseRepeated refuses a query or a key of which only a part would be read: a position to wait for must not get lost. The
// positions of several header lines are made one list.
func refuseRepeated(r *http.Request) *Problem {
	if all := r.Header[positionHeader]; len(all) > 1 {
		r.Header[positionHeader] = []string{strings.Join(all, ",")}
	}
	if all := r.Header["Idempotency-Key"]; len(all) > 1 && len(slices.Compact(slices.Clone(all))) > 1 {
		return problem(ReasonInvalidRequest, "there are %d different Idempotency-Key headers: send one of them", len(all))
	}
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem(ReasonInvalidRequest, "the query cannot be read: %s", err)
	}
	for name, values := range query {
		// Names of metrics may be asked for one by one.
		if len(values) > 1 && r.URL.Path != metricsPath {
			return problem(ReasonInvalidRequest, "query parameter %q is given %d times: send one of them", name, len(values))
		}
	}
	return nil
}

func (s *Server) refuseBody(r *http.Request) *Problem {
	if r.ContentLength > s.cfg.BodyBytesMax {
		return s.bodyTooLarge()
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return problem(ReasonNotJSON, "the content encoding is %q: send JSON as it is, without Content-Encoding", coding)
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(ct)
	if err != nil || (media != jsonType && !strings.HasSuffix(media, "+json")) {
		return problem(ReasonNotJSON, "the content type is %q: send JSON, with Content-Type: application/json", ct)
	}
	return nil
}

func (s *Server) panicked(rec *recorder, r *http.Request, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	s.log.Error("answering a request panicked", "route", r.Pattern, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if rec.status == 0 {
		problem(ReasonInternal, "accrue could not answer: its log says why").write(rec)
	}
}

// methods are those that any route has.
var methods = [...]string{http.MethodGet, http.MethodHead, http.MethodPost}

// noRoute answers what no pattern matches: the path is unknown, or known under other methods.
func noRoute(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range methods {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(probe); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 && !slices.Contains(allowed, r.Method) {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		problem(ReasonMethodNotAllowed, "this path takes %s only", strings.Join(allowed, " and ")).write(w)
		return
	}
	problem(ReasonNoSuchRoute, "there is nothing here: /openapi.json lists every route").write(w)
}

// promLog hands promhttp's errors to the logger.
type promLog struct {
	log interface{ Error(string, ...any) }
}

// Println implements promhttp.Logger.
func (l promLog) Println(v ...any) { l.log.Error("gathering metrics", "error", fmt.Sprint(v...)) }
