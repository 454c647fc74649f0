package loyalty_test

import (
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// Not in parallel with others, which allocate too.
func TestBytesAreWhatAccountsTake(t *testing.T) {
	p := benchRules(t)
	for _, lots := range []int{0, 1, 10, 40} {
		encoded := loyalty.AppendAccount(nil, benchAccount(p, lots))
		accounts := make([]*loyalty.Account, 10_000)
		said := 0
		before := heap()
		for i := range accounts {
			a, err := loyalty.DecodeAccount(encoded)
			if err != nil {
				t.Fatal(err)
			}
			accounts[i] = a
			said += a.Bytes()
		}
		took := heap() - before
		runtime.KeepAlive(accounts)
		if ratio := float64(said) / float64(took); ratio < 0.75 || ratio > 1.25 {
			t.Errorf("10,000 accounts with %d lots take %d bytes, and say %d", lots, took, said)
		}
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC() // what was pooled before goes with the second
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// An account that goes on for years takes no more memory than what is left of it.
func TestWhatIsGoneTakesNoMemory(t *testing.T) {
	p, err := program.Parse([]byte("program: q\ncurrency: USD\ntimezone: UTC\npoint_value: 0.01\n"+
		"earn: [{id: base, on: OrderPlaced, per: 1.00, points: 1}]\n"), "q.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, r := loyalty.NewAccount("ann"), loyalty.NewMemoryRecords()
	for i := range 50 {
		a = a.Successor()
		order := fmt.Sprintf("order-%d", i)
		for j, e := range []events.Event{
			&events.OrderPlaced{Order: order, Currency: "USD", Lines: []events.Line{{Line: "1", Amount: 1_000}}},
			&events.OrderCancelled{Order: order},
		} {
			if i%10 == 0 && j == 1 {
				continue // every tenth stays
			}
			*e.Head() = events.Header{ID: fmt.Sprint(i, j), Customer: "ann", At: 1_700_000_000_000 + events.Instant(i)}
			if made, _ := loyalty.Decide(p, a, r, loyalty.Input{Event: e, Cause: events.Cause{Event: fmt.Sprint(i, j)}}); made.Result != events.Applied {
				t.Fatalf("%s is %s: %s", order, made.Result, made.Reason)
			}
		}
	}
	if got, want := a.OrderTexts(), "order-0order-10order-20order-30order-40"; got != want {
		t.Errorf("of the orders %q is kept, want %q", got, want)
	}
	for i := range a.Lots {
		if order := a.OrderOf(&a.Lots[i]); order != fmt.Sprintf("order-%d", 10*i) {
			t.Errorf("lot %d is of %q", i, order)
		}
	}
	erased := a.Successor()
	loyalty.Decide(p, erased, r, loyalty.Input{Event: &events.ErasureRequested{Header: events.Header{ID: "e", Customer: "ann", At: 1_700_000_001_000}}, Cause: events.Cause{Event: "e"}})
	if texts := erased.OrderTexts(); texts != "" || !strings.HasPrefix(a.OrderTexts(), "order-0") {
		t.Errorf("after the erasure %q is kept, and %q where it was read before", texts, a.OrderTexts())
	}

	third, n := loyalty.ExactRat(big.NewRat(1, 3)), 3_000
	for i := range n {
		a.Qualify(events.Instant(1+i%3), third, 0)
	}
	sum := loyalty.Exact{}
	for i := range a.Qualifying {
		if q := &a.Qualifying[i]; q.At <= 3 {
			sum = sum.Add(a.Spend(q))
		}
	}
	if sum.Cmp(loyalty.ExactInt(int64(n/3))) != 0 || a.Fractions() > 50 {
		t.Errorf("%v was spent, want %d, in %d fractions", sum, n/3, a.Fractions())
	}
}
