package events

// Type names an event type; the same name is the Avro record's, with the namespace accrue.
type Type string

// The event types. The first group comes from producers, the second is accrue's own.
const (
	TypeOrderPlaced    Type = "OrderPlaced"
	TypeOrderFulfilled Type = "OrderFulfilled"
	TypeOrderCancelled Type = "OrderCancelled"
	TypeOrderReturned  Type = "OrderReturned"

	TypeReviewSubmitted Type = "ReviewSubmitted"
	TypeReviewApproved  Type = "ReviewApproved"
	TypeReviewRemoved   Type = "ReviewRemoved"

	TypeAccountRegistered     Type = "AccountRegistered"
	TypeConsentChanged        Type = "ConsentChanged"
	TypeComplaintResolved     Type = "ComplaintResolved"
	TypeServiceVoucherIssued  Type = "ServiceVoucherIssued"
	TypeChurnContactCompleted Type = "ChurnContactCompleted"
	TypePointsAdjusted        Type = "PointsAdjusted"
	TypeAccountsMerged        Type = "AccountsMerged"
	TypeErasureRequested      Type = "ErasureRequested"
	TypeFraudReviewed         Type = "FraudReviewed"

	TypeAppInstalled         Type = "AppInstalled"
	TypeSessionOpened        Type = "SessionOpened"
	TypePushClicked          Type = "PushClicked"
	TypeNewsletterSubscribed Type = "NewsletterSubscribed"
	TypeReferralLinkShared   Type = "ReferralLinkShared"
	TypeReferralCompleted    Type = "ReferralCompleted"

	TypeRedemptionRequested Type = "RedemptionRequested"
	TypeRedemptionConfirmed Type = "RedemptionConfirmed"
	TypeRedemptionCancelled Type = "RedemptionCancelled"
	TypeTransferRequested   Type = "TransferRequested"

	TypeTick             Type = "Tick"
	TypeTransferCredited Type = "TransferCredited"
	TypeReferralRewarded Type = "ReferralRewarded"
	TypeMergeCredited    Type = "MergeCredited"
	TypeEventForwarded   Type = "EventForwarded"
)

// Event is something that happened, or a command, concerning one customer. The set is closed.
//
//sumtype:decl
type Event interface {
	// EventType names the concrete type.
	EventType() Type
	// Head returns the fields that every event has. The caller may read through it, not write.
	Head() *Header
	isEvent()
}

// Header holds what every event carries.
type Header struct {
	// ID is the idempotency key: unique for the customer, 1 to 128 bytes.
	ID string `json:"id"`
	// Customer is 1 to 128 bytes of UTF-8, and the Kafka key. A Tick has none.
	Customer string `json:"customer"`
	// At is when it happened: business time, never the clock.
	At Instant `json:"at"`
	// Tag takes the JSON field "type", which selects the struct and so needs no room in it.
	Tag typeTag `json:"type,omitzero"`
}

// Head implements [Event].
func (h *Header) Head() *Header { return h }

func (*Header) isEvent() {}

type typeTag struct{}

// UnmarshalJSON accepts the type's name, which [DecodeJSON] has read already.
func (*typeTag) UnmarshalJSON([]byte) error { return nil }

// New returns an empty event of type t to decode into, or nil when t is unknown.
func New(t Type) Event {
	switch t {
	case TypeOrderPlaced:
		return new(OrderPlaced)
	case TypeOrderFulfilled:
		return new(OrderFulfilled)
	case TypeOrderCancelled:
		return new(OrderCancelled)
	case TypeOrderReturned:
		return new(OrderReturned)
	case TypeReviewSubmitted:
		return new(ReviewSubmitted)
	case TypeReviewApproved:
		return new(ReviewApproved)
	case TypeReviewRemoved:
		return new(ReviewRemoved)
	case TypeAccountRegistered:
		return new(AccountRegistered)
	case TypeConsentChanged:
		return new(ConsentChanged)
	case TypeComplaintResolved:
		return new(ComplaintResolved)
	case TypeServiceVoucherIssued:
		return new(ServiceVoucherIssued)
	case TypeChurnContactCompleted:
		return new(ChurnContactCompleted)
	case TypePointsAdjusted:
		return new(PointsAdjusted)
	case TypeAccountsMerged:
		return new(AccountsMerged)
	case TypeErasureRequested:
		return new(ErasureRequested)
	case TypeFraudReviewed:
		return new(FraudReviewed)
	case TypeAppInstalled:
		return new(AppInstalled)
	case TypeSessionOpened:
		return new(SessionOpened)
	case TypePushClicked:
		return new(PushClicked)
	case TypeNewsletterSubscribed:
		return new(NewsletterSubscribed)
	case TypeReferralLinkShared:
		return new(ReferralLinkShared)
	case TypeReferralCompleted:
		return new(ReferralCompleted)
	case TypeRedemptionRequested:
		return new(RedemptionRequested)
	case TypeRedemptionConfirmed:
		return new(RedemptionConfirmed)
	case TypeRedemptionCancelled:
		return new(RedemptionCancelled)
	case TypeTransferRequested:
		return new(TransferRequested)
	case TypeTick:
		return new(Tick)
	case TypeTransferCredited:
		return new(TransferCredited)
	case TypeReferralRewarded:
		return new(ReferralRewarded)
	case TypeMergeCredited:
		return new(MergeCredited)
	case TypeEventForwarded:
		return new(EventForwarded)
	default:
		return nil
	}
}

// Types lists every type that [New] knows, producers' first, in a fixed order.
func Types() []Type {
	return []Type{
		TypeOrderPlaced, TypeOrderFulfilled, TypeOrderCancelled, TypeOrderReturned,
		TypeReviewSubmitted, TypeReviewApproved, TypeReviewRemoved,
		TypeAccountRegistered, TypeConsentChanged, TypeComplaintResolved, TypeServiceVoucherIssued,
		TypeChurnContactCompleted, TypePointsAdjusted, TypeAccountsMerged, TypeErasureRequested, TypeFraudReviewed,
		TypeAppInstalled, TypeSessionOpened, TypePushClicked, TypeNewsletterSubscribed, TypeReferralLinkShared,
		TypeReferralCompleted,
		TypeRedemptionRequested, TypeRedemptionConfirmed, TypeRedemptionCancelled, TypeTransferRequested,
		TypeTick, TypeTransferCredited, TypeReferralRewarded, TypeMergeCredited, TypeEventForwarded,
	}
}

// Internal reports whether only accrue itself publishes events of type t.
func (t Type) Internal() bool {
	switch t {
	case TypeTick, TypeTransferCredited, TypeReferralRewarded, TypeMergeCredited, TypeEventForwarded:
		return true
	default:
		return false
	}
}
