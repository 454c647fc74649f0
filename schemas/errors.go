package schemas

import (
	"errors"
	"fmt"
)

// When decoding.
var (
	// ErrUnreadable means that a record can never be read: its bytes are broken, its schema is unknown or
	// incompatible, or the event in it is not valid. It belongs in the dead letters. [UnreadableError] says more.
	ErrUnreadable = errors.New("unreadable record")
	// ErrRegistryUnavailable means that the registry did not answer, so that nothing can be said about the record.
	// Wait and try the same record again.
	ErrRegistryUnavailable = errors.New("the schema registry does not answer")
	// ErrNoRegistry means that a record was written with a schema registry and this codec has none. It is an
	// [ErrUnreadable] too: a reader for whom that may be a slip of configuration looks for it first.
	ErrNoRegistry = errors.New("no schema registry is configured")
)

// When encoding.
var (
	// ErrTooLarge means that a record would have more than [RecordBytesMax] bytes or a list more than
	// [ListItemsMax] items, so that no reader would accept it.
	ErrTooLarge = errors.New("too large for a record")
)

// Limits of one record, for writers and readers alike.
const (
	// RecordBytesMax bounds a record's value. Orders are far below it; a merged account with years of history is
	// what needs the room.
	RecordBytesMax = 8 << 20
	// ListItemsMax bounds each list in a record. It keeps a small broken record from asking for a large one's memory.
	ListItemsMax = 100_000
)

// Code says in one stable word why a record is unreadable. It ends up in decisions and dead letters.
type Code string

// The codes.
const (
	// CodeFraming: the value starts with neither framing.
	CodeFraming Code = "unknown_framing"
	// CodeUnknownSchema: nobody knows the fingerprint or the id, or the schema is none of ours.
	CodeUnknownSchema Code = "unknown_schema"
	// CodeIncompatible: the writer's schema cannot be read as ours.
	CodeIncompatible Code = "incompatible_schema"
	// CodeUnexpected: a record of another type than was asked for.
	CodeUnexpected Code = "unexpected_record"
	// CodeBroken: the bytes are not what the schema says, or some are left over.
	CodeBroken Code = "broken_bytes"
	// CodeTooLarge: over RecordBytesMax or ListItemsMax.
	CodeTooLarge Code = "too_large"
	// CodeInvalid: the event lacks something that every event needs ([events.Validate]).
	CodeInvalid Code = "invalid_event"
	// CodeWrongKey and CodeWrongPartition: the record is not where its customer's records are. Decoding cannot see
	// that; the consumer compares and answers with these.
	CodeWrongKey       Code = "wrong_key"
	CodeWrongPartition Code = "wrong_partition"
)

// UnreadableError is an [ErrUnreadable] with its code and, in words, what is wrong.
type UnreadableError struct {
	Code   Code
	Detail string
	cause  error
}

// Error says why the record is unreadable.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("%v (%s): %s", ErrUnreadable, e.Code, e.Detail)
}

// Is makes errors.Is(err, ErrUnreadable) true.
func (e *UnreadableError) Is(target error) bool { return target == ErrUnreadable }

// Unwrap returns [ErrNoRegistry] where that is what the record lacks.
func (e *UnreadableError) Unwrap() error { return e.cause }

func unreadable(code Code, format string, args ...any) error {
	return &UnreadableError{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of an unreadable record's error, or "" when err is none.
func CodeOf(err error) Code {
	var u *UnreadableError
	if errors.As(err, &u) {
		return u.Code
	}
	return ""
}
