package api

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// These stand in for types all of whose values are known.
type (
	results          struct{}
	entryTypes       struct{}
	redemptionStates struct{}
	verdicts         struct{}
)

// Schema implements [huma.SchemaProvider].
func (results) Schema(r huma.Registry) *huma.Schema {
	return closedSet(r, "Result", events.Applied, events.Nothing, events.Holdout, events.Duplicate, events.Conflict, events.Refused,
		events.Stale, events.Future, events.Waiting, events.Held, events.Forwarded, events.Unreadable, events.Parked)
}

// Schema implements [huma.SchemaProvider].
func (entryTypes) Schema(r huma.Registry) *huma.Schema {
	return closedSet(r, "EntryType", events.Earn, events.Activate, events.CancelPending, events.Reserve, events.Confirm,
		events.Release, events.Revoke, events.Reinstate, events.Expire, events.Adjust, events.AdjustDown, events.TransferOut,
		events.TransferIn, events.DeficitOwed, events.DeficitRepaid, events.TierChanged, events.Forfeit)
}

// Schema implements [huma.SchemaProvider].
func (redemptionStates) Schema(r huma.Registry) *huma.Schema {
	return closedSet(r, "RedemptionState", events.StateReserved, events.StateConfirmed, events.StateCancelled, events.StateLapsed)
}

// Schema implements [huma.SchemaProvider].
func (verdicts) Schema(r huma.Registry) *huma.Schema {
	return closedSet(r, "Verdict", events.VerdictClear, events.VerdictConfirm)
}

// closedSet names a set of values, so that clients made of the document have one type for it.
func closedSet[T ~string](r huma.Registry, name string, values ...T) *huma.Schema {
	set := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		set.Enum = append(set.Enum, string(v))
	}
	r.Map()[name] = set
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

// taken reports whether a schema is of what clients send.
func taken(schema string) bool {
	return events.New(events.Type(schema)) != nil ||
		slices.Contains([]string{"Line", "ReturnedLine", "Cart", "RedeemRequest", "ConfirmRequest", "SettleRequest"}, schema)
}

// documentNulls says what may be null in answers: the clock of a decision, where there is none, and the lines of an order
// without any. Everything else is left out where there is none, or an empty list.
func documentNulls(all map[string]*huma.Schema) {
	for name, schema := range all {
		for _, field := range schema.Properties {
			if field.Type == huma.TypeArray && !taken(name) {
				field.Nullable = false
			}
		}
	}
	all["OrderFact"].Properties["lines"].Nullable = true
	all["Decision"].Properties["clock"].Nullable = true
}

// idFields are the texts that name something; all others are words.
var idFields = [...]string{"id", "customer", "order", "return", "review", "redemption", "transfer", "complaint", "decision", "reward",
	"referee", "referred_by", "to", "into", "line", "currency"}

// documentTexts says how long the texts may be that clients send, and which may not be empty.
func documentTexts(all map[string]*huma.Schema) {
	for name, schema := range all {
		if !taken(name) {
			continue
		}
		for field, text := range schema.Properties {
			if text.Type != huma.TypeString || text.Format != "" || text.WriteOnly || field == "type" {
				continue
			}
			if field == "birthday" {
				text.Pattern = "^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
				continue
			}
			most := events.TextBytesMax
			if slices.Contains(idFields[:], field) {
				most = events.IDBytesMax
			}
			text.MaxLength = &most
			// A cart may leave out its ids, but not have empty ones.
			cartID := name == "Cart" && most == events.IDBytesMax
			if (cartID || slices.Contains(schema.Required, field)) && field != "sku" {
				text.MinLength = new(1)
			}
		}
	}
}
