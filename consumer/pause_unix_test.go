//go:build unix

package consumer_test

import (
	"os"
	"syscall"
	"testing"
)

// canPause skips a test where processes can't be paused.
func canPause(*testing.T) {}

func stop(t *testing.T, p *os.Process) { signal(t, p, syscall.SIGSTOP) }
func wake(t *testing.T, p *os.Process) { signal(t, p, syscall.SIGCONT) }

func signal(t *testing.T, p *os.Process, s os.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}
