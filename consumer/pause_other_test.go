//go:build !unix

package consumer_test

import (
	"os"
	"testing"
)

func canPause(t *testing.T) { t.Skip("this system cannot pause a process") }

func stop(*testing.T, *os.Process) {}
func wake(*testing.T, *os.Process) {}
