package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestVersionsAndTheTimeThatTheyAreFor simulates a program that changes: what has its own time follows the version of that
// time, however much later it is done.
func TestVersionsAndTheTimeThatTheyAreFor(t *testing.T) {
	const head = "program: p\ncurrency: USD\ntimezone: UTC\n"
	const gold = head + "earn: [{id: r, on: OrderPlaced, points: 10}]\n" +
		"tiers: {window: %s, downgrade: {policy: to_earned, grace_days: 30}, levels: [{name: Basic, from: 0}, {name: Gold, from: %d}]}\n"
	order := func(id, order, at string, cents int) string {
		return fmt.Sprintf(`{"type":"OrderPlaced","id":%q,"customer":"c","at":%q,"order":%q,"currency":"USD","lines":[{"line":"1","sku":"a","quantity":1,"amount_minor":%d}]}`, id, at, order, cents)
	}
	fulfilled := `{"type":"OrderFulfilled","id":"f1","customer":"c","at":"2026-01-05T10:00:00Z","order":"o1"}`
	returned := `{"type":"OrderReturned","id":"r1","customer":"c","at":"2028-06-27T10:00:00Z","order":"o1","return":"t1"}`
	for _, x := range []struct {
		name, first, second, from, until string
		events                           []string
		want                             string
	}{
		{
			"a higher threshold starts the grace at the next review", fmt.Sprintf(gold, "{rolling_months: 24}", 20), fmt.Sprintf(gold, "{rolling_months: 24}", 60),
			"2026-05-28", "2026-06-02T00:00:00Z", []string{order("e1", "o1", "2025-11-13T10:00:00Z", 5000)}, `"tier":"Gold"`,
		},
		{
			"and at its end the tier is lost", fmt.Sprintf(gold, "{rolling_months: 24}", 20), fmt.Sprintf(gold, "{rolling_months: 24}", 60),
			"2026-05-28", "2026-07-01T00:00:00Z", []string{order("e1", "o1", "2025-11-13T10:00:00Z", 5000)}, `"tier":"Basic"`,
		},
		{
			"months without reviews are not reviewed afterwards", fmt.Sprintf(gold, "lifetime", 20), fmt.Sprintf(gold, "{rolling_months: 4}", 20),
			"2026-05-28", "2026-06-30T00:00:00Z", []string{order("e1", "o1", "2025-11-13T10:00:00Z", 5000)}, `"tier":"Gold"`,
		},
		{
			"who holds a level that is renamed is in the lowest", fmt.Sprintf(gold, "lifetime", 20), strings.Replace(fmt.Sprintf(gold, "lifetime", 20), "Gold", "Or", 1),
			"2026-05-28", "2026-06-30T00:00:00Z", []string{order("e1", "o1", "2025-11-13T10:00:00Z", 5000)}, `"tier":"Basic"`,
		},
		{
			"until the next order", fmt.Sprintf(gold, "lifetime", 20), strings.Replace(fmt.Sprintf(gold, "lifetime", 20), "Gold", "Or", 1),
			"2026-05-28", "2026-06-30T00:00:00Z", []string{order("e1", "o1", "2025-11-13T10:00:00Z", 5000), order("e2", "o2", "2026-06-01T10:00:00Z", 1)}, `"tier":"Or"`,
		},
		{
			"what waited for its order follows the version of its own time", head + "earn: [{id: a, on: OrderPlaced, per: 1, points: 5}]\n", head + "earn: [{id: a, on: OrderFulfilled, points: 5}]\n",
			"2026-01-10", "2026-01-12T00:00:00Z", []string{fulfilled, strings.Replace(order("e1", "o1", "2026-01-11T10:00:00Z", 0), `{"line":"1","sku":"a","quantity":1,"amount_minor":0}`, "", 1)}, `"issued":0`,
		},
		{
			"how long it waits too", head + "earn: [{id: a, on: OrderPlaced, points: 5}]\n", head + "earn: [{id: a, on: OrderPlaced, points: 5}]\nlate_events: {accept_within: 22 days}\n",
			"2028-07-03", "2028-07-29T00:00:00Z", []string{returned, order("e1", "o1", "2028-07-28T10:00:00Z", 100)}, `"revoked":5`,
		},
		{
			"and when it is dropped", head + "earn: [{id: a, on: OrderPlaced, points: 5}]\nlate_events: {accept_within: 22 days}\n", head + "earn: [{id: a, on: OrderPlaced, points: 5}]\n",
			"2028-07-03", "2028-07-29T00:00:00Z", []string{returned, order("e1", "o1", "2028-07-28T10:00:00Z", 100)}, `"revoked":0`,
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			first, second := write(t, "first.yaml", x.first), write(t, "second.yaml", x.second)
			o := accrue(t, strings.Join(x.events, "\n"), "simulate", "--program", first, "--program", second+"@"+x.from, "--events", "-", "--tick", "day", "--until", x.until).want(t, 0)
			if !strings.Contains(o.stdout, x.want) {
				t.Errorf("%s\nwant %s", o.stdout, x.want)
			}
		})
	}
}
