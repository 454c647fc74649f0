package program

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// SourceBytesMax is the size of the largest file. There is no need to read more than one byte beyond it.
const SourceBytesMax = 1 << 20

// valuesMax bounds what aliases can multiply, so that no input can make reading it slow. Keys that lead to no value count too.
const valuesMax = 100_000

// suggestedMax is how many problems a file may have until unknown keys get no suggestion, which takes time to find.
const suggestedMax = 1000

// reader turns YAML into values by the table and collects what is wrong.
type reader struct {
	file     string
	source   []byte
	problems Problems
	values   int
}

func (r *reader) add(n *yaml.Node, path, suggestion, format string, args ...any) {
	p := Problem{File: r.file, Path: path, Message: fmt.Sprintf(format, args...), Suggestion: suggestion}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	r.problems = append(r.problems, p)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// document reads the whole source; nil when it is no YAML mapping.
func (r *reader) document() *value {
	switch {
	case len(r.source) > SourceBytesMax:
		r.add(nil, "", "", "the file is larger than %d bytes: is it a program?", SourceBytesMax)
		return nil
	case !utf8.Valid(r.source):
		r.add(nil, "", "save it as UTF-8", "the file is not UTF-8")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(r.source))
	var doc yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && (len(doc.Content) == 0 || isNull(doc.Content[0])) {
		r.add(nil, "", "a program needs at least "+allOf(required(fileSpec)), "the file is empty")
		return nil
	}
	if err != nil {
		r.syntax(err)
		return nil
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		r.add(&next, "", "remove the second one", "the file has more than one YAML document")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
	}
	return r.value(doc.Content[0], fileSpec, "", "")
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// syntax reports what the YAML library says, without its prefix.
func (r *reader) syntax(err error) {
	m := yamlLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	p := Problem{File: r.file, Message: "not YAML: " + err.Error()}
	if m != nil {
		p.Message = "not YAML: " + m[2]
		if p.Line, _ = strconv.Atoi(m[1]); p.Line > 0 {
			p.Column = 1
			if countsFromZero.MatchString(m[2]) {
				p.Line++
			}
		} else {
			p.Line, p.Column = r.syntaxPlace(m[2])
		}
	}
	switch {
	case unknownAnchor.MatchString(p.Message):
		p.Suggestion = "write &name where the value is written first, before *name; quote texts that begin with *"
	case strings.Contains(p.Message, "control characters"):
		p.Suggestion = "remove the character, which most editors don't show"
	case strings.Contains(p.Message, "incompatible YAML document"):
		p.Suggestion = "remove the line with %YAML"
	case strings.Contains(p.Message, "cannot start any token"):
		p.Suggestion = "indent with spaces, not tabs, and quote texts that begin with %, @ or `"
	case strings.Contains(p.Message, "mapping values are not allowed"):
		p.Suggestion = "quote texts that contain a colon"
	}
	r.problems = append(r.problems, p)
}

// countsFromZero matches what the YAML library's parser says, unlike its scanner, with the number of the line before.
var countsFromZero = regexp.MustCompile(`^did not find expected (<document start>|node content|key|'-' indicator|',' or '.')$|^found (undefined tag|duplicate %|incompatible)`)

var (
	unknownAnchor = regexp.MustCompile(`unknown anchor '([^']*)'`)
	yamlDirective = regexp.MustCompile(`(?m)^%YAML`)
)

// syntaxPlace finds what the YAML library complains of without saying where it is; zeros when that can't be told.
func (r *reader) syntaxPlace(message string) (line, column int) {
	at := -1
	switch m := unknownAnchor.FindStringSubmatch(message); {
	case m != nil:
		alias := regexp.MustCompile(`(?m)(?:^|[^0-9A-Za-z_])(\*` + regexp.QuoteMeta(m[1]) + `)(?:[^0-9A-Za-z_-]|$)`)
		if found := alias.FindSubmatchIndex(r.source); found != nil {
			at = found[2]
		}
	case strings.Contains(message, "control characters"):
		at = bytes.IndexFunc(r.source, func(c rune) bool { return unicode.IsControl(c) && !strings.ContainsRune("\t\n\r\u0085", c) })
	case strings.Contains(message, "incompatible YAML document"):
		if found := yamlDirective.FindIndex(r.source); found != nil {
			at = found[0]
		}
	default:
		at = 0 // it leaves the line out when that is the first
	}
	if at < 0 {
		return 0, 0
	}
	before := r.source[:at]
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

func required(s *spec) []string {
	var names []string
	for _, k := range s.keys {
		if k.required {
			names = append(names, k.name)
		}
	}
	return names
}

// value reads one value. example is how such a value may look.
func (r *reader) value(n *yaml.Node, s *spec, path, example string) *value {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	v, forms := &value{path: path, node: n, spec: s}, s
	if r.tooMany(v, n) {
		return v
	}
	if s.kind == kindForms {
		s = s.scalar
		if n.Kind == yaml.MappingNode {
			s = v.spec.mapping
		}
		v.spec = s
	}
	switch s.kind {
	case kindMapping:
		r.mapping(v, example)
	case kindList:
		r.list(v, example)
	case kindRates:
		r.rates(v, example)
	case kindForms:
		panic("program: forms within forms")
	default:
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			r.wrongShape(v, "one value", example)
			break
		}
		v.text = n.Value
		r.scalar(v, example)
		if v.bad && forms.kind == kindForms {
			r.suggestForm(v, forms)
		}
	}
	return v
}

// tooMany counts n, which is v or a key of it, and reports whether it is one too many.
func (r *reader) tooMany(v *value, n *yaml.Node) bool {
	if r.values++; r.values <= valuesMax {
		return false
	}
	if r.values == valuesMax+1 {
		r.add(n, v.path, "", "the file has more than %d values", valuesMax)
	}
	v.bad = true
	return true
}

// suggestForm completes the problem of a scalar that is none of those that may stand in the place of a mapping.
func (r *reader) suggestForm(v *value, forms *spec) {
	p := &r.problems[len(r.problems)-1]
	if p.Suggestion != "" {
		return
	}
	p.Suggestion = "write " + forms.samples
	if _, err := loyalty.ParseStep(v.text); err == nil && forms.mapping.key("after") != nil {
		name := v.path[strings.LastIndexByte(v.path, '.')+1:]
		p.Suggestion = fmt.Sprintf("write %s: {after: %s}", name, v.text)
	}
}

func (r *reader) wrongShape(v *value, want, example string) {
	v.bad = true
	hint := ""
	if example != "" {
		hint = "write it as " + example
	}
	if isNull(v.node) {
		r.add(v.node, v.path, hint, "has no value")
		return
	}
	have := map[yaml.Kind]string{yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "one value"}[v.node.Kind]
	r.add(v.node, v.path, hint, "is %s where %s is wanted", have, want)
}

func (r *reader) mapping(v *value, example string) {
	if v.node.Kind != yaml.MappingNode {
		r.wrongShape(v, "a mapping", example)
		return
	}
	v.fields = map[string]*value{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		name, n := v.node.Content[i], v.node.Content[i+1]
		k := v.spec.key(name.Value)
		if (k == nil || v.fields[k.name] != nil) && r.tooMany(v, name) {
			return
		}
		switch {
		case name.Kind != yaml.ScalarNode || name.Tag == "!!merge":
			r.add(name, v.path, "write the keys out", "merge keys and composite keys are not supported")
		case k == nil:
			r.unknownKey(v, name)
		case v.fields[k.name] != nil:
			r.add(name, join(v.path, k.name), "keep one of them", "is written twice; the first is in line %d", v.keyNode(k.name).Line)
		default:
			v.keys = append(v.keys, name)
			v.fields[k.name] = r.value(n, k.spec, join(v.path, k.name), k.example)
		}
	}
	for _, k := range v.spec.keys {
		if k.required && v.lacks(k.name) {
			r.add(v.node, v.path, "for example "+k.name+": "+k.example, "%s is missing: %s", k.name, k.doc)
		}
	}
}

func (r *reader) unknownKey(v *value, name *yaml.Node) {
	if len(r.problems) > suggestedMax {
		r.add(name, v.path, "", "unknown key %q", name.Value)
		return
	}
	hint := didYouMean(name.Value, v.spec.keyNames())
	if hint != "" {
		v.misspelt = append(v.misspelt, nearest(name.Value, v.spec.keyNames()))
	}
	if hint == "" && v.path != "" && fileSpec.key(name.Value) != nil {
		hint = "it belongs at the top of the file"
	}
	if hint == "" && name.Value != "" && strings.Trim(name.Value, "0123456789") == "" {
		hint = "a comma begins the next key: decimals take a point, and thousands no separator"
	}
	if hint == "" {
		hint = "known are " + strings.Join(v.spec.keyNames(), ", ")
	}
	r.add(name, v.path, hint, "unknown key %q", name.Value)
}

func (r *reader) list(v *value, example string) {
	if v.node.Kind != yaml.SequenceNode {
		r.wrongShape(v, "a list", example)
		return
	}
	for i, n := range v.node.Content {
		if r.values > valuesMax {
			return // a label takes time too
		}
		v.items = append(v.items, r.value(n, v.spec.item, v.path+"["+label(n, i)+"]", ""))
	}
	if len(v.items) == 0 {
		v.bad = true
		r.add(v.node, v.path, "write an item or remove the key", "is an empty list")
	}
}

// label names a list item by its id or name, which says more than its number.
func label(n *yaml.Node, i int) string {
	if n.Kind == yaml.MappingNode {
		for j := 0; j+1 < len(n.Content); j += 2 {
			if k := n.Content[j].Value; (k == "id" || k == "name") && n.Content[j+1].Kind == yaml.ScalarNode && nameProblem(n.Content[j+1].Value) == "" {
				return n.Content[j+1].Value
			}
		}
	}
	return strconv.Itoa(i)
}

func (r *reader) rates(v *value, example string) {
	if v.node.Kind != yaml.MappingNode {
		r.wrongShape(v, "a mapping", example)
		return
	}
	v.fields = map[string]*value{}
	rate := &spec{kind: kindNumber, low: v.spec.low, above: v.spec.above}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		name, n := v.node.Content[i], v.node.Content[i+1]
		if v.fields[name.Value] != nil {
			r.add(name, join(v.path, name.Value), "keep one of them", "is written twice; the first is in line %d", v.keyNode(name.Value).Line)
			continue
		}
		v.keys = append(v.keys, name)
		v.fields[name.Value] = r.value(n, rate, join(v.path, name.Value), "1.08")
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
