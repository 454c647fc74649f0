package api_test

import (
	"bytes"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/accrue-loyalty/accrue/api"
)

// document is the OpenAPI document that a server serves, as a client uses it that was made of it.
type document struct {
	whole    any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

var served = sync.OnceValues(func() (*document, error) {
	w := newWorld()
	parts := api.Parts{Places: w, Ledger: w, Producer: w, Decisions: decisions{w}, Programs: w}
	s, err := api.New(api.DefaultConfig(), parts, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	got := httptest.NewRecorder()
	s.Handler().ServeHTTP(got, httptest.NewRequest(http.MethodGet, "/openapi.json", http.NoBody))
	doc, err := jsonschema.UnmarshalJSON(got.Body)
	if err != nil {
		return nil, err
	}
	d := &document{whole: doc, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource("openapi.json", doc)
})

// has reports whether there is something at a path of keys, of which the last is the name of a header.
func (d *document) has(keys ...string) bool {
	at := d.whole
	for i, k := range keys {
		members, _ := at.(map[string]any)
		if i == len(keys)-1 {
			for name := range members {
				if http.CanonicalHeaderKey(name) == k {
					return true
				}
			}
			return false
		}
		at = members[k]
	}
	return false
}

// schema returns the schema at a path of keys, or an error when the document has none there.
func (d *document) schema(keys ...string) (*jsonschema.Schema, error) {
	for i, k := range keys {
		keys[i] = strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
	}
	at := "openapi.json#/" + strings.Join(keys, "/")
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.compiled[at]; s != nil {
		return s, nil
	}
	s, err := d.compiler.Compile(at)
	if err == nil {
		d.compiled[at] = s
	}
	return s, err
}

// holds tests an answer, the headers that clients act on, and the body that led to a success, against the document.
func (d *document) holds(t *testing.T, r *http.Request, sent string, got reply) {
	t.Helper()
	method, path, routed := strings.Cut(r.Pattern, " ")
	if !routed || strings.HasPrefix(path, "/openapi") || len(got.body) == 0 {
		return
	}
	media, _, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	if err != nil {
		t.Errorf("%s answered %d with the content type %q", r.Pattern, got.status, got.header.Get("Content-Type"))
		return
	}
	check := func(body []byte, keys ...string) {
		t.Helper()
		s, err := d.schema(append([]string{"paths", path, strings.ToLower(method)}, keys...)...)
		if err != nil {
			t.Errorf("%s: the document does not have %v: %v", r.Pattern, keys, err)
			return
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err == nil {
			err = s.Validate(value)
		}
		if err != nil {
			t.Errorf("%s: the document has it otherwise: %v\n%s", r.Pattern, err, body)
		}
	}
	for name := range got.header {
		acted := strings.HasPrefix(name, "Accrue-") || slices.Contains([]string{"Etag", "Idempotent-Replayed", "Retry-After"}, name)
		if acted && !d.has("paths", path, strings.ToLower(method), "responses", strconv.Itoa(got.status), "headers", name) {
			t.Errorf("%s: the document does not have the header %s of %d", r.Pattern, name, got.status)
		}
	}
	if media != "text/plain" {
		check(got.body, "responses", strconv.Itoa(got.status), "content", media, "schema")
	}
	if method == http.MethodPost && got.status < 300 && got.status != http.StatusMultiStatus {
		check([]byte(sent), "requestBody", "content", "application/json", "schema")
	}
}
