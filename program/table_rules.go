package program

var ruleSpec = mapping(
	key{name: "id", spec: plain(kindName), required: true, doc: "the rule's name, unique in the file", example: "base"},
	key{name: "on", spec: choice(earningTypes()...), required: true, doc: "the type of event that earns", example: "OrderPlaced"},
	key{name: "when", spec: plain(kindCondition), doc: "a condition on the event; left out, always", example: `'event.channel == "APP"'`},
	key{name: "lines", spec: plain(kindCondition), doc: "a condition on each line of the order; left out, all lines", example: `'line.category == "shoes"'`},
	key{name: "per", spec: positive(), doc: "the amount, in major units, that earns points, in proportion", example: "1.00"},
	key{name: "every", spec: positive(), doc: "the amount, in major units, each whole step of which earns points", example: "10"},
	key{name: "points", spec: atLeast(kindAmount, "0"), doc: "the points; without per and every, a fixed number for the event", example: "200"},
	key{name: "multiply", spec: positive(), doc: "instead of points: multiplies what per and every rules of the event earn", example: "2"},
	key{name: "max", spec: atLeast(kindNumber, "0"), doc: "the most points of the rule, after multipliers, before rounding", example: "1000"},
	key{name: "from", spec: plain(kindDate), doc: "the first instant, by the event's time; left out, always", example: "2026-11-01"},
	key{name: "until", spec: plain(kindDate), doc: "the instant at which the rule ends (no longer part of it); left out, never", example: "2026-12-01"},
	key{name: "hold", spec: holdSpec, doc: "replaces the program's hold", example: "7 days"},
	key{name: "expiry", spec: expirySpec, doc: "replaces the program's expiry", example: "{after: 90 days}"},
	key{name: "limit", spec: mapping(
		key{name: "times", spec: atLeast(kindWhole, "1"), required: true, doc: "how often", example: "3"},
		key{name: "every", spec: choice(periodWords...), doc: "in which period of the local calendar; left out, for ever", example: "month"},
	), doc: "how often a customer is granted the rule", example: "{times: 3, every: month}"},
	key{name: "once", spec: plain(kindFlag), fallback: "false", doc: "a customer is granted the rule once in a lifetime", example: "true"},
	key{name: "exclusive", spec: plain(kindFlag), fallback: "false", doc: "if it matches, only the one rule that grants most applies", example: "true"},
	key{name: "tier", spec: plain(kindFlag), fallback: "false", doc: "the tier's multiplier applies to this fixed rule too", example: "true"},
).atLeastOneOf("points", "multiply").notWith("per", "every").notWith("once", "limit").notWith("tier", "per", "every").
	notWith("multiply", "per", "every", "points", "lines", "limit", "once", "max", "hold", "expiry", "exclusive", "tier")

var referralSpec = mapping(
	key{name: "referrer", spec: atLeast(kindWhole, "0"), required: true, doc: "points for the customer who referred", example: "500"},
	key{name: "referee", spec: atLeast(kindWhole, "0"), required: true, doc: "points for the customer who was referred", example: "250"},
	key{name: "qualifies_on", spec: choice("first_order"), fallback: "first_order", doc: "what decides", example: "first_order"},
	key{name: "minimum_order", spec: atLeast(kindNumber, "0"), fallback: "0", doc: "the least basis of that order, in major units", example: "25.00"},
)

var rewardSpec = mapping(
	key{name: "id", spec: plain(kindName), required: true, doc: "the reward's name, unique in the file", example: "gift-a"},
	key{name: "points", spec: atLeast(kindWhole, "1"), required: true, doc: "what it costs", example: "500"},
	key{name: "kind", spec: choice("product", "discount"), required: true, doc: "what it is", example: "discount"},
	key{name: "amount", spec: positive(), doc: "a discount's worth in major units; required for a discount", example: "5.00"},
	key{name: "tiers", spec: list(plain(kindName)), doc: "the levels that may have it; left out, all", example: "[Gold]"},
)

var holdoutSpec = mapping(
	key{name: "percent", spec: &spec{kind: kindNumber, low: "0", high: "100", decimals: 2, percent: true}, required: true, doc: "how many of a hundred customers, at most two decimals", example: "5"},
	key{name: "salt", spec: plain(kindText), required: true, doc: "changes who they are; keep it for as long as the group is compared", example: "2026"},
)

var challengeSpec = mapping(
	key{name: "id", spec: plain(kindName), required: true, doc: "the challenge's name", example: "three-in-30"},
	key{name: "on", spec: choice(earningTypes()...), required: true, doc: "the type of event that counts", example: "OrderPlaced"},
	key{name: "when", spec: plain(kindCondition), doc: "a condition on the event", example: `'event.channel == "APP"'`},
	key{name: "count", spec: atLeast(kindWhole, "1"), required: true, doc: "how many", example: "3"},
	key{name: "within", spec: duration(), required: true, doc: "in what time", example: "30 days"},
	key{name: "points", spec: atLeast(kindWhole, "1"), required: true, doc: "the bonus", example: "300"},
)

var streakSpec = mapping(
	key{name: "id", spec: plain(kindName), required: true, doc: "the streak's name", example: "monthly"},
	key{name: "on", spec: choice(earningTypes()...), required: true, doc: "the type of event that counts", example: "OrderPlaced"},
	key{name: "when", spec: plain(kindCondition), doc: "a condition on the event", example: `'event.channel == "APP"'`},
	key{name: "every", spec: choice(periodWords...), required: true, doc: "the period that needs one", example: "month"},
	key{name: "length", spec: atLeast(kindWhole, "2"), required: true, doc: "how many periods in a row", example: "6"},
	key{name: "points", spec: atLeast(kindWhole, "1"), required: true, doc: "the bonus", example: "500"},
)

var badgeSpec = mapping(
	key{name: "id", spec: plain(kindName), required: true, doc: "the badge's name", example: "reviewer"},
	key{name: "on", spec: choice(earningTypes()...), required: true, doc: "the type of event that counts", example: "ReviewApproved"},
	key{name: "when", spec: plain(kindCondition), doc: "a condition on the event", example: `'event.rating >= 4'`},
	key{name: "count", spec: atLeast(kindWhole, "1"), required: true, doc: "how many", example: "10"},
)

var fraudSpec = mapping(
	key{name: "id", spec: plain(kindName), required: true, doc: "the rule's name", example: "burst"},
	key{name: "kind", spec: choice("same_ip_orders", "referrals_same_domain", "redeem_after_registration",
		"order_points_over_tier_average", "billing_address_other_email"), required: true, doc: "what is compared", example: "same_ip_orders"},
	key{name: "count", spec: atLeast(kindWhole, "1"), doc: "how many make it suspicious", example: "3"},
	key{name: "more_than", spec: atLeast(kindWhole, "1"), doc: "how many are still usual", example: "2"},
	key{name: "times", spec: positive(), doc: "how many times the average", example: "5"},
	key{name: "within", spec: duration(), doc: "in what time", example: "60 minutes"},
	key{name: "then", spec: choice("hold", "review", "flag"), required: true, doc: "what happens", example: "hold"},
)

var notifySpec = mapping(
	key{name: "expiring", spec: list(duration()), doc: "how long before points expire", example: "[30 days, 7 days]"},
	key{name: "at_risk_after", spec: duration(), doc: "how long after the last order", example: "60 days"},
	key{name: "after_second_purchase", spec: duration(), doc: "how long after the second order", example: "48 hours"},
)

// undecided are the sections that are read and checked, but that the engine does not act on: a program with one of
// them is refused, so that nobody relies on it.
var undecided = []string{"challenges", "streaks", "badges", "fraud", "notify"}
