package program

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/accrue-loyalty/accrue/events"
)

// field is one field of an event or of a part of one, as expressions see it: by the name that the JSON form has.
type field struct {
	name string
	typ  *types.Type
	// get reads it; what is absent reads as "", 0, false or an empty list.
	get func(object any) ref.Val
	// has tells whether it is there; an optional text or number is when it is not empty or 0.
	has func(object any) bool
}

func always(any) bool { return true }

func text[E any](name string, get func(E) string) field {
	return field{name, types.StringType,
		func(o any) ref.Val { return types.String(get(o.(E))) },
		func(o any) bool { return get(o.(E)) != "" }}
}

func optionalInt[E any, N ~int64](name string, get func(E) N) field {
	return field{name, types.IntType,
		func(o any) ref.Val { return types.Int(get(o.(E))) },
		func(o any) bool { return get(o.(E)) != 0 }}
}

func integer[E any, N ~int64](name string, get func(E) N) field {
	f := optionalInt(name, get)
	f.has = always
	return f
}

// optionalFlag is of a pointer that is nil when nothing was said.
func optionalFlag[E any](name string, get func(E) *bool) field {
	return field{name, types.BoolType,
		func(o any) ref.Val { b := get(o.(E)); return types.Bool(b != nil && *b) },
		func(o any) bool { return get(o.(E)) != nil }}
}

// parts is a list of structs, which are shown without being copied.
func parts[E, P any](name, typeName string, get func(E) []P) field {
	return field{name, types.NewListType(types.NewObjectType(typeName)),
		func(o any) ref.Val {
			items := get(o.(E))
			values, shown := make([]ref.Val, len(items)), make([]part, len(items))
			for i := range items {
				shown[i].object = &items[i]
				values[i] = &shown[i]
			}
			return types.NewRefValList(types.DefaultTypeAdapter, values)
		},
		func(o any) bool { return get(o.(E)) != nil }}
}

var headerFields = []field{
	{"id", types.StringType, func(o any) ref.Val { return types.String(o.(events.Event).Head().ID) }, always},
	{"customer", types.StringType, func(o any) ref.Val { return types.String(o.(events.Event).Head().Customer) }, always},
	{"at", types.TimestampType, func(o any) ref.Val { return types.Timestamp{Time: o.(events.Event).Head().At.Time()} }, always},
}

// Names of the parts of events in expressions.
const (
	lineType    = "Line"
	consentType = "Consent"
)

// objectFields are the fields of every type that expressions see, by its name. It is never written to.
var objectFields = map[string][]field{
	lineType: {
		text("line", func(l *events.Line) string { return l.Line }),
		text("sku", func(l *events.Line) string { return l.SKU }),
		text("category", func(l *events.Line) string { return l.Category }),
		integer("quantity", func(l *events.Line) int64 { return l.Quantity }),
		integer("amount_minor", func(l *events.Line) events.Money { return l.Amount }),
		optionalInt("discount_minor", func(l *events.Line) events.Money { return l.Discount }),
	},
	consentType: {
		optionalFlag("marketing", func(c *events.Consent) *bool { return c.Marketing }),
		optionalFlag("tracking", func(c *events.Consent) *bool { return c.Tracking }),
	},
	"OrderPlaced": {
		text("order", func(e *events.OrderPlaced) string { return e.Order }),
		text("currency", func(e *events.OrderPlaced) string { return e.Currency }),
		text("channel", func(e *events.OrderPlaced) string { return e.Channel }),
		text("store", func(e *events.OrderPlaced) string { return e.Store }),
		parts("lines", lineType, func(e *events.OrderPlaced) []events.Line { return e.Lines }),
		optionalInt("order_discount_minor", func(e *events.OrderPlaced) events.Money { return e.OrderDiscount }),
		optionalInt("tax_minor", func(e *events.OrderPlaced) events.Money { return e.Tax }),
		optionalInt("shipping_minor", func(e *events.OrderPlaced) events.Money { return e.Shipping }),
		optionalInt("paid_points_minor", func(e *events.OrderPlaced) events.Money { return e.PaidPoints }),
		text("redemption", func(e *events.OrderPlaced) string { return e.Redemption }),
		text("email_hash", func(e *events.OrderPlaced) string { return e.EmailHash }),
		text("ip_hash", func(e *events.OrderPlaced) string { return e.IPHash }),
		text("address_hash", func(e *events.OrderPlaced) string { return e.AddressHash }),
	},
	"OrderFulfilled":  {text("order", func(e *events.OrderFulfilled) string { return e.Order })},
	"ReviewSubmitted": reviewFields(func(e *events.ReviewSubmitted) *events.Review { return &e.Review }),
	"ReviewApproved":  reviewFields(func(e *events.ReviewApproved) *events.Review { return &e.Review }),
	"AccountRegistered": {
		text("email_hash", func(e *events.AccountRegistered) string { return e.EmailHash }),
		text("ip_hash", func(e *events.AccountRegistered) string { return e.IPHash }),
		text("address_hash", func(e *events.AccountRegistered) string { return e.AddressHash }),
		text("email_domain_hash", func(e *events.AccountRegistered) string { return e.EmailDomainHash }),
		text("country", func(e *events.AccountRegistered) string { return e.Country }),
		text("referred_by", func(e *events.AccountRegistered) string { return e.ReferredBy }),
		{"consent", types.NewObjectType(consentType),
			func(o any) ref.Val {
				if c := o.(*events.AccountRegistered).Consent; c != nil {
					return &part{c}
				}
				return &part{&events.Consent{}}
			},
			func(o any) bool { return o.(*events.AccountRegistered).Consent != nil }},
		text("birthday", func(e *events.AccountRegistered) string { return e.Birthday }),
	},
	"ConsentChanged": {
		optionalFlag("marketing", func(e *events.ConsentChanged) *bool { return e.Marketing }),
		optionalFlag("tracking", func(e *events.ConsentChanged) *bool { return e.Tracking }),
	},
	"ComplaintResolved": {
		text("complaint", func(e *events.ComplaintResolved) string { return e.Complaint }),
		optionalInt("goodwill_points", func(e *events.ComplaintResolved) int64 { return e.GoodwillPoints }),
	},
	"ServiceVoucherIssued":  {reference(func(e *events.ServiceVoucherIssued) string { return e.Reference })},
	"ChurnContactCompleted": {reference(func(e *events.ChurnContactCompleted) string { return e.Reference })},
	"FraudReviewed": {
		text("verdict", func(e *events.FraudReviewed) string { return string(e.Verdict) }),
		text("decision", func(e *events.FraudReviewed) string { return e.Decision }),
	},
	"AppInstalled":         {reference(func(e *events.AppInstalled) string { return e.Reference })},
	"SessionOpened":        {reference(func(e *events.SessionOpened) string { return e.Reference })},
	"PushClicked":          {reference(func(e *events.PushClicked) string { return e.Reference })},
	"NewsletterSubscribed": {reference(func(e *events.NewsletterSubscribed) string { return e.Reference })},
	"ReferralLinkShared":   {reference(func(e *events.ReferralLinkShared) string { return e.Reference })},
	"ReferralCompleted": {
		text("referee", func(e *events.ReferralCompleted) string { return e.Referee }),
		text("order", func(e *events.ReferralCompleted) string { return e.Order }),
	},
}

func reference[E any](get func(E) string) field { return text("reference", get) }

func reviewFields[E any](review func(E) *events.Review) []field {
	return []field{
		text("review", func(e E) string { return review(e).Review }),
		text("sku", func(e E) string { return review(e).SKU }),
		text("order", func(e E) string { return review(e).Order }),
		optionalInt("rating", func(e E) int64 { return review(e).Rating }),
	}
}

// fieldsOf returns the fields of a type that expressions see; an unknown type has none.
func fieldsOf(typeName string) []field {
	own, ok := objectFields[typeName]
	if !ok || typeName == lineType || typeName == consentType {
		return own
	}
	return append(headerFields[:len(headerFields):len(headerFields)], own...)
}

func fieldNames(typeName string) []string {
	fields := fieldsOf(typeName)
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].name
	}
	return names
}
