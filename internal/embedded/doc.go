// Package embedded runs a Kafka broker and a schema registry inside this
// process, for `accrue demo`, `accrue dev` and tests that must be fast.
//
// The broker is kfake, the fake that franz-go is tested with. It speaks the
// real protocol over TCP on 127.0.0.1: transactions, read-committed fetches,
// consumer groups, control records, compaction and, with Config.Dir, a log on
// disk. The registry is srfake behind a journal of its own.
//
// What it is not:
//
//   - a broker for production: one node, no replication, no authentication;
//   - quick to start after the process that hosts it was killed with -9: the
//     logs are read to end the transactions that were open, or to finish a
//     commit of which not all markers were written. After a clean Close there
//     is nothing to end;
//   - a judge of compatibility: its registry answers yes to every
//     compatibility check. Package schemas makes its own.
//
// Real brokers for tests are in internal/kafkatest. Whatever is claimed about
// exactly-once must have been shown there.
package embedded
