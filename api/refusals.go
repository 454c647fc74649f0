package api

import (
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

func lower(r events.Result) string { return strings.ToLower(string(r)) }

// explainRefusal words the reason of a decision for whoever sent the command.
func explainRefusal(r Reason) string {
	switch r {
	case "balance_too_low":
		return "the customer has fewer spendable points than that: see balance"
	default:
		return "the rules refused it: " + strings.ReplaceAll(string(r), "_", " ")
	}
}
