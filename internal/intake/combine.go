package intake

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// combination is a sum or product of columns on the way: an exact number of 10^-decimals.
type combination struct {
	product  bool
	n        big.Int
	decimals int
}

func newCombination(product bool) *combination {
	c := &combination{product: product}
	if product {
		c.n.SetInt64(1)
	}
	return c
}

// take adds a column's text, or multiplies by it. What is added is an amount in the currency; factors, such as quantities
// and prices of a unit, have any decimals.
func (c *combination) take(f numberFormat, text string, minus bool) error {
	if !c.product {
		m, err := f.money(text)
		if err != nil {
			return err
		}
		n := big.NewInt(int64(m))
		if minus {
			n.Neg(n)
		}
		c.n.Add(&c.n, n)
		return nil
	}
	negative, whole, fraction, ok := f.split(text)
	if !ok {
		return f.noMoney(text)
	}
	fraction = strings.TrimRight(fraction, "0")
	digits, ok := parseDigits(whole + fraction)
	if !ok {
		return errors.New("a factor is too large, or has too many decimals")
	}
	c.n.Mul(&c.n, big.NewInt(digits))
	if negative != minus {
		c.n.Neg(&c.n)
	}
	c.decimals += len(fraction)
	return nil
}

func (c *combination) noun() string {
	if c.product {
		return "product"
	}
	return "sum"
}

// minor returns the result in units of 10^-exponent. A product is rounded to them as on an invoice, half a cent up, away
// from zero, or with exact refused.
func (c *combination) minor(exponent int, exact bool) (int64, error) {
	n, rest := &c.n, new(big.Int)
	ten := big.NewInt(10)
	switch {
	case !c.product:
	case c.decimals <= exponent:
		n.Mul(n, ten.Exp(ten, big.NewInt(int64(exponent-c.decimals)), nil))
	default:
		unit := ten.Exp(ten, big.NewInt(int64(c.decimals-exponent)), nil)
		n.QuoRem(n, unit, rest)
		up := big.NewInt(int64(rest.Sign()))
		if rest.Abs(rest).Lsh(rest, 1).Cmp(unit) >= 0 {
			n.Add(n, up)
		}
	}
	switch {
	case exact && rest.Sign() != 0:
		return 0, fmt.Errorf("the %s is no whole number", c.noun())
	case !n.IsInt64():
		return 0, fmt.Errorf("the %s is too large", c.noun())
	default:
		return n.Int64(), nil
	}
}
