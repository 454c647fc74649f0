package api

import (
	"errors"
	"io"
)

// arriving is a request's body. That the client breaks off, or frames it wrongly, is no fault of ours, as huma would have it.
type arriving struct{ io.ReadCloser }

// Read implements [io.Reader].
func (a arriving) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = notArrived{err}
	}
	return n, err
}

// notArrived is an error of a body of which nothing more will come: a timeout, which huma answers with 408.
type notArrived struct{ error }

// Timeout implements [net.Error].
func (notArrived) Timeout() bool { return true }

// Temporary implements [net.Error].
func (notArrived) Temporary() bool { return false }
