// Package state keeps what the ledger says of every customer: accounts, orders, redemptions, the statement, ids already
// seen, the schedule of what falls due, and the positions up to which all of it holds. It lives in one Pebble database
// for each partition.
//
// The ledger is the truth and a [Partition] is a cache of its fold: deleting the folder loses nothing. So writes are not
// synced, and accounts reach the disk every second or so rather than with each Kafka transaction. What a crash takes
// away is folded again from the stored [Position] on.
//
// One goroutine owns a partition. It opens a [Batch] for a Kafka transaction, decides on the batch's own copies of the
// accounts, and commits it once Kafka has committed. Readers never see an uncommitted batch and never wait for the
// owner: a commit swaps pointers, shard by shard. Accounts that are not yet on the disk stay in memory; the others share
// a bounded cache.
//
// A new partition is filled by a [Restore], which folds customer by customer and hands Pebble sorted tables. Either way the same
// ledger ends in the same keys and values, byte for byte, except for the schedule ([Compare] checks that).
//
// The schedule ([Partition.Due]) lists customers by the day on which they have something due. It may list a customer too
// often or too early, never too late.
//
// An error that Pebble cannot recover from quarantines the partition: every later call answers [ErrQuarantined] with the
// reason, [Config.OnQuarantine] is told, and the process lives.
//
// Reading the source: keys.go and value.go (what is stored), batch.go and commit.go (the owner's side), cache.go and
// read.go (the readers'), records.go (ids and the rest of one account), orders.go, flush.go (to the disk), schedule.go,
// filter.go (ids never seen), restore.go (gathering.go, restore_fold.go and tables.go are its parts).
package state
