package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/schemas"
)

// The exit codes.
const (
	exitNotSo   = 1 // the thing asked about is not so: verify found a difference, validate found errors
	exitUsage   = 2 // wrong usage
	exitNotDone = 3 // could not be done: no broker, disk full
)

// failure is an error with the exit code it means and what to do next.
type failure struct {
	code int
	err  error
	hint string
	// silent failures have been told already.
	silent bool
}

// Error implements error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap gives errors.Is and errors.As the cause.
func (f *failure) Unwrap() error { return f.err }

func notSo(err error, hint string) error    { return &failure{code: exitNotSo, err: err, hint: hint} }
func wrongUsage(err error) error            { return &failure{code: exitUsage, err: err} }
func couldNot(err error, hint string) error { return &failure{code: exitNotDone, err: err, hint: hint} }

// alreadyTold ends a command whose output has said what is not so.
func alreadyTold() error {
	return &failure{code: exitNotSo, err: errors.New("see the output"), silent: true}
}

// failureOf classifies err: what a command has not classified could not be done, and well-known causes get a hint.
func failureOf(err error) *failure {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{code: exitNotDone, err: err}
	} else {
		// What was wrapped around it belongs to the message.
		c := *f
		c.err = err
		f = &c
	}
	if wentAway(err) {
		f.silent = true
	}
	if f.hint == "" {
		f.hint = hintOf(err)
	}
	return f
}

// hintOf says what to do about errors that come from the machine.
func hintOf(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, schemas.ErrNoRegistry):
		return "Name the registry that the records were written with by --registry or $ACCRUE_REGISTRY; `accrue dev` has its own, and prints its address."
	case errors.Is(err, syscall.ENOSPC):
		return "The disk is full: free some space and run it again; what was done is kept."
	case errors.Is(err, syscall.EADDRINUSE):
		return "Something else listens on that port: stop it, or choose another port (0 takes any free one)."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Nothing listens there: is it running, and is the address right?"
	case errors.As(err, &dns):
		return "The name cannot be looked up: check the address."
	case errors.Is(err, fs.ErrNotExist):
		return "Check the path."
	case errors.Is(err, fs.ErrPermission):
		return "Check who may read and write there."
	case errors.Is(err, context.DeadlineExceeded):
		return "It took too long: is the cluster reachable and healthy?"
	default:
		return ""
	}
}

// print writes f for people or, with asJSON, for programs.
func (f *failure) print(w io.Writer, asJSON bool) {
	if asJSON {
		b, _ := json.Marshal(struct {
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
			Exit  int    `json:"exit"`
		}{f.err.Error(), f.hint, f.code}) // strings and a number cannot fail
		fmt.Fprintf(w, "%s\n", b)
		return
	}
	fmt.Fprintf(w, "accrue: %s\n", api.VisibleLines(strings.TrimSpace(f.err.Error())))
	if f.hint != "" {
		fmt.Fprintf(w, "%s\n", f.hint)
	}
}
