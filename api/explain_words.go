package api

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// explainText puts an explanation into words that a shop clerk understands.
func explainText(x *Explanation, event events.Event, waited []string) string {
	var b strings.Builder
	d := &x.Decision
	fmt.Fprintf(&b, "%s\n", Visible(heading(d, event)))
	fmt.Fprintf(&b, "%s\n", verdict(x))
	if len(x.Steps) > 0 {
		b.WriteString("\nHow it was reckoned:\n")
		for _, step := range x.Steps {
			fmt.Fprintf(&b, "  %s\n", Visible(step.Subject+": "+step.Text))
		}
	}
	if x.Missing != "" {
		fmt.Fprintf(&b, "\nHow it was reckoned cannot be shown: %s.\n", x.Missing)
	}
	if len(d.Entries) > 0 {
		b.WriteString("\nWhat moved:\n")
		for i := range d.Entries {
			fmt.Fprintf(&b, "  %s\n", Visible(entryWords(&d.Entries[i])))
		}
	}
	if len(waited) > 0 {
		b.WriteString("\nWhat had waited:\n")
		for _, line := range waited {
			fmt.Fprintf(&b, "  %s\n", Visible(line))
		}
	}
	fmt.Fprintf(&b, "\nAfterwards: %s.\n", balanceWords(d))
	b.WriteString(origin(x))
	return b.String()
}

// heading names the event and when it happened.
func heading(d *events.Decision, event events.Event) string {
	what := string(d.Facts.Type)
	switch e := event.(type) {
	case *events.OrderPlaced:
		what = fmt.Sprintf("Order %s was placed", e.Order)
	case *events.OrderFulfilled:
		what = fmt.Sprintf("Order %s was fulfilled", e.Order)
	case *events.OrderCancelled:
		what = fmt.Sprintf("Order %s was cancelled", e.Order)
	case *events.OrderReturned:
		what = fmt.Sprintf("Return %s of order %s", e.Return, e.Order)
	case *events.RedemptionRequested:
		what = fmt.Sprintf("Redemption %s asked for %s", e.Redemption, count(e.Points))
	case *events.RedemptionConfirmed:
		what = fmt.Sprintf("Redemption %s was confirmed", e.Redemption)
	case *events.RedemptionCancelled:
		what = fmt.Sprintf("Redemption %s was cancelled", e.Redemption)
	case *events.PointsAdjusted:
		what = fmt.Sprintf("%s adjusted the points by %+d: %s", e.Actor, e.Points, e.Reason)
	case *events.TransferRequested:
		what = fmt.Sprintf("Transfer %s of %s to %s", e.Transfer, count(e.Points), e.To)
	case *events.TransferCredited:
		what = fmt.Sprintf("Transfer %s from %s", e.Transfer, e.From)
	case *events.ReferralRewarded:
		what = fmt.Sprintf("Reward for bringing %s", e.Referee)
	case nil:
		if d.Cause.Topic == string(schemas.TopicClock) {
			what = "The clock moved on"
		}
	default:
	}
	return fmt.Sprintf("%s, at %s.", what, d.Facts.At)
}

// verdict says in one sentence what came of it.
func verdict(x *Explanation) string {
	d, why := &x.Decision, ""
	if r := reasonOf(d); r != "" {
		why = ": " + r.words()
	}
	switch d.Result {
	case events.Applied:
		return sumWords(d)
	case events.Nothing:
		return "It changed no points" + why + "."
	case events.Holdout:
		return "It earned nothing" + why + "."
	case events.Duplicate, events.Conflict, events.Stale, events.Future, events.Refused:
		return "It was not carried out" + why + "."
	case events.Waiting:
		return waitWords(x.Ended)
	case events.Held:
		return "Its points are held" + why + "."
	case events.Forwarded:
		return "It was passed on" + why + "."
	case events.Unreadable, events.Parked:
		return "It could not be decided" + why + "."
	}
	return string(d.Result) + why
}

// sumWords adds the entries up by type.
func sumWords(d *events.Decision) string {
	var parts []string
	for _, t := range events.EntryTypes() {
		var sum events.Points
		found := false
		for i := range d.Entries {
			if d.Entries[i].Type == t {
				sum += d.Entries[i].Points
				found = true
			}
		}
		switch {
		case t == events.TierChanged && found:
			parts = append(parts, "tier "+d.Tier)
		case sum > 0:
			parts = append(parts, count(sum)+" "+participle(t))
		}
	}
	if len(parts) == 0 {
		return "It was carried out, and changed no points."
	}
	return "It was carried out: " + strings.Join(parts, ", ") + "."
}

func count(n events.Points) string {
	if n == 1 {
		return "1 point"
	}
	return strconv.FormatInt(int64(n), 10) + " points"
}

// participle says what happened to the points of an entry.
func participle(t events.EntryType) string {
	switch t {
	case events.Earn:
		return "earned"
	case events.Activate:
		return "became spendable"
	case events.CancelPending:
		return "taken back before they were spendable"
	case events.Reserve:
		return "set aside"
	case events.Confirm:
		return "spent"
	case events.Release:
		return "free again"
	case events.Revoke:
		return "taken back"
	case events.Reinstate:
		return "given back"
	case events.Expire:
		return "expired"
	case events.Adjust:
		return "added by hand"
	case events.AdjustDown:
		return "taken off by hand"
	case events.TransferOut:
		return "given to another customer"
	case events.TransferIn:
		return "received from another customer"
	case events.DeficitOwed:
		return "owed, because they were spent already"
	case events.DeficitRepaid:
		return "used to repay what was owed"
	case events.Forfeit:
		return "forfeited"
	case events.TierChanged:
		return "moved by a change of tier"
	}
	return string(t)
}

// entryWords describes one movement.
func entryWords(e *events.Entry) string {
	if e.Type == events.TierChanged {
		return "the tier changed"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", count(e.Points), participle(e.Type))
	if e.Rule != "" {
		fmt.Fprintf(&b, ", by rule %s", e.Rule)
	}
	if e.Asked != 0 && e.Asked != e.Points {
		fmt.Fprintf(&b, " (of %d asked for)", e.Asked)
	}
	if e.Lot != 0 {
		fmt.Fprintf(&b, ", lot %d", e.Lot)
	}
	if e.Order != "" {
		fmt.Fprintf(&b, ", order %s", e.Order)
	}
	if e.Redemption != "" {
		fmt.Fprintf(&b, ", redemption %s", e.Redemption)
	}
	// What a cap or the control group left nothing of is in no lot, and will not be spendable at any time.
	if e.Type == events.Earn && e.Lot != 0 {
		b.WriteString(datesWords(e))
	}
	return b.String()
}

// datesWords says from when to when earned points can be spent.
func datesWords(e *events.Entry) string {
	text := ", spendable from " + e.ActiveAt.String()
	if e.ActiveAt == 0 {
		text = ", spendable some time after the order is fulfilled"
	}
	if e.ExpiresAt != 0 {
		text += " until " + e.ExpiresAt.String()
	}
	return text
}

func balanceWords(d *events.Decision) string {
	b := &d.Balance
	text := fmt.Sprintf("%d spendable, %d pending, %d reserved", b.Active, b.Pending, b.Reserved)
	if b.Deficit > 0 {
		text += fmt.Sprintf(", %d owed", b.Deficit)
	}
	if d.Tier != "" {
		text += ", tier " + d.Tier
	}
	return text
}

// origin says where it is written and what it stands on.
func origin(x *Explanation) string {
	d := &x.Decision
	program := fmt.Sprintf("version %d", d.Program.Version)
	if x.Program != nil {
		program = fmt.Sprintf("%s, version %d (%.12s)", x.Program.Program, d.Program.Version, d.Program.Hash)
	}
	clock := d.Clock.String()
	if clock == "" {
		clock = "none yet"
	}
	return fmt.Sprintf("Program: %s. Clock: %s.\nLedger: partition %d, offset %d; decided on %s, partition %d, offset %d.\n",
		program, clock, d.Partition, d.Offset, d.Cause.Topic, d.Cause.Partition, d.Cause.Offset)
}
