package loyalty_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// waited decides an order for which a return waited that can be carried out, and one that cannot. It returns the
// decisions, and the account and records that they left.
func waited(t *testing.T) ([]events.Decision, *loyalty.Account, *loyalty.MemoryRecords) {
	t.Helper()
	p, err := program.Parse([]byte(programHead+"earn:\n- {id: base, on: OrderPlaced, per: 1.00, points: 1}\n"), "p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, r := loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
	var made []events.Decision
	for i, line := range []string{
		"2026-01-11 ann return o1 t1 1:4.00", "2026-01-11 ann return o1 t2 9:5.00", "2026-01-10 ann order o1 10.00",
	} {
		e, err := parseStory(line, string(rune('a'+i)))
		if err != nil {
			t.Fatal(err)
		}
		d, _ := loyalty.Decide(p, a, r, loyalty.Input{Event: e, Cause: events.Cause{Topic: "orders", Event: e.Head().ID}})
		made = append(made, d)
	}
	return made, a, r
}

func TestTheOrderSaysWhatBecameOfWhatWaited(t *testing.T) {
	made, a, _ := waited(t)
	x := made[2].Facts
	refused := events.Ending{Event: "b", Result: events.Refused, Reason: "unknown_line"}
	if !reflect.DeepEqual(x.Applied, []string{"a"}) || !reflect.DeepEqual(x.Unapplied, []events.Ending{refused}) {
		t.Errorf("applied %v, not %+v; want a, and b refused", x.Applied, x.Unapplied)
	}
	if want := []events.Ending{{Event: "a", Result: events.Applied}, refused}; !reflect.DeepEqual(x.Endings(), want) {
		t.Errorf("the endings are %+v, want %+v", x.Endings(), want)
	}
	if made[2].Result != events.Applied || made[2].Reason != "" || len(a.Waiting) != 0 {
		t.Errorf("the order is %s %q, and %d events wait", made[2].Result, made[2].Reason, len(a.Waiting))
	}
}

// Whether the reader or the writer is from before decisions said why something was not carried out: the account is the
// same.
func TestOlderLedgersAndReadersEndTheSameWait(t *testing.T) {
	made, a, r := waited(t)
	want := loyalty.Encode(a, r)
	for name, change := range map[string]func(*events.Facts){
		"as it is":        func(*events.Facts) {},
		"an older reader": func(x *events.Facts) { x.Unapplied = nil },
		"an older writer": func(x *events.Facts) { x.Applied, x.Dropped, x.Unapplied = []string{"a", "b"}, nil, nil },
	} {
		a, r := loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
		for _, d := range made {
			if d.Facts.Order != nil {
				change(&d.Facts)
			}
			loyalty.Evolve(a, r, &d)
		}
		if len(a.Waiting) != 0 || !bytes.Equal(loyalty.Encode(a, r), want) {
			t.Errorf("%s: %d events wait, or the account differs", name, len(a.Waiting))
		}
	}
}
