package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

// loadProgram reads and compiles a program file.
func loadProgram(path string) (*loyalty.Program, error) {
	source, err := readSmall(path, program.SourceBytesMax)
	if err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	p, err := program.Parse(source, path)
	if err != nil {
		return nil, invalidProgram(err)
	}
	return p, nil
}

// readSmall reads a file, but of one with more than most bytes only as much as shows that: what is named may be endless.
func readSmall(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

// invalidProgram tells all problems of a program file, one a line.
func invalidProgram(err error) error {
	var problems program.Problems
	if errors.As(err, &problems) {
		return notSo(fmt.Errorf("the program has %s:\n%w", plural(len(problems), "problem"), problems), "Every key is explained in docs/program.md and by `accrue program schema`.")
	}
	return err
}

// plural returns "1 problem" or "2 problems".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// parseDate reads a date, which is its first instant in the calendar.
func parseDate(s string, calendar loyalty.Calendar) (events.Instant, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is no date: want 2027-01-01", s)
	}
	at := calendar.Wall(t)
	if at <= 0 {
		return 0, fmt.Errorf("%q lies before 1970", s)
	}
	return at, nil
}

// minorUnits reads an amount in major units of a currency, exactly.
func minorUnits(amount, currency string) (events.Money, error) {
	exponent, ok := program.Exponent(currency)
	if !ok {
		return 0, fmt.Errorf("%q is no ISO 4217 currency", currency)
	}
	return intake.ParseMoney(amount, exponent)
}
