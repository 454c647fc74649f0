package embedded

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// registryBodyBytesMax bounds one request to the registry. Our largest schema
// is a few kilobytes.
const registryBodyBytesMax = 4 << 20

// registry is srfake with a memory. srfake keeps everything in process memory
// and cannot be saved from outside, but the ids it hands out depend only on
// the order of the requests. So the requests that changed something are
// written to a journal and replayed at the next start.
type registry struct {
	url     string
	fake    http.Handler
	server  *http.Server
	mu      sync.Mutex        // held by a change from its arrival to its journal line
	journal *os.File          // nil in memory
	latest  map[string]string // method and path → last body, to leave repetitions out
	seen    map[string]bool   // registrations already in the journal
}

// change is a line of the journal.
type change struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body,omitempty"`
}

func startRegistry(journal string, port int) (*registry, error) {
	r := &registry{
		fake:   srfake.NewRegistry().Handler(),
		latest: make(map[string]string),
		seen:   make(map[string]bool),
	}
	if journal != "" {
		if err := r.replay(journal); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, errors.Join(err, r.closeJournal())
	}
	r.url = "http://" + ln.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(ln) }()
	return r, nil
}

// replay opens the journal and repeats its requests. A last line without its
// newline was cut off by a crash before its answer was sent, and is dropped.
func (r *registry) replay(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	r.journal = f
	whole := int64(0)
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("%s is damaged at byte %d: restore it or delete it (schemas are then registered anew under other ids): %w", path, whole, err)
		}
		if rec := r.do(c); rec.Code/100 != 2 {
			return fmt.Errorf("replaying %s %s from %s at byte %d: the registry answered %d: %s", c.Method, c.Path, path, whole, rec.Code, rec.Body)
		}
		r.remember(c)
		whole += int64(len(line))
	}
	if err := f.Truncate(whole); err != nil {
		return fmt.Errorf("cutting %s back to its last whole line: %w", path, err)
	}
	_, err = f.Seek(whole, io.SeekStart)
	return err
}

// ServeHTTP passes reads to the fake and lets changes through one at a time.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	req = anySubject(req)
	if r.journal == nil || !changes(req) {
		r.fake.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, registryBodyBytesMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := change{Method: req.Method, Path: req.URL.RequestURI(), Body: body}
	rec := r.do(c)
	if rec.Code/100 == 2 {
		if err := r.append(c); err != nil {
			http.Error(w, "writing the registry's journal: "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// anySubject returns a request for a schema by its id without the subject. A registry takes that for where to look first,
// and clients ask with the subject that they would write to; the fake only answers where that one has the schema. A
// context is part of where an id is, and stays.
func anySubject(req *http.Request) *http.Request {
	id, byID := strings.CutPrefix(req.URL.Path, "/schemas/ids/")
	query := req.URL.Query()
	if !byID || strings.Contains(strings.TrimSuffix(id, "/schema"), "/") || strings.HasPrefix(query.Get("subject"), ":.") {
		return req
	}
	req = req.Clone(req.Context())
	query.Del("subject")
	req.URL.RawQuery = query.Encode()
	return req
}

func (r *registry) do(c change) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r.fake.ServeHTTP(rec, httptest.NewRequest(c.Method, c.Path, bytes.NewReader(c.Body)))
	return rec
}

// changes reports whether a request may alter the registry. Lookups and
// compatibility checks are POSTs too, but alter nothing.
func changes(req *http.Request) bool {
	switch req.Method {
	case http.MethodPut, http.MethodDelete:
		return true
	case http.MethodPost:
		return strings.HasSuffix(req.URL.Path, "/versions") && !strings.HasPrefix(req.URL.Path, "/compatibility/")
	}
	return false
}

// append writes c and syncs it, unless the journal says the same already: an
// engine registers its schemas at every start, and that must not grow the file.
func (r *registry) append(c change) error {
	if len(c.Body) > 0 {
		var compact bytes.Buffer
		if err := json.Compact(&compact, c.Body); err != nil {
			return err
		}
		c.Body = compact.Bytes()
	}
	if !r.remember(c) {
		return nil
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := r.journal.Write(append(line, '\n')); err != nil {
		return err
	}
	return r.journal.Sync()
}

// remember reports whether c is news, and keeps it in mind. A deletion makes
// everything news again.
func (r *registry) remember(c change) bool {
	key, body := c.Method+" "+c.Path, string(c.Body)
	switch c.Method {
	case http.MethodPost:
		if r.seen[key+" "+body] {
			return false
		}
		r.seen[key+" "+body] = true
	case http.MethodPut:
		if last, ok := r.latest[key]; ok && last == body {
			return false
		}
		r.latest[key] = body
	default:
		clear(r.seen)
		clear(r.latest)
	}
	return true
}

func (r *registry) close() error {
	return errors.Join(r.server.Close(), r.closeJournal())
}

func (r *registry) closeJournal() error {
	if r.journal == nil {
		return nil
	}
	return r.journal.Close()
}
