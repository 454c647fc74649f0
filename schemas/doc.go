// Package schemas is the wire contract: what accrue's records look like on Kafka, and which topics and keys they have.
//
// The .avsc files of this folder hold one Avro record for every event type, for [events.Decision] and for
// [events.ProgramPublished], all in the namespace accrue, with the field names of the JSON form. A [Codec] writes and
// reads them:
//
//	codec := schemas.NewCodec()
//	value, err := codec.AppendEvent(nil, event)
//	event, err := codec.DecodeEvent(value)
//
// # Framing
//
// [NewCodec] writes Avro's single-object encoding: C3 01, the schema's fingerprint, the body. [OpenCodec] takes schema
// ids from a registry and writes the Confluent wire format: 00, the id, the body. Every codec reads both; the first
// byte tells them apart.
//
// # What the schemas mean
//
//   - An optional text, number, flag or list has a default ("", 0, false, []), which means absent. Where absent and
//     zero differ, and for every time that can be none, the type is a union with null.
//   - Closed sets (entry types, results, verdicts) are strings, not Avro enums. An old reader meets a new symbol of an
//     enum as the enum's default, so a new entry type would change its meaning on the way; a string arrives as it is.
//   - Points and money are longs. Hashes are fixed. Times are timestamp-millis.
//   - A decision's own position is its record's partition and offset, so it is not in its bytes.
//
// # Evolution
//
// Every version of a schema must be compatible with all others, both ways (FULL_TRANSITIVE): fields with a default may
// come and go, others stay for ever. The folder released holds each released version; a test compares. Records of other
// writer schemas are rewritten into the layout of ours and then decoded ([ErrUnreadable] when that cannot be done).
// Released schemas are known to the binary; others come from the registry.
//
// # Bytes nobody vouches for
//
// Decoders trust nothing: they check every length against what is left of the record, allocate as items arrive, and
// never recurse deeper than the schema. hamba/avro parses schemas and judges compatibility, but does not decode: it takes
// a record that is cut short for a whole one, a negative block count for a length, and skips 2^62 items one by one.
package schemas
