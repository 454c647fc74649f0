package consumer

import (
	"errors"
	"fmt"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/schemas"
)

// Reasons of UNREADABLE decisions, beside those that schemas gives.
const (
	reasonWrongKey       = string(schemas.CodeWrongKey)
	reasonWrongPartition = string(schemas.CodeWrongPartition)
	reasonWrongTopic     = "wrong_topic"
	reasonBrokenBytes    = string(schemas.CodeBroken)
	reasonUnexpected     = string(schemas.CodeUnexpected)
	// reasonTooLarge is also the reason where the decision, not the event, outgrows a record.
	reasonTooLarge = string(schemas.CodeTooLarge)
)

// DeadLetterReasons lists the reasons that dead letters can have: their records could not be read, or deciding them broke
// down.
func DeadLetterReasons() []string {
	return []string{string(schemas.CodeFraming), string(schemas.CodeUnknownSchema), string(schemas.CodeIncompatible), reasonUnexpected,
		reasonBrokenBytes, reasonTooLarge, string(schemas.CodeInvalid), reasonWrongKey, reasonWrongPartition, reasonWrongTopic,
		reasonInvariant, reasonPanic, reasonBehindParked}
}

// unreadable is an error for the dead letters.
func unreadable(reason, format string, args ...any) error {
	return &schemas.UnreadableError{Code: schemas.Code(reason), Detail: fmt.Sprintf(format, args...)}
}

// foreign returns why an event that accrue itself sent needs an accrue other than this, as while instances are upgraded one
// after the other; unread is why it could not be read. What it brings would be with the dead letters, or the customer parked, and
// a newer instance can decide it.
func foreign(e events.Event, unread error) error {
	if m, ok := e.(*events.MergeCredited); ok {
		_, unread = loyalty.Recoded(m)
	}
	if errors.Is(unread, loyalty.ErrNewer) || schemas.CodeOf(unread) == schemas.CodeUnknownSchema {
		return unread
	}
	return nil
}
