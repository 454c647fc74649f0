package loyalty_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Whether a spend still fits is told from the length of the longest one where that is enough, and must be what adding all
// of them says.
func TestASpendFitsWhereTheSumOfAllDoes(t *testing.T) {
	amount := rapid.OneOf(
		rapid.Int64(), rapid.Int64Range(-1000, 1000), rapid.Int64Range(math.MaxInt64/4, math.MaxInt64),
		rapid.SampledFrom([]int64{0, 1 << 61, 1<<62 - 1, 1 << 62, math.MinInt64, math.MaxInt64}),
	)
	rapid.Check(t, func(t *rapid.T) {
		a := loyalty.NewAccount("ann")
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			n := loyalty.ExactRat(big.NewRat(amount.Draw(t, "amount"), rapid.Int64Range(1, 3).Draw(t, "denominator")))
			if a.TakesSpend(n) {
				a.Qualify(events.Instant(rapid.Int64Range(1, 20).Draw(t, "at")), n, 0)
			}
			if rapid.IntRange(0, 5).Draw(t, "stored") == 0 {
				back, err := loyalty.DecodeAccount(loyalty.AppendAccount(nil, a))
				if err != nil {
					t.Fatal(err)
				}
				a = back
			}
			next := loyalty.ExactInt(amount.Draw(t, "next"))
			sum := next
			for i := range a.Qualifying {
				sum = sum.Add(a.Spend(&a.Qualifying[i]))
			}
			if _, fits := sum.Floor(); a.TakesSpend(next) != fits {
				t.Fatalf("%v more fits: %v, want %v, beside %v", next, !fits, fits, a.Qualifying)
			}
		}
	})
}
