// Package program reads program.yaml, the one file in which a loyalty manager states the rules, and compiles it to a
// [loyalty.Program].
//
// [Parse] checks a file as a whole and reports every problem at once as [Problems], each with line, column and a hint.
// One table (table.go) says which keys there are and how their values are written; the parser, the JSON [Schema] for
// editors and the reference in docs/program.md are all made from it, so they can't drift apart. What the keys mean
// together is checked while the program is built (build*.go).
//
// Conditions are CEL expressions over the event that a rule is about. They are type-checked against that event's
// fields (fields.go), bounded in cost, and evaluated without reflection (condition.go). They have no floats, no maps
// and no clock, so that a decision derived again years later is the same.
//
// [Prepare] makes a published version of a source, [Load] reads one back, [Describe] and [Diff] put programs and
// their differences in words.
//
// Everything here is pure but for looking up timezones. A returned program is read-only and safe for concurrent use.
package program
