package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// ErrNotJSON is about text that is no JSON, or no whole JSON object.
var ErrNotJSON = errors.New("not JSON")

// DecodeJSON reads one event in its JSON form and validates it. Unknown fields are refused by name, so that a typo
// does not lose points, and so are what [CheckJSON] finds and what leaves out the numbers that it is about. Internal types
// other than Tick are refused.
func DecodeJSON(b []byte) (Event, error) {
	e, err := decodeAnyJSON(b, true)
	if err != nil {
		return nil, err
	}
	if t := e.EventType(); t.Internal() && t != TypeTick {
		return nil, fmt.Errorf("events of type %s are published by accrue itself", t)
	}
	v := validator{comesIn: true}
	v.event(e)
	for _, name := range numbersLeftOut(e, b) {
		v.add("%s: is missing", name)
	}
	if err := v.err(e); err != nil {
		return nil, err
	}
	return e, nil
}

// numbersLeftOut names the numbers of e, read from b, that it must say and doesn't: how many points, what a line cost. That 0
// is written is another thing: the rules decide about that.
func numbersLeftOut(e Event, b []byte) (names []string) {
	zero, lines := false, []int(nil)
	switch e := e.(type) {
	case *RedemptionRequested:
		zero = e.Points == 0
	case *TransferRequested:
		zero = e.Points == 0
	case *PointsAdjusted:
		zero = e.Points == 0
	case *OrderPlaced:
		for i := range e.Lines {
			if e.Lines[i].Amount == 0 {
				lines = append(lines, i)
			}
		}
	case *OrderReturned:
		for i := range e.Lines {
			if e.Lines[i].Amount == 0 {
				lines = append(lines, i)
			}
		}
	default:
	}
	if !zero && lines == nil {
		return nil
	}
	var written struct {
		Points *int64 `json:"points"`
		Lines  []struct {
			Amount *int64 `json:"amount_minor"`
		} `json:"lines"`
	}
	if err := json.Unmarshal(b, &written); err != nil {
		return nil
	}
	if zero && written.Points == nil {
		names = append(names, "points")
	}
	for _, i := range lines {
		if i < len(written.Lines) && written.Lines[i].Amount == nil {
			names = append(names, fmt.Sprintf("lines[%d].amount_minor", i))
		}
	}
	return names
}

// DecodeStoredJSON reads an event that [EncodeJSON] wrote, of any type. It does not validate.
func DecodeStoredJSON(b []byte) (Event, error) { return decodeAnyJSON(b, false) }

// UnmarshalStrict reads a JSON object into v, which points to a struct or a map. It refuses unknown fields and what
// [CheckJSON] finds, in words for people who don't know Go.
func UnmarshalStrict(b []byte, v any) error {
	if err := CheckJSON(b); err != nil {
		return plainJSON(err, b, v)
	}
	return decodeKnown(b, v)
}

func decodeAnyJSON(b []byte, strict bool) (Event, error) {
	t := leadingType(b)
	if t == "" {
		var head struct {
			Type Type `json:"type"`
		}
		if err := json.Unmarshal(b, &head); err != nil {
			if !utf8.Valid(b) {
				err = CheckJSON(b)
			}
			return nil, fmt.Errorf("reading an event: %w", plainJSON(err, b, nil))
		}
		t = head.Type
	}
	e := New(t)
	if strict {
		// What it finds would go unnoticed below.
		if err := CheckJSON(b); err != nil {
			return nil, fmt.Errorf("reading an event: %w", plainJSON(err, b, e))
		}
	}
	switch {
	case t == "":
		return nil, errors.New(`the event has no "type"`)
	case e == nil:
		return nil, unknownType(t)
	}
	if err := decodeKnown(b, e); err != nil {
		return nil, fmt.Errorf("reading %s: %w", t, err)
	}
	return e, nil
}

// leadingType returns the type of an event that begins with it, as [EncodeJSON] and nearly everyone writes it: that
// saves reading the event twice. It is "" when the event begins otherwise.
func leadingType(b []byte) Type {
	rest, ok := bytes.CutPrefix(b, []byte(`{"type":"`))
	if !ok {
		return ""
	}
	name, _, ok := bytes.Cut(rest, []byte(`"`))
	if t := Type(name); ok && New(t) != nil {
		return t
	}
	return ""
}

// decodeKnown reads one JSON value whose fields v must all have.
func decodeKnown(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return plainJSON(err, b, v)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the object", ErrNotJSON)
	}
	return nil
}

// EncodeJSON writes e with its "type" first.
func EncodeJSON(e Event) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", e.EventType(), err)
	}
	out := make([]byte, 0, len(b)+len(e.EventType())+12)
	out = append(out, `{"type":"`...)
	out = append(out, e.EventType()...)
	out = append(out, `",`...)
	return append(out, b[1:]...), nil
}
