package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
)

// keyFlags name a command's event. Nothing does unless the user wants it: the redemption's id is what makes a repeat
// safe, and a fixed key would answer every repeat with the first decision, however things stand by then.
type keyFlags struct {
	ID string `placeholder:"ID" help:"Idempotency key: under the same one the first answer is repeated, also a refusal."`
}

type redeemCommand struct {
	customerFlags
	keyFlags
	Points     int64  `arg:"" help:"How many points to reserve."`
	Redemption string `placeholder:"ID" help:"Your id of it; repeating the command with the same id reserves once."`
	Order      string `placeholder:"ID" help:"The order that the points pay for."`
	OrderTotal int64  `placeholder:"MINOR" help:"The order's total in minor units: bounds the share that points may pay."`
	Reward     string `placeholder:"ID" help:"The reward that the points buy."`
}

// Help is shown by --help.
func (redeemCommand) Help() string {
	return "Reserves points; the answer is the decision. Spend them by `accrue confirm`, give them back by `accrue cancel`;\n" +
		"left alone, the reservation lapses. Repeated for the same --redemption, it says how that stands: exit code 1 when it holds\n" +
		"no points any more, or others than asked for. What was refused is decided anew.\n\n" +
		"Example:\n\n  accrue redeem 00042 200 --redemption basket-77"
}

// Run implements the command.
func (c *redeemCommand) Run(r *run) error {
	if c.Points <= 0 {
		return wrongUsage(fmt.Errorf("points: is %d, must be more than 0", c.Points))
	}
	req := api.RedeemRequest{ID: c.ID, Customer: c.Customer, Points: events.Points(c.Points), Redemption: c.Redemption, Order: c.Order,
		OrderTotal: events.Money(c.OrderTotal), Reward: c.Reward}
	x, err := c.settle(r, req, "v1", "redemptions")
	if err != nil {
		return usedUp(err)
	}
	// The same redemption, confirmed since, is an answer like any other to the API; at the till nothing is set aside.
	if x.State != events.StateReserved {
		return usedUp(&failure{code: exitNotSo, reason: reasonUsedUp,
			err: errors.New(textf("redemption %s exists already, and is %s (%s)", x.Redemption, x.State, reasonUsedUp))})
	}
	return nil
}

// reasonUsedUp is the decision's reason when there has been a redemption of that id.
const reasonUsedUp = "duplicate_redemption"

// usedUp adds to such a refusal what to do next.
func usedUp(err error) error {
	var f *failure
	if errors.As(err, &f) && f.reason == reasonUsedUp {
		f.hint = "An id reserves once: give the next redemption another one by --redemption."
	}
	return err
}

type confirmCommand struct {
	customerFlags
	keyFlags
	Redemption string `arg:"" help:"The redemption's id."`
	Points     int64  `placeholder:"N" help:"Spend fewer; the rest is released."`
	Order      string `placeholder:"ID" help:"The order that the points pay for."`
}

// Run implements the command.
func (c *confirmCommand) Run(r *run) error {
	if c.Points < 0 {
		return wrongUsage(fmt.Errorf("--points: is %d, must be more than 0", c.Points))
	}
	req := api.ConfirmRequest{SettleRequest: api.SettleRequest{Customer: c.Customer, ID: c.ID}, Order: c.Order}
	if c.Points != 0 {
		points := events.Points(c.Points)
		req.Points = &points
	}
	_, err := c.settle(r, req, "v1", "redemptions", c.Redemption, "confirm")
	return err
}

type cancelCommand struct {
	customerFlags
	keyFlags
	Redemption string `arg:"" help:"The redemption's id."`
}

// Run implements the command.
func (c *cancelCommand) Run(r *run) error {
	_, err := c.settle(r, api.SettleRequest{Customer: c.Customer, ID: c.ID}, "v1", "redemptions", c.Redemption, "cancel")
	return err
}

// settle sends a command about a redemption, prints the answer and returns it.
func (f *customerFlags) settle(r *run, body any, path ...string) (*api.Redemption, error) {
	c, err := f.client()
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := c.post(r.ctx, body, &raw, path...); err != nil {
		return nil, err
	}
	x := &api.Redemption{}
	if err := json.Unmarshal(raw, x); err != nil {
		return nil, notAccrues(f.URL, err)
	}
	if r.json {
		return x, r.raw(raw, nil)
	}
	fmt.Fprintln(r.Stdout, textf("redemption %s: %s, %s points; balance %s, reserved %s", x.Redemption, x.State, thousands(int64(x.Points)),
		thousands(int64(x.Balance.Active)), thousands(int64(x.Balance.Reserved))))
	if x.LapsesAt != 0 {
		fmt.Fprintln(r.Stdout, textf("lapses at %s unless it is confirmed: accrue confirm %s %s", x.LapsesAt, f.Customer, x.Redemption))
	}
	return x, nil
}

type adjustCommand struct {
	customerFlags
	Points int64  `required:"" placeholder:"N" help:"How many to add, or, below 0, to take."`
	Reason string `required:"" help:"Why; it stays in the ledger."`
	Actor  string `env:"USER" required:"" help:"Who does it; it stays in the ledger."`
	ID     string `placeholder:"ID" help:"Idempotency key: the same one adjusts once."`
}

// Help is shown by --help.
func (adjustCommand) Help() string {
	return "Example:\n\n  accrue adjust 00042 --points=-50 --reason 'counted twice' --actor ada"
}

// Run implements the command.
func (c *adjustCommand) Run(r *run) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	now := time.Now()
	e := &events.PointsAdjusted{Header: events.Header{ID: c.ID, Customer: c.Customer, At: events.InstantOf(now)}, Points: c.Points, Reason: c.Reason, Actor: c.Actor}
	if e.ID == "" {
		e.ID = fmt.Sprintf("adjust:%s:%d", c.Actor, now.UnixNano())
	}
	body, err := events.EncodeJSON(e)
	if err != nil {
		return err
	}
	if err := cl.post(r.ctx, json.RawMessage(body), nil, "v1", "events"); err != nil {
		return err
	}
	var x api.Explanation
	var raw json.RawMessage
	if err := cl.get(r.ctx, &raw, nil, "v1", "customers", c.Customer, "explain", e.ID); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		return notAccrues(c.URL, err)
	}
	d := &x.Decision
	if r.json {
		err = r.raw(raw, nil)
	} else {
		_, err = fmt.Fprintln(r.Stdout, textf("%s: %s; balance %s", d.Result, moved(d), thousands(int64(d.Balance.Active))))
	}
	if err == nil && d.Result != events.Applied {
		err = alreadyTold()
	}
	return err
}

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
	var raw json.RawMessage
	if err := cl.post(r.ctx, cart, &raw, "v1", "calculate"); err != nil {
		return err
	}
	var x api.Calculation
	if err := json.Unmarshal(raw, &x); err != nil {
		return notAccrues(c.URL, err)
	}
	if r.json {
		err = r.raw(raw, nil)
	} else if x.Result != events.Refused {
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
	fmt.Fprintf(w, "could be paid with up to %s points\n", thousands(int64(x.Redeemable)))
}

// cart returns the cart to ask about, with the customer in it.
func (c *calculateCommand) cart(r *run) (map[string]any, error) {
	cart := map[string]any{}
	switch {
	case c.Cart != "" && c.Amount != "" || c.Cart == "" && c.Amount == "":
		return nil, wrongUsage(errors.New("one of --amount and --cart is needed"))
	case c.Cart == "-":
		if err := json.NewDecoder(r.Stdin).Decode(&cart); err != nil {
			return nil, wrongUsage(fmt.Errorf("--cart: %w", err))
		}
	case c.Cart != "":
		b, err := os.ReadFile(c.Cart)
		if err != nil {
			return nil, fmt.Errorf("--cart: %w", err)
		}
		if err := json.Unmarshal(b, &cart); err != nil {
			return nil, wrongUsage(fmt.Errorf("--cart: %s: %w", c.Cart, err))
		}
	default:
		amount, err := minorUnits(c.Amount, c.Currency)
		if err != nil {
			return nil, wrongUsage(fmt.Errorf("--amount: %w", err))
		}
		cart["currency"] = c.Currency
		cart["lines"] = []map[string]any{{"line": "1", "sku": "", "quantity": 1, "amount_minor": amount}}
	}
	cart["customer"] = c.Customer
	return cart, nil
}
