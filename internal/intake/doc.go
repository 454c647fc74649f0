// Package intake reads history: events as JSON lines, or a shop's own CSV export by a [Map] that says which column is
// what. It knows no Kafka; `accrue simulate` and `accrue import` stand on it.
//
// Whatever is made up on the way (event ids, order ids where a shop has none) depends on nothing but the file's
// contents, so that reading a file twice gives the same events and publishing them twice changes nothing.
package intake
