package events

// Tick moves a partition's clock to At. Customer is empty.
type Tick struct{ Header }

// TransferCredited is the second leg of a transfer; Customer receives.
type TransferCredited struct {
	Header
	Transfer string        `json:"transfer"`
	From     string        `json:"from"`
	Lots     []CreditedLot `json:"lots"`
}

// CreditedLot is points that keep their dates on the way to another customer.
type CreditedLot struct {
	Points    Points  `json:"points"`
	EarnedAt  Instant `json:"earned_at"`
	ExpiresAt Instant `json:"expires_at,omitzero"`
}

// ReferralRewarded gives (or, when Reversed, takes back) the referrer's part; Customer is the referrer.
type ReferralRewarded struct {
	Header
	Referee  string `json:"referee"`
	Order    string `json:"order"`
	Points   Points `json:"points"`
	Reversed bool   `json:"reversed,omitempty"`
	// EarnedAt is the order's time; holds and expiry count from it.
	EarnedAt Instant `json:"earned_at"`
}

// MergeCredited is the second leg of a merge; Customer survives and takes over the account of From.
type MergeCredited struct {
	Header
	From string `json:"from"`
	// Account is the ended account with all its records, in the loyalty package's encoding.
	Account []byte `json:"account"`
}

// EventForwarded carries an event of a merged customer to the survivor, who decides it as its own.
type EventForwarded struct {
	Header
	From string `json:"from"`
	// Event is the original event in its JSON form.
	Event []byte `json:"event"`
}

// EventType implements [Event].
func (*Tick) EventType() Type { return TypeTick }

// EventType implements [Event].
func (*TransferCredited) EventType() Type { return TypeTransferCredited }

// EventType implements [Event].
func (*ReferralRewarded) EventType() Type { return TypeReferralRewarded }

// EventType implements [Event].
func (*MergeCredited) EventType() Type { return TypeMergeCredited }

// EventType implements [Event].
func (*EventForwarded) EventType() Type { return TypeEventForwarded }

// ProgramPublished is a version of the rules on the program topic. It concerns no customer, so it is no [Event].
type ProgramPublished struct {
	Version int32 `json:"version"`
	// EffectiveAt is when the version takes effect, by the events' own time.
	EffectiveAt Instant `json:"effective_at"`
	PublishedAt Instant `json:"published_at"`
	// Hash is the SHA-256 of Source.
	Hash   Hash   `json:"hash"`
	Source string `json:"source"`
}
