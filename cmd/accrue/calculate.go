package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/program"
)

type calculateCommand struct {
	customerFlags
	Amount   string `placeholder:"12.50" help:"A cart of one line of this amount, in major units."`
	Currency string `default:"USD" help:"Its currency."`
	Cart     string `placeholder:"FILE" help:"A whole cart as JSON: {currency, lines: [{line, sku, quantity, amount_minor}]}; - for standard input."`
}

// Help is shown by --help.
func (calculateCommand) Help() string {
	return "Says what a cart would earn and how many points could pay for it. Nothing is written.\n\nExample:\n\n" +
		"  accrue calculate 00042 --amount 59.90"
}

// Run implements the command.
func (c *calculateCommand) Run(r *run) error {
	cart, err := c.cart(r)
	if err != nil {
		return err
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	var x api.Calculation
	if err := cl.post(r.ctx, cart, &x, "v1", "calculate"); err != nil {
		return err
	}
	switch {
	case r.json:
		err = r.raw(cl.raw, nil)
	case x.MergedInto != "":
		c.printMerged(r, x.MergedInto)
	case x.Result != events.Refused:
		printCalculation(r.Stdout, &x)
	}
	if err == nil && x.Result == events.Refused {
		err = wouldRefuse(&x, cart["currency"])
	}
	return err
}

// wouldRefuse says why the cart's order would be refused.
func wouldRefuse(x *api.Calculation, currency any) error {
	f := &failure{code: exitNotSo, reason: x.Reason, err: errors.New(textf("such an order would be refused (%s)", x.Reason))}
	if x.Reason == "unknown_currency" {
		f.err = errors.New(textf("the program has no rate for %v (%s): such an order would be refused", currency, x.Reason))
		f.hint = "Publish a version whose `rates` have it, or ask in another --currency."
	}
	return f
}

func printCalculation(w io.Writer, x *api.Calculation) {
	fmt.Fprintf(w, "would earn %s points", thousands(int64(x.Earns)))
	if x.Reason != "" {
		fmt.Fprint(w, textf(" (%s)", x.Reason))
	}
	fmt.Fprintln(w)
	for _, rule := range x.ByRule {
		fmt.Fprint(w, textf("  %s by %s", thousands(int64(rule.Points)), rule.Rule))
		if rule.Asked != rule.Points {
			fmt.Fprintf(w, ", which asked for %s", thousands(int64(rule.Asked)))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "could be paid with up to %s points", thousands(int64(x.Redeemable)))
	if x.RedeemableMinor != nil {
		fmt.Fprint(w, textf(", worth %s", inCurrency(*x.RedeemableMinor, x.Currency)))
	}
	if x.OrderTotal != nil {
		fmt.Fprint(w, textf("; the order's total is %s", inCurrency(*x.OrderTotal, x.Currency)))
	}
	fmt.Fprintln(w)
}

// inCurrency writes an amount of minor units.
func inCurrency(n events.Money, currency string) string {
	decimals, _ := program.Exponent(currency) // a program has only currencies that are known
	return money(float64(n), decimals) + " " + currency
}

// cart returns the cart to ask about, with the customer in it.
func (c *calculateCommand) cart(r *run) (map[string]any, error) {
	var cart map[string]any
	switch {
	case c.Cart != "" && c.Amount != "" || c.Cart == "" && c.Amount == "":
		return nil, wrongUsage(errors.New("one of --amount and --cart is needed"))
	case c.Cart != "":
		in, err := intake.Open(c.Cart, r.Stdin)
		if err != nil {
			return nil, fmt.Errorf("--cart: %w", err)
		}
		defer in.Close()
		all := json.NewDecoder(in)
		all.UseNumber() // a float would round amounts
		err = all.Decode(&cart)
		if other := new(json.UnmarshalTypeError); errors.As(err, &other) || err == nil && cart == nil {
			err = errors.New("it is other JSON")
		}
		if err != nil {
			return nil, wrongUsage(fmt.Errorf(`--cart: %s is no JSON object, such as {"currency": "USD", "lines": [{"line": "1", "quantity": 1, "amount_minor": 1250}]}: %w`, c.Cart, err))
		}
		if _, err := all.Token(); !errors.Is(err, io.EOF) {
			return nil, wrongUsage(fmt.Errorf("--cart: %s goes on after the cart: ask about one at a time", c.Cart))
		}
	default:
		amount, err := minorUnits(c.Amount, c.Currency)
		if err != nil {
			return nil, wrongUsage(fmt.Errorf("--amount: %w", err))
		}
		cart = map[string]any{
			"currency": c.Currency, "lines": []map[string]any{{"line": "1", "sku": "", "quantity": 1, "amount_minor": amount}},
		}
	}
	cart["customer"] = c.Customer
	return cart, nil
}
