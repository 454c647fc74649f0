package program_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// rule parses a program with one rule, whose text is what follows the id.
func rule(t testing.TB, text string) (loyalty.Rule, error) {
	t.Helper()
	p, err := program.Parse([]byte("program: p\ncurrency: USD\ntimezone: Europe/Berlin\nearn:\n  - {id: r, "+text+"}\n"), "p.yaml")
	if err != nil {
		return loyalty.Rule{}, err
	}
	return p.Earn[0], nil
}

func mustRule(t testing.TB, text string) loyalty.Rule {
	t.Helper()
	r, err := rule(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func instant(t testing.TB, text string) events.Instant {
	t.Helper()
	i, err := events.ParseInstant(text)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func yes() *bool { b := true; return &b }

func TestConditions(t *testing.T) {
	order := &events.OrderPlaced{
		Header: events.Header{ID: "e1", Customer: "c1", At: instant(t, "2026-03-28T23:30:00Z")},
		Order:  "o1", Currency: "EUR", Channel: "APP", Tax: 19,
		Lines: []events.Line{
			{Line: "1", SKU: "s-1", Category: "shoes", Quantity: 2, Amount: 5000},
			{Line: "2", SKU: "b-7", Quantity: 1, Amount: 1000, Discount: 100},
		},
	}
	registered := &events.AccountRegistered{Header: events.Header{ID: "e2", Customer: "c1"}, Consent: &events.Consent{Tracking: yes()}}
	for _, c := range []struct {
		event events.Event
		when  string
		want  bool
	}{
		{order, `event.channel == "APP"`, true},
		{order, `event.channel == "app"`, false},
		{order, `event.store == "" && !has(event.store) && has(event.channel)`, true},
		{order, `event.shipping_minor == 0 && !has(event.shipping_minor) && has(event.tax_minor)`, true},
		{order, `event.lines.exists(l, l.category == "shoes" && l.quantity > 1)`, true},
		{order, `event.lines.all(l, has(l.category))`, false},
		{order, `event.lines[1].discount_minor == 100`, true},
		{order, `size(event.lines) == 2 && sum(event.lines.map(l, l.amount_minor)) == 6000`, true},
		{order, `event.lines.filter(l, l.sku.startsWith("s-")).size() == 1`, true},
		{order, `event.currency in ["EUR", "USD"]`, true},
		{order, `event.lines[0].sku.matches("^s-[0-9]+$")`, true},
		{order, `event.at > timestamp("2026-03-28T23:00:00Z") && event.at - timestamp("2026-03-28T23:00:00Z") == duration("30m")`, true},
		{order, `year(event.at) == 2026 && month(event.at) == 3 && day(event.at) == 29 && weekday(event.at) == 7 && hour(event.at) == 0`, true},
		{order, `event.customer == "c1" && event.id == "e1"`, true},
		{order, `event == event && event.lines[0] != event.lines[1]`, true},
		{registered, `event.consent.tracking && !event.consent.marketing && !has(event.consent.marketing)`, true},
		{&events.AccountRegistered{}, `event.consent.tracking || has(event.consent)`, false},
		{&events.ConsentChanged{Consent: events.Consent{Marketing: yes()}}, `event.marketing && !event.tracking`, true},
		{&events.ReviewApproved{Review: events.Review{Rating: 5}}, `event.rating >= 4`, true},
	} {
		t.Run(c.when, func(t *testing.T) {
			r := mustRule(t, "on: "+string(c.event.EventType())+", points: 1, when: '"+strings.ReplaceAll(c.when, "'", "''")+"'")
			got, err := r.When.Match(c.event)
			if err != nil || got != c.want {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestLineConditionSeesTheLineAndTheEvent(t *testing.T) {
	r := mustRule(t, `on: OrderPlaced, per: 1, points: 1, lines: 'line.category == "shoes" && event.channel == "APP"'`)
	e := &events.OrderPlaced{Channel: "APP", Lines: []events.Line{{Category: "shoes"}, {Category: "bags"}}}
	for i, want := range []bool{true, false} {
		if got, err := r.Lines.MatchLine(e, &e.Lines[i]); err != nil || got != want {
			t.Errorf("line %d: got %v, %v; want %v", i, got, err, want)
		}
	}
}

func TestAmounts(t *testing.T) {
	e := &events.ComplaintResolved{GoodwillPoints: 7}
	for text, want := range map[string]string{
		"event.goodwill_points":                                       "7/1",
		"event.goodwill_points * 3 / 2":                               "10/1",
		"fraction(event.goodwill_points * 3, 2)":                      "21/2",
		"fraction(event.goodwill_points, -2)":                         "-7/2",
		`has(event.goodwill_points) ? 5 : 0`:                          "5/1",
		"event.goodwill_points > 5 ? fraction(1, 3) : fraction(0, 1)": "1/3",
	} {
		r := mustRule(t, "on: ComplaintResolved, points: '"+text+"'")
		got, err := r.PointsOf.Points(e)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestEvaluationErrorsAreReturned(t *testing.T) {
	for _, text := range []string{"100 / event.goodwill_points", "fraction(1, event.goodwill_points)", "sum([9223372036854775807, event.goodwill_points + 1])",
		"[1, 2][event.goodwill_points - 1]", "9223372036854775807 + event.goodwill_points + 1"} {
		r := mustRule(t, "on: ComplaintResolved, points: '"+text+"'")
		if got, err := r.PointsOf.Points(&events.ComplaintResolved{}); err == nil {
			t.Errorf("%s: got %v, want an error", text, got)
		}
	}
	r := mustRule(t, "on: ComplaintResolved, points: 1, when: 'event.goodwill_points > 1'")
	if _, err := r.When.Match(&events.OrderPlaced{}); err == nil {
		t.Error("an event of another type must be an error")
	}
}

func TestCostIsBounded(t *testing.T) {
	for text, want := range map[string]string{
		`when: 'event.lines.exists(a, event.lines.exists(b, a.sku == b.sku && a.line != b.line))'`: "it may cost",
		`lines: 'event.lines.exists(l, l.sku == line.sku)', per: 1`:                                "it may cost",
		`when: 'event.lines.exists(l, l.sku == "x")'`:                                              "",
		`lines: 'line.sku.matches("^s-[0-9]+$") || line.category in ["a", "b"]', per: 1`:           "",
	} {
		_, err := rule(t, "on: OrderPlaced, points: 1, "+text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// The largest order that is accepted, so that the estimate of the cost is no guess.
func TestLargestOrderIsEvaluatedWithinTheLimit(t *testing.T) {
	long := strings.Repeat("x", events.TextBytesMax)
	e := &events.OrderPlaced{Channel: long, Lines: slices.Repeat([]events.Line{{SKU: long, Category: long, Quantity: 1}}, events.LinesMax)}
	for _, text := range []string{
		`event.lines.exists(l, l.sku == "y")`,
		`event.lines.exists(l, l.category.startsWith("shoes") || l.quantity > 100)`,
		`sum(event.lines.map(l, l.quantity)) == 3`,
		`event.lines.filter(l, l.quantity > 1).size() > 0`,
	} {
		r := mustRule(t, "on: OrderPlaced, points: 1, when: '"+text+"'")
		if got, err := r.When.Match(e); err != nil || got {
			t.Errorf("%s: got %v, %v; want false", text, got, err)
		}
	}
}

// Every field of every event, by the name that its JSON form has, reads and compares.
func TestEveryFieldCanBeRead(t *testing.T) {
	for _, typ := range earning(t) {
		var terms []string
		for _, name := range jsonNames(reflect.TypeOf(events.New(typ)).Elem()) {
			terms = append(terms, "event."+name+" == event."+name)
		}
		if typ == events.TypeOrderPlaced {
			for _, name := range jsonNames(reflect.TypeFor[events.Line]()) {
				terms = append(terms, "event.lines.all(l, l."+name+" == l."+name+")")
			}
		}
		for _, term := range terms {
			r, err := rule(t, "on: "+string(typ)+", points: 1, when: '"+term+"'")
			if err != nil {
				t.Errorf("%s: %v", term, err)
				continue
			}
			if ok, err := r.When.Match(events.New(typ)); !ok || err != nil {
				t.Errorf("%s of an empty %s: got %v, %v", term, typ, ok, err)
			}
		}
	}
}

// earning are the event types that a rule can be on.
func earning(t *testing.T) []events.Type {
	var all []events.Type
	for _, typ := range events.Types() {
		if _, err := rule(t, "on: "+string(typ)+", points: 1"); err == nil {
			all = append(all, typ)
		} else if !strings.Contains(err.Error(), "no points are earned on "+string(typ)) {
			t.Error(err)
		}
	}
	if len(all) < 15 {
		t.Errorf("rules can only be on %v", all)
	}
	return all
}

func jsonNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			names = append(names, jsonNames(f.Type)...)
		case name != "type":
			names = append(names, name)
		}
	}
	return names
}

func BenchmarkWhenChannel(b *testing.B) {
	benchmarkWhen(b, `event.channel == "APP"`)
}

func BenchmarkWhenLinesExist(b *testing.B) {
	benchmarkWhen(b, `event.lines.exists(l, l.category == "shoes")`)
}

func benchmarkWhen(b *testing.B, text string) {
	r := mustRule(b, "on: OrderPlaced, points: 1, when: '"+text+"'")
	e := &events.OrderPlaced{Channel: "APP", Lines: []events.Line{{Category: "bags"}, {Category: "hats"}, {Category: "shoes"}}}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := r.When.Match(e); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}
