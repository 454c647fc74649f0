package events

// OrderPlaced says that a customer bought something. Its gross is the sum of the lines' amounts.
type OrderPlaced struct {
	Header
	// Order is unique for the customer.
	Order string `json:"order"`
	// Currency is an ISO 4217 code.
	Currency string `json:"currency"`
	Channel  string `json:"channel,omitempty"`
	Store    string `json:"store,omitempty"`
	Lines    []Line `json:"lines"`
	// OrderDiscount is a discount on the whole order, beyond the lines' own.
	OrderDiscount Money `json:"order_discount_minor,omitempty"`
	Tax           Money `json:"tax_minor,omitempty"`
	Shipping      Money `json:"shipping_minor,omitempty"`
	// PaidPoints is the part of the order that was paid with points, as money.
	PaidPoints Money `json:"paid_points_minor,omitempty"`
	// Redemption links the redemption that paid that part.
	Redemption  string `json:"redemption,omitempty"`
	EmailHash   string `json:"email_hash,omitempty"`
	IPHash      string `json:"ip_hash,omitempty"`
	AddressHash string `json:"address_hash,omitempty"`
}

// Line is one line of an order.
type Line struct {
	// Line is unique in the order.
	Line     string `json:"line"`
	SKU      string `json:"sku"`
	Category string `json:"category,omitempty"`
	Quantity int64  `json:"quantity"`
	// Amount is the whole line before Discount and tax.
	Amount   Money `json:"amount_minor"`
	Discount Money `json:"discount_minor,omitempty"`
}

// OrderFulfilled says that an order was delivered or handed over.
type OrderFulfilled struct {
	Header
	Order string `json:"order"`
}

// OrderCancelled takes back everything an order caused.
type OrderCancelled struct {
	Header
	Order  string `json:"order"`
	Reason string `json:"reason,omitempty"`
}

// OrderReturned says that an order, or some of its lines, came back.
type OrderReturned struct {
	Header
	Order string `json:"order"`
	// Return is unique for the customer.
	Return string `json:"return"`
	// Lines is nil when all of the order came back.
	Lines  []ReturnedLine `json:"lines,omitzero"`
	Reason string         `json:"reason,omitempty"`
}

// ReturnedLine is what came back of one line.
type ReturnedLine struct {
	Line string `json:"line"`
	// Quantity is information only.
	Quantity int64 `json:"quantity,omitempty"`
	// Amount is on the scale of the order line's own amount, before discounts.
	Amount Money `json:"amount_minor"`
}

// EventType implements [Event].
func (*OrderPlaced) EventType() Type { return TypeOrderPlaced }

// EventType implements [Event].
func (*OrderFulfilled) EventType() Type { return TypeOrderFulfilled }

// EventType implements [Event].
func (*OrderCancelled) EventType() Type { return TypeOrderCancelled }

// EventType implements [Event].
func (*OrderReturned) EventType() Type { return TypeOrderReturned }
