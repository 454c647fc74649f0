package loyalty

import (
	"cmp"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// transferOut books points that leave: of a lot, or (lot 0) a deficit that is taken over.
func (f *fold) transferOut(e *events.Entry) {
	f.a.Totals.TransferredOut += e.Points
	if e.Lot == 0 {
		f.a.Deficit += e.Points
		return
	}
	f.a.take(e.Lot, e.Points)
}

// transferIn books points that arrive: a new lot, or (lot 0) a deficit that is given away. The lots of a merge are
// there already.
func (f *fold) transferIn(e *events.Entry) {
	f.a.Totals.TransferredIn += e.Points
	switch {
	case e.Lot == 0:
		f.a.Deficit -= e.Points
	case f.d.Facts.Merged == nil:
		f.addActive(e, "")
	}
}

// takeOver adds all that another account had but its totals, deficit and tier, which entries carry. Lots get new
// ids, in their old order; everything that names a lot follows.
func (f *fold) takeOver(encoded []byte) {
	from, set, err := decodeMerged(encoded)
	if err != nil {
		panic("loyalty: reading a merged account: " + err.Error())
	}
	ids := map[int64]int64{}
	renamed := func(id int64) int64 {
		if id == 0 {
			return 0
		}
		if ids[id] == 0 {
			f.a.LotLast++
			ids[id] = f.a.LotLast
		}
		return ids[id]
	}
	orders := f.clashing(set.Orders)
	ordered := func(id string) string {
		if name, ok := orders[id]; ok {
			return name
		}
		return id
	}
	for _, l := range from.Lots {
		l.ID, l.order = renamed(l.ID), f.a.addOrder(ordered(from.OrderOf(&l)))
		f.a.Lots = append(f.a.Lots, l)
	}
	names := map[string]string{}
	adopt := func(r *Redemption) bool {
		for i := range r.Parts {
			r.Parts[i].Lot, r.Parts[i].Order = renamed(r.Parts[i].Lot), ordered(r.Parts[i].Order)
		}
		for i := range r.Orders {
			r.Orders[i] = ordered(r.Orders[i])
		}
		return f.adoptRedemption(r, names)
	}
	for _, r := range from.Reservations {
		if adopt(r) {
			f.a.Reservations = append(f.a.Reservations, r)
		}
	}
	for _, r := range set.Redemptions {
		if adopt(r) {
			f.redemptions = append(f.redemptions, r)
		}
	}
	for _, o := range set.Orders {
		if name := ordered(o.ID); name != o.ID {
			o.ID, o.PlacedAs = name, cmp.Or(o.PlacedAs, o.ID)
		}
		for i := range o.Grants {
			o.Grants[i].Lot = renamed(o.Grants[i].Lot)
		}
		for i, id := range o.Redemptions {
			if name, ok := names[id]; ok {
				o.Redemptions[i] = name
			}
		}
		f.adoptOrder(o)
	}
	for _, x := range set.Expired {
		f.r.AddExpired(ordered(x.Order), renamed(x.Lot), x.Points)
	}
	for _, r := range set.References {
		f.r.PutReference(r)
	}
	for i := range from.Qualifying {
		q := &from.Qualifying[i]
		f.a.qualify(q.At, from.Spend(q), q.Points)
	}
	for _, c := range from.Counters {
		f.a.count(events.Count{Rule: c.Rule, Every: c.Every.String(), From: c.From, Add: c.N})
	}
	f.a.Waiting = append(f.a.Waiting, from.Waiting...)
	f.a.LatestOrder = max(f.a.LatestOrder, from.LatestOrder)
}

// adoptRedemption prepares a redemption of an account that ended for the survivor; false: there is nothing to take over.
// Where the survivor has used the same id, its own keeps it and the other's gets the ended account's name: its points
// still lapse, or go back with the order that they paid for.
func (f *fold) adoptRedemption(r *Redemption, names map[string]string) bool {
	own := f.redemption(r.ID)
	switch {
	case own == nil:
	case r.State == "":
		// Only orders have named it.
		for _, order := range r.Orders {
			if !slices.Contains(own.Orders, order) {
				own.Orders = append(own.Orders, order)
			}
		}
		return false
	case own.State == "":
		for _, order := range own.Orders {
			if !slices.Contains(r.Orders, order) {
				r.Orders = append(r.Orders, order)
			}
		}
		f.redemptions = slices.DeleteFunc(f.redemptions, func(x *Redemption) bool { return x == own })
	default:
		names[r.ID] = f.unusedName(r.ID, func(name string) bool { return f.redemption(name) != nil })
		r.ID = names[r.ID]
	}
	return true
}

// mergedName is what an id of an account that ended is called where the survivor has used it too.
func mergedName(id, ended string) string { return id + "@" + ended }

// unusedName returns a name for what had an id in the account that ended, which the survivor has not used.
func (f *fold) unusedName(id string, used func(string) bool) string {
	name := mergedName(id, f.mergedFrom())
	for used(name) {
		name += "@"
	}
	return name
}

// mergedFrom is the customer whose account the decision takes over.
func (f *fold) mergedFrom() string {
	for _, ref := range f.d.Facts.References {
		if ref.Kind == events.TypeMergeCredited {
			return ref.ID
		}
	}
	return ""
}

// clashing returns new names for orders (and reviews) of an account that ended whose ids the survivor has used for others:
// each keeps its own lots and redemptions. Events that name the id mean the survivor's, but for those that the account that
// ended forwards ([decider.rename]).
func (f *fold) clashing(orders []*Order) map[string]string {
	names := map[string]string{}
	for _, o := range orders {
		own := f.knownOrder(o.ID)
		if own != nil && (own.Placed && o.Placed || len(own.Grants) > 0 && len(o.Grants) > 0) {
			names[o.ID] = f.unusedName(o.ID, func(name string) bool { return f.knownOrder(name) != nil })
		}
	}
	return names
}

// rename makes an event that an account forwarded after it had ended name its own order, redemption or review, where the
// survivor had used the id as well. The account may have ended in one that was merged on: then either has given the name.
func (d *decider) rename(e events.Event, from string) {
	own := func(id string, used func(string) bool) string {
		if used(id) {
			for _, ended := range [...]string{e.Head().Customer, from} {
				if name := mergedName(id, ended); used(name) {
					return name
				}
			}
		}
		return id
	}
	order := func(id string) bool { return d.knownOrder(id) != nil }
	review := func(id string) bool { return d.knownOrder(reviewKey(id)) != nil }
	redemption := func(id string) bool { return d.redemption(id) != nil }
	switch e := e.(type) { //nolint:gochecksumtype // the others name nothing that is there, or bring it
	case *events.OrderPlaced:
		e.Redemption = own(e.Redemption, redemption)
	case *events.OrderFulfilled:
		e.Order = own(e.Order, order)
	case *events.OrderCancelled:
		e.Order = own(e.Order, order)
	case *events.OrderReturned:
		e.Order = own(e.Order, order)
	case *events.ReviewRemoved:
		e.Review.Review = own(e.Review.Review, review)
	case *events.RedemptionRequested:
		e.Order = own(e.Order, order)
	case *events.RedemptionConfirmed:
		e.Redemption, e.Order = own(e.Redemption, redemption), own(e.Order, order)
	case *events.RedemptionCancelled:
		e.Redemption = own(e.Redemption, redemption)
	}
}

// adoptOrder takes over an order's record.
func (f *fold) adoptOrder(o *Order) {
	own := f.knownOrder(o.ID)
	switch {
	case own == nil:
		f.orders = append(f.orders, o)
	case own.Placed:
		// The other account's redemptions have only named it.
		for _, id := range o.Redemptions {
			own.link(id)
		}
	default:
		for _, id := range own.Redemptions {
			o.link(id)
		}
		f.orders[slices.Index(f.orders, own)] = o
	}
}

// appendMerged encodes an account and its records for the second leg of a merge.
func appendMerged(b []byte, a *Account, set *RecordSet) []byte {
	b = appendBytes(b, AppendAccount(nil, a))
	b = appendCount(b, len(set.Orders))
	for _, o := range set.Orders {
		moved := *o
		if o.Referrer == "" && o.referred() {
			moved.Referee, moved.Referrer = a.Customer, a.Profile.ReferredBy
		}
		b = appendBytes(b, AppendOrder(nil, &moved))
	}
	b = appendCount(b, len(set.Redemptions))
	for _, r := range set.Redemptions {
		b = appendBytes(b, AppendRedemption(nil, r))
	}
	b = appendCount(b, len(set.References))
	for _, r := range set.References {
		b = appendText(b, string(r.Kind))
		b = appendText(b, r.ID)
	}
	b = appendCount(b, len(set.Expired))
	for _, x := range set.Expired {
		b = appendText(b, x.Order)
		b = appendInt(b, x.Lot)
		b = appendInt(b, int64(x.Points))
	}
	return b
}

func decodeMerged(b []byte) (*Account, *RecordSet, error) {
	d := decoder{b: b}
	a, err := DecodeAccount(d.bytes())
	if err != nil {
		return nil, nil, err
	}
	set := &RecordSet{}
	for range d.count() {
		o, err := DecodeOrder(d.bytes())
		if err != nil {
			return nil, nil, err
		}
		set.Orders = append(set.Orders, o)
	}
	for range d.count() {
		r, err := DecodeRedemption(d.bytes())
		if err != nil {
			return nil, nil, err
		}
		set.Redemptions = append(set.Redemptions, r)
	}
	for range d.count() {
		set.References = append(set.References, events.Reference{Kind: events.Type(d.text()), ID: d.text()})
	}
	for range d.count() {
		set.Expired = append(set.Expired, ExpiredLot{Order: d.text(), Lot: d.int(), Points: events.Points(d.int())})
	}
	return a, set, d.done()
}

// Recoded returns a merge with the account in the present encoding: the topic may have it from an earlier version. The error is
// [ErrEncoding], which is [ErrNewer] where a later version wrote it.
func Recoded(e *events.MergeCredited) (*events.MergeCredited, error) {
	a, set, err := decodeMerged(e.Account)
	if err != nil {
		return nil, err
	}
	again := *e
	again.Account = appendMerged(nil, a, set)
	return &again, nil
}
