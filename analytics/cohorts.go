package analytics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// CohortConfig says how cohorts are reckoned.
type CohortConfig struct {
	// Location is where months begin: the program's timezone.
	Location *time.Location
	// Currency is what revenue is in, the program's, and Decimals its number of decimals: for those who read the report.
	Currency string
	Decimals int
	// Discount is the yearly rate at which later revenue counts less, such as 0.10.
	Discount float64
}

// Cohorts is the table of customers by the month of their first order and the months since.
type Cohorts struct {
	Currency string  `json:"currency"`
	Decimals int     `json:"decimals"`
	Timezone string  `json:"timezone"`
	Discount float64 `json:"discount"`
	// Definitions say what the figures mean, by field.
	Definitions map[string]string `json:"definitions"`
	// Ledger is where each partition of the ledger ended when it was read.
	Ledger  []int64  `json:"ledger"`
	Cohorts []Cohort `json:"cohorts"`
}

// Cohort is the customers whose first order was in one month.
type Cohort struct {
	Month     string        `json:"month"`
	Customers int64         `json:"customers"`
	Months    []CohortMonth `json:"months"`
}

// CohortMonth is what a cohort did in one month, Since months after its first. Money is in minor units.
type CohortMonth struct {
	Since    int           `json:"since"`
	Active   int64         `json:"active"`
	Orders   int64         `json:"orders"`
	Revenue  events.Money  `json:"revenue_minor"`
	Refunds  events.Money  `json:"refunds_minor"`
	Points   events.Points `json:"points"`
	Redeemed events.Points `json:"points_redeemed"`
	// LTV is per customer of the cohort, up to and including this month.
	LTV           float64 `json:"ltv_minor"`
	LTVDiscounted float64 `json:"ltv_discounted_minor"`
}

// definitions say what the figures of a report mean.
func definitions(discount float64) map[string]string {
	return map[string]string{
		"month":           "the calendar month, in the program's timezone, of a customer's first order that counted",
		"customers":       "those whose first order was in that month, also where all of it came back",
		"since":           "calendar months since then; 0 is the first month, and the last is the last in which anybody ordered or brought something back, which may not be over yet",
		"active":          "customers with at least one order in the month",
		"orders":          "orders that counted: one for each order id, without refused and stale ones; returned ones stay counted",
		"revenue_minor":   "lines less discounts, less what points paid, before tax and shipping, not below 0, by the order's time; other currencies at the program's rates",
		"refunds_minor":   "what came back by returns and cancellations, by their time; of a line at most what it cost, whatever was paid out",
		"points":          "points earned by rules, also those that were taken back later, by the event's time; those before the first order count in month 0",
		"points_redeemed": "points spent: redemptions that were confirmed, by the confirmation's time, also where they were given back later",
		"ltv_minor":       "(revenue − refunds) of this month and all before it ÷ customers of the cohort, to a hundredth",
		"ltv_discounted_minor": fmt.Sprintf("the same with each month's amount divided by (1 + %g)^(since ÷ 12)",
			discount),
	}
}

// ReadCohorts replays the ledger, then the topics that orders come from.
func ReadCohorts(ctx context.Context, src *Source, cfg CohortConfig) (*Cohorts, error) {
	if cfg.Location == nil {
		return nil, errors.New("cohorts: no timezone is given")
	}
	if cfg.Discount < 0 || math.IsNaN(cfg.Discount) || math.IsInf(cfg.Discount, 0) {
		return nil, fmt.Errorf("cohorts: the discount is %v, want 0 or more", cfg.Discount)
	}
	p := &progress{tell: src.Progress}
	all := &tallies{monthOf: monthIn(cfg.Location), byPartition: map[int32]*tally{}}
	ends, err := src.each(ctx, schemas.TopicLedger, p, func(partition int32, rec *kgo.Record) error {
		var d events.Decision
		if err := src.Codec.DecodeDecision(rec.Value, &d); err != nil {
			return err
		}
		return all.of(partition).decision(&d)
	})
	if err != nil {
		return nil, err
	}
	all.resolve()
	for _, topic := range []schemas.Topic{schemas.TopicOrders, schemas.TopicTransfers} {
		if _, err := src.each(ctx, topic, p, func(partition int32, rec *kgo.Record) error {
			return all.record(src.Codec, partition, topic, rec)
		}); err != nil {
			return nil, err
		}
	}
	if err := all.settle(); err != nil {
		return nil, err
	}
	c := &Cohorts{
		Currency: cfg.Currency, Decimals: cfg.Decimals, Timezone: cfg.Location.String(), Discount: cfg.Discount,
		Definitions: definitions(cfg.Discount), Ledger: ends,
	}
	c.Cohorts = all.table(cfg.Discount)
	return c, nil
}

func monthIn(loc *time.Location) func(events.Instant) month {
	return func(at events.Instant) month {
		y, m, _ := at.Time().In(loc).Date()
		return month(y*12 + int(m) - 1)
	}
}

// String writes a month as 1997-01.
func (m month) String() string { return fmt.Sprintf("%04d-%02d", int(m)/12, int(m)%12+1) }

// tallies are all partitions'. A partition's tally is used by one goroutine at a time; the map needs the lock.
type tallies struct {
	monthOf func(events.Instant) month

	mu          sync.Mutex
	byPartition map[int32]*tally

	// After resolve: where merged accounts ended, which an account took over, which had to do with merges, and what came back
	// of orders, by the account that had them then and their name in it.
	merged map[string]string
	took   map[string][]string
	family map[string]bool
	back   map[orderKey][]comeback
}

func (a *tallies) of(partition int32) *tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.byPartition[partition]
	if t == nil {
		t = newTally(a.monthOf)
		a.byPartition[partition] = t
	}
	return t
}

// resolve brings together what crosses partitions: merges.
func (a *tallies) resolve() {
	a.merged, a.took, a.family = map[string]string{}, map[string][]string{}, map[string]bool{}
	for _, t := range a.byPartition {
		maps.Copy(a.merged, t.merged)
		maps.Copy(a.took, t.took)
	}
	for ended, into := range a.merged {
		a.family[ended], a.family[into] = true, true
	}
	a.back = map[orderKey][]comeback{}
	waited := map[waitKey]events.Instant{}
	for _, t := range a.byPartition {
		maps.Copy(a.back, t.back) // an account is in one partition
		for key, at := range t.waited {
			key.customer = a.root(key.customer)
			if have, ok := waited[key]; !ok || at < have {
				waited[key] = at
			}
		}
	}
	for key, list := range a.back {
		for i, c := range list {
			if at, ok := waited[waitKey{orderKey{a.root(key.customer), key.order}, c.id}]; ok && c.waited {
				list[i].at = at
			}
		}
		inOrder(list)
	}
}

// inOrder sorts what came back by its time.
func inOrder(list []comeback) {
	slices.SortStableFunc(list, func(x, y comeback) int { return cmp.Compare(x.at, y.at) })
}

// root follows merges to the account that survived. Accounts merge once, so the chain ends.
func (a *tallies) root(customer string) string {
	for range len(a.merged) + 1 {
		into, ok := a.merged[customer]
		if !ok {
			break
		}
		customer = into
	}
	return customer
}

// record takes one record of a topic that orders come from.
func (a *tallies) record(codec *schemas.Codec, partition int32, topic schemas.Topic, rec *kgo.Record) error {
	t := a.of(partition)
	if !t.counted[string(topic)].has(rec.Offset) {
		return nil
	}
	e, err := codec.DecodeEvent(rec.Value)
	if err != nil {
		return err
	}
	if f, ok := e.(*events.EventForwarded); ok {
		if e, err = events.DecodeStoredJSON(f.Event); err != nil {
			return err
		}
	}
	o, ok := e.(*events.OrderPlaced)
	if !ok {
		return fmt.Errorf("the ledger says that this %s is an order that counted", e.EventType())
	}
	h := held{string(rec.Key), o, t.rates[place{string(topic), rec.Offset}]}
	if a.family[h.account] {
		t.held = append(t.held, h)
		return nil
	}
	return t.order(h.account, o, h.rate, a.back[orderKey{h.account, o.Order}])
}

// table makes the cohorts, oldest first, each with all months up to the last one in which anybody ordered or
// brought something back: a refund that is left out would make lifetime values too high.
func (a *tallies) table(discount float64) []Cohort {
	customers := map[string]map[month]*activity{}
	first := map[string]month{}
	last := month(0)
	for _, t := range a.byPartition {
		for name, months := range t.customers {
			into := customers[a.root(name)]
			if into == nil {
				into = map[month]*activity{}
				customers[a.root(name)] = into
			}
			for m, act := range months {
				if into[m] == nil {
					into[m] = &activity{}
				}
				into[m].add(*act)
				if act.orders > 0 || act.refunds != 0 {
					last = max(last, m)
				}
			}
		}
		for name, m := range t.first {
			if have, ok := first[a.root(name)]; !ok || m < have {
				first[a.root(name)] = m
			}
		}
	}
	rows := map[month]*Cohort{}
	for name, began := range first {
		c := rows[began]
		if c == nil {
			c = &Cohort{Month: began.String(), Months: make([]CohortMonth, last-began+1)}
			for i := range c.Months {
				c.Months[i].Since = i
			}
			rows[began] = c
		}
		c.Customers++
		for m, act := range customers[name] {
			if m > last {
				continue // after everybody's last order and return: reviews, redemptions
			}
			c.Months[max(m-began, 0)].take(act)
		}
	}
	table := []Cohort{} // not null in JSON
	for _, m := range slices.Sorted(maps.Keys(rows)) {
		rows[m].value(discount)
		table = append(table, *rows[m])
	}
	return table
}

func (m *CohortMonth) take(a *activity) {
	if a.orders > 0 {
		m.Active++
	}
	m.Orders += a.orders
	m.Revenue = plus(m.Revenue, a.revenue)
	m.Refunds = plus(m.Refunds, a.refunds)
	m.Points = plus(m.Points, a.earned)
	m.Redeemed = plus(m.Redeemed, a.redeemed)
}

// value fills in the lifetime values. Discounting makes irrational figures, so these are floats, rounded to a
// hundredth of a minor unit.
func (c *Cohort) value(discount float64) {
	var plain events.Money
	var discounted float64
	for i := range c.Months {
		m := &c.Months[i]
		net := m.Revenue - m.Refunds
		plain = plus(plain, net)
		discounted += float64(net) / math.Pow(1+discount, float64(m.Since)/12)
		m.LTV = hundredths(float64(plain) / float64(c.Customers))
		m.LTVDiscounted = hundredths(discounted / float64(c.Customers))
	}
}

func hundredths(x float64) float64 { return math.Round(x*100) / 100 }
