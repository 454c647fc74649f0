// Package api answers over HTTP: balances and their history, commands that wait for their decision, ingestion of
// events, what a cart would earn, health and metrics.
//
// A [Server] stands on five small interfaces ([Parts]): where customers live, the ledger and the topics behind it, the
// producer, the decisions that somebody waits for, and the program's versions. It holds no state of its own, so any
// number of servers may run beside each other, and every method is safe for concurrent use.
//
// An instance answers only for the partitions it owns; for others it says who does (421 with the owner's address). While a
// partition changes hands its requests are held for a moment (hold.go).
// Every answer about a customer carries Accrue-Position, and a read that is given one waits until its partition has
// folded that far, so that who wrote can read what he wrote, on any instance.
//
// Errors are RFC 9457 problems with a stable [Reason]; statuses.go is the one place that knows which HTTP status each
// of them has. The balance is the hot path: it is routed past the framework and written without reflection
// (balance.go, append.go); all else goes through huma, and one OpenAPI document describes both.
package api
