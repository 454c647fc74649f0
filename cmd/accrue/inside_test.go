package main

import (
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
)

// Process is what the process does.
func Process() int { return process() }

// AheadOf is what an import asks of clocks that stand still.
func AheadOf(rest []events.Event, states []consumer.ClockState) events.Event {
	return aheadOf(rest, states)
}
