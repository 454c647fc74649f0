package schemas

import "github.com/accrue-loyalty/accrue/events"

// decisionBody describes a decision's record: its fields in the order of its schema. Decoding reuses the memory of
// d.Entries and d.Facts.Order, and nothing else.
func decisionBody(x *wire, d *events.Decision) {
	word(x, &d.Cause.Topic)
	number(x, &d.Cause.Partition)
	long(x, &d.Cause.Offset)
	text(x, &d.Cause.Event)
	same(x, &d.Customer)
	orNone(x, &d.Clock)
	number(x, &d.Program.Version)
	fixed(x, d.Program.Hash[:])
	word(x, &d.Result)
	word(x, &d.Reason)
	refill(x, &d.Entries, entry)
	long(x, &d.Balance.Active)
	long(x, &d.Balance.Pending)
	long(x, &d.Balance.Reserved)
	long(x, &d.Balance.Deficit)
	word(x, &d.Tier)
	fixed(x, d.Chain[:])
	facts(x, &d.Facts)
}

// decisionHead reads the fields of decisionBody down to the chain, and skips those that only an account needs.
func decisionHead(x *wire, d *events.Decision) {
	word(x, &d.Cause.Topic)
	number(x, &d.Cause.Partition)
	long(x, &d.Cause.Offset)
	x.takeBytes()
	text(x, &d.Customer)
	orNone(x, &d.Clock)
	number(x, &d.Program.Version)
	fixed(x, d.Program.Hash[:])
	word(x, &d.Result)
	word(x, &d.Reason)
	var skipped [4]struct{}
	takeList(x, skipped[:0], skipEntry)
	for range 4 {
		x.takeLong()
	}
	word(x, &d.Tier)
	fixed(x, d.Chain[:])
}

// skipEntry reads over what entry describes.
func skipEntry(x *wire, _ *struct{}) {
	x.takeBytes()
	x.takeLong()
	x.takeLong()
	x.takeBytes()
	x.takeLong()
	x.takeBytes()
	x.takeBytes()
	for range 3 {
		if x.branch() {
			x.takeLong()
		}
	}
}

func entry(x *wire, e *events.Entry) {
	word(x, &e.Type)
	long(x, &e.Points)
	long(x, &e.Lot)
	word(x, &e.Rule)
	long(x, &e.Asked)
	again(x, &e.Order)
	again(x, &e.Redemption)
	orNone(x, &e.EarnedAt)
	orNone(x, &e.ActiveAt)
	orNone(x, &e.ExpiresAt)
}

func facts(x *wire, f *events.Facts) {
	word(x, &f.Type)
	orNone(x, &f.At)
	fixed(x, f.Payload[:])
	orderOption(x, &f.Order)
	list(x, &f.Returns, returnFact)
	list(x, &f.Fulfilments, fulfilmentFact)
	list(x, &f.Cancelled, again)
	list(x, &f.CancelledReviews, text)
	list(x, &f.Dates, lotDates)
	list(x, &f.Redemptions, redemptionFact)
	list(x, &f.Counts, count)
	list(x, &f.References, reference)
	blob(x, &f.Waiting)
	list(x, &f.Dropped, text)
	list(x, &f.Applied, text)
	list(x, &f.Unapplied, ending)
	option(x, &f.Profile, profileFact)
	option(x, &f.Grace, long)
	text(x, &f.MergedInto)
	blob(x, &f.Merged)
	flag(x, &f.Erased)
}

// orderOption is an option of an orderFact. It is decoded into the one that is there; a new one, if small, takes one
// allocation with all its lists.
func orderOption(x *wire, p **events.OrderFact) {
	if x.encoding {
		option(x, p, orderFact)
		return
	}
	if !x.branch() {
		*p = nil
		return
	}
	if *p == nil {
		room := new(struct {
			fact  events.OrderFact
			lines [2]events.LineFact
			rules [2]events.RuleFact
		})
		room.fact.Lines, room.fact.Rules = room.lines[:0], room.rules[:0]
		*p = &room.fact
	}
	orderFact(x, *p)
}

func orderFact(x *wire, o *events.OrderFact) {
	again(x, &o.Order)
	refill(x, &o.Lines, lineFact)
	long(x, &o.Deducted)
	word(x, &o.Rate)
	again(x, &o.Redemption)
	refill(x, &o.Rules, ruleFact)
}

func lineFact(x *wire, l *events.LineFact) {
	label(x, &l.Line)
	long(x, &l.Amount)
	long(x, &l.Discount)
}

func ruleFact(x *wire, r *events.RuleFact) {
	word(x, &r.Rule)
	flag(x, &r.Fixed)
	list(x, &r.Lines, number)
}

func returnFact(x *wire, r *events.ReturnFact) {
	again(x, &r.Order)
	text(x, &r.Return)
	flag(x, &r.Whole)
	list(x, &r.Lines, returnLine)
}

func returnLine(x *wire, l *events.ReturnLine) {
	number(x, &l.Line)
	long(x, &l.Amount)
}

func fulfilmentFact(x *wire, f *events.FulfilmentFact) {
	again(x, &f.Order)
	long(x, &f.At)
}

func lotDates(x *wire, l *events.LotDates) {
	long(x, &l.Lot)
	orNone(x, &l.ActiveAt)
	orNone(x, &l.ExpiresAt)
}

func redemptionFact(x *wire, r *events.RedemptionFact) {
	again(x, &r.Redemption)
	word(x, &r.State)
	again(x, &r.Order)
	orNone(x, &r.LapsesAt)
}

func count(x *wire, c *events.Count) {
	word(x, &c.Rule)
	word(x, &c.Every)
	orNone(x, &c.From)
	long(x, &c.Add)
}

func reference(x *wire, r *events.Reference) {
	word(x, &r.Kind)
	text(x, &r.ID)
}

func ending(x *wire, e *events.Ending) {
	text(x, &e.Event)
	word(x, &e.Result)
	word(x, &e.Reason)
}

func profileFact(x *wire, p *events.ProfileFact) {
	orNone(x, &p.Registered)
	text(x, &p.ReferredBy)
	option(x, &p.Marketing, flag)
	option(x, &p.Tracking, flag)
}

// programBody describes a program version's record.
func programBody(x *wire, p *events.ProgramPublished) {
	number(x, &p.Version)
	long(x, &p.EffectiveAt)
	long(x, &p.PublishedAt)
	fixed(x, p.Hash[:])
	text(x, &p.Source)
}
