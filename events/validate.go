package events

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits of what an event may carry. They keep one event from filling a batch, an account or a log line.
const (
	IDBytesMax   = 128
	TextBytesMax = 1024
	LinesMax     = 10_000
)

// Validate reports everything that makes e unusable whatever the rules say: ids missing or too long, no time. What
// the rules may refuse (a negative amount, a line id twice) is decided by them.
//
// It must not get stricter: events that were decided are read again to verify the decisions.
func Validate(e Event) error {
	var v validator
	v.event(e)
	return v.err(e)
}

// ValidateNew is Validate for an event that comes in, and reports a birthday too that no year has.
func ValidateNew(e Event) error {
	v := validator{comesIn: true}
	v.event(e)
	return v.err(e)
}

func (v *validator) event(e Event) {
	h := e.Head()
	if e.EventType() == TypeTick {
		if h.At <= 0 {
			v.add("at: is missing")
		}
		return
	}
	if e.EventType().Internal() {
		v.text("id", h.ID)
	} else {
		v.id("id", h.ID)
	}
	v.id("customer", h.Customer)
	if h.At <= 0 {
		v.add("at: is missing")
	}
	switch e := e.(type) {
	case *OrderPlaced:
		v.order(e)
	case *OrderFulfilled:
		v.id("order", e.Order)
	case *OrderCancelled:
		v.id("order", e.Order)
		v.text("reason", e.Reason)
	case *OrderReturned:
		v.returned(e)
	case *ReviewSubmitted:
		v.review(&e.Review)
	case *ReviewApproved:
		v.review(&e.Review)
	case *ReviewRemoved:
		v.review(&e.Review)
	case *AccountRegistered:
		v.registered(e)
	case *ComplaintResolved:
		v.id("complaint", e.Complaint)
	case *ServiceVoucherIssued:
		v.text("reference", e.Reference)
	case *ChurnContactCompleted:
		v.text("reference", e.Reference)
	case *AppInstalled:
		v.text("reference", e.Reference)
	case *SessionOpened:
		v.text("reference", e.Reference)
	case *PushClicked:
		v.text("reference", e.Reference)
	case *NewsletterSubscribed:
		v.text("reference", e.Reference)
	case *ReferralLinkShared:
		v.text("reference", e.Reference)
	case *PointsAdjusted:
		v.required("reason", e.Reason)
		v.required("actor", e.Actor)
	case *AccountsMerged:
		v.id("into", e.Into)
	case *FraudReviewed:
		if e.Verdict != VerdictClear && e.Verdict != VerdictConfirm {
			v.add("verdict: is %q, want clear or confirm", e.Verdict)
		}
		v.optionalID("decision", e.Decision)
	case *ReferralCompleted:
		v.id("referee", e.Referee)
		v.optionalID("order", e.Order)
	case *RedemptionRequested:
		v.id("redemption", e.Redemption)
		v.optionalID("order", e.Order)
		v.optionalID("reward", e.Reward)
	case *RedemptionConfirmed:
		v.id("redemption", e.Redemption)
		v.optionalID("order", e.Order)
	case *RedemptionCancelled:
		v.id("redemption", e.Redemption)
	case *TransferRequested:
		v.id("transfer", e.Transfer)
		v.id("to", e.To)
	case *ConsentChanged, *ErasureRequested:
	case *Tick, *TransferCredited, *ReferralRewarded, *MergeCredited, *EventForwarded:
	}
}

type validator struct {
	problems []error
	// comesIn is whether the event was never decided, so that more may be asked of it.
	comesIn bool
}

func (v *validator) add(format string, args ...any) {
	v.problems = append(v.problems, fmt.Errorf(format, args...))
}

func (v *validator) err(e Event) error {
	if len(v.problems) == 0 {
		return nil
	}
	return &InvalidError{Type: e.EventType(), ID: e.Head().ID, Problems: errors.Join(v.problems...)}
}

// InvalidError says which event is not valid, and why.
type InvalidError struct {
	Type Type
	ID   string
	// Problems are all that is wrong, joined.
	Problems error
}

// Error implements error.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("%s %q: %v", e.Type, shorten(e.ID), e.Problems)
}

// Unwrap returns the problems.
func (e *InvalidError) Unwrap() error { return e.Problems }

// isText is utf8.ValidString, in fewer steps for ASCII, which nearly all of these are.
func isText(s string) bool {
	var all uint64
	rest := s
	for ; len(rest) >= 8; rest = rest[8:] {
		all |= uint64(rest[0]) | uint64(rest[1])<<8 | uint64(rest[2])<<16 | uint64(rest[3])<<24 |
			uint64(rest[4])<<32 | uint64(rest[5])<<40 | uint64(rest[6])<<48 | uint64(rest[7])<<56
	}
	for i := range len(rest) {
		all |= uint64(rest[i])
	}
	return all&0x8080808080808080 == 0 || utf8.ValidString(s)
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func (v *validator) id(field, s string) {
	if s == "" {
		v.add("%s: is missing", field)
		return
	}
	v.optionalID(field, s)
}

func (v *validator) optionalID(field, s string) {
	switch {
	case len(s) > IDBytesMax:
		v.add("%s: has %d bytes, at most %d are allowed", field, len(s), IDBytesMax)
	case !isText(s):
		v.add("%s: is not UTF-8", field)
	}
}

func (v *validator) required(field, s string) {
	if s == "" {
		v.add("%s: is missing", field)
	}
	v.text(field, s)
}

func (v *validator) text(field, s string) {
	switch {
	case len(s) > TextBytesMax:
		v.add("%s: has %d bytes, at most %d are allowed", field, len(s), TextBytesMax)
	case !isText(s):
		v.add("%s: is not UTF-8", field)
	}
}

func (v *validator) order(e *OrderPlaced) {
	v.id("order", e.Order)
	v.id("currency", e.Currency)
	v.text("channel", e.Channel)
	v.text("store", e.Store)
	v.optionalID("redemption", e.Redemption)
	v.hashes(e.EmailHash, e.IPHash, e.AddressHash)
	if len(e.Lines) > LinesMax {
		v.add("lines: has %d, at most %d are allowed", len(e.Lines), LinesMax)
		return
	}
	for i := range e.Lines {
		l := &e.Lines[i]
		if l.Line == "" || len(l.Line) > IDBytesMax || len(l.SKU) > TextBytesMax || len(l.Category) > TextBytesMax ||
			!isText(l.Line) || !isText(l.SKU) || !isText(l.Category) {
			name := fmt.Sprintf("lines[%d]", i)
			v.id(name+".line", l.Line)
			v.text(name+".sku", l.SKU)
			v.text(name+".category", l.Category)
		}
	}
}

func (v *validator) returned(e *OrderReturned) {
	v.id("order", e.Order)
	v.id("return", e.Return)
	v.text("reason", e.Reason)
	if len(e.Lines) > LinesMax {
		v.add("lines: has %d, at most %d are allowed", len(e.Lines), LinesMax)
		return
	}
	for i := range e.Lines {
		v.id(fmt.Sprintf("lines[%d].line", i), e.Lines[i].Line)
	}
}

func (v *validator) review(r *Review) {
	v.id("review", r.Review)
	v.text("sku", r.SKU)
	v.optionalID("order", r.Order)
}

func (v *validator) registered(e *AccountRegistered) {
	v.hashes(e.EmailHash, e.IPHash, e.AddressHash)
	v.text("email_domain_hash", e.EmailDomainHash)
	v.text("country", e.Country)
	v.optionalID("referred_by", e.ReferredBy)
	b := e.Birthday
	if _, _, ok := ParseMonthDay(b); b == "" || ok {
		return
	}
	if v.comesIn || len(b) != 5 || b[2] != '-' || b[:2] < "01" || b[:2] > "12" || b[3:] < "01" || b[3:] > "31" {
		v.add("birthday: is %q, want a day of the year as MM-DD", shorten(b))
	}
}

func (v *validator) hashes(email, ip, address string) {
	v.text("email_hash", email)
	v.text("ip_hash", ip)
	v.text("address_hash", address)
}
