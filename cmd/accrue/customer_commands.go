package main

import (
	"errors"
	"fmt"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
)

// keyFlags name a command's event. Nothing does unless the user wants it: the redemption's id is what makes a repeat
// safe, and a fixed key would answer every repeat with the first decision, however things stand by then.
type keyFlags struct {
	ID givenID `placeholder:"ID" help:"Idempotency key: under the same one the first answer is repeated, also a refusal."`
}

// givenID is an id that may be left out, but not be empty: a script's variable without a value would have the command go on
// under an id that is made up, and a repeat under another one.
type givenID string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *givenID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("is empty: give an id, or leave the flag out")
	}
	*id = givenID(text)
	return nil
}

type redeemCommand struct {
	customerFlags
	keyFlags
	Points     int64         `arg:"" help:"How many points to reserve."`
	Redemption givenID       `placeholder:"ID" help:"Your id of it; repeating the command with the same id reserves once."`
	Order      givenID       `placeholder:"ID" help:"The order that the points pay for."`
	OrderTotal *events.Money `placeholder:"MINOR" help:"The order's total in minor units: bounds the share that points may pay."`
	Reward     givenID       `placeholder:"ID" help:"The reward that the points buy."`
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
	if c.OrderTotal != nil && *c.OrderTotal < 0 {
		return wrongUsage(fmt.Errorf("--order-total: is %d, must be 0 or more", *c.OrderTotal))
	}
	req := api.RedeemRequest{ID: string(c.ID), Customer: c.Customer, Points: new(events.Points(c.Points)), Redemption: string(c.Redemption),
		Order: string(c.Order), OrderTotal: c.OrderTotal, Reward: string(c.Reward)}
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
	Redemption string         `arg:"" help:"The redemption's id."`
	Points     *events.Points `placeholder:"N" help:"Spend fewer; the rest is released."`
	Order      givenID        `placeholder:"ID" help:"The order that the points pay for."`
}

// Run implements the command.
func (c *confirmCommand) Run(r *run) error {
	if c.Points != nil && *c.Points <= 0 {
		return wrongUsage(fmt.Errorf("--points: is %d, must be more than 0", *c.Points))
	}
	req := api.ConfirmRequest{SettleRequest: api.SettleRequest{Customer: c.Customer, ID: string(c.ID)}, Points: c.Points, Order: string(c.Order)}
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
	_, err := c.settle(r, api.SettleRequest{Customer: c.Customer, ID: string(c.ID)}, "v1", "redemptions", c.Redemption, "cancel")
	return err
}

// settle sends a command about a redemption, prints the answer and returns it.
func (f *customerFlags) settle(r *run, body any, path ...string) (*api.Redemption, error) {
	c, err := f.client()
	if err != nil {
		return nil, err
	}
	x := &api.Redemption{}
	if err := c.post(r.ctx, body, x, path...); err != nil {
		return nil, err
	}
	if r.json {
		return x, r.raw(c.raw, nil)
	}
	fmt.Fprintln(r.Stdout, textf("redemption %s: %s, %s points; balance %s, reserved %s", x.Redemption, x.State, thousands(int64(x.Points)),
		thousands(int64(x.Balance.Active)), thousands(int64(x.Balance.Reserved))))
	if x.LapsesAt != 0 {
		fmt.Fprintln(r.Stdout, textf("lapses at %s unless it is confirmed: accrue confirm %s %s", x.LapsesAt, f.Customer, x.Redemption))
	}
	return x, nil
}
