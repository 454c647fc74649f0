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
//   - atomic when the process that hosts it is killed with -9 while a
//     transaction ends: markers may reach one partition and not another. A
//     clean Close is safe;
//   - a judge of compatibility: its registry answers yes to every
//     compatibility check. Package schemas makes its own.
//
// Real brokers for tests are in internal/kafkatest. Whatever is claimed about
// exactly-once must have been shown there.
package embedded
