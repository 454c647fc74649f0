package schemas_test

import (
	"math"
	"math/rand/v2"
	"reflect"

	"github.com/accrue-loyalty/accrue/events"
)

// random makes values from a seed: every field of every type, with the edges of their ranges.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 1))} }

// event returns a valid event of type t.
func (r random) event(t events.Type) events.Event {
	e := events.New(t)
	r.fill(reflect.ValueOf(e).Elem(), 0)
	h := e.Head()
	if h.At <= 0 {
		h.At = 1
	}
	switch e := e.(type) { //nolint:gochecksumtype // these need values that mean something
	case *events.FraudReviewed:
		e.Verdict = events.VerdictConfirm
	case *events.AccountRegistered:
		e.Birthday = "02-29"
	}
	return e
}

func (r random) decision() *events.Decision {
	d := new(events.Decision)
	r.fill(reflect.ValueOf(d).Elem(), 0)
	d.Partition, d.Offset = 0, 0
	return d
}

func (r random) program() *events.ProgramPublished {
	p := new(events.ProgramPublished)
	r.fill(reflect.ValueOf(p).Elem(), 0)
	return p
}

// fill sets v to something that survives a round trip: no empty list where nil means the same.
func (r random) fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Tag" {
				r.fill(v.Field(i), depth+1)
			}
		}
	case reflect.String:
		v.SetString(r.text())
	case reflect.Int64:
		v.SetInt(r.long())
	case reflect.Int32:
		v.SetInt(int64(int32(r.long())))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(r.IntN(256)))
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			r.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		n := r.IntN(4)
		if depth == 1 && r.IntN(50) == 0 {
			n = 150 // more than one of hamba's blocks
		}
		if n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			r.fill(v.Index(i), depth+1)
		}
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(256)))
	default:
		panic("random: no values of " + v.Type().String())
	}
}

func (r random) text() string {
	alphabet := []string{"a", "B", "7", "-", "ß", "€", "🎁", "\x00", "\""}
	s := ""
	for range 1 + r.IntN(12) {
		s += alphabet[r.IntN(len(alphabet))]
	}
	return s
}

func (r random) long() int64 {
	switch r.IntN(6) {
	case 0:
		return 0
	case 1:
		return math.MaxInt64
	case 2:
		return math.MinInt64
	case 3:
		return int64(r.IntN(200) - 100)
	default:
		return r.Int64() >> r.IntN(64)
	}
}
