// Package analytics answers questions about customers by replaying the topics, as anyone could who may read them: no
// engine, no state of ours, no database.
//
// [ReadCohorts] groups customers by the month of their first order and follows what they bought and earned since. The
// ledger says which orders counted, and each is counted once: a repeated, refused or stale order event has a decision
// that says so. What the orders were worth comes from the order events themselves.
//
// Reading the source: replay.go (topics to their end), tally.go (what one partition's customers did), merges.go (orders of
// merged customers), cohorts.go (the table), heatmap.go (the picture).
package analytics
