package api

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// timeText and hexText stand in for types whose JSON form does not show in their Go form.
type (
	timeText  struct{}
	hexText   struct{}
	eventName struct{}
)

// Schema implements [huma.SchemaProvider].
func (timeText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-11-22T10:00:00.000Z"}}
}

// Schema implements [huma.SchemaProvider].
func (hexText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "Hexadecimal; empty for none"}
}

// Schema implements [huma.SchemaProvider].
func (eventName) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "The event's type"}
}

// newSchemas returns a registry that knows the JSON forms of what events are made of.
func newSchemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	r.RegisterTypeAlias(reflect.TypeFor[events.Instant](), reflect.TypeFor[timeText]())
	r.RegisterTypeAlias(reflect.TypeFor[events.Hash](), reflect.TypeFor[hexText]())
	r.RegisterTypeAlias(reflect.TypeFor[events.Fingerprint](), reflect.TypeFor[hexText]())
	r.RegisterTypeAlias(reflect.TypeOf(events.Header{}.Tag), reflect.TypeFor[eventName]())
	r.RegisterTypeAlias(reflect.TypeFor[events.Result](), reflect.TypeFor[results]())
	r.RegisterTypeAlias(reflect.TypeFor[events.EntryType](), reflect.TypeFor[entryTypes]())
	r.RegisterTypeAlias(reflect.TypeFor[events.RedemptionState](), reflect.TypeFor[redemptionStates]())
	r.RegisterTypeAlias(reflect.TypeFor[events.Verdict](), reflect.TypeFor[verdicts]())
	return r
}

// schemaName tells the balance of a decision, by bucket, from the balance that a customer has.
func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[events.Balance]() || t == reflect.TypeFor[*events.Balance]() {
		return "Buckets"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// problems describes the refusals of an operation: one for each status, with the reasons that have it.
func problems(reasons ...Reason) map[string]*huma.Response {
	out := map[string]*huma.Response{}
	for _, r := range reasons {
		status := strconv.Itoa(r.Status())
		if have, ok := out[status]; ok {
			have.Description += ", " + string(r)
			maps.Copy(have.Headers, problemHeaders(r))
			continue
		}
		out[status] = &huma.Response{
			Description: http.StatusText(r.Status()) + ": " + string(r), Headers: problemHeaders(r),
			Content: map[string]*huma.MediaType{
				problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}},
			},
		}
	}
	return out
}

// problemHeaders describes what a refusal may carry beside its body, for clients to act on.
func problemHeaders(r Reason) map[string]*huma.Param {
	headers := map[string]*huma.Param{}
	add := func(name, kind, doc string) {
		headers[name] = &huma.Param{Schema: &huma.Schema{Type: kind}, Description: doc}
	}
	if r.retryAfterSeconds() > 0 {
		add("Retry-After", huma.TypeInteger, "Seconds after which to ask again")
	}
	switch r.Status() {
	case ReasonNotOwner.Status():
		add(ownerHeader, huma.TypeString, "Base URL of the instance that answers for this customer")
	case ReasonConflict.Status():
		add(replayedHeader, huma.TypeString, "true when the answer is that to an earlier request under the same key")
		fallthrough
	case ReasonUnknownCustomer.Status(), ReasonPositionNotReached.Status():
		add(positionHeader, huma.TypeString, "What the answer reflects: partition@next ledger offset")
	}
	return headers
}

// documentBody describes the body of a POST whose bytes the handler reads itself.
func documentBody[T any](h huma.API, id, path string) {
	doc := h.OpenAPI()
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[T](), true, id)
	doc.Paths[path].Post.RequestBody.Content[jsonType].Schema = schema
}

// documentEvents describes the body of POST /v1/events: any event that may be published, or several.
func (s *Server) documentEvents(h huma.API) {
	doc := h.OpenAPI()
	one := &huma.Schema{Discriminator: &huma.Discriminator{PropertyName: "type", Mapping: map[string]string{}}}
	for _, t := range events.Types() {
		if t.Internal() {
			continue
		}
		schema := doc.Components.Schemas.Schema(reflect.TypeOf(events.New(t)), true, "")
		one.OneOf = append(one.OneOf, schema)
		one.Discriminator.Mapping[string(t)] = schema.Ref
		documentType(doc.Components.Schemas.Map()[string(t)], t)
		s.documentPersonal(doc, t)
	}
	doc.Components.Schemas.Map()["Event"] = one
	event := &huma.Schema{Ref: "#/components/schemas/Event"}
	count := s.cfg.EventsMax
	list := &huma.Schema{Type: huma.TypeArray, Items: event, MinItems: new(1), MaxItems: &count}
	op := doc.Paths["/v1/events"].Post
	op.RequestBody.Content[jsonType].Schema = &huma.Schema{OneOf: []*huma.Schema{
		event, list,
		{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"events": list}, Required: []string{"events"},
			AdditionalProperties: false},
	}}
	several := doc.Components.Schemas.Schema(reflect.TypeFor[TakenAll](), true, "")
	single := doc.Components.Schemas.Schema(reflect.TypeFor[Taken](), true, "")
	describe := func(status int, text string, body *huma.Schema) {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: text, Headers: positionHeaders(),
			Content: map[string]*huma.MediaType{jsonType: {Schema: body}}}
	}
	describe(statusTaken, "Kafka has all of it: the answer about the one event, or about each",
		&huma.Schema{OneOf: []*huma.Schema{single, several}})
	describe(statusMixed, "Some were refused: see each", several)
}

// documentType says that an event names its type: several types have the same fields otherwise.
func documentType(event *huma.Schema, t events.Type) {
	event.Properties["type"] = &huma.Schema{Type: huma.TypeString, Extensions: map[string]any{"const": string(t)}}
	event.Required = append([]string{"type"}, event.Required...)
}

// documentPersonal adds the fields that are hashed on the way in.
func (s *Server) documentPersonal(doc *huma.OpenAPI, t events.Type) {
	if t != events.TypeOrderPlaced && t != events.TypeAccountRegistered {
		return
	}
	for _, f := range personal {
		doc.Components.Schemas.Map()[string(t)].Properties[f.field] = &huma.Schema{
			Type: huma.TypeString, WriteOnly: true, Description: "Replaced by " + f.hash + " before anything is stored",
		}
	}
}

func positionHeaders() map[string]*huma.Param {
	return map[string]*huma.Param{positionHeader: {
		Schema:      &huma.Schema{Type: huma.TypeString},
		Description: "Send it along with a read, and the read waits until it reflects this",
	}}
}

// documentBalance describes the hot route, which huma does not serve. It takes what every read of a customer takes.
func (s *Server) documentBalance() {
	op := s.readOperation("balance", "/v1/customers/{customer}/balance",
		"The customer's points, tier and totals, as of the moment of asking")
	op.Parameters = append(slices.Clone(s.doc.Paths["/v1/customers/{customer}/lots"].Get.Parameters), &huma.Param{
		Name: "If-None-Match", In: "header", Description: "The ETag of an earlier answer: 304 when nothing has changed since",
		Schema: &huma.Schema{Type: huma.TypeString},
	})
	headers := positionHeaders()
	headers["ETag"] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString},
		Description: "Names the account's ledger position and what else the answer depends on"}
	headers["Cache-Control"] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
	op.Responses[strconv.Itoa(statusRead)] = &huma.Response{Description: "The balance", Headers: headers,
		Content: map[string]*huma.MediaType{jsonType: {
			Schema: s.doc.Components.Schemas.Schema(reflect.TypeFor[Balance](), true, "")}}}
	op.Responses[strconv.Itoa(statusSame)] = &huma.Response{Description: "Nothing has changed", Headers: headers}
	s.doc.AddOperation(&op)
}

// documentMetrics describes /metrics, and clears away what huma would have used for errors.
func (s *Server) documentMetrics() {
	s.doc.AddOperation(&huma.Operation{
		OperationID: "metrics", Method: http.MethodGet, Path: metricsPath, Tags: []string{"instance"},
		Summary: "Figures for Prometheus",
		Responses: map[string]*huma.Response{strconv.Itoa(statusRead): {Description: "Figures",
			Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}}},
	})
	all := s.doc.Components.Schemas.Map()
	s.doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	delete(all, "ErrorModel")
	delete(all, "ErrorDetail")
}
