package schemas

import (
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// DefaultPrefix comes before the topics' names on the cluster. Another one lets several programs share a cluster.
const DefaultPrefix = "accrue."

// Topic is a topic's name without the prefix, as it stands in [events.Cause].
type Topic string

// The topics.
const (
	TopicOrders      Topic = "orders"
	TopicReturns     Topic = "returns"
	TopicReviews     Topic = "reviews"
	TopicCRM         Topic = "crm"
	TopicEngagement  Topic = "engagement"
	TopicRedemptions Topic = "redemptions"

	// TopicTransfers has the second leg of what crosses customers. TopicSignals has what fraud rules compare across
	// customers, keyed by the compared value. TopicClock has the ticks, one stream a partition.
	TopicTransfers Topic = "transfers"
	TopicSignals   Topic = "signals"
	TopicClock     Topic = "clock"

	TopicProgram       Topic = "program"
	TopicLedger        Topic = "ledger"
	TopicNotifications Topic = "notifications"
	TopicDeadLetter    Topic = "deadletter"
)

// Topics lists every topic, inputs first, in a fixed order.
func Topics() []Topic {
	return append(Inputs(), TopicProgram, TopicLedger, TopicNotifications, TopicDeadLetter)
}

// Inputs lists the topics whose records the engine decides, accrue's own after the producers', in a fixed order. They
// have as many partitions as the ledger.
func Inputs() []Topic {
	return []Topic{TopicOrders, TopicReturns, TopicReviews, TopicCRM, TopicEngagement, TopicRedemptions,
		TopicTransfers, TopicSignals, TopicClock}
}

// Internal reports whether only accrue itself writes to t.
func (t Topic) Internal() bool {
	switch t {
	case TopicOrders, TopicReturns, TopicReviews, TopicCRM, TopicEngagement, TopicRedemptions:
		return false
	default:
		return true
	}
}

// Reserved reports whether t is for what is to come: so far nobody writes to it or reads it, and it may be missing.
func (t Topic) Reserved() bool { return t == TopicSignals || t == TopicNotifications }

// Name returns the topic's name on the cluster.
func (t Topic) Name(prefix string) string { return prefix + string(t) }

// ParseTopic returns the topic that has the given name on the cluster; false when it is none of ours.
func ParseTopic(prefix, name string) (Topic, bool) {
	local, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return "", false
	}
	for _, t := range Topics() {
		if string(t) == local {
			return t, true
		}
	}
	return "", false
}

// TopicOf returns the topic that carries events of type t, or "" when t is unknown.
func TopicOf(t events.Type) Topic {
	switch t {
	case events.TypeOrderPlaced, events.TypeOrderFulfilled, events.TypeOrderCancelled:
		return TopicOrders
	case events.TypeOrderReturned:
		return TopicReturns
	case events.TypeReviewSubmitted, events.TypeReviewApproved, events.TypeReviewRemoved:
		return TopicReviews
	case events.TypeAccountRegistered, events.TypeConsentChanged, events.TypeComplaintResolved,
		events.TypeServiceVoucherIssued, events.TypeChurnContactCompleted, events.TypePointsAdjusted,
		events.TypeAccountsMerged, events.TypeErasureRequested, events.TypeFraudReviewed:
		return TopicCRM
	case events.TypeAppInstalled, events.TypeSessionOpened, events.TypePushClicked, events.TypeNewsletterSubscribed,
		events.TypeReferralLinkShared, events.TypeReferralCompleted:
		return TopicEngagement
	case events.TypeRedemptionRequested, events.TypeRedemptionConfirmed, events.TypeRedemptionCancelled,
		events.TypeTransferRequested:
		return TopicRedemptions
	case events.TypeTransferCredited, events.TypeReferralRewarded, events.TypeMergeCredited,
		events.TypeEventForwarded:
		return TopicTransfers
	case events.TypeTick:
		return TopicClock
	default:
		return ""
	}
}
