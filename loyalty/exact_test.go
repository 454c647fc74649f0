package loyalty_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// Exact is held to math/big, over numbers that fit two words and numbers that don't.
func TestExactEqualsBigRat(t *testing.T) {
	number := rapid.Custom(func(t *rapid.T) *big.Rat {
		whole := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
		den := rapid.OneOf(rapid.Int64Range(1, math.MaxInt64), rapid.Int64Range(1, 100), rapid.Just(int64(1))).Draw(t, "den")
		return big.NewRat(whole.Draw(t, "num"), den)
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		x, y := loyalty.ExactRat(a), loyalty.ExactRat(b)
		check := func(name string, got loyalty.Exact, want *big.Rat) {
			if got.Rat().Cmp(want) != 0 {
				t.Fatalf("%s of %s and %s: got %s, want %s", name, a, b, got, want)
			}
			if got != loyalty.ExactRat(want) && got.Rat().Num().IsInt64() && got.Rat().Denom().IsInt64() {
				t.Fatalf("%s of %s and %s: %#v is not in lowest terms", name, a, b, got)
			}
		}
		check("sum", x.Add(y), new(big.Rat).Add(a, b))
		check("difference", x.Sub(y), new(big.Rat).Sub(a, b))
		check("product", x.Mul(y), new(big.Rat).Mul(a, b))
		if b.Sign() != 0 {
			check("quotient", x.Quo(y), new(big.Rat).Quo(a, b))
		}
		if x.Cmp(y) != a.Cmp(b) || x.Sign() != a.Sign() {
			t.Fatalf("comparing %s and %s: got %d", a, b, x.Cmp(y))
		}
		back, err := loyalty.ParseExact(x.String())
		if err != nil || back.Cmp(x) != 0 {
			t.Fatalf("%s read back is %s, %v", x, back, err)
		}
		floor := new(big.Int).Div(a.Num(), a.Denom())
		if n, ok := x.Floor(); ok != floor.IsInt64() || ok && n != floor.Int64() {
			t.Fatalf("floor of %s: %d, %v", a, n, ok)
		}
	})
}
