package program

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"go.yaml.in/yaml/v3"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// expressionProblem reports something at a place in the expression v; line counts from 1 and column from 0, as the
// library does.
func (b *builder) expressionProblem(v *value, line, column int, suggestion, message string) {
	p := Problem{File: b.reader.file, Path: v.path, Message: message, Suggestion: suggestion}
	p.Line, p.Column = b.place(v.node, line, column)
	b.problems = append(b.problems, p)
}

// place finds a place in a scalar's text in the file. Where that can't be told it is the scalar's beginning.
func (b *builder) place(n *yaml.Node, line, column int) (int, int) {
	switch n.Style &^ yaml.TaggedStyle {
	case yaml.LiteralStyle:
		text := b.line(n.Line + line)
		indent := len(text) - len(strings.TrimLeft(text, " "))
		return n.Line + line, indent + column + 1
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle, 0:
		if line != 1 || strings.Contains(n.Value, "\n") {
			return n.Line, n.Column
		}
		raw := []rune(b.line(n.Line))
		at := n.Column - 1
		if n.Style != 0 {
			at++
		}
		for ; column > 0 && at < len(raw); column-- {
			at += rawWidth(raw[at:], n.Style)
		}
		if at <= len(raw) {
			return n.Line, at + 1
		}
	}
	return n.Line, n.Column
}

// rawWidth is how many characters of the file the next character of the text takes.
func rawWidth(raw []rune, style yaml.Style) int {
	double := len(raw) > 1 && (style == yaml.SingleQuotedStyle && raw[0] == '\'' || style == yaml.DoubleQuotedStyle && raw[0] == '\\')
	if double {
		return 2
	}
	return 1
}

// line returns a line of the file, counted from 1.
func (b *builder) line(n int) string {
	if b.lines == nil {
		b.lines = strings.Split(string(b.source), "\n")
	}
	if n < 1 || n > len(b.lines) {
		return ""
	}
	return strings.TrimRight(b.lines[n-1], "\r")
}

// syntaxIssues reports what is not CEL. One slip makes the library say several things, of which the first is to the
// point.
func (b *builder) syntaxIssues(v *value, issues *cel.Issues) {
	first := issues.Errors()[0]
	message, hint := "not a CEL expression: "+strings.TrimPrefix(first.Message, "Syntax error: "), ""
	if m := unexpected.FindStringSubmatch(first.Message); m != nil {
		token := m[1]
		message = "not a CEL expression: " + token + " is not expected here"
		switch {
		case strings.Trim(token, "'") == "<EOF>":
			message = "not a CEL expression: it ends too early"
		case strings.HasPrefix(token, "'="):
			hint = "compare with =="
		case token == "'and'" || token == "'or'" || token == "'not'":
			hint = "write && for and, || for or, ! for not"
		case strings.ContainsAny(token, "“”‘’"):
			hint = "use straight quotes"
		case strings.HasPrefix(token, "'\"") || strings.HasPrefix(token, "''"):
			hint = "close the quotes"
		}
	}
	if m := missing.FindStringSubmatch(first.Message); m != nil {
		message = "not a CEL expression: " + m[1] + " is missing at the end"
	}
	line, column := first.Location.Line(), first.Location.Column()
	if line < 1 {
		line, column = 1, 0
	}
	b.expressionProblem(v, line, column, hint, message)
}

// unexpected finds the token that the library stumbled over; what it says around it is of little help.
var unexpected = regexp.MustCompile(`(?s)^Syntax error: (?:token recognition error at: |mismatched input |extraneous input |no viable alternative at input )('.*?'|<EOF>)(?: expecting .*)?$`)

// missing finds what the library wants at the end of the expression.
var missing = regexp.MustCompile(`^Syntax error: missing ('.*') at '<EOF>'$`)

var (
	undefinedField = regexp.MustCompile(`^undefined field '([^']*)'`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	listField      = regexp.MustCompile(`^type 'list\(\w+\)' does not support field selection`)
	noOverload     = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'`)
)

// elsewhere says what to use instead of CEL's own functions that are left out.
var elsewhere = map[string]string{
	"getHours": "use hour(event.at), which is local time", "getDayOfWeek": "use weekday(event.at): 1 is Monday",
	"getFullYear": "use year(event.at)", "getMonth": "use month(event.at): 1 is January", "getDate": "use day(event.at)",
	"getDayOfMonth": "use day(event.at)", "double": "amounts are whole minor units; a number of points can be fraction(3, 2)",
	"dyn": "values have types here; compare like with like", "uint": "write plain numbers", "bytes": "write plain texts",
	"now": "an expression knows no clock; event.at is when it happened",
}

// checkIssues reports what is CEL, but not about this event.
func (b *builder) checkIssues(v *value, e environment, a *ast.AST, issues *cel.Issues) {
	seen := map[string]bool{}
	for _, issue := range issues.Errors() {
		message, hint, column := issue.Message, "", issue.Location.Column()
		if m := undefinedField.FindStringSubmatch(message); m != nil {
			message, hint = b.fieldIssue(e, a, issue.ExprID, m[1])
			column++ // the library points at the dot
		} else if m := undeclared.FindStringSubmatch(message); m != nil {
			message, hint = fmt.Sprintf("unknown name %q", m[1]), nameHint(e, m[1])
		} else if listField.MatchString(message) {
			message, hint = "a list has no fields of its own", "ask of each, for example event.lines.exists(l, l.quantity > 1), or sum(event.lines.map(l, l.quantity))"
		} else if m := noOverload.FindStringSubmatch(message); m != nil {
			message, hint = overloadIssue(m[1], m[2])
		}
		// A name that is used twice is one mistake.
		if seen[message] {
			continue
		}
		seen[message] = true
		b.expressionProblem(v, issue.Location.Line(), column, hint, message)
	}
}

// fieldIssue words an unknown field. What it was asked of shows in the expression when that is a plain name.
func (b *builder) fieldIssue(e environment, a *ast.AST, id int64, name string) (message, hint string) {
	owner, typeName := "it", ""
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.ID() == id && x.Kind() == ast.SelectKind && x.AsSelect().Operand().Kind() == ast.IdentKind {
			owner = x.AsSelect().Operand().AsIdent()
		}
	}))
	names := slices.Concat(fieldNames(lineType), fieldNames(consentType))
	switch owner {
	case "event":
		owner, typeName = "an "+string(e.on), string(e.on)
		if !strings.ContainsAny(string(e.on)[:1], "AEIOU") {
			owner = "a " + string(e.on)
		}
	case "line":
		owner, typeName = "a line", lineType
	}
	if typeName != "" {
		names = fieldNames(typeName)
	}
	hint = didYouMean(name, names)
	if hint == "" {
		hint = "known are " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s has no field %q", owner, name), hint
}

func nameHint(e environment, name string) string {
	if h := elsewhere[name]; h != "" {
		return h
	}
	variables := []string{"event"}
	if e.line {
		variables = append(variables, "line")
	}
	for _, v := range variables {
		typeName := string(e.on)
		if v == "line" {
			typeName = lineType
		}
		if slices.Contains(fieldNames(typeName), name) {
			return fmt.Sprintf("did you mean %q?", v+"."+name)
		}
	}
	if name == "line" && !e.line {
		return "write the condition on lines under lines, or use event.lines.exists(l, …)"
	}
	if h := didYouMean(name, slices.Concat(variables, ownFunctions, standardFunctions)); h != "" {
		return h
	}
	return "texts need quotes; known are " + oneOf(variables) + " and their fields"
}

var operatorSymbol = regexp.MustCompile(`^[_!-]*([^_a-zA-Z@]+)_?$`)

// overloadIssue words an operator or function that does not go with what it is given.
func overloadIssue(function, arguments string) (message, hint string) {
	words := strings.NewReplacer("(", "", ")", "", "string", "a text", "int", "a number", "google.protobuf.Timestamp", "a time",
		"timestamp", "a time", "google.protobuf.Duration", "a duration", "bool", "true/false").Replace(arguments)
	words = strings.ReplaceAll(words, ", ", " and ")
	if m := operatorSymbol.FindStringSubmatch(function); m != nil && function != "_?_:_" && function != "_[_]" {
		function = m[1]
	}
	switch {
	case strings.Contains(arguments, "imestamp") && strings.Contains(arguments, "string"):
		hint = `write a time as timestamp("2026-12-24T12:00:00Z")`
	case strings.Contains(arguments, "string") && strings.Contains(arguments, "int"):
		hint = "texts are in quotes, numbers are not"
	}
	return fmt.Sprintf("%s does not go with %s", strings.TrimPrefix(function, "@"), words), hint
}

var (
	_ loyalty.Condition     = (*condition)(nil)
	_ loyalty.LineCondition = (*condition)(nil)
	_ loyalty.Amount        = (*amount)(nil)
)
