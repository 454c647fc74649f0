package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
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
	if media == "application/problem+json" {
		d.namesReason(t, path, strings.ToLower(method), got)
	}
	if media != "text/plain" {
		check(got.body, "responses", strconv.Itoa(got.status), "content", media, "schema")
	}
	if method == http.MethodPost && got.status < 300 && got.status != http.StatusMultiStatus {
		check([]byte(sent), "requestBody", "content", "application/json", "schema")
	}
}

// namesReason tests that the document says of a status which of the API's own reasons it may have.
func (d *document) namesReason(t *testing.T, path, method string, got reply) {
	t.Helper()
	var p api.Problem
	got.into(&p)
	own := p.Reason.Status() != http.StatusConflict || p.Reason == api.ReasonConflict || p.Reason == api.ReasonAccountMerged
	described := d.at("paths", path, method, "responses", strconv.Itoa(got.status), "description")
	text, _ := described.(string)
	if _, names, _ := strings.Cut(text, ": "); own && !slices.Contains(strings.Split(names, ", "), string(p.Reason)) {
		t.Errorf("%s %s: the document does not name %s among the reasons of %d: %q", method, path, p.Reason, got.status, text)
	}
}

// at returns what is at a path of keys; nil for nothing.
func (d *document) at(keys ...string) any {
	at := d.whole
	for _, k := range keys {
		members, _ := at.(map[string]any)
		at = members[k]
	}
	return at
}

func TestTheDocumentListsAllValues(t *testing.T) {
	d, err := served()
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"Result":          "decision.go",
		"EntryType":       "decision.go",
		"RedemptionState": "facts.go",
		"Verdict":         "crm.go",
	} {
		source, err := os.ReadFile("../events/" + file)
		if err != nil {
			t.Fatal(err)
		}
		listed, _ := d.at("components", "schemas", name, "enum").([]any)
		declared := regexp.MustCompile(`(?m)^\t[A-Z]\w+ +`+name+` += "(\w+)"`).FindAllStringSubmatch(string(source), -1)
		if len(declared) < 2 || len(declared) != len(listed) {
			t.Errorf("%s has %d values, and the document lists %v", name, len(declared), listed)
		}
		for _, value := range declared {
			if !slices.Contains(listed, any(value[1])) {
				t.Errorf("the document lacks %s of %s", value[1], name)
			}
		}
	}
}

func TestTheDocumentPromisesNoMoreThanComes(t *testing.T) {
	d, err := served()
	if err != nil {
		t.Fatal(err)
	}
	if taken := d.at("paths", "/v1/events", "post", "responses", "200"); taken != nil {
		t.Errorf("events are answered with 202, and the document has %v", taken)
	}
	for list, want := range map[string]any{"Balance.expiring": "array", "Decision.entries": "array", "Facts.returns": "array"} {
		schema, field, _ := strings.Cut(list, ".")
		if got := d.at("components", "schemas", schema, "properties", field, "type"); got != want {
			t.Errorf("the type of %s is %v, want %v", list, got, want)
		}
	}
}

// What the document says of texts is what becomes of them.
func TestTheDocumentBoundsTexts(t *testing.T) {
	d, err := served()
	if err != nil {
		t.Fatal(err)
	}
	texts := 0
	for _, kind := range events.Types() {
		fields, _ := d.at("components", "schemas", string(kind), "properties").(map[string]any)
		for field := range fields {
			most, _ := d.at("components", "schemas", string(kind), "properties", field, "maxLength").(json.Number)
			if most == "" {
				continue
			}
			texts++
			// Whatever else the event lacks, it is said of this field that it is missing, or has too many bytes.
			refused := func(length int) bool {
				body := fmt.Sprintf(`{"type":%q,%q:%q}`, kind, field, strings.Repeat("x", length))
				_, err := events.DecodeJSON([]byte(body))
				return err != nil && regexp.MustCompile(`(^|[ \n])`+field+`: (is missing|has )`).MatchString(err.Error())
			}
			limit, err := most.Int64()
			if err != nil {
				t.Fatal(err)
			}
			if refused(int(limit)) || !refused(int(limit)+1) {
				t.Errorf("%s.%s: %d is not the length that it may have", kind, field, limit)
			}
			if needed := d.at("components", "schemas", string(kind), "properties", field, "minLength") != nil; needed != refused(0) {
				t.Errorf("%s.%s: may be empty: %t, by the document: %t", kind, field, !refused(0), !needed)
			}
		}
	}
	for _, field := range []string{"customer", "order", "currency", "store"} {
		body := map[string]any{"currency": "USD", "lines": []any{}}
		body[field] = ""
		cart, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		refused := open(t).post("/v1/calculate", string(cart)).status == http.StatusUnprocessableEntity
		if needed := d.at("components", "schemas", "Cart", "properties", field, "minLength") != nil; needed != refused {
			t.Errorf("Cart.%s: may be empty: %t, by the document: %t", field, !refused, !needed)
		}
	}
	if texts < 50 {
		t.Errorf("only %d texts have a length", texts)
	}
}
