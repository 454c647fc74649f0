// Package loyalty is the rules of points: what an event is worth, when points become spendable, when they go.
//
// Two functions are all of it. [Decide] works out what one event does to one account under one version of the
// program and returns the decision; it leaves the account as the decision says. [Evolve] folds a decision into an
// account without any program or event, and never refuses: a decision is history. For every account a and event e,
// Decide on one copy of a and Evolve of its decision on another end in the same bytes.
//
// Both are pure but for the account and the records they are given: no clock, no randomness, no I/O, no floats, and
// nothing depends on the order of a map. Time arrives with the event and as the partition clock.
//
// Who decides or folds many events in a row does so with a [Decider] or an [Evolver], which use their memory again.
//
// An [Account] holds what nearly every decision needs. What grows with a customer's history (orders, closed
// redemptions, ids already seen) is reached through [Records].
//
// Reading the source: program.go (what rules say), account.go (what is remembered), decide.go (one event), earn.go (what
// an event grants), reckon.go (how points are reckoned), lots.go, tally.go (what is known of lots without looking at
// them), reverse.go (returns and cancellations), redeem.go, cross.go (what crosses customers), tick.go (what time does),
// tier.go, evolve.go (the fold).
package loyalty
