package analytics

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// Decisions gives every committed decision of the ledger to fn: those of one partition in ledger order, one call at a
// time. fn must not keep the decision.
func (s *Source) Decisions(ctx context.Context, fn func(*events.Decision) error) error {
	p := &progress{tell: s.Progress}
	var mu sync.Mutex
	_, err := s.each(ctx, schemas.TopicLedger, p, func(partition int32, rec *kgo.Record) error {
		var d events.Decision
		if err := s.Codec.DecodeDecision(rec.Value, &d); err != nil {
			return err
		}
		d.Partition, d.Offset = partition, rec.Offset
		mu.Lock()
		defer mu.Unlock()
		return fn(&d)
	})
	return err
}

// DeadRecord is a record of the dead-letter topic: why, and the original as it was.
type DeadRecord struct {
	// Partition and Offset are its place among the dead letters; the letter names the origin's.
	Partition int32
	Offset    int64
	Letter    schemas.DeadLetter
	Key       []byte
	Value     []byte
}

// DeadLetters gives every dead letter to fn, one call at a time. Records that accrue did not write are errors.
func (s *Source) DeadLetters(ctx context.Context, fn func(*DeadRecord) error) error {
	p := &progress{tell: s.Progress}
	var mu sync.Mutex
	_, err := s.each(ctx, schemas.TopicDeadLetter, p, func(partition int32, rec *kgo.Record) error {
		headers := make([]schemas.Header, len(rec.Headers))
		for i, h := range rec.Headers {
			headers[i] = schemas.Header{Key: h.Key, Value: h.Value}
		}
		letter, _, err := schemas.ParseDeadLetter(headers)
		if err != nil {
			return fmt.Errorf("reading a dead letter: %w", err)
		}
		mu.Lock()
		defer mu.Unlock()
		return fn(&DeadRecord{partition, rec.Offset, letter, rec.Key, rec.Value})
	})
	return err
}
