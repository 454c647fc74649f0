//go:build race

package main_test

// underRace says that the race detector is on: whole histories take minutes then, and race no differently from parts.
const underRace = true
