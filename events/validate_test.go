package events_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
)

// Events that may come in, with every text that they can have. Beside id and customer, ids and needed are those that an
// event must have; ids and optional are of at most 128 bytes, the others of at most 1024.
var whole = []struct{ event, ids, optional, needed string }{
	{`{"type":"OrderPlaced","order":"o","currency":"USD","channel":"c","store":"s","redemption":"r","email_hash":"h","ip_hash":"h","address_hash":"h"}`,
		"order currency", "redemption", ""},
	{`{"type":"OrderFulfilled","order":"o"}`, "order", "", ""},
	{`{"type":"OrderCancelled","order":"o","reason":"r"}`, "order", "", ""},
	{`{"type":"OrderReturned","order":"o","return":"t","reason":"r"}`, "order return", "", ""},
	{`{"type":"ReviewSubmitted","review":"v","sku":"s","order":"o"}`, "review", "order", ""},
	{`{"type":"ReviewApproved","review":"v","sku":"s","order":"o"}`, "review", "order", ""},
	{`{"type":"ReviewRemoved","review":"v","sku":"s","order":"o"}`, "review", "order", ""},
	{`{"type":"AccountRegistered","email_hash":"h","ip_hash":"h","address_hash":"h","email_domain_hash":"h","country":"c","referred_by":"b"}`,
		"", "referred_by", ""},
	{`{"type":"ConsentChanged"}`, "", "", ""},
	{`{"type":"ComplaintResolved","complaint":"c"}`, "complaint", "", ""},
	{`{"type":"ServiceVoucherIssued","reference":"r"}`, "", "", ""},
	{`{"type":"ChurnContactCompleted","reference":"r"}`, "", "", ""},
	{`{"type":"PointsAdjusted","points":5,"reason":"r","actor":"a"}`, "", "", "reason actor"},
	{`{"type":"AccountsMerged","into":"bob"}`, "into", "", ""},
	{`{"type":"ErasureRequested"}`, "", "", ""},
	{`{"type":"FraudReviewed","verdict":"clear","decision":"d"}`, "", "decision", ""},
	{`{"type":"AppInstalled","reference":"r"}`, "", "", ""},
	{`{"type":"SessionOpened","reference":"r"}`, "", "", ""},
	{`{"type":"PushClicked","reference":"r"}`, "", "", ""},
	{`{"type":"NewsletterSubscribed","reference":"r"}`, "", "", ""},
	{`{"type":"ReferralLinkShared","reference":"r"}`, "", "", ""},
	{`{"type":"ReferralCompleted","referee":"bob","order":"o"}`, "referee", "order", ""},
	{`{"type":"RedemptionRequested","redemption":"r","points":5,"order":"o","reward":"w"}`, "redemption", "order reward", ""},
	{`{"type":"RedemptionConfirmed","redemption":"r","order":"o"}`, "redemption", "order", ""},
	{`{"type":"RedemptionCancelled","redemption":"r"}`, "redemption", "", ""},
	{`{"type":"TransferRequested","transfer":"t","to":"bob","points":5}`, "transfer to", "", ""},
}

func TestIDsAndTextsHaveTheirBounds(t *testing.T) {
	for _, c := range whole {
		fields := map[string]any{"id": "1", "customer": "ann", "at": "2026-11-22T10:00:00Z"}
		if err := json.Unmarshal([]byte(c.event), &fields); err != nil {
			t.Fatal(err)
		}
		ids := strings.Fields("id customer " + c.ids)
		needed := append(strings.Fields(c.needed), ids...)
		for name, was := range fields {
			if _, text := was.(string); !text || name == "type" || name == "at" || name == "verdict" {
				continue
			}
			most := 1024
			if slices.Contains(ids, name) || slices.Contains(strings.Fields(c.optional), name) {
				most = 128
			}
			missing := ""
			if slices.Contains(needed, name) {
				missing = name + ": is missing"
			}
			try := func(value, want string) {
				t.Helper()
				with := maps.Clone(fields)
				with[name] = value
				written, err := json.Marshal(with)
				if err != nil {
					t.Fatal(err)
				}
				_, err = events.DecodeJSON(written)
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s with %q of %d bytes: error %v, want %q", fields["type"], name, len(value), err, want)
				}
			}
			try("", missing)
			try(strings.Repeat("x", most), "")
			try(strings.Repeat("x", most+1), name+": has "+map[int]string{128: "129 bytes, at most 128", 1024: "1025 bytes, at most 1024"}[most])
		}
	}
}

func TestInvalidEventsAreNamed(t *testing.T) {
	head := events.Header{ID: "1", Customer: "ann", At: 1}
	line := events.Line{Line: "1", SKU: "x", Quantity: 1}
	placed := func(lines ...events.Line) events.Event {
		return &events.OrderPlaced{Header: head, Order: "o", Currency: "USD", Lines: lines}
	}
	returned := func(lines ...events.ReturnedLine) events.Event {
		return &events.OrderReturned{Header: head, Order: "o", Return: "t", Lines: lines}
	}
	long := strings.Repeat("x", 1025)
	cases := []struct {
		name string
		e    events.Event
		want string
	}{
		{"no time", &events.ErasureRequested{Header: events.Header{ID: "1", Customer: "ann"}}, "at: is missing"},
		{"a tick without time", &events.Tick{}, "at: is missing"},
		{"a tick", &events.Tick{Header: events.Header{At: 1}}, ""},
		{"another verdict", &events.FraudReviewed{Header: head, Verdict: "maybe"}, `verdict: is "maybe", want clear or confirm`},
		{"a confirmed fraud", &events.FraudReviewed{Header: head, Verdict: events.VerdictConfirm}, ""},
		{"a long id that accrue made", &events.TransferCredited{Header: events.Header{ID: long[:1024], Customer: "ann", At: 1}}, ""},
		{"as many lines as there may be", placed(slices.Repeat([]events.Line{line}, 10_000)...), ""},
		{"one more", placed(slices.Repeat([]events.Line{line}, 10_001)...), "lines: has 10001, at most 10000 are allowed"},
		{"as many returned lines", returned(slices.Repeat([]events.ReturnedLine{{Line: "1"}}, 10_000)...), ""},
		{"one more returned", returned(slices.Repeat([]events.ReturnedLine{{Line: "1"}}, 10_001)...), "lines: has 10001, at most"},
		{"a line without id", placed(line, events.Line{SKU: "x"}), "lines[1].line: is missing"},
		{"a line with a long id", placed(events.Line{Line: long[:129]}), "lines[0].line: has 129 bytes, at most 128"},
		{"with a long sku", placed(events.Line{Line: "1", SKU: long}), "lines[0].sku: has 1025 bytes"},
		{"with a long category", placed(events.Line{Line: "1", Category: long}), "lines[0].category: has 1025 bytes"},
		{"with an id that is no text", placed(events.Line{Line: "\xff"}), "lines[0].line: is not UTF-8"},
		{"with a sku that is no text", placed(events.Line{Line: "1", SKU: "\xff"}), "lines[0].sku: is not UTF-8"},
		{"with a category that is no text", placed(events.Line{Line: "1", Category: "\xff"}), "lines[0].category: is not UTF-8"},
		{"a line with texts as long as they may be", placed(events.Line{Line: long[:128], SKU: long[:1024], Category: long[:1024]}), ""},
		{"a returned line without id", returned(events.ReturnedLine{}), "lines[0].line: is missing"},
		{"a reason that is no text", &events.OrderCancelled{Header: head, Order: "o", Reason: "\xff"}, "reason: is not UTF-8"},
	}
	for i := range 17 {
		b := []byte(strings.Repeat("x", 17))
		b[i] = 0xff
		cases = append(cases, struct {
			name string
			e    events.Event
			want string
		}{"an id with a byte that is no text", &events.OrderFulfilled{Header: head, Order: string(b)}, "order: is not UTF-8"})
	}
	for _, c := range cases {
		err := events.Validate(c.e)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}
