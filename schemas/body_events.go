package schemas

import "github.com/accrue-loyalty/accrue/events"

// eventBody describes each event's record: its fields in the order of its schema.
func eventBody(x *wire, e events.Event) bool {
	switch e := e.(type) {
	case *events.OrderPlaced:
		orderPlaced(x, e)
	case *events.OrderFulfilled:
		header(x, &e.Header)
		text(x, &e.Order)
	case *events.OrderCancelled:
		header(x, &e.Header)
		text(x, &e.Order)
		text(x, &e.Reason)
	case *events.OrderReturned:
		orderReturned(x, e)
	case *events.ReviewSubmitted:
		review(x, &e.Header, &e.Review)
	case *events.ReviewApproved:
		review(x, &e.Header, &e.Review)
	case *events.ReviewRemoved:
		review(x, &e.Header, &e.Review)
	case *events.AccountRegistered:
		accountRegistered(x, e)
	case *events.ConsentChanged:
		header(x, &e.Header)
		consent(x, &e.Consent)
	case *events.ComplaintResolved:
		header(x, &e.Header)
		text(x, &e.Complaint)
		long(x, &e.GoodwillPoints)
	case *events.ServiceVoucherIssued:
		contact(x, &e.Header, &e.Contact)
	case *events.ChurnContactCompleted:
		contact(x, &e.Header, &e.Contact)
	case *events.PointsAdjusted:
		header(x, &e.Header)
		long(x, &e.Points)
		text(x, &e.Reason)
		text(x, &e.Actor)
	case *events.AccountsMerged:
		header(x, &e.Header)
		text(x, &e.Into)
	case *events.ErasureRequested:
		header(x, &e.Header)
	case *events.FraudReviewed:
		header(x, &e.Header)
		word(x, &e.Verdict)
		text(x, &e.Decision)
	case *events.AppInstalled:
		contact(x, &e.Header, &e.Contact)
	case *events.SessionOpened:
		contact(x, &e.Header, &e.Contact)
	case *events.PushClicked:
		contact(x, &e.Header, &e.Contact)
	case *events.NewsletterSubscribed:
		contact(x, &e.Header, &e.Contact)
	case *events.ReferralLinkShared:
		contact(x, &e.Header, &e.Contact)
	case *events.ReferralCompleted:
		header(x, &e.Header)
		text(x, &e.Referee)
		text(x, &e.Order)
	case *events.RedemptionRequested:
		header(x, &e.Header)
		text(x, &e.Redemption)
		long(x, &e.Points)
		text(x, &e.Order)
		long(x, &e.OrderTotal)
		word(x, &e.Reward)
	case *events.RedemptionConfirmed:
		header(x, &e.Header)
		text(x, &e.Redemption)
		option(x, &e.Points, long)
		text(x, &e.Order)
	case *events.RedemptionCancelled:
		header(x, &e.Header)
		text(x, &e.Redemption)
	case *events.TransferRequested:
		header(x, &e.Header)
		text(x, &e.Transfer)
		text(x, &e.To)
		long(x, &e.Points)
	case *events.Tick:
		header(x, &e.Header)
	case *events.TransferCredited:
		header(x, &e.Header)
		text(x, &e.Transfer)
		text(x, &e.From)
		list(x, &e.Lots, creditedLot)
	case *events.ReferralRewarded:
		header(x, &e.Header)
		text(x, &e.Referee)
		text(x, &e.Order)
		long(x, &e.Points)
		flag(x, &e.Reversed)
		long(x, &e.EarnedAt)
	case *events.MergeCredited:
		header(x, &e.Header)
		text(x, &e.From)
		blob(x, &e.Account)
	case *events.EventForwarded:
		header(x, &e.Header)
		text(x, &e.From)
		blob(x, &e.Event)
	default:
		return false
	}
	return true
}

// roomLinesMax is how many lines a room keeps the memory of.
const roomLinesMax = 256

// event returns an event to decode into, which sets every field. Only orders, which are most of the traffic, use the
// room; a new one comes with place for the lines that most have.
func (r *EventRoom) event(t events.Type) events.Event {
	if t != events.TypeOrderPlaced {
		return events.New(t)
	}
	if r != nil {
		if cap(r.order.Lines) > roomLinesMax {
			r.order = events.OrderPlaced{}
		}
		return &r.order
	}
	room := new(struct {
		order events.OrderPlaced
		lines [2]events.Line
	})
	room.order.Lines = room.lines[:0]
	return &room.order
}

func header(x *wire, h *events.Header) {
	text(x, &h.ID)
	text(x, &h.Customer)
	long(x, &h.At)
}

func orderPlaced(x *wire, e *events.OrderPlaced) {
	if x.brief {
		x.share()
	}
	header(x, &e.Header)
	text(x, &e.Order)
	word(x, &e.Currency)
	word(x, &e.Channel)
	word(x, &e.Store)
	x.share() // skus, hashes
	refill(x, &e.Lines, line)
	long(x, &e.OrderDiscount)
	long(x, &e.Tax)
	long(x, &e.Shipping)
	long(x, &e.PaidPoints)
	text(x, &e.Redemption)
	text(x, &e.EmailHash)
	text(x, &e.IPHash)
	text(x, &e.AddressHash)
}

func line(x *wire, l *events.Line) {
	label(x, &l.Line)
	text(x, &l.SKU)
	word(x, &l.Category)
	long(x, &l.Quantity)
	long(x, &l.Amount)
	long(x, &l.Discount)
}

// orderReturned is written by hand because its list may be null (all of the order), which is not the same as empty.
func orderReturned(x *wire, e *events.OrderReturned) {
	header(x, &e.Header)
	text(x, &e.Order)
	text(x, &e.Return)
	switch {
	case x.encoding && e.Lines == nil:
		x.buf = append(x.buf, 0)
	case x.encoding:
		x.buf = append(x.buf, 2)
		putList(x, e.Lines, returnedLine)
	case x.branch():
		e.Lines = takeList(x, []events.ReturnedLine{}, returnedLine)
	default:
		e.Lines = nil
	}
	text(x, &e.Reason)
}

func returnedLine(x *wire, l *events.ReturnedLine) {
	label(x, &l.Line)
	long(x, &l.Quantity)
	long(x, &l.Amount)
}

func review(x *wire, h *events.Header, r *events.Review) {
	header(x, h)
	text(x, &r.Review)
	text(x, &r.SKU)
	text(x, &r.Order)
	long(x, &r.Rating)
}

func accountRegistered(x *wire, e *events.AccountRegistered) {
	header(x, &e.Header)
	text(x, &e.EmailHash)
	text(x, &e.IPHash)
	text(x, &e.AddressHash)
	text(x, &e.EmailDomainHash)
	word(x, &e.Country)
	text(x, &e.ReferredBy)
	option(x, &e.Consent, consent)
	text(x, &e.Birthday)
}

func consent(x *wire, c *events.Consent) {
	option(x, &c.Marketing, flag)
	option(x, &c.Tracking, flag)
}

func contact(x *wire, h *events.Header, c *events.Contact) {
	header(x, h)
	text(x, &c.Reference)
}

func creditedLot(x *wire, l *events.CreditedLot) {
	long(x, &l.Points)
	long(x, &l.EarnedAt)
	orNone(x, &l.ExpiresAt)
}
