package consumer

import (
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// Metrics takes what the engine measures; where each partition stands is in [Engine.Status]. Methods are called from the
// workers, concurrently, and must not block.
type Metrics interface {
	// Decided counts decisions of one type and result; type "" is a record that could not be read.
	Decided(t events.Type, r events.Result, n int)
	// Moved counts points of one type of entry.
	Moved(t events.EntryType, n events.Points)
	// Batch is called after each commit: how many records it took, and how long deciding and committing lasted.
	Batch(records int, deciding, committing time.Duration)
	// Latency is the time from an input record's timestamp to the commit of its decision, for the newest of a batch.
	Latency(d time.Duration)
	// Outcome counts the ends of transactions.
	Outcome(o Outcome)
	// DeadLetters counts records sent to the dead letters, by reason.
	DeadLetters(reason string, n int)
}

// Outcome is how a transaction ended.
type Outcome string

// The outcomes.
const (
	Committed Outcome = "committed"
	// Aborted transactions were given up knowingly: a rebalance, a failed produce.
	Aborted Outcome = "aborted"
	// Unknown transactions ended with an error; the ledger was asked what became of them.
	Unknown Outcome = "unknown"
)

// NoMetrics takes nothing.
type NoMetrics struct{}

// Decided implements [Metrics].
func (NoMetrics) Decided(events.Type, events.Result, int) {}

// Moved implements [Metrics].
func (NoMetrics) Moved(events.EntryType, events.Points) {}

// Batch implements [Metrics].
func (NoMetrics) Batch(int, time.Duration, time.Duration) {}

// Latency implements [Metrics].
func (NoMetrics) Latency(time.Duration) {}

// Outcome implements [Metrics].
func (NoMetrics) Outcome(Outcome) {}

// DeadLetters implements [Metrics].
func (NoMetrics) DeadLetters(string, int) {}
