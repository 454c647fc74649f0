//go:build !unix

package consumer_test

import (
	"os"
	"testing"
)

func stop(t *testing.T, _ *os.Process) { t.Skip("this system cannot pause a process") }
func wake(t *testing.T, _ *os.Process) { t.Skip("this system cannot pause a process") }
