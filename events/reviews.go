package events

// Review is what the three review events carry.
type Review struct {
	// Review is unique for the customer.
	Review string `json:"review"`
	SKU    string `json:"sku,omitempty"`
	Order  string `json:"order,omitempty"`
	Rating int64  `json:"rating,omitempty"`
}

// ReviewSubmitted says that a customer wrote a review.
type ReviewSubmitted struct {
	Header
	Review
}

// ReviewApproved says that a review was published.
type ReviewApproved struct {
	Header
	Review
}

// ReviewRemoved takes back what the review earned.
type ReviewRemoved struct {
	Header
	Review
}

// EventType implements [Event].
func (*ReviewSubmitted) EventType() Type { return TypeReviewSubmitted }

// EventType implements [Event].
func (*ReviewApproved) EventType() Type { return TypeReviewApproved }

// EventType implements [Event].
func (*ReviewRemoved) EventType() Type { return TypeReviewRemoved }
