package loyalty

import (
	"github.com/accrue-loyalty/accrue/events"
)

// gross sums the lines' amounts.
func (o *Order) gross() int64 {
	var sum int64
	for i := range o.Lines {
		sum += int64(o.Lines[i].Amount)
	}
	return sum
}

// returnedGross sums what came back of the lines' amounts.
func (o *Order) returnedGross() int64 {
	var sum int64
	for i := range o.Lines {
		sum += int64(o.Lines[i].Returned)
	}
	return sum
}

// allReturned reports whether nothing of the order is left.
func (o *Order) allReturned() bool {
	gross := o.gross()
	return o.Whole || gross > 0 && o.returnedGross() == gross
}

// basis returns what line i earns on, in minor units of the program's currency: its amount less its discount and its
// share, by amount, of what the whole order's basis loses; never below 0.
func (o *Order) basis(i int, gross int64, rate Exact) Exact {
	l := &o.Lines[i]
	b := ExactInt(int64(l.Amount) - int64(l.Discount))
	if o.Deducted != 0 && gross != 0 {
		b = b.Sub(ExactInt(int64(l.Amount)).Mul(ExactInt(int64(o.Deducted))).Quo(ExactInt(gross)))
	}
	if b.Sign() <= 0 {
		return Exact{}
	}
	if o.Rate != "" {
		b = b.Mul(rate)
	}
	return b
}

func sum(numbers []Exact) Exact {
	var total Exact
	for _, n := range numbers {
		total = total.Add(n)
	}
	return total
}

// rate panics on a rate that Decide did not write.
func (o *Order) rate() Exact {
	x, err := ParseExact(o.Rate)
	if err != nil {
		panic("loyalty: an order's rate: " + err.Error())
	}
	return x
}

// returnedOf returns what of line i's basis came back.
func (o *Order) returnedOf(i int, basis Exact) Exact {
	l := &o.Lines[i]
	if l.Returned == l.Amount || l.Amount == 0 {
		if l.Returned == 0 {
			return Exact{}
		}
		return basis
	}
	return basis.Mul(ExactInt(int64(l.Returned))).Quo(ExactInt(int64(l.Amount)))
}

// qualifies returns what the order counts as spent: its basis less what came back.
func (o *Order) qualifies() Exact {
	if o.Ended || !o.Placed {
		return Exact{}
	}
	var left Exact
	rate, gross := o.rate(), o.gross()
	for i := range o.Lines {
		b := o.basis(i, gross, rate)
		left = left.Add(b).Sub(o.returnedOf(i, b))
	}
	return left
}

// due returns what the grant has to give back by now.
func (o *Order) due(g *Grant, bases []Exact) events.Points {
	if o.Ended || o.allReturned() {
		return g.Granted - g.Taken
	}
	if g.Fixed || g.Granted == 0 {
		return 0
	}
	var eligible, returned Exact
	add := func(i int) {
		eligible = eligible.Add(bases[i])
		returned = returned.Add(o.returnedOf(i, bases[i]))
	}
	if g.Lines == nil {
		for i := range bases {
			add(i)
		}
	} else {
		for _, i := range g.Lines {
			add(int(i))
		}
	}
	if eligible.Sign() == 0 {
		return 0
	}
	n, _ := ExactInt(int64(g.Granted)).Mul(returned).Quo(eligible).Floor()
	return max(events.Points(n)-g.Taken, 0)
}

// grant returns the grant of a rule, adding it when it is new.
func (o *Order) grant(rule string) *Grant {
	for i := range o.Grants {
		if o.Grants[i].Rule == rule {
			return &o.Grants[i]
		}
	}
	o.Grants = append(o.Grants, Grant{Rule: rule, Fixed: true})
	return &o.Grants[len(o.Grants)-1]
}

func (o *Order) link(redemption string) {
	for _, id := range o.Redemptions {
		if id == redemption {
			return
		}
	}
	o.Redemptions = append(o.Redemptions, redemption)
}

// reviewKey is the key under which a review's points are kept among the orders. A NUL keeps it apart from theirs.
func reviewKey(review string) string { return "\x00review\x00" + review }

// referralKey is the key under which a referrer's points for a referee's order are kept.
func referralKey(reference string) string { return "\x00referral\x00" + reference }
