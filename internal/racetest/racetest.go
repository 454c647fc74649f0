// Package racetest lets tests do less under the race detector, which makes
// code five to twenty times as slow. It is there for what runs at the same
// time, so that is kept: what shrinks are random cases and histories of one
// goroutine, which race no differently for being long, and what is left out
// are commands of one goroutine, megabytes that only take long to compress, and
// the demo and a restore in bulk, whose parts have race tests of their own. The
// plain run takes them whole.
package racetest

import (
	"flag"
	"strconv"
	"testing"
)

// Of returns full, and less under the race detector.
func Of[T any](full, less T) T {
	if Enabled {
		return less
	}
	return full
}

// Skip leaves a test out under the race detector.
func Skip(t testing.TB) {
	t.Helper()
	if Enabled {
		t.Skip("SKIPPED under the race detector: the plain run takes it")
	}
}

// Checks has rapid try n random cases for the rest of the test when the race
// detector is on, unless -rapid.checks says otherwise.
func Checks(t testing.TB, n int) {
	const name = "rapid.checks"
	f := flag.Lookup(name)
	if !Enabled || f == nil {
		return
	}
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	before := f.Value.String()
	set := func(value string) {
		// Not flag.Set: the command line has still not given it.
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
	}
	set(strconv.Itoa(n))
	t.Cleanup(func() { set(before) })
}
