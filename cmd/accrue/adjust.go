package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/events"
)

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
