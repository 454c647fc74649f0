package events

// AppInstalled says that the customer installed the app.
type AppInstalled struct {
	Header
	Contact
}

// SessionOpened says that the customer opened the app or the shop.
type SessionOpened struct {
	Header
	Contact
}

// PushClicked says that the customer followed a push message.
type PushClicked struct {
	Header
	Contact
}

// NewsletterSubscribed says that the customer subscribed.
type NewsletterSubscribed struct {
	Header
	Contact
}

// ReferralLinkShared says that the customer shared a referral link.
type ReferralLinkShared struct {
	Header
	Contact
}

// ReferralCompleted says that Referee did what the referral asked for; Customer is the referrer.
type ReferralCompleted struct {
	Header
	Referee string `json:"referee"`
	Order   string `json:"order,omitempty"`
}

// EventType implements [Event].
func (*AppInstalled) EventType() Type { return TypeAppInstalled }

// EventType implements [Event].
func (*SessionOpened) EventType() Type { return TypeSessionOpened }

// EventType implements [Event].
func (*PushClicked) EventType() Type { return TypePushClicked }

// EventType implements [Event].
func (*NewsletterSubscribed) EventType() Type { return TypeNewsletterSubscribed }

// EventType implements [Event].
func (*ReferralLinkShared) EventType() Type { return TypeReferralLinkShared }

// EventType implements [Event].
func (*ReferralCompleted) EventType() Type { return TypeReferralCompleted }
