package consumer

import (
	"fmt"

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
