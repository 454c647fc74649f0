package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DecodeJSON reads one event in its JSON form and validates it. Unknown fields are refused by name, so that a typo
// does not lose points. Internal types other than Tick are refused.
func DecodeJSON(b []byte) (Event, error) {
	e, err := decodeAnyJSON(b)
	if err != nil {
		return nil, err
	}
	if t := e.EventType(); t.Internal() && t != TypeTick {
		return nil, fmt.Errorf("events of type %s are published by accrue itself", t)
	}
	if err := Validate(e); err != nil {
		return nil, err
	}
	return e, nil
}

// DecodeStoredJSON reads an event that [EncodeJSON] wrote, of any type. It does not validate.
func DecodeStoredJSON(b []byte) (Event, error) { return decodeAnyJSON(b) }

func decodeAnyJSON(b []byte) (Event, error) {
	var head struct {
		Type Type `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("reading an event: %w", plainJSON(err))
	}
	if head.Type == "" {
		return nil, errors.New(`the event has no "type"`)
	}
	e := New(head.Type)
	if e == nil {
		return nil, fmt.Errorf("unknown event type %q", head.Type)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(e); err != nil {
		return nil, fmt.Errorf("reading %s: %w", head.Type, plainJSON(err))
	}
	if dec.More() {
		return nil, fmt.Errorf("reading %s: something follows the event", head.Type)
	}
	return e, nil
}

// plainJSON words encoding/json's errors for people who don't know Go.
func plainJSON(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("field %q cannot be a JSON %s", jsonPath(wrong.Field), wrong.Value)
	}
	if s, ok := strings.CutPrefix(err.Error(), "json: "); ok {
		return errors.New(s)
	}
	return err
}

// jsonPath leaves the embedded Go structs, which JSON does not show, out of a field's path.
func jsonPath(field string) string {
	parts := strings.Split(field, ".")
	parts = slices.DeleteFunc(parts, func(s string) bool { return s != "" && s[0] >= 'A' && s[0] <= 'Z' })
	return strings.Join(parts, ".")
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
