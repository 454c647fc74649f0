package events

// AccountRegistered opens a customer's account with the shop.
type AccountRegistered struct {
	Header
	EmailHash       string `json:"email_hash,omitempty"`
	IPHash          string `json:"ip_hash,omitempty"`
	AddressHash     string `json:"address_hash,omitempty"`
	EmailDomainHash string `json:"email_domain_hash,omitempty"`
	Country         string `json:"country,omitempty"`
	// ReferredBy is the customer who referred this one.
	ReferredBy string `json:"referred_by,omitempty"`
	// Consent is nil when nothing was said.
	Consent *Consent `json:"consent,omitempty"`
	// Birthday is MM-DD.
	Birthday string `json:"birthday,omitempty"`
}

// Consent says what the customer agreed to. A nil field was not said, and changes nothing.
type Consent struct {
	Marketing *bool `json:"marketing,omitempty"`
	Tracking  *bool `json:"tracking,omitempty"`
}

// ConsentChanged replaces the parts of the consent that it names.
type ConsentChanged struct {
	Header
	Consent
}

// ComplaintResolved may carry points that the desk granted.
type ComplaintResolved struct {
	Header
	// Complaint is unique for the customer.
	Complaint      string `json:"complaint"`
	GoodwillPoints int64  `json:"goodwill_points,omitempty"`
}

// Contact is what several CRM and app events carry.
type Contact struct {
	Reference string `json:"reference,omitempty"`
}

// ServiceVoucherIssued says that the desk gave a voucher.
type ServiceVoucherIssued struct {
	Header
	Contact
}

// ChurnContactCompleted says that an at-risk customer was reached.
type ChurnContactCompleted struct {
	Header
	Contact
}

// PointsAdjusted is a correction by a person.
type PointsAdjusted struct {
	Header
	// Points is signed.
	Points int64  `json:"points"`
	Reason string `json:"reason"`
	Actor  string `json:"actor"`
}

// AccountsMerged ends the account of Customer; Into survives.
type AccountsMerged struct {
	Header
	Into string `json:"into"`
}

// ErasureRequested forfeits the balance and deletes the customer's state.
type ErasureRequested struct{ Header }

// Verdict is the outcome of a fraud review.
type Verdict string

// The verdicts.
const (
	VerdictClear   Verdict = "clear"
	VerdictConfirm Verdict = "confirm"
)

// FraudReviewed settles points that a fraud rule holds.
type FraudReviewed struct {
	Header
	Verdict Verdict `json:"verdict"`
	// Decision is the event id of the held decision; "" means all of the customer's.
	Decision string `json:"decision,omitempty"`
}

// EventType implements [Event].
func (*AccountRegistered) EventType() Type { return TypeAccountRegistered }

// EventType implements [Event].
func (*ConsentChanged) EventType() Type { return TypeConsentChanged }

// EventType implements [Event].
func (*ComplaintResolved) EventType() Type { return TypeComplaintResolved }

// EventType implements [Event].
func (*ServiceVoucherIssued) EventType() Type { return TypeServiceVoucherIssued }

// EventType implements [Event].
func (*ChurnContactCompleted) EventType() Type { return TypeChurnContactCompleted }

// EventType implements [Event].
func (*PointsAdjusted) EventType() Type { return TypePointsAdjusted }

// EventType implements [Event].
func (*AccountsMerged) EventType() Type { return TypeAccountsMerged }

// EventType implements [Event].
func (*ErasureRequested) EventType() Type { return TypeErasureRequested }

// EventType implements [Event].
func (*FraudReviewed) EventType() Type { return TypeFraudReviewed }
