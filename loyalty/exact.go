package loyalty

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strings"
)

// Exact is a rational number. Nearly all of them fit two machine words; the others are kept in big, which is never
// written to after it was set. The zero Exact is 0. Values are in lowest terms, so equal numbers are equal encodings.
type Exact struct {
	num int64
	// den is positive; 0 stands for 1.
	den int64
	big *big.Rat
}

// ExactInt returns n.
func ExactInt(n int64) Exact { return Exact{num: n} }

// ExactRat returns r, which it copies.
func ExactRat(r *big.Rat) Exact { return fromRat(new(big.Rat).Set(r)) }

// fromRat takes r over.
func fromRat(r *big.Rat) Exact {
	if !r.Num().IsInt64() || !r.Denom().IsInt64() {
		return Exact{big: r}
	}
	return normal(r.Num().Int64(), r.Denom().Int64())
}

func normal(num, den int64) Exact {
	if den == 1 {
		return Exact{num: num}
	}
	return Exact{num: num, den: den}
}

// Rat returns x as a new big.Rat.
func (x Exact) Rat() *big.Rat {
	if x.big != nil {
		return new(big.Rat).Set(x.big)
	}
	return big.NewRat(x.num, x.denominator())
}

func (x Exact) denominator() int64 {
	if x.den == 0 {
		return 1
	}
	return x.den
}

// Sign returns -1, 0 or 1.
func (x Exact) Sign() int {
	switch {
	case x.big != nil:
		return x.big.Sign()
	case x.num > 0:
		return 1
	case x.num < 0:
		return -1
	default:
		return 0
	}
}

// bits returns how many bits hold the whole part of x, or more.
func (x Exact) bits() int {
	if x.big != nil {
		return x.big.Num().BitLen()
	}
	return bits.Len64(uint64(max(x.num, -x.num)))
}

// Add returns x + y.
func (x Exact) Add(y Exact) Exact {
	if x.big == nil && y.big == nil {
		if z, ok := x.addSmall(y); ok {
			return z
		}
	}
	return fromRat(new(big.Rat).Add(x.Rat(), y.Rat()))
}

// Sub returns x − y.
func (x Exact) Sub(y Exact) Exact {
	if y.big == nil && y.num != math.MinInt64 {
		y.num = -y.num
		return x.Add(y)
	}
	return fromRat(new(big.Rat).Sub(x.Rat(), y.Rat()))
}

// addSmall adds within two words; ok is false when something on the way does not fit.
func (x Exact) addSmall(y Exact) (z Exact, ok bool) {
	if x.den == 0 && y.den == 0 {
		sum, ok := add(x.num, y.num)
		return Exact{num: sum}, ok
	}
	a, ok1 := mul(x.num, y.denominator())
	b, ok2 := mul(y.num, x.denominator())
	den, ok3 := mul(x.denominator(), y.denominator())
	num, ok4 := add(a, b)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return Exact{}, false
	}
	num, den = cancel(num, den)
	return normal(num, den), true
}

func add(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

// Mul returns x × y.
func (x Exact) Mul(y Exact) Exact {
	if y == ExactInt(1) {
		return x // What most factors are.
	}
	if x.big == nil && y.big == nil {
		// Cancelling crosswise keeps the products small and the result in lowest terms.
		a, d := cancel(x.num, y.denominator())
		c, b := cancel(y.num, x.denominator())
		if n, ok := mul(a, c); ok {
			if m, ok := mul(b, d); ok {
				return normal(n, m)
			}
		}
	}
	return fromRat(new(big.Rat).Mul(x.Rat(), y.Rat()))
}

// Quo returns x ÷ y. y must not be 0.
func (x Exact) Quo(y Exact) Exact {
	if y.big == nil && y.num != 0 && y.num > -1<<62 {
		inverse := Exact{num: y.denominator(), den: y.num}
		if y.num < 0 {
			inverse = Exact{num: -y.denominator(), den: -y.num}
		}
		return x.Mul(normal(inverse.num, inverse.den))
	}
	return fromRat(new(big.Rat).Quo(x.Rat(), y.Rat()))
}

// Cmp returns -1, 0 or 1 as x is less than, equal to or greater than y.
func (x Exact) Cmp(y Exact) int {
	if x.big != nil || y.big != nil {
		return x.Rat().Cmp(y.Rat())
	}
	if sx, sy := x.Sign(), y.Sign(); sx != sy || x.den == y.den {
		if sx != sy {
			return cmp.Compare(sx, sy)
		}
		return cmp.Compare(x.num, y.num)
	}
	hi, lo := bits.Mul64(magnitude(x.num), uint64(y.denominator()))
	hi2, lo2 := bits.Mul64(magnitude(y.num), uint64(x.denominator()))
	return x.Sign() * cmp.Or(cmp.Compare(hi, hi2), cmp.Compare(lo, lo2))
}

// Floor returns the greatest integer not above x; ok is false when it does not fit.
func (x Exact) Floor() (n int64, ok bool) {
	if x.big == nil {
		if x.den == 0 {
			return x.num, true
		}
		q, _ := floorDiv(x.num, x.den)
		return q, true
	}
	// big.Int.Div rounds towards minus infinity for a positive divisor.
	q := new(big.Int).Div(x.big.Num(), x.big.Denom())
	return q.Int64(), q.IsInt64()
}

// Round returns x as a whole number by mode; ok is false when it does not fit.
func (x Exact) Round(mode Rounding) (n int64, ok bool) {
	n, ok = x.Floor()
	if !ok || mode == Floor {
		return n, ok
	}
	rest := x.Sub(ExactInt(n))
	if rest.Sign() == 0 {
		return n, true
	}
	up := mode == Ceil
	if mode == HalfEven {
		c := rest.Cmp(Exact{num: 1, den: 2})
		up = c > 0 || c == 0 && n%2 != 0
	}
	if up {
		return n + 1, n+1 > n
	}
	return n, true
}

// String returns "n" or "n/d".
func (x Exact) String() string {
	if x.big == nil && x.den == 0 {
		return fmt.Sprint(x.num)
	}
	return strings.TrimSuffix(x.Rat().String(), "/1")
}

// ParseExact is the inverse of String; "" is 1, as in a rate that was left out.
func ParseExact(s string) (Exact, error) {
	if s == "" {
		return ExactInt(1), nil
	}
	if x, ok := parseFraction(s); ok {
		return x, nil
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return Exact{}, fmt.Errorf("%q is not a number", s)
	}
	return fromRat(r), nil
}

// parseFraction reads what String writes of a positive number within two words.
func parseFraction(s string) (x Exact, ok bool) {
	n, d, fraction := strings.Cut(s, "/")
	num, ok := parseWhole(n)
	if !ok || !fraction {
		return ExactInt(num), ok
	}
	den, ok := parseWhole(d)
	if !ok {
		return Exact{}, false
	}
	return normal(cancel(num, den)), true
}

// parseWhole reads up to 18 digits that do not begin with 0.
func parseWhole(s string) (n int64, ok bool) {
	if s == "" || s[0] == '0' || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

func cancel(num, den int64) (int64, int64) {
	if den == 1 || num == 0 {
		if num == 0 {
			den = 1
		}
		return num, den
	}
	a, b := magnitude(num), uint64(den)
	for b != 0 {
		a, b = b, a%b
	}
	if a == 1 {
		return num, den
	}
	return num / int64(a), den / int64(a)
}

func mul(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi != 0 || lo > 1<<63-1 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
