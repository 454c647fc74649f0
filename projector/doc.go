// Package projector brings the ledger into state.
//
// The ledger topic is the truth and state is a fold of it, so whoever takes over a partition first folds what its
// folder lacks: [Projector.Restore] reads from the folder's position to the ledger's high watermark and checks the
// chain of hashes on the way. [Projector.Decisions] reads single decisions back, for statements and explanations.
//
// # Where a restore ends
//
// A transaction's commit reaches each partition by a marker of its own. The group's offsets may be stable while the
// marker for the ledger is still on its way, so the last stable offset proves nothing: the restore goes to the end that
// uncommitted reads see, reading committed records only, and waits where a transaction is still open. Markers take
// offsets but are no records, so the end is judged by position, not by the last record.
//
// # Reading by position
//
// [Reader] fetches ranges of any partition by explicit requests. Unlike a consumer it holds no assignment, so one of
// them serves any number of readers, and it knows at every moment which offsets have been passed and by what.
package projector
