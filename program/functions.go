package program

import (
	"fmt"
	"reflect"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// standardFunctions are what expressions may use of CEL's own. Left out are floats (double), what switches type checks
// off (dyn, type), bytes and unsigned numbers, and the parts of a time, which CEL gives in UTC or looks up by the name
// of a zone at every call: localFunctions give them in the program's timezone.
var standardFunctions = []string{
	"!_", "-_", "_!=_", "_%_", "_&&_", "_*_", "_+_", "_-_", "_/_", "_<=_", "_<_", "_==_", "_>=_", "_>_", "_?_:_", "_[_]",
	"_||_", "@in", "@not_strictly_false", "contains", "duration", "endsWith", "int", "matches", "size", "startsWith",
	"string", "timestamp",
}

// ownFunctions are what expressions have beyond CEL's, for hints.
var ownFunctions = []string{"fraction", "sum", "year", "month", "day", "weekday", "hour", "size", "has"}

func standardLibrary() cel.EnvOption {
	subset := &env.LibrarySubset{}
	for _, name := range standardFunctions {
		subset.IncludeFunctions = append(subset.IncludeFunctions, &env.Function{Name: name})
	}
	return cel.StdLib(cel.StdLibSubset(subset))
}

// functions are accrue's own: exact fractions, sums, and the parts of a time on the program's wall clock.
func functions(calendar loyalty.Calendar) []cel.EnvOption {
	loc := calendar.Location()
	local := func(name string, part func(time.Time) int) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_timestamp", []*cel.Type{cel.TimestampType}, cel.IntType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.Int(part(v.(types.Timestamp).In(loc))) })))
	}
	return []cel.EnvOption{
		local("year", time.Time.Year),
		local("month", func(t time.Time) int { return int(t.Month()) }),
		local("day", time.Time.Day),
		// ISO 8601 counts weekdays from Monday, 1, to Sunday, 7.
		local("weekday", func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }),
		local("hour", time.Time.Hour),
		cel.Function("fraction", cel.Overload("fraction_int_int", []*cel.Type{cel.IntType, cel.IntType}, fractionType,
			cel.BinaryBinding(newFraction))),
		cel.Function("sum", cel.Overload("sum_list_int", []*cel.Type{cel.ListType(cel.IntType)}, cel.IntType,
			cel.UnaryBinding(sum))),
	}
}

// fraction is an exact rational number: the result of fraction(a, b). It is only good as a number of points.
type fraction struct{ num, den int64 }

var fractionType = cel.OpaqueType("fraction")

func newFraction(num, den ref.Val) ref.Val {
	f := fraction{int64(num.(types.Int)), int64(den.(types.Int))}
	if f.den == 0 {
		return types.NewErr("division by zero")
	}
	return f
}

// ConvertToNative implements ref.Val.
func (f fraction) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a fraction cannot be converted to %v", t)
}

// ConvertToType implements ref.Val.
func (f fraction) ConvertToType(t ref.Type) ref.Val {
	return types.NewErr("a fraction cannot be converted to %s", t.TypeName())
}

// Equal implements ref.Val.
func (f fraction) Equal(other ref.Val) ref.Val { return types.Bool(f == other) }

// Type implements ref.Val.
func (f fraction) Type() ref.Type { return fractionType }

// Value implements ref.Val.
func (f fraction) Value() any { return f }

func sum(list ref.Val) ref.Val {
	total := types.IntZero
	for it := list.(traits.Lister).Iterator(); it.HasNext() == types.True; {
		next := total.Add(it.Next())
		n, ok := next.(types.Int)
		if !ok {
			return next // an overflow
		}
		total = n
	}
	return total
}

// Limits of what an expression may cost, in the units of CEL's cost model (about one for each step). They are tested
// against the largest event that package events accepts, when the program is checked, and again at every evaluation. A
// condition on lines is evaluated for each of up to events.LinesMax lines, so that one may cost less.
const (
	eventCostMax = 2_000_000
	lineCostMax  = 2_000
	// untrackedCostMax is so little that counting would cost more than it could save: plain comparisons, which are
	// nearly all conditions, take half the time without it.
	untrackedCostMax = 500
	// expressionBytesMax bounds the source.
	expressionBytesMax = 4096
)

// sizes tells the cost model how large the fields of an event can be.
type sizes struct{}

// EstimateSize implements the library's cost estimator.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if len(n.Path()) == 0 {
		return nil
	}
	switch n.Type().Kind() {
	case types.ListKind:
		return &cost.SizeEstimate{Max: events.LinesMax}
	case types.StringKind:
		return &cost.SizeEstimate{Max: events.TextBytesMax}
	case types.StructKind:
		// Comparing whole lines is a step or two.
		return &cost.SizeEstimate{Min: 1, Max: 1}
	default:
		return nil
	}
}

// EstimateCallCost implements the library's cost estimator.
func (sizes) EstimateCallCost(_, overload string, _ *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if overload != "sum_list_int" || len(args) != 1 {
		return nil
	}
	items := args[0].ComputedSize()
	if items == nil {
		items = &cost.SizeEstimate{Max: events.LinesMax}
	}
	return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: items.Min + 1, Max: items.Max + 1}}
}

// CallCost implements the library's cost tracker.
func (sizes) CallCost(_, overload string, args []ref.Val, _ ref.Val) *uint64 {
	if overload != "sum_list_int" {
		return nil
	}
	n := uint64(args[0].(traits.Sizer).Size().(types.Int)) + 1
	return &n
}
