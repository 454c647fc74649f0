package intake_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
)

const plain = "name: x\ntimezone: America/New_York\ncurrency: USD\nevent: OrderPlaced\ncolumns: {customer: c, order: o, at: t, amount: a}\n"

// TestTimesAsShopsExportThem reads times of each form, or says why not.
func TestTimesAsShopsExportThem(t *testing.T) {
	cases := []struct{ form, text, want string }{
		{"", "2019-11-01 00:00:00 UTC", "2019-11-01T00:00:00.000Z"},
		{"", "2019-11-01 00:00:00 -0500", "2019-11-01T05:00:00.000Z"},
		{"", "2019-11-01 00:00:00.25+05:30", "2019-10-31T18:30:00.250Z"},
		{"", "2019-11-01 00:00+01", "2019-10-31T23:00:00.000Z"},
		{"", "2019-11-01 00:00:00.123", "2019-11-01T04:00:00.123Z"},
		{"", "2019-11-01 00:00:00.", "no time"},
		{"", "2019-11-01 00:00.5", "no time"},
		{"", "2019-11-01 UTC", "no time"},
		{"", "2019-11-01 00:00:00 EST", "no time"},
		{"", "2019-11-01 00:00:00+2400", "no time"},
		{"", "1970-01-01 00:00:00 +0100", "cannot be taken"},
		{"M/D/YYYY h:mm", "12/1/2010 8:26", "2010-12-01T13:26:00.000Z"},
		{"M/D/YYYY h:mm", "7/31/2011 18:26", "2011-07-31T22:26:00.000Z"},
		{"M/D/YYYY h:mm", "31/7/2011 18:26", "no time of the form M/D/YYYY h:mm"},
		{"M/D/YY h:mm AM", "1/2/24 12:05 am", "2024-01-02T05:05:00.000Z"},
		{"MM/DD/YYYY hh:mm:ssAM", "01/02/2024 08:05:09PM", "2024-01-03T01:05:09.000Z"},
		{"MM/DD/YYYY hh:mm:ssAM", "01/02/2024 18:05:09PM", "no time"},
		{"DD.MM.YYYY hh:mm:ss Z", "02.01.2024 08:05:09 +01:00", "2024-01-02T07:05:09.000Z"},
		{"DD.MM.YYYY hh:mm:ss Z", "02.01.2024 08:05:09", "no time"},
		{"YYYY_M_D", "2024_1_2", "2024-01-02T05:00:00.000Z"},
		{"__YYYY_MM__D", "__2024_01__2", "2024-01-02T05:00:00.000Z"},
		{"YYYY_M_D", "2024_1- 2", "no time"},
		{"ss, DD.MM.YYYY hh:mm", "\"09, 02.01.2024 08:05\"", "2024-01-02T13:05:09.000Z"},
		{"DD-MMM-YYYY hh:mm", "05-JAN-2026 10:00", "2026-01-05T15:00:00.000Z"},
		{"MMMM D, YYYY h:mm AM", "\"July 1, 2026 9:05 pm\"", "2026-07-02T01:05:00.000Z"},
		{"DD-MMM-YYYY", "05-Mai-2026", "no time"},
		{"epoch seconds", "1700000000", "2023-11-14T22:13:20.000Z"},
		{"epoch seconds", "1700000000123", "no time in epoch seconds"},
		{"epoch milliseconds", "1700000000123", "2023-11-14T22:13:20.123Z"},
		{"epoch milliseconds", "1700000000", "no time in epoch milliseconds"},
		{"epoch seconds", "1.7e9", "no time"},
	}
	for _, c := range cases {
		got := read(t, plain+"time: "+c.form+"\n", "c,o,t,a\nann,1,"+c.text+",1\n")
		if len(got.Records) == 1 {
			if at := got.Records[0].Event.Head().At.String(); at != c.want {
				t.Errorf("%s by %q: %s, want %s", c.text, c.form, at, c.want)
			}
		} else if !strings.Contains(got.Rejects[0].Reason, c.want) {
			t.Errorf("%s by %q: %s, want %s", c.text, c.form, got.Rejects[0].Reason, c.want)
		}
	}
	for _, form := range []string{"M/D", "M/D/YYYY mm", "M/D/YYYY AM", "M/M/YYYY", "Z YYYY-MM-DD", "YYYY-MM-DD Zh", "epoch", "YYYY-Mo-DD", "YYYY-MMMMM-DD", "DD MMM YYYY MM", "ÄYYYY-MM-DD", "YYYYMD", "YYYY-MM-DD hmm", "hh:mm:ss.DD.MM.YYYY"} {
		if _, err := tryRead(plain+"time: "+form+"\n", "c,o,t,a\n"); err == nil || !strings.Contains(err.Error(), "is no form of times") {
			t.Errorf("form %q: %v", form, err)
		}
	}
}

// Every form that is taken reads what is written in it, or else a whole file would be rejected, or taken for other times.
func TestFormsReadWhatTheyWrite(t *testing.T) {
	racetest.Checks(t, 20)
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		parts := []string{one("year", "YYYY", "YY"), one("month", "MM", "M", "MMM", "MMMM"), one("day", "DD", "D")}
		more := []string{one("hour", "hh", "HH", "h", "H"), "mm", "ss"}
		precision := rapid.IntRange(0, 3).Draw(t, "precision")
		parts = append(parts, more[:precision]...)
		for _, part := range []string{"AM", "T"} {
			if rapid.Bool().Draw(t, part) {
				parts = append(parts, part)
			}
		}
		parts = rapid.Permutation(parts).Draw(t, "order")
		if rapid.Bool().Draw(t, "offset") {
			parts = append(parts, "Z")
		}
		at := time.Unix(rapid.Int64Range(24*3600, 3e9).Draw(t, "at"), 0).UTC() // YY ends in 2068
		form, text := "", ""
		for i := range len(parts) + 1 {
			sign := one("sign", "", "-", "_", ".", ",", " ", ":", "/", "+", "__", ", ", "'", " _")
			form, text = form+sign, text+sign
			if i < len(parts) {
				form, text = form+parts[i], text+written(parts, parts[i], at)
			}
		}
		at = at.Truncate([]time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second}[precision])
		got, err := tryRead(strings.Replace(plain, "America/New_York", "UTC", 1)+fmt.Sprintf("time: %q\n", form), fmt.Sprintf("c,o,t,a\nann,1,%q,1\n", text))
		if err != nil {
			return
		}
		accepted++
		if len(got.Records) != 1 {
			t.Fatalf("%q does not read %q: %s", form, text, got.Rejects[0].Reason)
		}
		if is := got.Records[0].Event.Head().At.Time(); !is.Equal(at) {
			t.Fatalf("%q reads %q as %s, want %s", form, text, is, at)
		}
	})
	if accepted == 0 {
		t.Error("no form was taken")
	}
}

// written returns a part of a form as shops write it.
func written(parts []string, part string, at time.Time) string {
	hour := at.Hour()
	if slices.Contains(parts, "AM") {
		hour = (hour+11)%12 + 1
	}
	switch part {
	case "hh", "HH":
		return fmt.Sprintf("%02d", hour)
	case "h", "H":
		return strconv.Itoa(hour)
	case "Z":
		return "+00:00"
	case "T":
		return "T"
	default:
		return at.Format(map[string]string{"YYYY": "2006", "YY": "06", "MM": "01", "M": "1", "MMM": "Jan", "MMMM": "January", "DD": "02", "D": "2", "mm": "04", "ss": "05", "AM": "PM"}[part])
	}
}

// TestAmountsAreMadeOfColumns adds, takes away and multiplies, exactly.
func TestAmountsAreMadeOfColumns(t *testing.T) {
	cases := []struct {
		amount, a, b string
		want         events.Money
		reason       string
	}{
		{"{sum: [a, -b]}", "10.00", "-2.50", 1250, ""},
		{"{sum: [-b]}", "x", "-2.50", 250, ""},
		{"{sum: [-b]}", "x", "", 0, "the first is empty"},
		{"{product: [a, b]}", "6", "2.55", 1530, ""},
		{"{product: [-a, b]}", "-6", "2.55", 1530, ""},
		{"{product: [a, b]}", "3", "0.335", 101, ""}, // 1.005 is half a cent up
		{"{product: [a, b]}", "0.345", "19.99", 690, ""},
		{"{product: [a, b]}", "0", "19.99", 0, ""},
		{"{product: [a, b]}", "", "19.99", 0, "the first is empty"},
		{"{product: [a, b]}", "2", "", 0, "the second is empty"},
		{"{product: [a, b]}", "2", "x", 0, `"x" is no amount`},
		{"{product: [a, b]}", "9223372036854775807", "2", 0, "the product is too large"},
		{"{product: [a, b]}", "92233720368547758070", "2", 0, "a factor is too large"},
	}
	for _, c := range cases {
		got := read(t, strings.Replace(plain, "amount: a", "amount: "+c.amount, 1), "c,o,t,a,b\nann,1,2026-01-01,"+c.a+","+c.b+"\n")
		if len(got.Records) == 1 {
			if n := got.Records[0].Event.(*events.OrderPlaced).Lines[0].Amount; n != c.want || c.reason != "" {
				t.Errorf("%s of %s and %s: %d, want %d%s", c.amount, c.a, c.b, n, c.want, c.reason)
			}
		} else if c.reason == "" || !strings.Contains(got.Rejects[0].Reason, c.reason) {
			t.Errorf("%s of %s and %s: %s, want %q", c.amount, c.a, c.b, got.Rejects[0].Reason, c.reason)
		}
	}
	got := read(t, strings.Replace(plain, "amount: a", "amount: a, quantity: {product: [a, b]}", 1), "c,o,t,a,b\nann,1,2026-01-01,2,0.5\nann,2,2026-01-01,2,0.75\n")
	if len(got.Records) != 1 || len(got.Rejects) != 1 || !strings.Contains(got.Rejects[0].Reason, "no whole number") {
		t.Errorf("quantities: records %+v, rejects %+v", got.Records, got.Rejects)
	}
}

// TestOtherMappingsAreNoExpressions refuses what is neither a sum nor a product.
func TestOtherMappingsAreNoExpressions(t *testing.T) {
	for _, amount := range []string{"{}", "{sum: []}", "{product: a}", "{sum: [a], product: [a]}", "{minus: [a]}"} {
		if _, err := tryRead(strings.Replace(plain, "amount: a", "amount: "+amount, 1), "c,o,t,a\n"); err == nil || !strings.Contains(err.Error(), "or {product: [column, column]}") {
			t.Errorf("%s: %v", amount, err)
		}
	}
}

// TestThousandsAreTakenAsTheMapSays reads what stands between groups of three digits, and nothing else so.
func TestThousandsAreTakenAsTheMapSays(t *testing.T) {
	german := "decimal: ','\nthousands: '.'\n"
	cases := []struct {
		format, text string
		want         events.Money
		reason       string
	}{
		{german, "1.234,56", 123456, ""},
		{german, "1.234.567,8", 123456780, ""},
		{german, "1.000", 100000, ""},
		{german, "12,5", 1250, ""},
		{german, "12.50", 0, "no amount of money"},
		{german, "1234.567", 0, "no amount of money"},
		{german, ".123", 0, "no amount of money"},
		{"thousands: ','\n", `"1,234.56"`, 123456, ""},
		{"", `"1,234.56"`, 0, `write thousands: "," and decimal: "." in the map`},
		{"", `"1.234,56"`, 0, `write thousands: "." and decimal: "," in the map`},
		{"", "1 234.50", 0, `write thousands: " " and decimal: "." in the map`},
	}
	for _, c := range cases {
		text := c.text
		if strings.Contains(text, ",") && text[0] != '"' {
			text = `"` + text + `"`
		}
		got := read(t, plain+c.format, "c,o,t,a\nann,1,2026-01-01,"+text+"\n")
		if len(got.Records) == 1 {
			if n := got.Records[0].Event.(*events.OrderPlaced).Lines[0].Amount; n != c.want || c.reason != "" {
				t.Errorf("%s: %d, want %d%s", c.text, n, c.want, c.reason)
			}
		} else if c.reason == "" || !strings.Contains(got.Rejects[0].Reason, c.reason) {
			t.Errorf("%s: %s, want %q", c.text, got.Rejects[0].Reason, c.reason)
		}
	}
	for _, bad := range []string{"thousands: '.'\n", "thousands: ', '\n", "thousands: '0'\n", "thousands: '-'\n"} {
		if _, err := tryRead(plain+bad, "c,o,t,a\n"); err == nil || !strings.Contains(err.Error(), "is not one sign between digits") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestRowsAreSkippedByHowTextsBegin leaves out cancelled invoices, and texts with spaces around them.
func TestRowsAreSkippedByHowTextsBegin(t *testing.T) {
	got := read(t, plain+"skip: {o: ['C*'], c: ['', ' void']}\n", "c,o,t,a\nann,C1,2026-01-01,-1\nann,1C,2026-01-01,1\n \t,2,2026-01-01,1\n void ,3,2026-01-01,1\nvoids,4,2026-01-01,1\n")
	if got.Skipped != 3 || len(got.Records) != 2 || len(got.Rejects) != 0 {
		t.Errorf("skipped %d, records %d, rejects %+v", got.Skipped, len(got.Records), got.Rejects)
	}
}

// TestAnOrdersOwnColumnsMayBeFilledOnce takes later rows without them, and no later row that alone has one.
func TestAnOrdersOwnColumnsMayBeFilledOnce(t *testing.T) {
	paid := strings.NewReplacer("currency: USD\n", "", "amount: a", "amount: a, currency: m, shipping: s").Replace(plain)
	got := read(t, paid, "c,o,t,a,m,s\nann,1,2026-01-01,500,JPY,30\nann,1,,700,,\nann,2,2026-01-01,1,JPY,\nann,2,,1,,5\n")
	if len(got.Records) != 1 || len(got.Rejects) != 2 || !strings.Contains(got.Rejects[1].Reason, `s: "5" here, "" on line 4 of the same order`) {
		t.Fatalf("records %+v, rejects %+v", got.Records, got.Rejects)
	}
	if o := got.Records[0].Event.(*events.OrderPlaced); o.Shipping != 30 || o.Lines[1].Amount != 700 || o.Currency != "JPY" {
		t.Errorf("order %+v", o)
	}
}

// TestAnOrderWithARowOfNobodyIsNotWhole leaves out the rest of the order that a row without a customer is of, if that can
// be told.
func TestAnOrderWithARowOfNobodyIsNotWhole(t *testing.T) {
	got := read(t, plain, "c,o,t,a\nann,1,2026-01-01,1\n,1,2026-01-01,2\n,2,2026-01-01,1\nann,3,2026-01-01,1\nbob,3,2026-01-01,1\n,3,2026-01-01,1\n,,,\n")
	if len(got.Records) != 2 || len(got.Rejects) != 5 {
		t.Fatalf("%d records, rejects %+v; want both orders 3", len(got.Records), got.Rejects)
	}
	if r := got.Rejects[0]; r.Line != 2 || r.Rows != 1 || !strings.Contains(r.Reason, "is not whole: the row on line 3 is of the same order, and has no customer") {
		t.Errorf("order 1: %+v", r)
	}
	got = read(t, plain, "c,o,t,a\nann,1,2026-01-01,oops\n,1,2026-01-01,2\n")
	if r := got.Rejects[0]; !strings.Contains(r.Reason, `"oops" is no amount of money`) || !strings.Contains(r.Reason, "; is not whole: the row on line 3") {
		t.Errorf("with another reason: %+v", r)
	}
}

// TestNamesMadeOfNothingAreNoNames keeps rows of different people, and different orders, from becoming one by the text that a
// template has around an empty column.
func TestNamesMadeOfNothingAreNoNames(t *testing.T) {
	made := strings.NewReplacer("customer: c", "customer: 'web-{c}'", "order: o", "order: '{s}/{o}'").Replace(plain)
	got := read(t, made, "c,o,t,a,s\nann,1,2026-01-01,1,7\n,2,2026-01-01,1,7\n,3,2026-01-01,1,7\nann,,2026-01-01,1,7\nann,,2026-01-01,2,7\n")
	if len(got.Records) != 1 || len(got.Rejects) != 4 {
		t.Fatalf("records %+v, rejects %+v", got.Records, got.Rejects)
	}
	if r := got.Rejects[0].Reason; r != `customer: is missing, which the map reads from "web-{c}"` {
		t.Errorf("a row of nobody: %s", r)
	}
	if r := got.Rejects[2].Reason; r != `order: is missing, which the map reads from "{s}/{o}"` {
		t.Errorf("a row of no order: %s", r)
	}
	got = read(t, "name: x\ntimezone: UTC\nevent: AccountRegistered\ncolumns: {customer: 'web-{c}', at: t}\n", "c,t\n,2026-01-01\n")
	if len(got.Records) != 0 {
		t.Errorf("an account of nobody: %+v", got.Records)
	}
}

// TestTextInOtherEncodingsIsNotComparedForSkipping refuses rows of which nobody knows whether the map leaves them out.
func TestTextInOtherEncodingsIsNotComparedForSkipping(t *testing.T) {
	got := read(t, plain+"skip: {s: [gelöscht]}\n", "c,o,t,a,s\nann,1,2026-01-01,1,gel\xf6scht\nann,2,2026-01-01,1,gelöscht\nann,3,2026-01-01,1,\n\xf6,4,2026-01-01,1,\n")
	if len(got.Records) != 1 || got.Skipped != 1 || len(got.Rejects) != 2 {
		t.Fatalf("%d records, %d skipped, rejects %+v; want order 3", len(got.Records), got.Skipped, got.Rejects)
	}
	for i, want := range []string{"skip: a column that it looks at is not UTF-8", `customer: is not UTF-8: convert the file`} {
		if r := got.Rejects[i].Reason; !strings.Contains(r, want) || !strings.Contains(r, "iconv -f WINDOWS-1252") {
			t.Errorf("%s, want %s", r, want)
		}
	}
}

// TestFilesThatBeginOtherwiseAreSaid names what stands before the columns' names, or between the lines.
func TestFilesThatBeginOtherwiseAreSaid(t *testing.T) {
	for text, want := range map[string]string{
		"c,o,t,a\rann,1,2026-01-01,1\r":        `end its lines as old Macs did, in CR: convert them, as by tr '\r' '\n'`,
		"sep=,\nc,o,t,a\nann,1,2026-01-01,1\n": `begins with a line for Excel, "sep=,": take it out`,
		"sep=;\nc;o;t;a\nann;1;2026-01-01;1\n": `begins with a line for Excel, "sep=;": take it out`,
	} {
		if _, err := tryRead(plain, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, separator := range []string{`"\n"`, `'"'`, `"||"`, `"§"`} {
		if _, err := tryRead(plain+"separator: "+separator+"\n", "c,o,t,a\n"); err == nil || !strings.Contains(err.Error(), "is not one character that can stand between columns") {
			t.Errorf("separator %s: %v", separator, err)
		}
	}
}

// What is added up for the order as a whole is held to the same as a column: later rows agree or say nothing.
func TestRowsAgreeOnSumsOfTheirOrder(t *testing.T) {
	const sums = head + "columns: {customer: c, order: o, at: t, amount: a, shipping: {sum: [s, h]}}\n"
	for rows, want := range map[string]string{
		"ann,1,2026-01-01,1,5,1\nann,1,2026-01-01,1,7,1\n": `s + h: "7, 1" here, "5, 1" on line 2 of the same order`,
		"ann,1,2026-01-01,1,,\nann,1,2026-01-01,1,7,1\n":   `s + h: "7, 1" here, "" on line 2 of the same order`,
		"ann,1,2026-01-01,1,5,\nann,1,2026-01-01,1,,5\n":   `s + h: ", 5" here, "5, " on line 2 of the same order`,
		"ann,1,2026-01-01,1,5,1\nann,1,2026-01-01,1,,\n":   "",
	} {
		got := read(t, sums, "c,o,t,a,s,h\n"+rows)
		switch {
		case want == "" && (len(got.Rejects) > 0 || got.Records[0].Event.(*events.OrderPlaced).Shipping != 600):
			t.Errorf("%q: %+v, rejected %+v", rows, got.Records, got.Rejects)
		case want != "" && (len(got.Rejects) == 0 || !strings.Contains(got.Rejects[len(got.Rejects)-1].Reason, want)):
			t.Errorf("%q: rejected %+v, want %q", rows, got.Rejects, want)
		}
	}
	if filled := read(t, plain+"skip: {x: ['*']}\n", "c,o,t,a,x\nann,1,2026-01-01,1,\nann,2,2026-01-01,1,cancelled\n"); filled.Skipped != 1 || len(filled.Records) != 1 {
		t.Errorf("%d rows skipped, %d events, want those with anything in the column skipped", filled.Skipped, len(filled.Records))
	}
	whole := read(t, "name: x\ntimezone: UTC\nevent: RedemptionConfirmed\ncolumns: {customer: c, redemption: o, at: t, points: {sum: [a, b]}}\n", "c,o,t,a,b\nann,1,2026-01-01,,\n")
	if p := whole.Records[0].Event.(*events.RedemptionConfirmed).Points; p != nil {
		t.Errorf("a sum of nothing is %d, want none", *p)
	}
}
