// Package events holds everything that travels: the domain events that shops, apps and CRM systems publish, the
// internal events that accrue sends to itself, and the [Decision] that each of them leads to.
//
// An [Event] is one of a closed set of structs that embed [Header]. Its JSON form ([DecodeJSON], [EncodeJSON]) is the
// one used over HTTP, in files and by every --output json; the Avro form lives in package schemas and has the same
// field names. Absent optional fields are Go zero values; where absent and zero differ in meaning the field is a
// pointer or a nil slice, and its comment says so.
//
// Values are plain data: safe to copy and to share between goroutines as long as nobody writes to them.
package events
