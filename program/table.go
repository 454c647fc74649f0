package program

// kind is how a value is written in the file.
type kind uint8

const (
	kindMapping kind = iota
	kindList
	// kindRates is a mapping from currency codes to numbers.
	kindRates
	// kindForms is written as a scalar or as a mapping.
	kindForms
	kindName
	kindText
	kindCurrency
	kindNumber
	kindWhole
	kindDuration
	kindDate
	kindMonthDay
	kindChoice
	kindFlag
	// kindCondition is a CEL expression; kindAmount a number or a CEL expression.
	kindCondition
	kindAmount
)

// spec says how one value is written.
type spec struct {
	kind kind
	// keys are a mapping's. At least one of some must be written, the keys of needs only with theirs, and the first of each
	// apart with none of the others; a flag counts when it is true. This is for the schema: the builder checks it with the
	// rest of what keys mean together, and can say why.
	keys  []key
	some  []string
	needs map[string][]string
	apart [][]string
	// item is every element of a list.
	item *spec
	// scalar and mapping are the two ways of a kindForms; samples are some of what may be written, for people.
	scalar, mapping *spec
	samples         string
	// choices are the words of a kindChoice, and words that a kindDuration may have instead.
	choices []string
	// low and high bound a number, as decimals; "" is open. above excludes low itself.
	low, high string
	above     bool
	// decimals is the most that a kindNumber may have; 0 is any number of them.
	decimals int
	// percent numbers are written in percent; all others are what they are.
	percent bool
}

// key is one key of a mapping.
type key struct {
	name string
	spec *spec
	// required keys must be written. Others may have a fallback, in the file's own notation, that holds when they are
	// left out; a mapping whose fallback is "{}" holds the fallbacks of its keys.
	required bool
	fallback string
	// doc is one sentence without a full stop; example is a value in the file's notation.
	doc, example string
}

func (s *spec) key(name string) *key {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i]
		}
	}
	return nil
}

func (s *spec) keyNames() []string {
	names := make([]string, len(s.keys))
	for i := range s.keys {
		names[i] = s.keys[i].name
	}
	return names
}

func mapping(keys ...key) *spec { return &spec{kind: kindMapping, keys: keys} }

// atLeastOneOf, notWith and needing fill in some, apart and needs of a mapping.
func (s *spec) atLeastOneOf(names ...string) *spec {
	s.some = names
	return s
}

func (s *spec) notWith(name string, others ...string) *spec {
	s.apart = append(s.apart, append([]string{name}, others...))
	return s
}

func (s *spec) needing(name string, others ...string) *spec {
	s.needs = map[string][]string{name: others}
	return s
}

func list(item *spec) *spec { return &spec{kind: kindList, item: item} }
func forms(samples string, scalar, m *spec) *spec {
	return &spec{kind: kindForms, samples: samples, scalar: scalar, mapping: m}
}
func choice(words ...string) *spec   { return &spec{kind: kindChoice, choices: words} }
func duration(words ...string) *spec { return &spec{kind: kindDuration, choices: words} }
func plain(k kind) *spec             { return &spec{kind: k} }
func atLeast(k kind, low string) *spec {
	return &spec{kind: k, low: low}
}

func positive() *spec { return &spec{kind: kindNumber, low: "0", above: true} }

func share() *spec { return &spec{kind: kindNumber, low: "0", above: true, high: "1"} }

// fileSpec is the whole file. Like everything it points to it is never written to.
var fileSpec = mapping(
	key{name: "program", spec: plain(kindName), required: true, doc: "the program's name", example: "vip-rewards"},
	key{name: "revision", spec: atLeast(kindWhole, "1"),
		doc: "the revision of the rules' meaning that the file was written for; left out, the newest (publishing writes it in)", example: "1"},
	key{name: "currency", spec: plain(kindCurrency), required: true,
		doc: "the ISO 4217 code of the currency that all amounts of the file are in", example: "USD"},
	key{name: "timezone", spec: plain(kindText), required: true,
		doc: "the IANA name of the zone in which days, months and years begin", example: "Europe/Berlin"},
	key{name: "point_value", spec: positive(),
		doc: "what one point is worth, in major units; required by share_of_order, max_share_of_order", example: "0.01"},
	key{name: "rates", spec: &spec{kind: kindRates, low: "0", above: true},
		doc: "what one unit of another currency is in the program's; an order in a currency without a rate is refused", example: "{EUR: 1.08}"},
	key{name: "rounding", spec: roundingSpec, fallback: "{}", doc: "how a sum of points becomes whole", example: "{mode: floor, stage: order}"},
	key{name: "earning_basis", spec: basisSpec, fallback: "{}", doc: "what of an order earns points", example: "{tax: included}"},
	key{name: "hold", spec: holdSpec, fallback: "none", doc: "how long earned points stay pending", example: "{until: fulfilled, days: 14}"},
	key{name: "expiry", spec: expirySpec, fallback: "none", doc: "when active points go, counted from their activation", example: "{after: 12 months, round_to: end_of_month}"},
	key{name: "late_events", spec: lateSpec, doc: "what happens to events that come late; left out, any age is accepted", example: "{accept_within: 30 days}"},
	key{name: "returns", spec: returnsSpec, fallback: "{}", doc: "what happens when an order comes back", example: "{shortfall: deficit}"},
	key{name: "redemption", spec: redemptionSpec, fallback: "{}", doc: "what may be redeemed at once", example: "{minimum: 100, step: 10}"},
	key{name: "caps", spec: list(capSpec), doc: "the most that is granted", example: "[{points: 5000, per: customer, every: month}, {share_of_order: 0.03}]"},
	key{name: "tiers", spec: tiersSpec, doc: "levels that customers reach by what they spend or earn", example: "{levels: [{name: Bronze, from: 0}, {name: Gold, from: 5000, multiplier: 1.5}]}"},
	key{name: "earn", spec: list(ruleSpec), required: true, doc: "the rules by which points are earned", example: "[{id: base, on: OrderPlaced, per: 1.00, points: 1}]"},
	key{name: "referral", spec: referralSpec, doc: "what a customer who brings another gets, and the other", example: "{referrer: 500, referee: 250}"},
	key{name: "rewards", spec: list(rewardSpec), doc: "what points buy", example: "[{id: five-off, points: 500, kind: discount, amount: 5.00}]"},
	key{name: "holdout", spec: holdoutSpec, doc: "the control group of customers who earn nothing", example: "{percent: 5, salt: 2026}"},
	key{name: "challenges", spec: list(challengeSpec), doc: "a bonus for doing something several times within some time", example: "[{id: three-in-30, on: OrderPlaced, count: 3, within: 30 days, points: 300}]"},
	key{name: "streaks", spec: list(streakSpec), doc: "a bonus for doing something in several periods in a row", example: "[{id: monthly, on: OrderPlaced, every: month, length: 6, points: 500}]"},
	key{name: "badges", spec: list(badgeSpec), doc: "a mark for doing something several times", example: "[{id: reviewer, on: ReviewApproved, count: 10}]"},
	key{name: "fraud", spec: list(fraudSpec), doc: "what is held, refused or flagged as suspicious", example: "[{id: burst, kind: same_ip_orders, count: 3, within: 60 minutes, then: hold}]"},
	key{name: "notify", spec: notifySpec, doc: "when customers are written to", example: "{expiring: [30 days, 7 days]}"},
)

var roundingSpec = mapping(
	key{name: "mode", spec: choice("floor", "half_even", "ceil"), fallback: "floor", doc: "down, to the nearest (a half to the even number), or up", example: "half_even"},
	key{name: "stage", spec: choice("order", "line"), fallback: "order", doc: "round once for each event, or once for each line", example: "line"},
)

var basisSpec = mapping(
	key{name: "tax", spec: choice("excluded", "included"), fallback: "excluded", doc: "whether tax earns", example: "included"},
	key{name: "shipping", spec: choice("excluded", "included"), fallback: "excluded", doc: "whether shipping earns", example: "included"},
	key{name: "discounts", spec: choice("deducted", "ignored"), fallback: "deducted", doc: "whether discounts, the lines' and the order's, lower what earns", example: "ignored"},
	key{name: "paid_with_points", spec: choice("excluded", "included"), fallback: "excluded", doc: "whether the part paid with points earns", example: "included"},
)

var holdSpec = forms("none, 7 days, {days: 14} or {until: fulfilled, days: 14}", duration("none"), mapping(
	key{name: "until", spec: choice("fulfilled"), doc: "count from the order's fulfilment; left out, from the event", example: "fulfilled"},
	key{name: "days", spec: &spec{kind: kindWhole, low: "0", high: "36500"}, doc: "how many days; may be left out with until, and is 0 then", example: "14"},
).atLeastOneOf("until", "days"))

var expirySpec = forms(`none, {after: 12 months, round_to: end_of_month} or {fixed_date: "12-31"}`, choice("none"), mapping(
	key{name: "after", spec: duration(), doc: "how long active points live", example: "12 months"},
	key{name: "round_to", spec: choice("end_of_day", "end_of_week", "end_of_month", "end_of_year"), doc: "prolong to the end of the period; without after, the period of the activation", example: "end_of_month"},
	key{name: "fixed_date", spec: plain(kindMonthDay), doc: "instead of after: the yearly date, MM-DD, at whose start points go", example: `"12-31"`},
	key{name: "inactivity", spec: mapping(
		key{name: "extend_on", spec: list(choice("earn", "redeem")), required: true, doc: "what prolongs all points of the customer", example: "[earn, redeem]"},
	), doc: "prolong while the customer is active", example: "{extend_on: [earn, redeem]}"},
).atLeastOneOf("after", "round_to", "fixed_date").notWith("fixed_date", "after", "round_to", "inactivity").needing("inactivity", "after"))

var lateSpec = mapping(
	key{name: "accept_within", spec: duration(), required: true, doc: "events older than this, by the partition's clock, are refused as STALE", example: "30 days"},
)

var returnsSpec = mapping(
	key{name: "shortfall", spec: choice("deficit", "clamp"), fallback: "deficit", doc: "what becomes of points taken back that were spent: owed, or written off", example: "clamp"},
	key{name: "reinstate_grace", spec: duration(), fallback: "30 days", doc: "how long redeemed points live that come back after their expiry", example: "30 days"},
)

var redemptionSpec = mapping(
	key{name: "minimum", spec: atLeast(kindWhole, "1"), fallback: "1", doc: "the fewest points of a redemption without a reward", example: "100"},
	key{name: "step", spec: atLeast(kindWhole, "1"), fallback: "1", doc: "points of a redemption without a reward are a multiple of this", example: "10"},
	key{name: "max_share_of_order", spec: share(), doc: "the share of the order's total that points may pay; left out, any", example: "0.5"},
	key{name: "reservation_ttl", spec: duration(), fallback: "30 minutes", doc: "how long reserved points wait for the confirmation", example: "30 minutes"},
)

var periodWords = []string{"day", "week", "month", "year"}

var capSpec = mapping(
	key{name: "points", spec: atLeast(kindWhole, "1"), doc: "the most points a customer is granted in a period, by all rules together", example: "5000"},
	key{name: "per", spec: choice("customer"), fallback: "customer", doc: "whom the points are counted for", example: "customer"},
	key{name: "every", spec: choice(periodWords...), doc: "the period, by the local calendar; left out, for ever", example: "month"},
	key{name: "share_of_order", spec: share(), doc: "instead of points: the most points an order earns, in point value, as a share of its basis", example: "0.03"},
).atLeastOneOf("points", "share_of_order").notWith("share_of_order", "points", "per", "every")

var tiersSpec = mapping(
	key{name: "metric", spec: choice("spend", "points"), fallback: "spend", doc: "what counts: the basis of orders, or points earned", example: "spend"},
	key{name: "window", spec: forms("lifetime, calendar_year or {rolling_months: 12}", choice("lifetime", "calendar_year"), mapping(
		key{name: "rolling_months", spec: &spec{kind: kindWhole, low: "1", high: "1200"}, required: true, doc: "the months up to now that count", example: "12"},
	)), fallback: "lifetime", doc: "the time over which it counts", example: "{rolling_months: 12}"},
	key{name: "downgrade", spec: mapping(
		key{name: "policy", spec: choice("one_down", "to_earned"), fallback: "one_down", doc: "one level at a time, or to the level earned", example: "one_down"},
		key{name: "grace_days", spec: &spec{kind: kindWhole, low: "0", high: "36500"}, fallback: "0", doc: "days between falling short and the downgrade", example: "30"},
	), fallback: "{}", doc: "what happens to who no longer reaches the level", example: "{policy: one_down, grace_days: 30}"},
	key{name: "levels", spec: list(mapping(
		key{name: "name", spec: plain(kindName), required: true, doc: "the level's name", example: "Gold"},
		key{name: "from", spec: atLeast(kindNumber, "0"), required: true, doc: "what it takes: major units, or points; ascending, the first 0", example: "5000"},
		key{name: "multiplier", spec: atLeast(kindNumber, "0"), fallback: "1", doc: "multiplies per and every rules", example: "1.5"},
		key{name: "benefits", spec: list(plain(kindText)), doc: "what else the level gives, in words", example: "[free shipping over $50]"},
	)), required: true, doc: "the levels, lowest first", example: "[{name: Bronze, from: 0}, {name: Gold, from: 5000, multiplier: 1.5}]"},
)
