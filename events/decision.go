package events

import "encoding/json"

// Decision is what one input led to: one record of the ledger.
type Decision struct {
	// Partition and Offset are the decision's own position in the ledger topic. They are known once Kafka has the
	// record, so they are not part of its bytes; readers fill them in.
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`

	Cause    Cause  `json:"cause"`
	Customer string `json:"customer"`
	// Clock is the partition clock that the decision was made under; 0 before the first tick.
	Clock   Instant    `json:"clock"`
	Program ProgramRef `json:"program"`
	Result  Result     `json:"result"`
	// Reason is a stable code in lower_snake_case; "" when there is nothing to explain.
	Reason  string  `json:"reason"`
	Entries []Entry `json:"entries"`
	// Balance is the account's after the decision.
	Balance Balance `json:"balance"`
	// Tier is the account's after the decision; "" in a program without tiers.
	Tier string `json:"tier"`
	// Chain is the SHA-256 of the ledger record before this one in its partition; zero for the first.
	Chain Hash `json:"chain"`
	// Facts is what the account must remember and the entries don't say.
	Facts Facts `json:"facts"`
}

// MarshalJSON writes a decision without entries with an empty list.
func (d Decision) MarshalJSON() ([]byte, error) {
	type plain Decision
	if d.Entries == nil {
		d.Entries = []Entry{}
	}
	return json.Marshal(plain(d))
}

// Cause names the input record.
type Cause struct {
	// Topic is the topic's name without the prefix: orders, clock …
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Event is the event's id; "" when the record could not be read.
	Event string `json:"event"`
}

// ProgramRef pins the rules. Version 0 means that no program was needed (an unreadable record).
type ProgramRef struct {
	Version int32 `json:"version"`
	Hash    Hash  `json:"hash"`
}

// Balance is an account's points by bucket.
type Balance struct {
	Active   Points `json:"active"`
	Pending  Points `json:"pending"`
	Reserved Points `json:"reserved"`
	Deficit  Points `json:"deficit"`
}

// Result says what became of an input.
type Result string

// The results.
const (
	Applied    Result = "APPLIED"
	Nothing    Result = "NOTHING"
	Holdout    Result = "HOLDOUT"
	Duplicate  Result = "DUPLICATE"
	Conflict   Result = "CONFLICT"
	Refused    Result = "REFUSED"
	Stale      Result = "STALE"
	Future     Result = "FUTURE"
	Waiting    Result = "WAITING"
	Held       Result = "HELD"
	Forwarded  Result = "FORWARDED"
	Unreadable Result = "UNREADABLE"
	Parked     Result = "PARKED"
)

// EntryType names a movement of points.
type EntryType string

// The entry types.
const (
	Earn          EntryType = "EARN"
	Activate      EntryType = "ACTIVATE"
	CancelPending EntryType = "CANCEL_PENDING"
	Reserve       EntryType = "RESERVE"
	Confirm       EntryType = "CONFIRM"
	Release       EntryType = "RELEASE"
	Revoke        EntryType = "REVOKE"
	Reinstate     EntryType = "REINSTATE"
	Expire        EntryType = "EXPIRE"
	Adjust        EntryType = "ADJUST"
	AdjustDown    EntryType = "ADJUST_DOWN"
	TransferOut   EntryType = "TRANSFER_OUT"
	TransferIn    EntryType = "TRANSFER_IN"
	DeficitOwed   EntryType = "DEFICIT"
	DeficitRepaid EntryType = "DEFICIT_REPAID"
	TierChanged   EntryType = "TIER_CHANGED"
	Forfeit       EntryType = "FORFEIT"
)

// EntryTypes lists every entry type, in a fixed order.
func EntryTypes() []EntryType {
	return []EntryType{Earn, Activate, CancelPending, Reserve, Confirm, Release, Revoke, Reinstate, Expire, Adjust,
		AdjustDown, TransferOut, TransferIn, DeficitOwed, DeficitRepaid, TierChanged, Forfeit}
}

// Entry is one movement of points.
type Entry struct {
	Type EntryType `json:"type"`
	// Points is never negative.
	Points Points `json:"points"`
	// Lot is the account's lot that moves; 0 when none does.
	Lot int64 `json:"lot"`
	// Rule earned the points, or lost them to a clawback.
	Rule string `json:"rule,omitempty"`
	// Asked is what the rule asked for before caps, or what a clawback of the rule wanted. A clawback that touches
	// several lots carries it in its first entry only, so that the sum of Asked is what was taken back of the rule.
	Asked      Points  `json:"asked,omitempty"`
	Order      string  `json:"order,omitempty"`
	Redemption string  `json:"redemption,omitempty"`
	EarnedAt   Instant `json:"earned_at,omitzero"`
	ActiveAt   Instant `json:"active_at,omitzero"`
	ExpiresAt  Instant `json:"expires_at,omitzero"`
}
