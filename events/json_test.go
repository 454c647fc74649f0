package events_test

import (
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
)

const (
	review = `{"type":"ReviewSubmitted","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","review":"r","sku":"x"}`
	order  = `{"type":"OrderPlaced","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","order":"o","currency":"USD",` +
		`"lines":[{"line":"1","sku":"x","quantity":1,"amount_minor":100},{"line":"2","sku":"y","quantity":1,"amount_minor":12000}]}`
)

func TestJSONThatSaysMoreThanOneThingIsRefused(t *testing.T) {
	cases := []struct{ name, in, old, new, want string }{
		{"bytes that are not UTF-8", review, "ann", "a\xff\xfeb", `field "customer" is not UTF-8: it has the byte 0xff`},
		{"in a line", order, `"y"`, "\"\xe9\"", `field "lines[1].sku" is not UTF-8`},
		{"in a key", review, `"sku"`, "\"sk\xfc\"", "the JSON is not UTF-8"},
		{"in no JSON", review, review, "\xff\xfe{", "is not UTF-8"},
		{"a high surrogate alone", review, "ann", `a\ud800b`, `field "customer" is not UTF-8: \ud800 is half of a surrogate pair`},
		{"a low surrogate alone", review, "ann", `a\uDC00`, `\uDC00 is half of a surrogate pair`},
		{"the last low surrogate alone", review, "ann", `\udfff`, `\udfff is half of a surrogate pair`},
		{"a high surrogate at the end", review, "ann", `\udbff`, `\udbff is half of a surrogate pair`},
		{"two low surrogates", review, "ann", `\udc00\udc00`, `\udc00 is half of a surrogate pair`},
		{"a high surrogate and what comes after the low ones", review, "ann", `\ud83d\ue000`, `\ud83d is half of a surrogate pair`},
		{"two high surrogates", review, "ann", `\ud83d\ud83d`, `\ud83d is half of a surrogate pair`},
		{"a high surrogate and text", review, "ann", `\ud83d\u0041`, `\ud83d is half of a surrogate pair`},
		{"a field twice", review, `"customer":"ann"`, `"customer":"ann","customer":"bob"`, `field "customer" is written twice`},
		{"a field twice, once escaped", review, `"customer":"ann"`, `"customer":"ann","\u0063ustomer":"bob"`, `field "customer" is written twice`},
		{"a field twice in a line", order, `"sku":"y"`, `"sku":"y","sku":"z"`, `field "sku" is written twice`},
		{"a field twice, around a list", order, "}]}", `}],"currency":"EUR"}`, `field "currency" is written twice`},
		{"a field twice, around brackets in a text", review, `"customer":"ann"`, `"customer":"]}","customer":"bob"`, `field "customer" is written twice`},
		{"the type in other letters", review, `"type"`, `"Type"`, `unknown field "Type"; did you mean "type"?`},
		{"a letter that folds to ours", review, `"sku"`, `"` + "\u017f" + `ku"`, "unknown field \"\u017fku\""},
		{"more fields than there are", review, `"sku"`, manyFields() + `"sku"`, "more than 64 fields"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := strings.Replace(c.in, c.old, c.new, 1)
			if _, err := events.DecodeJSON([]byte(in)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// manyFields writes more fields than an object may have.
func manyFields() string {
	var b strings.Builder
	for i := range 70 {
		b.WriteString(`"f` + strings.Repeat("x", i) + `":1,`)
	}
	return b.String()
}

func TestAllOfUTF8IsACustomer(t *testing.T) {
	for written, want := range map[string]string{
		"a\ufffdb":           "a\ufffdb",
		`a\ufffdb`:           "a\ufffdb",
		`\ud83d\ude00`:       "\U0001f600",
		"\U0001f600":         "\U0001f600",
		`\ud800\udc00`:       "\U00010000",
		`\udbff\udfff`:       "\U0010ffff",
		`\ud7ff\ue000`:       "\ud7ff\ue000",
		`\\ud800`:            `\ud800`,
		`\"customer\":\"x`:   `"customer":"x`,
		`{[,]}`:              `{[,]}`,
		`\u0061\u006e\u006E`: "ann",
	} {
		e, err := events.DecodeJSON([]byte(strings.Replace(review, "ann", written, 1)))
		if err != nil {
			t.Errorf("%s: %v", written, err)
		} else if got := e.Head().Customer; got != want {
			t.Errorf("%s is read as %q, want %q", written, got, want)
		}
	}
	escaped := strings.Replace(review, `"sku"`, `"\u0073ku"`, 1)
	if e, err := events.DecodeJSON([]byte(escaped)); err != nil || e.(*events.ReviewSubmitted).SKU != "x" {
		t.Errorf("an escaped key: %v, %v", e, err)
	}
}

func TestJSONErrorsSayWhatIsWanted(t *testing.T) {
	whole := "want a whole number in minor units (cents), such as 1250 for 12.50"
	amount := func(s string) string { return strings.Replace(order, "12000", s, 1) }
	cases := []struct{ name, in, want string }{
		{"a fraction", amount("120.5"), `field "lines[1].amount_minor" is 120.5: ` + whole},
		{"a decimal point", amount("12000.0"), `is 12000.0: ` + whole},
		{"an exponent", amount("1e4"), `is 1e4: ` + whole},
		{"quotes", amount(`"12000"`), `is "12000": ` + whole + ", without quotes"},
		{"a space before it", amount(" \t 1.5"), `is 1.5: ` + whole},
		{"a huge number", amount("99999999999999999999"), "that is too large a number"},
		{"a quantity", strings.Replace(order, `"quantity":1`, `"quantity":0.5`, 1), `field "lines[0].quantity" is 0.5: want a whole number`},
		{"a number for a text", strings.Replace(review, `"r"`, `5`, 1), `field "review" is 5: want a text in quotes`},
		{"an object for a list", strings.Replace(order, `"lines":[`, `"lines":{"a":[`, 1)[:len(order)+4] + "}}", `field "lines" is {: want a list`},
		{"a text for an object", `{"type":"AccountRegistered","consent":"yes"}`, `field "consent" is "yes": want an object`},
		{"a text for a flag", `{"type":"ConsentChanged","marketing":"yes"}`, `field "marketing" is "yes": want true or false`},
		{"an array of events", `[` + review + `]`, "it is an array where one object, {…}, is wanted"},
		{"half an event", review[:40], "not JSON: it ends too early"},
		{"nothing but a brace", "{", "not JSON: unexpected end of JSON input"},
		{"two events", review + review, "not JSON: something follows the object"},
		{"the type twice", strings.Replace(review, "}", `,"type":"AppInstalled"}`, 1), `field "type" is written twice`},
		{"a text", `"OrderPlaced"`, "it is a string where an object, {…}, is wanted"},
		{"a misspelt field", strings.Replace(order, `"sku"`, `"skku"`, 1), `reading OrderPlaced: unknown field "skku"; did you mean "sku"?`},
		{"two letters that changed places", strings.Replace(order, `"order"`, `"stroe":"s","order"`, 1), `unknown field "stroe"; did you mean "store"?`},
		{"a field without its unit", strings.Replace(order, `"amount_minor"`, `"amount"`, 1), `unknown field "amount"; did you mean "amount_minor"?`},
		{"a field of another kind of event", strings.Replace(review, `"sku"`, `"newsletter"`, 1), `unknown field "newsletter"`},
		{"a line's field in the order", strings.Replace(order, `"currency"`, `"category":"c","currency"`, 1), `unknown field "category"; it belongs in lines`},
		{"an order's field in a line", strings.Replace(order, `"sku"`, `"currency":"USD","sku"`, 1), `unknown field "currency"; it belongs to the event itself`},
		{"two misspelt fields", strings.Replace(strings.Replace(order, `"sku"`, `"skku"`, 1), `"order"`, `"ordr":1,"Order":2,"order"`, 1),
			"unknown field \"Order\"; did you mean \"order\"?\nunknown field \"skku\"; did you mean \"sku\"?\nunknown field \"ordr\"; did you mean \"order\"?"},
		{"many unknown fields", strings.Replace(review, `"sku"`, `"f1":1,"f2":1,"f3":1,"f4":1,"f5":1,"f6":1,"f7":1,"f8":1,"f9":1,"g0":1,"g1":1,"sku"`, 1), "\"g0\""},
		{"a misspelt type", strings.Replace(order, "OrderPlaced", "OrderPlacd", 1), `unknown event type "OrderPlacd"; did you mean "OrderPlaced"?`},
		{"another type", `{"type":"Banana"}`, `unknown event type "Banana"`},
		{"a redemption without points", `{"type":"RedemptionRequested","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","redemption":"r"}`, `RedemptionRequested "1": points: is missing`},
		{"of no points", `{"type":"RedemptionRequested","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","redemption":"r","points":0}`, ""},
		{"a transfer without points", `{"type":"TransferRequested","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","transfer":"t"}`, "to: is missing\npoints: is missing"},
		{"an adjustment of null", `{"type":"PointsAdjusted","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","reason":"r","actor":"a","points":null}`, "points: is missing"},
		{"a confirmation of all points", `{"type":"RedemptionConfirmed","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","redemption":"r"}`, ""},
		{"a line without its amount", strings.Replace(order, `"amount_minor"`, `"discount_minor"`, 1), "lines[0].amount_minor: is missing"},
		{"a returned line without its amount", `{"type":"OrderReturned","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","order":"o","return":"r","lines":[{"line":"1","quantity":1}]}`, "lines[0].amount_minor: is missing"},
		{"a line that cost nothing", `{"type":"OrderReturned","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","order":"o","return":"r","lines":[{"line":"1","amount_minor":0}]}`, ""},
		{"a birthday in no year", born("02-30"), `birthday: is "02-30", want a day of the year as MM-DD`},
		{"with a year", born("1990-02-03"), `birthday: is "1990-02-03", want`},
		{"that is no number", born("0a-01"), `birthday: is "0a-01", want`},
		{"in leap years", born("02-29"), ""},
		{"the first moment", strings.Replace(review, "2026-11-22", "1970-01-01", 1), ""},
		{"time 0", strings.Replace(review, "2026-11-22T10:00:00Z", "1970-01-01T00:00:00Z", 1), "want one after 1970-01-01T00:00:00Z and before the year 10000"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := events.DecodeJSON([]byte(c.in))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func born(birthday string) string {
	return `{"type":"AccountRegistered","id":"1","customer":"ann","at":"2026-11-22T10:00:00Z","birthday":"` + birthday + `"}`
}

// What was decided before more was asked of events that come in must stay readable, or verifying would find a difference.
func TestWhatWasDecidedStaysValid(t *testing.T) {
	for birthday, valid := range map[string]bool{"02-30": true, "02-31": true, "11-31": true, "00-31": false, "13-01": false, "01-00": false, "01-32": false} {
		e := &events.AccountRegistered{Header: events.Header{ID: "1", Customer: "ann", At: 1}, Birthday: birthday}
		if err := events.Validate(e); valid != (err == nil) {
			t.Errorf("%s: %v", birthday, err)
		}
		if events.ValidateNew(e) == nil {
			t.Errorf("%s may come in", birthday)
		}
	}
}

// FuzzCheckJSON holds the checks to what encoding/json takes: no input makes them fail otherwise.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{review, order, `{"a":"\ud800`, `{"a":"\`, `{"`, `]}`, `{"a":"\u`, `,"a"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if events.CheckJSON(b) != nil {
			return
		}
		if e, err := events.DecodeJSON(b); err == nil && strings.Contains(e.Head().Customer, "\ufffd") &&
			!strings.Contains(string(b), "\ufffd") && !strings.Contains(strings.ToLower(string(b)), `\ufffd`) {
			t.Errorf("the customer of %q is %q", b, e.Head().Customer)
		}
	})
}
