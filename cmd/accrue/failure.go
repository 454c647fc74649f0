package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/internal/intake"
	"github.com/accrue-loyalty/accrue/program"
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
	// reason is the API's stable code, and problems each single thing that is wrong, where err is about several.
	reason   string
	problems []string
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
		if errors.Is(err, intake.ErrUTF16) {
			f.code = exitNotSo
		}
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
	if f.problems == nil {
		f.problems = problemsOf(err)
	}
	return f
}

// problemsOf returns the list that err has inside, if it has one.
func problemsOf(err error) (list []string) {
	var problems program.Problems
	if errors.As(err, &problems) {
		for i := range problems {
			list = append(list, problems[i].String())
		}
		return list
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	all := joined.Unwrap()
	if len(all) == 1 {
		return nil
	}
	for _, one := range all {
		list = append(list, one.Error())
	}
	return list
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
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "This machine has no such address: name one of its own; 0.0.0.0 is all of them."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Nothing listens there: is it running, and is the address right?"
	case errors.As(err, &dns):
		return "The name cannot be looked up: check the address."
	case errors.Is(err, syscall.ENOTDIR):
		return "That is a file, where a folder is needed: name another path."
	case errors.Is(err, syscall.EISDIR):
		return "That is a folder, where a file is needed: name another path."
	case errors.Is(err, syscall.EROFS):
		return "Nothing can be written there: name another path."
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

// wantsJSON reports whether args or the environment ask for JSON. Errors about the flags themselves are printed before
// the flags are parsed.
func wantsJSON(args []string) bool {
	output := os.Getenv("ACCRUE_OUTPUT")
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if long, ok := strings.CutPrefix(arg, "--output="); ok {
			output = long
		} else if (arg == "-o" || arg == "--output") && i+1 < len(args) {
			output = args[i+1]
		} else if short, ok := strings.CutPrefix(arg, "-o"); ok && short != "" {
			output = strings.TrimPrefix(short, "=")
		}
	}
	return output == "json"
}

// print writes f for people or, with asJSON, for programs.
func (f *failure) print(w io.Writer, asJSON bool) {
	if asJSON {
		b, _ := jsonOf(struct {
			Error    string   `json:"error"`
			Reason   string   `json:"reason,omitempty"`
			Problems []string `json:"problems,omitempty"`
			Hint     string   `json:"hint,omitempty"`
			Exit     int      `json:"exit"`
		}{f.err.Error(), f.reason, f.problems, f.hint, f.code}, "") // strings and a number cannot fail
		_, _ = w.Write(b) // and nobody hears of an error of telling one
		return
	}
	fmt.Fprintf(w, "accrue: %s\n", api.VisibleLines(strings.TrimSpace(f.err.Error())))
	if f.hint != "" {
		fmt.Fprintf(w, "%s\n", f.hint)
	}
}
