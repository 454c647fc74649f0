package events

// RedemptionRequested is a command: reserve points.
type RedemptionRequested struct {
	Header
	// Redemption is unique for the customer.
	Redemption string `json:"redemption"`
	Points     Points `json:"points"`
	Order      string `json:"order,omitempty"`
	// OrderTotal bounds the share of the order that points may pay; 0 means it was not given.
	OrderTotal Money  `json:"order_total_minor,omitempty"`
	Reward     string `json:"reward,omitempty"`
}

// RedemptionConfirmed is a command: the reserved points are spent.
type RedemptionConfirmed struct {
	Header
	Redemption string `json:"redemption"`
	// Points is nil for all of them; fewer release the rest.
	Points *Points `json:"points,omitempty"`
	Order  string  `json:"order,omitempty"`
}

// RedemptionCancelled is a command: the reserved or spent points go back.
type RedemptionCancelled struct {
	Header
	Redemption string `json:"redemption"`
}

// TransferRequested is a command: give points to another customer.
type TransferRequested struct {
	Header
	// Transfer is unique for the customer.
	Transfer string `json:"transfer"`
	To       string `json:"to"`
	Points   Points `json:"points"`
}

// EventType implements [Event].
func (*RedemptionRequested) EventType() Type { return TypeRedemptionRequested }

// EventType implements [Event].
func (*RedemptionConfirmed) EventType() Type { return TypeRedemptionConfirmed }

// EventType implements [Event].
func (*RedemptionCancelled) EventType() Type { return TypeRedemptionCancelled }

// EventType implements [Event].
func (*TransferRequested) EventType() Type { return TypeTransferRequested }
