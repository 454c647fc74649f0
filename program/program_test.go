package program_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

func parse(t testing.TB, source string) *loyalty.Program {
	t.Helper()
	p, err := program.Parse([]byte(source), "p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func equalRat(t *testing.T, what string, got *big.Rat, want string) {
	t.Helper()
	if want == "" && got == nil {
		return
	}
	if got == nil || got.RatString() != want {
		t.Errorf("%s is %v, want %s", what, got, want)
	}
}

func TestLeftOutMeans(t *testing.T) {
	p := parse(t, string(samples(t)["minimal.yaml"]))
	if p.Rounding != loyalty.Floor || p.Stage != loyalty.StageOrder || p.Basis != (loyalty.Basis{}) ||
		p.Hold != (loyalty.Hold{}) || p.Expiry != (loyalty.Expiry{}) || p.AcceptWithin != nil {
		t.Errorf("rounding, basis, hold, expiry or late events: %+v", p)
	}
	if p.Returns.Clamp || p.Returns.ReinstateGrace != (loyalty.Step{N: 30, Unit: loyalty.Days}) {
		t.Errorf("returns: %+v", p.Returns)
	}
	if r := p.Redemption; r.Minimum != 1 || r.Step != 1 || r.MaxShare != nil || r.TTL != (loyalty.Step{N: 30, Unit: loyalty.Minutes}) {
		t.Errorf("redemption: %+v", r)
	}
	if p.Tiers != nil || p.Caps != nil || p.ShareOfOrder != nil || p.Holdout != nil || p.Referral != nil || p.Rewards != nil ||
		p.Rates != nil || p.PointValue != nil {
		t.Errorf("optional sections: %+v", p)
	}
	if p.Revision != loyalty.RevisionNewest || p.Version != 0 || p.EffectiveAt != 0 {
		t.Errorf("revision, version, effective: %+v", p)
	}
	r := p.Earn[0]
	if r.From != 0 || r.Until != 0 || r.Limit != nil || r.Hold != nil || r.Expiry != nil || r.When != nil || r.Lines != nil || r.Max != nil || r.Exclusive || r.Tier {
		t.Errorf("rule: %+v", r)
	}
	q := parse(t, string(samples(t)["minimal.yaml"])+"tiers: {levels: [{name: A, from: 0}]}\n")
	if tiers := q.Tiers; tiers.Metric != loyalty.MetricSpend || tiers.Window != loyalty.Lifetime || tiers.ToEarned || tiers.GraceDays != 0 ||
		tiers.Levels[0].Multiplier.RatString() != "1" {
		t.Errorf("tiers: %+v", tiers)
	}
}

func TestAmountsAreInMinorUnits(t *testing.T) {
	p := parse(t, string(samples(t)["vip-rewards.yaml"]))
	equalRat(t, "point_value", p.PointValue, "1")
	equalRat(t, "share of order", p.ShareOfOrder, "3/100")
	equalRat(t, "per", p.Earn[1].Unit, "100")
	if p.Tiers.Levels[2].From != 500_000 || p.Referral.MinimumOrder != 2500 || p.Rewards[2].Amount != 500 || p.Holdout.Below != 500 || p.Holdout.Salt != "2026" {
		t.Errorf("%+v %+v %+v %+v", p.Tiers, p.Referral, p.Rewards, p.Holdout)
	}
	p = parse(t, string(samples(t)["every-key.yaml"]))
	// 1 USD = 150.25 JPY; a cent is 1.5025 yen. KWD has three decimals.
	equalRat(t, "USD", p.Rates["USD"], "601/400")
	equalRat(t, "KWD", p.Rates["KWD"], "12/25")
	equalRat(t, "point_value", p.PointValue, "1/2")
	if p.Tiers.Levels[1].From != 1000 || p.Rewards[1].Amount != 250 || p.Holdout.Below != 1225 {
		t.Errorf("%+v %+v %+v", p.Tiers, p.Rewards, p.Holdout)
	}
}

func TestRulesAreSortedAndOfTheirKind(t *testing.T) {
	p := parse(t, string(samples(t)["every-key.yaml"]))
	var got []string
	for _, r := range p.Earn {
		got = append(got, r.ID+[...]string{":per", ":every", ":fixed", ":multiply"}[r.Kind])
	}
	if s := strings.Join(got, " "); s != "double:multiply every:every fixed:fixed goodwill:fixed install:fixed per:per session:fixed" {
		t.Error(s)
	}
}

func TestDatesAreFirstInstantsInTheTimezone(t *testing.T) {
	for zone, want := range map[string]string{
		"Europe/Berlin":    "2026-10-31T23:00:00Z",
		"America/New_York": "2026-11-01T04:00:00Z",
		"UTC":              "2026-11-01T00:00:00Z",
		"Asia/Kolkata":     "2026-10-31T18:30:00Z",
	} {
		p := parse(t, "program: p\ncurrency: USD\ntimezone: "+zone+"\nearn: [{id: a, on: AppInstalled, points: 1, from: 2026-11-01, until: 2026-12-01T00:00:00+02:00}]\n")
		if p.Earn[0].From != instant(t, want) || p.Earn[0].Until != instant(t, "2026-11-30T22:00:00Z") {
			t.Errorf("%s: from %s until %s", zone, p.Earn[0].From, p.Earn[0].Until)
		}
	}
	// Santiago skips the midnight of 6 September 2026: its first instant is 01:00.
	p := parse(t, "program: p\ncurrency: USD\ntimezone: America/Santiago\nearn: [{id: a, on: AppInstalled, points: 1, from: 2026-09-06}]\n")
	if want := instant(t, "2026-09-06T04:00:00Z"); p.Earn[0].From != want {
		t.Errorf("from %s, want %s", p.Earn[0].From, want)
	}
}

func TestZonesThatAreNoPlacesAreRefused(t *testing.T) {
	for _, zone := range []string{"Local", "localtime", "posixrules", "Factory", "factory", "right/Europe/Berlin", "posix/Europe/Berlin"} {
		_, err := program.Parse([]byte(strings.Replace(string(samples(t)["minimal.yaml"]), "timezone: UTC", "timezone: "+zone, 1)), "p.yaml")
		if err == nil || !strings.Contains(err.Error(), "unknown timezone") || strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%s: got %v", zone, err)
		}
	}
}

func TestWrittenForms(t *testing.T) {
	day := func(n int64) loyalty.Step { return loyalty.Step{N: n, Unit: loyalty.Days} }
	for text, want := range map[string]loyalty.Hold{
		"none":                         {},
		"7 days":                       {After: day(7)},
		"1 day":                        {After: day(1)},
		"36 hours":                     {After: loyalty.Step{N: 36, Unit: loyalty.Hours}},
		"{days: 14}":                   {After: day(14)},
		"{until: fulfilled, days: 14}": {UntilFulfilled: true, After: day(14)},
		"{until: fulfilled}":           {UntilFulfilled: true, After: day(0)},
	} {
		if p := parse(t, string(samples(t)["minimal.yaml"])+"hold: "+text+"\n"); p.Hold != want {
			t.Errorf("hold %s: %+v", text, p.Hold)
		}
	}
	months := loyalty.Step{N: 12, Unit: loyalty.Months}
	for text, want := range map[string]loyalty.Expiry{
		"none":               {},
		"{after: 12 months}": {Kind: loyalty.Rolling, After: months},
		"{after: 12 months, round_to: end_of_month}":                  {Kind: loyalty.Rolling, After: months, RoundTo: loyalty.Month},
		"{round_to: end_of_year}":                                     {Kind: loyalty.Rolling, RoundTo: loyalty.Year},
		`{fixed_date: "12-31"}`:                                       {Kind: loyalty.FixedDate, FixedMonth: 12, FixedDay: 31},
		"{fixed_date: 12-31}":                                         {Kind: loyalty.FixedDate, FixedMonth: 12, FixedDay: 31},
		"{after: 12 months, inactivity: {extend_on: [earn, redeem]}}": {Kind: loyalty.Rolling, After: months, ExtendOnEarn: true, ExtendOnRedeem: true},
		"{after: 12 months, inactivity: {extend_on: [redeem]}}":       {Kind: loyalty.Rolling, After: months, ExtendOnRedeem: true},
	} {
		if p := parse(t, string(samples(t)["minimal.yaml"])+"expiry: "+text+"\n"); p.Expiry != want {
			t.Errorf("expiry %s: %+v", text, p.Expiry)
		}
	}
}

func TestLayoutMakesNoDifference(t *testing.T) {
	source := string(samples(t)["vip-rewards.yaml"])
	p := parse(t, source)
	for name, other := range map[string]string{
		"windows line ends": strings.ReplaceAll(source, "\n", "\r\n"),
		"a byte order mark": "\ufeff" + source,
		"quoted numbers":    strings.ReplaceAll(strings.ReplaceAll(source, "per: 1.00", `per: "1.00"`), "points: 1}", "points: '1.0'}"),
		"an alias":          strings.NewReplacer("hold: {until: fulfilled, days: 14}", "hold: &h {until: fulfilled, days: 14}", "hold: 7 days", "hold: 7 day").Replace(source),
	} {
		if changes := program.Diff(p, parse(t, other)); len(changes) != 0 {
			t.Errorf("%s: %v", name, changes)
		}
	}
	aliased := parse(t, strings.NewReplacer("hold: {until: fulfilled, days: 14}", "hold: &h {until: fulfilled, days: 14}", "hold: 7 days", "hold: *h").Replace(source))
	if h := aliased.Earn[5].Hold; h == nil || *h != p.Hold {
		t.Errorf("an alias is %+v, want %+v", h, p.Hold)
	}
}

func TestAliasesCannotMultiply(t *testing.T) {
	racetest.Skip(t) // it has a time limit
	const head = "program: p\ncurrency: USD\ntimezone: UTC\n"
	unknown := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: 1, ", i)
		}
		return b.String()
	}
	for name, source := range map[string]string{
		"values": head + "earn: [{id: a, on: AppInstalled, points: 1}]\ntiers:\n  levels:\n  - &l {name: A, from: 0, benefits: [" +
			strings.Repeat("x,", 1000) + "]}\n" + strings.Repeat("  - *l\n", 10_000),
		"unknown keys":       head + "earn:\n- &r {" + unknown(1000) + "id: a}\n" + strings.Repeat("- *r\n", 1000),
		"keys written twice": head + "earn:\n- &r {" + strings.Repeat("on: OrderPlaced, ", 1000) + "id: a}\n" + strings.Repeat("- *r\n", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := program.Parse([]byte(source), "p.yaml")
			if err == nil || !strings.Contains(err.Error(), "more than 100000 values") {
				t.Errorf("got %.200v", err)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	source := samples(b)["vip-rewards.yaml"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := program.Parse(source, "p.yaml"); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, source := range samples(f) {
		f.Add(source)
	}
	f.Add([]byte("{program: p, currency: USD, timezone: UTC, earn: [{id: a, on: OrderPlaced, when: '1 +', per: 1, points: 'event.at'}]}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("? {x: y}\n: z\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		p, err := program.Parse(source, "fuzz.yaml")
		switch {
		case err == nil:
			if changes := program.Diff(p, p); len(changes) != 0 {
				t.Errorf("a program differs from itself: %v", changes)
			}
			if _, _, err := program.Prepare(program.Draft{Source: source, File: "fuzz.yaml", Now: 1, Immediately: true}); err != nil {
				t.Errorf("a program that parses cannot be published: %v", err)
			}
		case err.Error() == "":
			t.Error("an error says nothing")
		}
	})
}
