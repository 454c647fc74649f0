package intake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/program"
)

const head = "name: shop\ntimezone: Europe/Berlin\ncurrency: EUR\nevent: OrderPlaced\n"

const columns = head + "columns: {customer: c, order: o, at: t, amount: a, sku: s}\n"

func read(t *testing.T, mapText, csv string) *intake.Contents {
	t.Helper()
	c, err := tryRead(mapText, csv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryRead(mapText, csv string) (*intake.Contents, error) {
	m, err := intake.ParseMap([]byte(mapText), program.Exponent)
	if err != nil {
		return nil, err
	}
	s, err := m.SourceOf("shop.csv")
	if err != nil {
		return nil, err
	}
	return m.ReadCSV("shop.csv", s, strings.NewReader(csv), nil)
}

func TestRowsOfAnOrderBecomeItsLines(t *testing.T) {
	c := read(t, columns, "\ufeffc,o,t,a,s\nann,1,2026-03-29 02:30,1.50,x\nbob,1,2026-03-29T00:00:00Z,7,y\nann,1,2026-03-29,2.5,z\n")
	if len(c.Records) != 2 || len(c.Rejects) != 0 {
		t.Fatalf("records %d, rejects %v", len(c.Records), c.Rejects)
	}
	o := c.Records[0].Event.(*events.OrderPlaced)
	if o.ID != "shop:1" || o.Currency != "EUR" || len(o.Lines) != 2 || o.Lines[0].Amount != 150 || o.Lines[1].Amount != 250 ||
		o.Lines[0].Line != "1" || o.Lines[1].Line != "2" || o.Lines[1].Quantity != 1 {
		t.Errorf("order %+v", o)
	}
	if got := o.At.String(); got != "2026-03-28T23:00:00.000Z" {
		t.Errorf("at %s, want the earlier of its rows' times, the start of 29 March in Berlin", got)
	}
}

func TestABadRowTakesItsOrderWithIt(t *testing.T) {
	c := read(t, columns, "c,o,t,a,s\nann,1,2026-01-01,\"1,50\",x\nann,2,2026-01-01,1.500,x\nann,1,2026-01-01,1.50,\"mug, \"\"red\"\"\nbig\"\nann,1,2026-01-01\n")
	if len(c.Records) != 1 || c.Records[0].Event.(*events.OrderPlaced).Order != "2" {
		t.Errorf("records %+v, want order 2 alone", c.Records)
	}
	want := []intake.Reject{
		{File: "shop.csv", Line: 2, Rows: 3, Reason: `amount (a): "1,50" is no amount of money: want digits and at most one '.', such as 12.50`, Text: `ann,1,2026-01-01,"1,50",x`},
		{File: "shop.csv", Line: 4, Reason: "belongs to a rejected order: see line 2", Text: "ann,1,2026-01-01,1.50,\"mug, \"\"red\"\"\nbig\""},
		{File: "shop.csv", Line: 6, Rows: 3, Reason: "has 3 columns, the header has 5", Text: "ann,1,2026-01-01"},
	}
	if !slices.Equal(c.Rejects, want) {
		t.Errorf("rejects\n%+v, want\n%+v", c.Rejects, want)
	}
}

// TestRejectsCanBeMendedAndSentAgain takes what was rejected as a file of its own.
func TestRejectsCanBeMendedAndSentAgain(t *testing.T) {
	const head = "c,o,t,a,s\r\n"
	bad := read(t, columns, head+"ann,1,2026-01-01,\"1\",\"x, y\"\r\n\r\nann,1,2026-01-01,oops,z\r\n,3,2026-01-01,oops,z\r\nbob,,2026-01-01,oops,z\r\ncid,4,,oops,z\r\n")
	again := head
	for _, r := range bad.Rejects {
		again += r.Text + "\r\n"
	}
	good := read(t, columns, strings.NewReplacer("oops", "2.50", "\n,3", "\neve,3", "bob,,", "bob,2,", "4,,", "4,2026-01-01,").Replace(again))
	if len(bad.Rejects) != 5 || len(bad.Records) != 0 || len(good.Records) != 4 || len(good.Rejects) != 0 {
		t.Fatalf("rejected %+v; sent again they make %d orders, rejects %+v", bad.Rejects, len(good.Records), good.Rejects)
	}
	if o := good.Records[0].Event.(*events.OrderPlaced); len(o.Lines) != 2 || o.Lines[0].SKU != "x, y" || o.Lines[1].Amount != 250 {
		t.Errorf("order %+v", o)
	}
}

func TestEmptyCellsAreNoNumbers(t *testing.T) {
	pieces := head + "columns: {customer: c, order: o, at: t, amount: {sum: [a, d]}, discount: d, quantity: q}\n"
	returns := head[:strings.Index(head, "event")] + "event: OrderReturned\ncolumns: {customer: c, return: o, order: o, at: t, amount: a, quantity: q, line: d}\n"
	points := "name: crm\nevent: PointsAdjusted\ncolumns: {customer: c, id: o, at: t, points: q, reason: d}\nconstants: {actor: ada}\n"
	cases := []struct{ name, mapText, row, want string }{
		{"amount", columns, "ann,1,2026-01-01T10:00:00Z, ,x,", "amount (a): is empty"},
		{"amount in a sum", pieces, "ann,1,2026-01-01T10:00:00Z,,1.00,2", "amount (a + d): the first is empty"},
		{"discount in a sum", pieces, "ann,1,2026-01-01T10:00:00Z,1.00,,2", ""},
		{"a sum beyond what fits", pieces, "ann,1,2026-01-01T10:00:00Z,92233720368547758.07,0.01,2", "amount (a + d): the sum is too large"},
		{"a sum below what fits", pieces, "ann,1,2026-01-01T10:00:00Z,-92233720368547758.07,-0.02,2", "amount (a + d): the sum is too large"},
		{"quantity", pieces, "ann,1,2026-01-01T10:00:00Z,1.00,0,", "quantity (q): is empty"},
		{"quantity without a column", columns, "ann,1,2026-01-01T10:00:00Z,1.00,x,", ""},
		{"amount of a return", returns, "ann,1,2026-01-01T10:00:00Z,,1,2", "amount (a): is empty"},
		{"quantity of a return", returns, "ann,1,2026-01-01T10:00:00Z,1.00,1,", ""},
		{"points", points, "ann,1,2026-01-01T10:00:00Z,,x,", "points (q): is empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, strings.Replace(c.mapText, "sku: s", "sku: d", 1), "c,o,t,a,d,q\n"+c.row+"\n")
			var reason string
			if len(got.Rejects) > 0 {
				reason = got.Rejects[0].Reason
			}
			if reason != c.want || len(got.Records) == 1 != (c.want == "") {
				t.Errorf("%d records, rejected because %q, want %q", len(got.Records), reason, c.want)
			}
		})
	}
}

func TestRowsOfAnOrderAreOfOneDay(t *testing.T) {
	rows := "c,o,t,a,s\nann,1,2026-10-26,1,x\nann,1,2026-10-25,1,x\nann,1,%s,1,x\n"
	// A day of 25 hours in Berlin.
	c := read(t, columns, fmt.Sprintf(rows, "2026-10-25 23:59"))
	if len(c.Records) != 1 || c.Records[0].Event.Head().At.String() != "2026-10-24T22:00:00.000Z" {
		t.Errorf("records %+v, rejects %v; want the earliest time", c.Records, c.Rejects)
	}
	for _, far := range []string{"2026-10-24 23:59", "2026-10-26 00:01"} {
		c = read(t, columns, fmt.Sprintf(rows, far))
		if len(c.Records) != 0 || len(c.Rejects) != 3 || !strings.Contains(c.Rejects[2].Reason, far+`" is more than a day from another row of the same order, which begins on line 2`) {
			t.Errorf("rejects %+v", c.Rejects)
		}
	}
}

func TestTimesWithoutAnOffsetNeedATimezone(t *testing.T) {
	zoneless := strings.Replace(columns, "timezone: Europe/Berlin\n", "", 1)
	if c := read(t, zoneless, "c,o,t,a,s\nann,1,2026-01-01T10:00:00Z,1,x\nann,1,2026-01-01T11:00:00+01:00,1,x\n"); len(c.Records) != 1 {
		t.Errorf("rejects %+v; times with offsets need none", c.Rejects)
	}
	for _, rows := range []string{"ann,1,2026-01-01,1,x\n", "ann,1,2026-01-01T10:00:00Z,1,x\nann,1,2026-01-01,1,x\n"} {
		_, err := tryRead(zoneless, "c,o,t,a,s\n"+rows)
		if err == nil || !strings.Contains(err.Error(), `"2026-01-01" has no offset, and the map no timezone`) || !strings.Contains(err.Error(), "timezone: UTC") {
			t.Errorf("error %v", err)
		}
	}
}

func TestUTF16IsSaid(t *testing.T) {
	for name, text := range map[string]string{"little end first": "\xff\xfec\x00,\x00", "big end first": "\xfe\xff\x00c\x00,", "no mark": "c\x00,\x00"} {
		_, err := tryRead(columns, text)
		if err == nil || !strings.HasPrefix(err.Error(), "shop.csv is UTF-16") || !strings.Contains(err.Error(), "iconv") {
			t.Errorf("%s: error %q", name, err)
		}
		err = intake.ReadLines(context.Background(), "orders.jsonl", strings.NewReader(text), func(*intake.Line) error { return nil })
		if err == nil || !strings.HasPrefix(err.Error(), "orders.jsonl is UTF-16") {
			t.Errorf("%s: error of JSON lines %q", name, err)
		}
	}
}

// Monthly exports that overlap, one after the other in a file, have some orders twice.
func TestAnOrderThatIsThereTwiceIsRejected(t *testing.T) {
	ann, bob := "ann,1,2026-01-01,5,a\nann,1,2026-01-01,7,\"b\n\"\n", "bob,2,2026-01-01,1,a\n"
	for name, c := range map[string]struct {
		rows  string
		lines int // of ann's order; 0: it is rejected
	}{
		"with another between":    {ann + bob + ann, 0},
		"after one another":       {ann + ann + bob, 4},
		"with more the next time": {ann + bob + ann + "ann,1,2026-01-01,5,a\n", 5},
		"a single row":            {"ann,1,2026-01-01,5,a\n" + bob + "ann,1,2026-01-01,5,a\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, columns, "c,o,t,a,s\n"+c.rows)
			if c.lines == 0 {
				if len(got.Records) != 1 || len(got.Rejects) != 4 || got.Rejects[0].Reason != "the rows of this order are there again from line 6 on: take out what the file has twice" {
					t.Errorf("records %+v, rejects %+v", got.Records, got.Rejects)
				}
				return
			}
			if len(got.Rejects) != 0 || len(got.Records[0].Event.(*events.OrderPlaced).Lines) != c.lines {
				t.Errorf("records %+v, rejects %+v; want %d lines", got.Records, got.Rejects, c.lines)
			}
		})
	}
}

func TestBadRowsAreNamed(t *testing.T) {
	cases := []struct{ name, row, want string }{
		{"amount", "ann,1,2026-01-01,1.2.3,x", `amount (a): "1.2.3" is no amount of money`},
		{"huge amount", "ann,1,2026-01-01,99999999999999999999,x", "too large an amount"},
		{"time", "ann,1,01/02/2026,1,x", `"01/02/2026" is no time`},
		{"no customer", ",1,2026-01-01,1,x", "customer: is missing"},
		{"long id", strings.Repeat("x", 1<<20) + ",1,2026-01-01,1,x", "customer: has 1048576 bytes, at most 128 are allowed"},
		{"columns", "ann,1", "has 2 columns, the header has 5"},
		{"a byte that is no text", "ann,\xff,2026-01-01,1,x", "order: is not UTF-8"},
		{"quotes", `ann,1,2026-01-01,1,x"y`, `bare "`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, strings.Replace(columns, "order: o", "order: '{o}{n}'", 1), "c,o,t,a,s\nbob,9,2026-01-01,1,x\n"+c.row+"\ncid,8,2026-01-01,1,x\n")
			if len(got.Rejects) != 1 || got.Rejects[0].Line != 3 || !strings.Contains(got.Rejects[0].Reason, c.want) {
				t.Errorf("rejects %+v, want line 3 with %q", got.Rejects, c.want)
			}
			if len(got.Records) != 2 || len(got.Rejects) > 0 && len(got.Rejects[0].Text) > intake.TextBytesMax+10 {
				t.Errorf("%d records, want the two good ones", len(got.Records))
			}
		})
	}
}

func TestAnOrderThatContradictsItselfIsRejected(t *testing.T) {
	c := read(t, head+"columns: {customer: c, order: o, at: t, amount: a, channel: s}\n",
		"c,o,t,a,s\nann,1,2026-01-01,1,WEB\nann,1,2026-01-01,1,APP\n")
	if len(c.Rejects) != 2 || !strings.Contains(c.Rejects[1].Reason, `"APP" here, "WEB" on line 2 of the same order`) {
		t.Errorf("rejects %+v", c.Rejects)
	}
}

func TestMissingColumnsAreNamedWithWhatThereIs(t *testing.T) {
	_, err := tryRead(strings.Replace(columns, "amount: a", "amount: amnt", 1), "customer,o,t,amt,s\n")
	for _, want := range []string{`no column "c", which the map reads for "customer"; its columns are customer, o, t, amt, s.`, `no column "amnt"`, `Did you mean "amt"?`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %q", err, want)
		}
	}
}

func TestAnotherSeparatorIsSaidOnce(t *testing.T) {
	cases := []struct{ name, mapText, header, want string }{
		{"semicolons", columns, "c;o;t;a;s", `shop.csv seems to have ";" between its columns: write separator: ";" in the map`},
		{"tabs", columns, "c\to\tt\ta\ts", `write separator: "\t" in the map`},
		{"bars", columns, "c|o|t|a|s", `write separator: "|" in the map`},
		{"commas", columns + "separator: ;\n", "c,o,t,a,s", `write separator: "," in the map`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := tryRead(c.mapText, c.header+"\n")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want only %q", err, c.want)
			}
		})
	}
	// A column may well have such a name.
	got := read(t, "name: crm\ntimezone: UTC\nevent: AccountRegistered\ncolumns: {customer: 'a|b'}\nconstants: {at: 2026-01-01}\n", "a|b\nann\n")
	if len(got.Records) != 1 {
		t.Errorf("%d records, rejects %v", len(got.Records), got.Rejects)
	}
}

func TestTwoColumnsOfOneNameAreRefused(t *testing.T) {
	_, err := tryRead(columns, "c,o,t,a,s,a \n")
	if want := `shop.csv has two columns "a", which the map reads for "amount"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	if got := read(t, columns, "c,o,t,a,s,x,x\nann,1,2026-01-01,1,y,,\n"); len(got.Records) != 1 {
		t.Errorf("columns that the map does not read are no problem: %v", got.Rejects)
	}
}

func TestBadMapsAreRefused(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"unknown key", "nam: x\n", "field nam is no key of a map"},
		{"unknown field", head + "columns: {customer: c, order: o, at: t, amount: a, colour: s}\n", `has no field "colour"; it has id, customer`},
		{"field left out", head + "columns: {customer: c, order: o, at: t}\n", `OrderPlaced needs "amount"`},
		{"currency", strings.Replace(columns, "EUR", "EURO", 1), `"EURO" is no ISO 4217 code`},
		{"timezone", strings.Replace(columns, "Berlin", "Berlon", 1), `"Europe/Berlon" is not in the zone database`},
		{"event", "name: x\nevent: Tick\n", `"Tick" is no event type`},
		{"twice", columns + "constants: {sku: x}\n", `"sku" has a column already`},
		{"id", "name: x\nevent: AppInstalled\ncolumns: {customer: c, at: t}\n", `AppInstalled needs "id"`},
		{"no map", "just a text\n", "line 1: this is not what a map has there"},
		{"a list of columns", head + "columns: [c]\n", "line 5: this is not what a map has there"},
		{"the machine's timezone", strings.Replace(columns, "Europe/Berlin", "Local", 1), `"Local" is not in the zone database`},
		{"skip beside sources", "name: x\nskip: {o: [a]}\nsources: [{event: OrderPlaced}]\n", "skip at its top level, not both"},
		{"a source after one of the same files", "name: x\nsources: [{file: 's*', event: OrderPlaced}, {file: 's*', event: OrderReturned}]\n", "sources[1]: reads nothing, because sources[0] is about the same files"},
		{"a source after one of all files", "name: x\nsources: [{event: OrderPlaced}, {file: 's*', event: OrderReturned}]\n", "sources[1]: reads nothing"},
		{"letters of a time", columns + "time: DD.MM.YYY hh:mm\n", `time: "DD.MM.YYY hh:mm" is no form of times: want YYYY or YY, MM and DD`},
		{"the month as minutes", columns + "time: DD.MM.YYYY HH:MM\n", "mm (minutes)"},
		{"hours twice", columns + "time: DD.MM.YYYY hh:HH\n", "each once"},
		{"an offset in the middle", columns + "time: YYYY-MM-DDZhh:mm:ss\n", "with signs, spaces or T"},
		{"a fixed year", columns + "time: DD.MM.2026\n", "is no form of times"},
		{"template", head + "columns: {customer: c, order: '{o', at: t, amount: a}\n", "{ without its }"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := tryRead(c.text, "c,o,t,a,s\n")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestHoursOfATimeAreHHToo(t *testing.T) {
	for _, form := range []string{"YYYYMMDDThhmmss", "YYYYMMDDTHHmmss"} {
		c := read(t, columns+"time: "+form+"\n", "c,o,t,a,s\nann,1,20260131T235900,1,x\n")
		if len(c.Records) != 1 || c.Records[0].Event.Head().At.String() != "2026-01-31T22:59:00.000Z" {
			t.Errorf("%s: records %+v, rejects %v", form, c.Records, c.Rejects)
		}
	}
}

func TestOtherFormsOfNumbersAndTimes(t *testing.T) {
	c := read(t, "name: x\ntimezone: UTC\ncurrency: JPY\nseparator: ';'\ndecimal: ','\ntime: DD.MM.YYYY hh:mm\nevent: OrderPlaced\n"+
		"columns: {customer: c, order: o, at: t, amount: a, discount: d, quantity: q}\n",
		"c;o;t;a;d;q\nann;1;31.12.2025 23:59;1200,00;-3;2,0\n")
	if len(c.Rejects) > 0 {
		t.Fatal(c.Rejects)
	}
	o := c.Records[0].Event.(*events.OrderPlaced)
	if o.Lines[0].Amount != 1200 || o.Lines[0].Discount != -3 || o.Lines[0].Quantity != 2 || o.At.String() != "2025-12-31T23:59:00.000Z" {
		t.Errorf("order %+v", o)
	}
}

func TestOtherEventsHaveARowEach(t *testing.T) {
	c := read(t, "name: crm\ntimezone: UTC\nevent: AccountRegistered\ncolumns: {customer: c, at: t, consent.marketing: m}\n",
		"c,t,m\nann,2026-01-01,TRUE\nbob,2026-01-01,\n")
	ann, bob := c.Records[0].Event.(*events.AccountRegistered), c.Records[1].Event.(*events.AccountRegistered)
	if ann.ID != "crm:registered" || ann.Consent == nil || ann.Consent.Marketing == nil || !*ann.Consent.Marketing || bob.Consent != nil {
		t.Errorf("ann %+v, bob %+v", ann, bob)
	}
}

func TestLinesAreReadInOrder(t *testing.T) {
	var text strings.Builder
	for range 3000 {
		text.WriteString(`{"type":"AppInstalled","id":"a","customer":"c","at":"2026-01-01T00:00:00Z"}` + "\n\n")
	}
	text.WriteString(`{"type":"AppInstalled","id":"a","customer":"c","at":"2026-01-01T00:00:00Z","colour":1}`)
	var last int64
	var bad error
	err := intake.ReadLines(context.Background(), "orders.jsonl", strings.NewReader(text.String()), func(l *intake.Line) error {
		if l.Number <= last {
			t.Fatalf("line %d after %d", l.Number, last)
		}
		last = l.Number
		if l.Err != nil {
			bad = l.Err
		}
		return nil
	})
	if err != nil || last != 6001 || bad == nil || !strings.Contains(bad.Error(), "colour") {
		t.Errorf("error %v, last line %d, bad line: %v", err, last, bad)
	}
	pipe, shop := io.Pipe() // which the shop goes on with later
	go func() { _, _ = shop.Write([]byte("{}\n{\"type\"")) }()
	defer shop.Close()
	stop := errors.New("enough")
	if err := intake.ReadLines(context.Background(), "-", pipe, func(*intake.Line) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want the callback's, though the pipe stays open", err)
	}
	if err := intake.ReadLines(context.Background(), "orders.jsonl", strings.NewReader(text.String()), func(*intake.Line) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want the callback's", err)
	}
}

func TestALineHoldsAWholeEvent(t *testing.T) {
	pretty := "\ufeff" + `{"type":"AppInstalled","id":"a","customer":"c","at":"2026-01-01T00:00:00Z"}` + "\n{\n  \"type\": \"AppInstalled\",\n"
	var got []string
	err := intake.ReadLines(context.Background(), "app.jsonl", strings.NewReader(pretty), func(l *intake.Line) error {
		if l.Err != nil {
			got = append(got, l.Err.Error())
		}
		return nil
	})
	if err != nil || len(got) != 2 {
		t.Fatalf("error %v, %d bad lines %q, want the last two, and a byte order mark skipped", err, len(got), got)
	}
	for _, e := range got {
		if !strings.Contains(e, "each line must hold one whole event") {
			t.Errorf("error %q", e)
		}
	}
}

func TestErrorsOfReadingNameTheFile(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for i := range 1000 {
		fmt.Fprintf(z, `{"type":"AppInstalled","id":"%d","customer":"c","at":"2026-01-01T00:00:00Z"}`+"\n", i)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		in   io.Reader
		want string
	}{
		{"a torn file", bytes.NewReader(packed.Bytes()[:packed.Len()/2]), "copy the file again"},
		{"an endless line", io.LimitReader(endless{}, 64<<20), "is this a file of JSON lines?"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in, err := intake.Open("-", c.in)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			err = intake.ReadLines(context.Background(), "app.jsonl.gz", in, func(*intake.Line) error { return nil })
			if err == nil || !strings.HasPrefix(err.Error(), "reading app.jsonl.gz: line ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want the file and %q", err, c.want)
			}
		})
	}
}

func TestATornPackedFileIsSaid(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("c,o,t,a,s\n"))
	_ = z.Close()
	for _, n := range []int{5, 20} {
		in, err := intake.Open("-", bytes.NewReader(packed.Bytes()[:n]))
		if err == nil {
			_, err = io.ReadAll(in)
		}
		if err == nil || !strings.Contains(err.Error(), "what is packed ends too early") {
			t.Errorf("after %d bytes the error is %v", n, err)
		}
	}
}

// endless is one long line.
type endless struct{}

// Read implements [io.Reader].
func (endless) Read(b []byte) (int, error) {
	return copy(b, bytes.Repeat([]byte("x"), len(b))), nil
}
