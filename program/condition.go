package program

import (
	"errors"
	"fmt"
	"math/big"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/accrue-loyalty/accrue/events"
)

// expression is a compiled CEL expression about events of one type. It is safe for concurrent use.
type expression struct {
	text    string
	on      events.Type
	program cel.Program
}

// String returns the source.
func (x *expression) String() string { return x.text }

// scope gives an expression its variables. It is pooled, because one is needed for every evaluation.
type scope struct {
	event events.Event
	line  *events.Line
}

var scopes = sync.Pool{New: func() any { return new(scope) }}

// ResolveName implements the library's activation.
func (s *scope) ResolveName(name string) (any, bool) {
	switch {
	case name == "event":
		return s.event, true
	case name == "line" && s.line != nil:
		return s.line, true
	default:
		return nil, false
	}
}

// Parent implements the library's activation.
func (s *scope) Parent() cel.Activation { return nil }

func (x *expression) eval(e events.Event, line *events.Line) (any, error) {
	if e.EventType() != x.on {
		return nil, fmt.Errorf("%q is about %s, not %s", x.text, x.on, e.EventType())
	}
	s := scopes.Get().(*scope)
	s.event, s.line = e, line
	out, _, err := x.program.Eval(s)
	*s = scope{}
	scopes.Put(s)
	if err != nil {
		return nil, fmt.Errorf("evaluating %q: %w", x.text, err)
	}
	return out, nil
}

// condition implements loyalty.Condition and loyalty.LineCondition.
type condition struct{ expression }

// Match implements loyalty.Condition.
func (c *condition) Match(e events.Event) (bool, error) { return c.match(e, nil) }

// MatchLine implements loyalty.LineCondition.
func (c *condition) MatchLine(e events.Event, line *events.Line) (bool, error) {
	return c.match(e, line)
}

func (c *condition) match(e events.Event, line *events.Line) (bool, error) {
	out, err := c.eval(e, line)
	if err != nil {
		return false, err
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("evaluating %q: the result is %T", c.text, out)
	}
	return bool(b), nil
}

// amount implements loyalty.Amount.
type amount struct{ expression }

var errNoNumber = errors.New("the result is no number")

// Points implements loyalty.Amount.
func (a *amount) Points(e events.Event) (*big.Rat, error) {
	out, err := a.eval(e, nil)
	if err != nil {
		return nil, err
	}
	switch n := out.(type) {
	case types.Int:
		return new(big.Rat).SetInt64(int64(n)), nil
	case fraction:
		return big.NewRat(n.num, n.den), nil
	default:
		return nil, fmt.Errorf("evaluating %q: %w", a.text, errNoNumber)
	}
}
