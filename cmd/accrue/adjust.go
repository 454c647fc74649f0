package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
)

type adjustCommand struct {
	customerFlags
	Points int64   `required:"" placeholder:"N" help:"How many to add, or, below 0, to take."`
	Reason string  `required:"" help:"Why; it stays in the event, in the crm topic."`
	Actor  string  `env:"USER" required:"" help:"Who does it; it stays in the event, in the crm topic."`
	ID     givenID `placeholder:"ID" help:"Idempotency key: the same one adjusts once, and a repeat is answered as the first time."`
}

// Help is shown by --help.
func (adjustCommand) Help() string {
	return "Adds or takes points by hand; the answer is the decision. With --id it may be repeated, with the same points, reason and\n" +
		"actor: it counts once. Exit code 1 when it was refused, or when the id was used for something else.\n\n" +
		"Example:\n\n  accrue adjust 00042 --points=-50 --reason 'counted twice' --actor ada --id ticket-4711"
}

// Run implements the command.
func (c *adjustCommand) Run(r *run) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	now := time.Now()
	if c.ID != "" {
		// Sent again with the time of now, a repeat would be another event under a used id: a conflict, in the ledger for ever.
		x, raw, err := c.decided(r, cl)
		switch {
		case err == nil && api.Remembered(x.Decision.Result):
			return c.answer(r, cl, x, raw)
		case err != nil && !answeredBy(err, api.ReasonUnknownEvent, api.ReasonUnknownCustomer):
			return err
		}
	} else {
		c.ID = givenID(fmt.Sprintf("adjust:%s:%d", c.Actor, now.UnixNano()))
	}
	if err := c.mayAdjust(r, cl); err != nil {
		return err
	}
	body, err := events.EncodeJSON(c.event(events.InstantOf(now)))
	if err != nil {
		return err
	}
	if err := cl.post(r.ctx, json.RawMessage(body), nil, "v1", "events"); err != nil && failureOf(err).code == exitNotDone {
		return c.unanswered(err)
	} else if err != nil {
		return err
	}
	x, raw, err := c.decided(r, cl)
	if answeredBy(err, api.ReasonErased) {
		return err
	} else if err != nil {
		return c.unanswered(err)
	}
	return c.answer(r, cl, x, raw)
}

// event is what the command says, at a time.
func (c *adjustCommand) event(at events.Instant) *events.PointsAdjusted {
	return &events.PointsAdjusted{Header: events.Header{ID: string(c.ID), Customer: c.Customer, At: at}, Points: c.Points, Reason: c.Reason, Actor: c.Actor}
}

// decided reads the decision on the command's event, as it came and decoded.
func (c *adjustCommand) decided(r *run, cl *apiClient) (*api.Explanation, json.RawMessage, error) {
	x := &api.Explanation{}
	err := cl.get(r.ctx, x, nil, "v1", "customers", c.Customer, "explain", string(c.ID))
	return x, cl.raw, err
}

// answeredBy reports whether the API refused with one of the reasons.
func answeredBy(err error, reasons ...api.Reason) bool {
	var f *failure
	return errors.As(err, &f) && slices.Contains(reasons, api.Reason(f.reason))
}

// balance reads what the customer has.
func (c *adjustCommand) balance(r *run, cl *apiClient) (*api.Balance, error) {
	b := &api.Balance{}
	return b, cl.get(r.ctx, b, nil, "v1", "customers", c.Customer, "balance")
}

// mayAdjust refuses, before anything is sent, a customer who was merged away: the points would be the survivor's, which is
// perhaps not what is meant.
func (c *adjustCommand) mayAdjust(r *run, cl *apiClient) error {
	b, err := c.balance(r, cl)
	if answeredBy(err, api.ReasonUnknownCustomer) {
		return nil
	}
	if err != nil || b.MergedInto == "" {
		return err
	}
	return &failure{code: exitNotSo, reason: string(api.ReasonAccountMerged),
		err:  errors.New(textf("customer %s was merged into %s (%s)", c.Customer, b.MergedInto, api.ReasonAccountMerged)),
		hint: textf("Nothing was sent. Adjust that one: accrue adjust %s --points=%d …", b.MergedInto, c.Points)}
}

// unanswered says of an adjustment that may have been taken how it is repeated: under the id, which nobody has chosen perhaps.
func (c *adjustCommand) unanswered(err error) error {
	return &failure{code: exitNotDone, reason: failureOf(err).reason, err: fmt.Errorf("the adjustment was sent, and its decision is not known: %w", err),
		hint: textf("Run it again with --id %s: it counts once. `accrue statement %s` shows whether it has.", c.ID, c.Customer)}
}

// answer tells the decision on the command's event, which may have been made long ago.
func (c *adjustCommand) answer(r *run, cl *apiClient, x *api.Explanation, raw json.RawMessage) error {
	d := &x.Decision
	if d.Facts.Payload != (events.Fingerprint{}) && d.Facts.Payload != events.PayloadOf(c.event(d.Facts.At)) {
		return &failure{code: exitNotSo, reason: string(api.ReasonConflict),
			err: errors.New(textf("id %s was used before, for the %s of %s, which is not this (%s)", c.ID, d.Facts.Type, d.Facts.At, api.ReasonConflict)),
			hint: textf("Nothing of this was applied. Give it an id of its own by --id; `accrue explain %s %s` shows what has this one.",
				c.Customer, c.ID)}
	}
	// It is decided, whether or not the balance can be read.
	b, unread := c.balance(r, cl)
	var err error
	switch {
	case r.json:
		err = r.raw(raw, nil)
	case d.Result == events.Forwarded:
		fmt.Fprintln(r.Stdout, textf("FORWARDED: customer %s was merged into %s, for whom it is decided: accrue explain %s %s",
			c.Customer, b.MergedInto, b.MergedInto, c.ID))
	case d.Result == events.Applied && unread == nil:
		fmt.Fprintln(r.Stdout, textf("%s: %s; balance %s", d.Result, moved(d), thousands(int64(b.Active))))
	case d.Result == events.Applied:
		fmt.Fprintln(r.Stdout, textf("%s: %s", d.Result, moved(d)))
	}
	if err != nil || d.Result == events.Applied || d.Result == events.Forwarded {
		return err
	}
	p := api.Declined(d)
	if unread == nil {
		p.Balance = &events.Balance{Active: b.Active, Pending: b.Pending, Reserved: b.Reserved, Deficit: b.Deficit}
	}
	return refusal(p)
}
