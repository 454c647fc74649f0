package loyalty

import "github.com/accrue-loyalty/accrue/events"

// Input is one event on its way to a decision.
type Input struct {
	Event events.Event
	// Payload is the [events.PayloadOf] of Event where somebody has worked it out before; zero: nobody has.
	Payload events.Fingerprint
	Cause   events.Cause
	// Clock is the partition clock; 0 before the first tick.
	Clock events.Instant
	// History finds the version that an order was decided by; without it the version at hand serves.
	History History
	// Lenient never answers FUTURE: whoever drives the clock through history runs behind the events.
	Lenient bool
	// Trace, when not nil, is filled with how the points were reckoned.
	Trace *Trace
}
