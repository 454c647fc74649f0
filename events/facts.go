package events

import "slices"

// Facts is what the account must remember of a decision and the entries don't say. The account takes nothing from an
// event but through its decision, so that folding the ledger alone rebuilds it.
type Facts struct {
	// Type and At are the event's; for a tick, At is the tick's time.
	Type Type    `json:"type"`
	At   Instant `json:"at"`
	// Payload identifies the event's content, to tell a duplicate from a conflict.
	Payload Fingerprint `json:"payload"`

	Order       *OrderFact       `json:"order,omitempty"`
	Returns     []ReturnFact     `json:"returns,omitempty"`
	Fulfilments []FulfilmentFact `json:"fulfilments,omitempty"`
	// Cancelled names orders that ended by a cancellation; CancelledReviews, reviews that were removed.
	Cancelled        []string `json:"cancelled,omitempty"`
	CancelledReviews []string `json:"cancelled_reviews,omitempty"`
	// Dates gives lots new dates: fulfilment, inactivity.
	Dates       []LotDates       `json:"dates,omitempty"`
	Redemptions []RedemptionFact `json:"redemptions,omitempty"`
	// Counts adds to what caps and limits have counted.
	Counts []Count `json:"counts,omitempty"`
	// References are business ids used up beside the order's and the redemption's.
	References []Reference `json:"references,omitempty"`
	// Waiting is an event that waits for its order, in its JSON form.
	Waiting []byte `json:"waiting,omitempty"`
	// Dropped are ids of events that waited in vain: too long, unless Unapplied says why.
	Dropped []string `json:"dropped,omitempty"`
	// Applied are ids of waiting events that were carried out together with their order.
	Applied []string `json:"applied,omitempty"`
	// Unapplied says why waiting events were not carried out when their order came. They are Dropped too, so that a
	// reader that does not know this field ends their wait as well. Before there was this field they were in Applied.
	Unapplied []Ending     `json:"unapplied,omitempty"`
	Profile   *ProfileFact `json:"profile,omitempty"`
	// Grace is set when the time by which a tier must be earned again changes; 0 ends it.
	Grace *Instant `json:"grace,omitempty"`
	// MergedInto ends the account. Merged is the account taken over, in the loyalty package's encoding.
	MergedInto string `json:"merged_into,omitempty"`
	Merged     []byte `json:"merged,omitempty"`
	// Erased deletes everything but the totals.
	Erased bool `json:"erased,omitempty"`
}

// OrderFact is what later returns need of an order.
type OrderFact struct {
	Order string `json:"order"`
	// Lines carry the discount that counted: 0 where the program ignores discounts.
	Lines []LineFact `json:"lines"`
	// Deducted is what the order's basis loses beyond the lines' discounts (negative: gains), shared by amount.
	Deducted Money `json:"deducted_minor,omitempty"`
	// Rate converts to the program's currency, as a fraction of minor units "27/25"; "" is 1.
	Rate       string     `json:"rate,omitempty"`
	Redemption string     `json:"redemption,omitempty"`
	Rules      []RuleFact `json:"rules,omitempty"`
}

// LineFact is one line of an [OrderFact].
type LineFact struct {
	Line     string `json:"line"`
	Amount   Money  `json:"amount_minor"`
	Discount Money  `json:"discount_minor,omitempty"`
}

// RuleFact says how a rule saw an order, for the rules that were granted points.
type RuleFact struct {
	Rule string `json:"rule"`
	// Fixed rules are taken back only with the whole order.
	Fixed bool `json:"fixed,omitempty"`
	// Lines are indexes into the order's lines; nil means all of them.
	Lines []int32 `json:"lines,omitempty"`
}

// ReturnFact is a return that was applied.
type ReturnFact struct {
	Order  string `json:"order"`
	Return string `json:"return"`
	// Whole is set when the event named no lines: everything that was left.
	Whole bool         `json:"whole,omitempty"`
	Lines []ReturnLine `json:"lines,omitempty"`
}

// ReturnLine is what one return took of one line, after capping.
type ReturnLine struct {
	// Line is an index into the order's lines.
	Line   int32 `json:"line"`
	Amount Money `json:"amount_minor"`
}

// FulfilmentFact is an order's first fulfilment.
type FulfilmentFact struct {
	Order string  `json:"order"`
	At    Instant `json:"at"`
}

// LotDates replaces a lot's dates.
type LotDates struct {
	Lot       int64   `json:"lot"`
	ActiveAt  Instant `json:"active_at,omitzero"`
	ExpiresAt Instant `json:"expires_at,omitzero"`
}

// Ending is what became of an event that waited for its order.
type Ending struct {
	Event string `json:"event"`
	// Result and Reason are what the event's decision would have been, had it come after its order.
	Result Result `json:"result"`
	Reason string `json:"reason,omitempty"`
}

// Endings returns what became of the events whose wait this decision ended.
func (f *Facts) Endings() []Ending {
	var all []Ending
	for _, id := range f.Applied {
		all = append(all, Ending{Event: id, Result: Applied})
	}
	all = append(all, f.Unapplied...)
	for _, id := range f.Dropped {
		if !slices.ContainsFunc(f.Unapplied, func(x Ending) bool { return x.Event == id }) {
			all = append(all, Ending{Event: id, Result: Stale, Reason: "older_than_accepted"})
		}
	}
	return all
}

// RedemptionState is where a redemption stands.
type RedemptionState string

// The states of a redemption.
const (
	StateReserved  RedemptionState = "reserved"
	StateConfirmed RedemptionState = "confirmed"
	StateCancelled RedemptionState = "cancelled"
	StateLapsed    RedemptionState = "lapsed"
)

// RedemptionFact moves a redemption to State.
type RedemptionFact struct {
	Redemption string          `json:"redemption"`
	State      RedemptionState `json:"state"`
	// Order is set when the event named one.
	Order string `json:"order,omitempty"`
	// LapsesAt is set when State is reserved.
	LapsesAt Instant `json:"lapses_at,omitzero"`
}

// Count adds Add to what is counted from the instant From on: for a rule's limit, or, with Rule "", points for caps.
type Count struct {
	Rule string `json:"rule,omitempty"`
	// Every is day, week, month, year, or "" for ever (From is 0).
	Every string  `json:"every,omitempty"`
	From  Instant `json:"from,omitzero"`
	Add   int64   `json:"add"`
}

// Reference is a business id that may not come again under another event id.
type Reference struct {
	// Kind is the event's type.
	Kind Type   `json:"kind"`
	ID   string `json:"id"`
}

// ProfileFact is what the account keeps of a registration or a change of consent.
type ProfileFact struct {
	// Registered is set by AccountRegistered.
	Registered Instant `json:"registered,omitzero"`
	ReferredBy string  `json:"referred_by,omitempty"`
	Marketing  *bool   `json:"marketing,omitempty"`
	Tracking   *bool   `json:"tracking,omitempty"`
}
