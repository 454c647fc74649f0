package schemas_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	twmb "github.com/twmb/avro"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

func TestAppendKeepsWhatIsThere(t *testing.T) {
	c := schemas.NewCodec()
	value, err := c.AppendEvent(nil, order())
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.AppendEvent([]byte("before"), order())
	if err != nil || string(got) != "before"+string(value) {
		t.Errorf("got % x, %v", got, err)
	}
}

func TestFingerprintsAreAvros(t *testing.T) {
	c := schemas.NewCodec()
	for _, name := range schemas.Names() {
		value, err := randomSubject(name, 1).encode(c)
		if err != nil {
			t.Fatal(err)
		}
		s := twmb.MustParse(schemas.Text(name))
		fp, _, err := twmb.SingleObjectFingerprint(value)
		if err != nil {
			t.Fatal(err)
		}
		want := s.Fingerprint(twmb.NewRabin())
		for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
			want[i], want[j] = want[j], want[i]
		}
		if !bytes.Equal(fp[:], want) {
			t.Errorf("%s: fingerprint % x, want % x", name, fp, want)
		}
	}
}

func TestUnreadableRecordsSayWhy(t *testing.T) {
	c := schemas.NewCodec()
	good, err := c.AppendEvent(nil, order())
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := c.AppendDecision(nil, orderDecision())
	if err != nil {
		t.Fatal(err)
	}
	nameless := order()
	nameless.Customer = ""
	invalid, err := c.AppendEvent(nil, nameless)
	if err != nil {
		t.Fatal(err)
	}
	stranger := bytes.Clone(good)
	stranger[5]++
	for _, tt := range []struct {
		name  string
		value []byte
		code  schemas.Code
		says  string
	}{
		{"nothing", nil, schemas.CodeFraming, "no value"},
		{"JSON", []byte(`{"type":"OrderPlaced"}`), schemas.CodeFraming, "7b 22 74 79"},
		{"a cut mark", good[:9], schemas.CodeFraming, "9 bytes"},
		{"a fingerprint nobody has", stranger, schemas.CodeUnknownSchema, "upgraded"},
		{"a schema id without a registry", []byte{0, 0, 0, 0, 9, 0}, schemas.CodeUnknownSchema, "schema id 9"},
		{"a decision", ledger, schemas.CodeUnexpected, "a Decision where an event is expected"},
		{"cut short", good[:len(good)-1], schemas.CodeBroken, "OrderPlaced"},
		{"something behind", append(bytes.Clone(good), 0), schemas.CodeBroken, "1 bytes follow"},
		{"no customer", invalid, schemas.CodeInvalid, "customer: is missing"},
		{"too large", append(bytes.Clone(good), make([]byte, schemas.RecordBytesMax)...), schemas.CodeTooLarge, "8388608"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := c.DecodeEvent(tt.value)
			if !errors.Is(err, schemas.ErrUnreadable) || errors.Is(err, schemas.ErrRegistryUnavailable) || schemas.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v (%q), want %q and %q", err, schemas.CodeOf(err), tt.code, tt.says)
			}
			if e != nil {
				t.Errorf("got the event %v beside the error", e)
			}
		})
	}
	if err := c.DecodeDecision(good, new(events.Decision)); schemas.CodeOf(err) != schemas.CodeUnexpected {
		t.Errorf("an event as a decision: got %v", err)
	}
	if err := c.DecodeProgram(good, new(events.ProgramPublished)); schemas.CodeOf(err) != schemas.CodeUnexpected {
		t.Errorf("an event as a program: got %v", err)
	}
}

func TestWhatNoReaderWouldAcceptIsNotWritten(t *testing.T) {
	c := schemas.NewCodec()
	for name, e := range map[string]events.Event{
		"too many bytes": &events.MergeCredited{Account: make([]byte, schemas.RecordBytesMax)},
		"too many items": &events.OrderPlaced{Lines: make([]events.Line, schemas.ListItemsMax+1)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.AppendEvent([]byte("x"), e)
			if !errors.Is(err, schemas.ErrTooLarge) || string(got) != "x" {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestNoneAndZeroAreToldApart(t *testing.T) {
	c := schemas.NewCodec()
	header := events.Header{ID: "e", Customer: "c", At: 1}
	yes, no := true, false
	for name, e := range map[string]events.Event{
		"all of an order returned":     &events.OrderReturned{Header: header, Order: "o", Return: "r"},
		"no line of an order returned": &events.OrderReturned{Header: header, Order: "o", Return: "r", Lines: []events.ReturnedLine{}},
		"all points confirmed":         &events.RedemptionConfirmed{Header: header, Redemption: "r"},
		"no points confirmed":          &events.RedemptionConfirmed{Header: header, Redemption: "r", Points: new(events.Points)},
		"consent not mentioned":        &events.AccountRegistered{Header: header},
		"consent said nothing":         &events.AccountRegistered{Header: header, Consent: &events.Consent{}},
		"consent refused":              &events.AccountRegistered{Header: header, Consent: &events.Consent{Marketing: &no, Tracking: &yes}},
		"consent changed in part":      &events.ConsentChanged{Header: header, Consent: events.Consent{Tracking: &no}},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := c.AppendEvent(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.DecodeEvent(value)
			if err != nil || !reflect.DeepEqual(got, e) {
				t.Errorf("got %+v, %v, want %+v", got, err, e)
			}
		})
	}
	for name, grace := range map[string]*events.Instant{"grace unchanged": nil, "grace ends": new(events.Instant)} {
		t.Run(name, func(t *testing.T) {
			value, err := c.AppendDecision(nil, &events.Decision{Facts: events.Facts{Grace: grace}})
			if err != nil {
				t.Fatal(err)
			}
			var got events.Decision
			if err := c.DecodeDecision(value, &got); err != nil || !reflect.DeepEqual(got.Facts.Grace, grace) {
				t.Errorf("got %v, %v", got.Facts.Grace, err)
			}
		})
	}
}

// A decision that is decoded into again keeps nothing of what it held, and leaves alone what was handed on before.
func TestDecisionsAreDecodedIntoUsedMemory(t *testing.T) {
	c := schemas.NewCodec()
	var used events.Decision
	for seed := range uint64(200) {
		d := newRandom(seed).decision()
		value, err := c.AppendDecision(nil, d)
		if err != nil {
			t.Fatal(err)
		}
		before := used.Facts
		kept := reflect.ValueOf(before.Counts)
		var last events.Count
		if len(before.Counts) > 0 {
			last = before.Counts[0]
		}
		if err := c.DecodeDecision(value, &used); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&used, d) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, used, d)
		}
		if kept.Len() > 0 && kept.Index(0).Interface() != last {
			t.Fatalf("seed %d: the last decision's facts were overwritten", seed)
		}
		for i := range value {
			value[i] = 0xee // what was decoded must own its memory
		}
		if !reflect.DeepEqual(&used, d) {
			t.Fatalf("seed %d: the decision changed with the bytes it came from", seed)
		}
	}
}

// What DecodeHead reads is what DecodeDecision reads, for any decision, and so are its errors up to there.
func TestTheHeadOfADecision(t *testing.T) {
	c := schemas.NewCodec()
	for seed := range uint64(300) {
		d := newRandom(seed).decision()
		value, err := c.AppendDecision(nil, d)
		if err != nil {
			t.Fatal(err)
		}
		want := events.Decision{
			Cause: events.Cause{Topic: d.Cause.Topic, Partition: d.Cause.Partition, Offset: d.Cause.Offset}, Customer: d.Customer,
			Clock: d.Clock, Program: d.Program, Result: d.Result, Reason: d.Reason, Tier: d.Tier, Chain: d.Chain,
		}
		var got events.Decision
		if err := c.DecodeHead(value, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got %+v, %v, want %+v", seed, got, err, want)
		}
		if seed >= 20 {
			continue
		}
		var whole, head events.Decision
		for n := range value {
			if err := c.DecodeHead(value[:n], &head); err == nil && head.Chain != d.Chain {
				t.Fatalf("seed %d: the first %d bytes were read as a head", seed, n)
			} else if err != nil && c.DecodeDecision(value[:n], &whole) == nil {
				t.Fatalf("seed %d: the first %d bytes are a decision without a head: %v", seed, n, err)
			}
		}
	}
}

func TestCodecIsSharedByGoroutines(t *testing.T) {
	c := schemas.NewCodec()
	names := schemas.Names()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				s := randomSubject(names[(g+i)%len(names)], uint64(g*1000+i))
				value, err := s.encode(c)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := decode(c, s.name, value); err != nil || !reflect.DeepEqual(got, s.value) {
					t.Errorf("%s: got %+v, %v", s.name, got, err)
					return
				}
				if i%50 == 0 {
					if err := c.Learn(older); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}
