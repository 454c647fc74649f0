// Package floorplan is the plan of this module as a test: which package may
// import which, which one alone may use a third-party library, and what the
// rules may not touch. It reads `go list` and the sources, and prints the
// reason beside each refusal.
//
// A new package needs a line in plan.go. A refusal usually means that the code
// belongs elsewhere; where the plan is wrong, change it and say why in
// docs/decisions.
//
// The race detector has nothing to find in tests that read files, so they are
// not even linked for it.
package floorplan
