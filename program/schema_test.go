package program_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/accrue-loyalty/accrue/program"
)

func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal("samples are missing", files, err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = b
	}
	return all
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(program.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("program.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("program.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validates asks the schema about a source as an editor does.
func validates(t *testing.T, s *jsonschema.Schema, source []byte) error {
	t.Helper()
	var n yaml.Node
	if err := yaml.Unmarshal(source, &n); err != nil || len(n.Content) == 0 {
		t.Fatal("not YAML", err)
	}
	return s.Validate(editorValue(t, n.Content[0]))
}

// editorValue is what the YAML of an editor makes of a node: times stay texts.
func editorValue(t *testing.T, n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		o := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			o[n.Content[i].Value] = editorValue(t, n.Content[i+1])
		}
		return o
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, editorValue(t, item))
		}
		return list
	}
	if n.Tag == "!!timestamp" {
		return n.Value
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaAcceptsWhatTheParserAccepts(t *testing.T) {
	s := compiledSchema(t)
	all := samples(t)
	for what, edit := range map[string][2]string{
		"a condition that is true": {"id: fixed, ", "id: fixed, when: true, "},
		"a leap day":               {"from: 2026-11-01", "from: 2024-02-29"},
		"a flag that is false":     {"id: per, ", "id: per, once: false, limit: {times: 3}, "},
		"no tier where it applies": {"id: per, ", "id: per, tier: false, "},
		"no flag of a multiplier":  {"multiply: 2", "multiply: 2\n    once: false\n    exclusive: false\n    tier: false"},
	} {
		all[what] = []byte(strings.Replace(string(all["every-key.yaml"]), edit[0], edit[1], 1))
	}
	for name, source := range all {
		if _, err := program.Parse(source, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := validates(t, s, source); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each change spoils one value of a good program, in its notation, so that both must refuse it.
func TestSchemaRefusesWhatTheParserRefuses(t *testing.T) {
	s := compiledSchema(t)
	good := string(samples(t)["every-key.yaml"])
	for _, c := range [][2]string{
		{"program: \"every-key\"", "program: ''"},
		{"currency: JPY\n", ""},
		{"currency: JPY", "curency: JPY"},
		{"currency: JPY", "currency: jpy"},
		{"timezone: America/New_York", "timezone: ' '"},
		{"name: Basic", "name: 'Basic '"},
		{"step: 10", "step: 10000000000000000000"},
		{`point_value: "0.5"`, "point_value: 0"},
		{`point_value: "0.5"`, `point_value: "1,5"`},
		{"USD: 150.25", "usd: 150.25"},
		{"mode: half_even", "mode: nearest"},
		{"hold: {days: 14}", "hold: {days: -1}"},
		{"hold: {days: 14}", "hold: 14"},
		{"after: 1 year", "after: 1 jear"},
		{"[earn, redeem]", "[earn, spend]"},
		{"[earn, redeem]", "earn"},
		{"max_share_of_order: 0.25", "max_share_of_order: 25"},
		{"step: 10", "step: 2.5"},
		{"points: 300", "points: 0"},
		{"every: week", "every: weeks"},
		{"window: calendar_year", "window: {rolling_months: 0}"},
		{"name: Basic", "nam: Basic"},
		{"on: AppInstalled", "on: AppInstaled"},
		{"on: AppInstalled", "on: Tick"},
		{"multiply: 2", "multiply: 0"},
		{"from: 2026-11-01", "from: 1 November"},
		{`fixed_date: "02-29"`, `fixed_date: "2-29"`},
		{`fixed_date: "02-29"`, `fixed_date: "02-30"`},
		{`fixed_date: "02-29"`, `fixed_date: "11-31"`},
		{`fixed_date: "02-29"`, `fixed_date: "12-31", after: 1 year`},
		{`fixed_date: "02-29"`, `fixed_date: "12-31", round_to: end_of_month`},
		{"from: 2026-11-01", "from: 2026-11-31"},
		{"hold: {days: 14}", "hold: {}"},
		{"expiry: {after: 1 year, inactivity: {extend_on: [earn, redeem]}}", "expiry: {}"},
		{"{after: 1 year, inactivity", "{inactivity"},
		{"{after: 1 year, inactivity", "{round_to: end_of_year, inactivity"},
		{"{points: 300, per: customer, every: week}", "{every: week}"},
		{`{share_of_order: "0.1"}`, `{share_of_order: "0.1", points: 100}`},
		{`{share_of_order: "0.1"}`, `{share_of_order: "0.1", every: day}`},
		{"per: 100, points: 1.5", "per: 100, every: 100, points: 1.5"},
		{"per: 100, points: 1.5", "per: 100, points: 1.5, tier: true"},
		{"per: 100, points: 1.5", "per: 100"},
		{"multiply: 2", "multiply: 2\n    points: 1"},
		{"multiply: 2", "multiply: 2\n    exclusive: true"},
		{"once: true", "once: true, limit: {times: 2}"},
		{"once: true", "once: yes please"},
		{"kind: product", "kind: thing"},
		{"percent: 12.25", "percent: 101"},
		{"percent: 12.25, ", ""},
		{"earn:\n", "earn: []\nignored:\n"},
	} {
		bad := strings.Replace(good, c[0], c[1], 1)
		if bad == good {
			t.Errorf("%q is not in the sample", c[0])
		}
		if _, err := program.Parse([]byte(bad), "bad.yaml"); err == nil {
			t.Errorf("%q: the parser accepts it", c[1])
		}
		if err := validates(t, s, []byte(bad)); err == nil {
			t.Errorf("%q: the schema accepts it", c[1])
		}
	}
}
