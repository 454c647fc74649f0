// Package consumer is the engine: it turns the input topics into the ledger, exactly once.
//
// An [Engine] runs some workers. Each is a member of one consumer group with a transactional id of its own, and owns the
// partitions that the group assigns to it. All input topics and the ledger have the same number of partitions and the
// same key, so a customer's whole life is on one partition number and one goroutine decides it.
//
// # A batch
//
// A worker polls, puts each partition's records in order of time, decides them on an overlay of the partition's state,
// produces the decisions to the same partition of the ledger (and what they send to other customers to the transfers
// topic), and commits them together with its input positions in one transaction. Only then does state take the overlay,
// and whoever waits for a decision gets it. There is no commit interval: a lone event commits at once, a backlog fills
// large batches, and while one worker waits for a commit the others decide.
//
// # What is true
//
// The ledger is. Positions are derived from it: the next record of an input topic to decide is the one after the last
// that the ledger names. The group's offsets fence (a worker whose generation is over cannot commit them, and so cannot
// commit decisions) and show the lag; a partition whose committed offsets are ahead of its ledger is not started.
// An error from ending a transaction says neither committed nor aborted: the worker drops the overlay, closes its
// session and starts again from what the ledger says.
//
// # Time
//
// The clock topic carries ticks. What a tick makes due is worked off in portions between events; before a customer's
// event is decided, everything due for that customer is done, so a tick that is half worked off cannot be seen. A
// [ClockDriver] takes the clock over to drive it through history; see docs/decisions/0020-who-drives-the-clock.md.
//
// Reading the source: engine.go (lifetime), worker.go (the loop), order.go (the order of a batch), partition.go (one
// partition's records to decisions), sweep.go (what ticks make due), clock.go (the clock topic's protocol), assign.go
// (taking a partition over), abandoned.go (what dead workers left open), verify.go (deciding everything once more).
package consumer
