package events

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Points counts loyalty points. Entries carry them as non-negative amounts; the entry's type says the direction.
type Points int64

// Money is an amount in minor units of a currency (cents for USD).
type Money int64

// Instant is a moment in milliseconds since 1970-01-01T00:00:00Z. Zero means "none": not given, or never.
type Instant int64

// InstantOf cuts t to milliseconds.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMilli()) }

// Time returns i in UTC.
func (i Instant) Time() time.Time { return time.UnixMilli(int64(i)).UTC() }

// String formats i as RFC 3339 in UTC with milliseconds, or as "" when it is none.
func (i Instant) String() string {
	if i == 0 {
		return ""
	}
	return string(i.AppendTo(make([]byte, 0, 24)))
}

// AppendTo appends i, which is not none, as String formats it.
func (i Instant) AppendTo(b []byte) []byte {
	// This format is the one that Go writes quickly; what lacks are the milliseconds before the Z.
	b = i.Time().AppendFormat(b, time.RFC3339)
	ms := i % 1000
	return append(b[:len(b)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// MarshalJSON writes i as a quoted RFC 3339 time, or null when it is none.
func (i Instant) MarshalJSON() ([]byte, error) {
	if i == 0 {
		return []byte("null"), nil
	}
	b := append(make([]byte, 0, 26), '"')
	return append(i.AppendTo(b), '"'), nil
}

// UnmarshalJSON reads a quoted RFC 3339 time, or null.
func (i *Instant) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("%s is not a time: write it as \"2026-11-22T10:00:00Z\"", b)
	}
	v, err := ParseInstant(string(b[1 : len(b)-1]))
	*i = v
	return err
}

// ParseInstant reads an RFC 3339 time after 1970 and before the year 10000, and cuts it to milliseconds. A leap second is
// the second after it.
func ParseInstant(s string) (Instant, error) {
	t, err := parseTime(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not an RFC 3339 time such as 2026-11-22T10:00:00Z", s)
	}
	if t.UnixMilli() <= 0 || t.UTC().Year() > 9999 {
		return 0, fmt.Errorf("time %q cannot be taken: want one after 1970-01-01T00:00:00Z and before the year 10000", s)
	}
	return InstantOf(t), nil
}

// parseTime is time.Parse for RFC 3339 as it is written down: package time takes an hour of one digit, a comma and an offset
// of +24:60, and no small letters and leap seconds.
func parseTime(s string) (time.Time, error) {
	const shape = "0000-00-00T00:00:00"
	if len(s) <= len(shape) || strings.ContainsRune(s, ',') {
		return time.Time{}, errTime
	}
	for i := range len(shape) {
		if digit := s[i] >= '0' && s[i] <= '9'; digit != (shape[i] == '0') {
			return time.Time{}, errTime
		}
	}
	if strings.ContainsAny(s, "tz") {
		s = strings.ToUpper(s)
	}
	if offset := s[len(s)-len("00:00"):]; s[len(s)-1] != 'Z' && (offset[:2] > "23" || offset[3:] > "59") {
		return time.Time{}, errTime
	}
	const seconds = len(shape) - 2
	if s[seconds:len(shape)] != "60" {
		return time.Parse(time.RFC3339Nano, s)
	}
	t, err := time.Parse(time.RFC3339Nano, s[:seconds]+"59"+s[len(shape):])
	if u := t.UTC(); err == nil && (u.Hour() != 23 || u.Minute() != 59) {
		err = errTime
	}
	return t.Add(time.Second), err
}

var errTime = errors.New("not RFC 3339")

// ParseMonthDay reads a day of the year as MM-DD; 29 February is one.
func ParseMonthDay(s string) (month, day int, ok bool) {
	// The year is a leap year.
	t, err := time.Parse(time.DateOnly, "2000-"+s)
	return int(t.Month()), t.Day(), err == nil
}

// Hash is a SHA-256 digest. Its text form is lower-case hexadecimal, "" for the zero hash.
type Hash [32]byte

// String returns the hexadecimal form.
func (h Hash) String() string {
	if h == (Hash{}) {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	*h = Hash{}
	if len(b) == 0 {
		return nil
	}
	if len(b) != 2*len(h) {
		return fmt.Errorf("%q is not a SHA-256 hash: want %d hexadecimal digits", b, 2*len(h))
	}
	_, err := hex.Decode(h[:], b)
	return err
}

// Fingerprint identifies an event's content: the first 16 bytes of the SHA-256 of its canonical form ([PayloadOf]).
type Fingerprint [16]byte

// MarshalText implements encoding.TextMarshaler.
func (f Fingerprint) MarshalText() ([]byte, error) {
	if f == (Fingerprint{}) {
		return nil, nil
	}
	return []byte(hex.EncodeToString(f[:])), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Fingerprint) UnmarshalText(b []byte) error {
	*f = Fingerprint{}
	if len(b) == 0 {
		return nil
	}
	if len(b) != 2*len(f) {
		return fmt.Errorf("%q is not a fingerprint: want %d hexadecimal digits", b, 2*len(f))
	}
	_, err := hex.Decode(f[:], b)
	return err
}
