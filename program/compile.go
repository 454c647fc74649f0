package program

import (
	"fmt"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// compiler turns texts into expressions. Its environments are made when they are first needed.
type compiler struct {
	calendar loyalty.Calendar
	base     *cel.Env
	about    map[environment]*cel.Env
}

// environment is what an expression can speak of.
type environment struct {
	on   events.Type
	line bool
}

func (c *compiler) env(e environment) (*cel.Env, error) {
	if c.base == nil {
		objects, err := newObjects()
		if err != nil {
			return nil, err
		}
		base, err := cel.NewCustomEnv(append(functions(c.calendar), standardLibrary(),
			cel.CustomTypeProvider(objects), cel.CustomTypeAdapter(objects),
			cel.ParserRecursionLimit(64), cel.ParserExpressionSizeLimit(expressionBytesMax))...)
		if err != nil {
			return nil, fmt.Errorf("preparing expressions: %w", err)
		}
		c.base, c.about = base, map[environment]*cel.Env{}
	}
	if known := c.about[e]; known != nil {
		return known, nil
	}
	variables := []cel.EnvOption{cel.Variable("event", cel.ObjectType(string(e.on)))}
	if e.line {
		variables = append(variables, cel.Variable("line", cel.ObjectType(lineType)))
	}
	extended, err := c.base.Extend(variables...)
	if err != nil {
		return nil, fmt.Errorf("preparing expressions about %s: %w", e.on, err)
	}
	c.about[e] = extended
	return extended, nil
}

func (b *builder) bool(v *value, e environment, costMax uint64) *condition {
	x, result := b.compile(v, e, costMax)
	if x == nil {
		return nil
	}
	if !result.IsExactType(types.BoolType) {
		hint := "compare it with something"
		switch {
		case result.IsExactType(types.IntType):
			hint += ", for example with > 0"
		case result.IsExactType(types.StringType):
			hint += `, for example with == "APP"`
		}
		b.problem(v, hint, "a condition must be true or false, but this is %s", typeWord(result))
		return nil
	}
	return &condition{*x}
}

func (b *builder) amount(v *value, on events.Type) *amount {
	x, result := b.compile(v, environment{on: on}, eventCostMax)
	if x == nil {
		return nil
	}
	if !result.IsExactType(types.IntType) && !result.IsExactType(fractionType) {
		b.problem(v, "write a whole number, or fraction(a, b)", "points must be a number, but this is %s", typeWord(result))
		return nil
	}
	// 1/2 is cut to 0, and 2026-01-01 is a subtraction. A fraction may be one that no decimal says.
	if result.IsExactType(types.IntType) && !strings.Contains(v.text, "event") && strings.ContainsAny(v.text, "/-") {
		b.problem(v, "write the number itself, 0.5 for a half", "%s is reckoned in whole numbers, and is the same for every event", strconv.Quote(shorten(v.text)))
		return nil
	}
	return &amount{*x}
}

// compile checks one expression; nil when it reported problems.
func (b *builder) compile(v *value, e environment, costMax uint64) (*expression, *types.Type) {
	if len(v.text) > expressionBytesMax {
		b.problem(v, "", "the expression has %d bytes, at most %d are allowed", len(v.text), expressionBytesMax)
		return nil, nil
	}
	env, err := b.compiler.env(e)
	if err != nil {
		b.problem(v, "", "%v", err)
		return nil, nil
	}
	parsed, issues := env.Parse(v.text)
	if issues.Err() != nil {
		b.syntaxIssues(v, issues)
		return nil, nil
	}
	if b.forbidden(v, parsed.NativeRep()) {
		return nil, nil
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		b.checkIssues(v, e, parsed.NativeRep(), issues)
		return nil, nil
	}
	estimate, err := env.EstimateCost(checked, sizes{})
	if err != nil {
		b.problem(v, "", "its cost cannot be estimated: %v", err)
		return nil, nil
	}
	if estimate.Max > costMax {
		b.problem(v, "look at fewer lines at once, or shorten what is searched for",
			"it may cost %d steps for the largest event, at most %d are allowed", estimate.Max, costMax)
		return nil, nil
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if estimate.Max > untrackedCostMax {
		options = append(options, cel.CostTracking(sizes{}), cel.CostLimit(costMax))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		b.problem(v, "", "%v", err)
		return nil, nil
	}
	return &expression{text: v.text, on: e.on, program: program}, checked.OutputType()
}

// forbidden reports what CEL has and decisions must not: floats, which round, and maps, which have no order.
func (b *builder) forbidden(v *value, a *ast.AST) bool {
	found := false
	add := func(e ast.Expr, suggestion, message string) {
		found = true
		at := a.SourceInfo().GetStartLocation(e.ID())
		b.expressionProblem(v, at.Line(), at.Column(), suggestion, message)
	}
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.LiteralKind:
			switch e.AsLiteral().(type) {
			case types.Double:
				add(e, "amounts are whole minor units: 1.50 is 150; a number of points can be fraction(3, 2)", "expressions have no decimals")
			case types.Uint, types.Bytes:
				add(e, "write a plain number or text", "expressions have no unsigned numbers or bytes")
			}
		case ast.MapKind:
			add(e, "use a list", "expressions have no maps")
		case ast.StructKind:
			add(e, "", "expressions cannot make objects")
		}
	}))
	return found
}

// typeWord names a type for people.
func typeWord(t *types.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return "a text"
	case types.IntKind:
		return "a number"
	case types.BoolKind:
		return "true or false"
	case types.ListKind:
		return "a list"
	case types.TimestampKind:
		return "a time"
	case types.DurationKind:
		return "a duration"
	default:
		return "a " + t.String()
	}
}
