package state_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/accrue-loyalty/accrue/state"
)

// TestWhatCantBeReadTwiceIsSetAside has the operating system refuse to read the tables of an open partition, or to open it.
// A bad spot of the disk stays one, so the second time the partition is quarantined; what a permission or a limit is behind
// is not mended by anything that is built anew.
func TestWhatCantBeReadTwiceIsSetAside(t *testing.T) {
	for _, c := range []struct {
		number  syscall.Errno
		opening bool
		want    error
	}{
		{syscall.EIO, false, state.ErrQuarantined},
		{syscall.EIO, true, state.ErrQuarantined},
		{syscall.EACCES, false, state.ErrRefused},
		{syscall.ENOSPC, false, state.ErrDiskFull},
	} {
		t.Run(fmt.Sprintf("%s, opening %v", c.number, c.opening), func(t *testing.T) {
			t.Parallel()
			cfg := filledFolder(t)
			var refusing atomic.Bool
			cfg.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if refusing.Load() && strings.HasSuffix(op.Path, ".sst") && strings.Contains(op.Path, "/000/") && op.Kind.ReadOrWrite() == errorfs.OpIsRead {
					return c.number
				}
				return nil
			}))
			s := openStore(t, cfg)
			read := func() error {
				p, err := s.Partition(0)
				if err != nil {
					return err
				}
				refusing.Store(true)
				_, _, err = p.Account("customer7")
				return err
			}
			refusing.Store(c.opening)
			for range 3 { // as when many hear of the same trouble
				if err := read(); err == nil || errors.Is(err, state.ErrQuarantined) {
					t.Errorf("the first error is answered with %v", err)
				}
			}
			time.Sleep(1100 * time.Millisecond)
			again, quarantined := read(), errors.Is(c.want, state.ErrQuarantined)
			if !errors.Is(again, c.want) || errors.Is(again, state.ErrQuarantined) != quarantined {
				t.Errorf("the second error is answered with %v", again)
			}
			if !quarantined {
				refusing.Store(false)
				if a, _, err := openPartition(t, s, 0).Account("customer7"); a == nil || err != nil {
					t.Errorf("once it is allowed the answer is %v, %v", a, err)
				}
				return
			}
			if err := s.Drop(0); err != nil {
				t.Fatal(err)
			}
			if p := openPartition(t, s, 0); p.Position().Ledger != 0 {
				t.Errorf("what is built anew begins at %d", p.Position().Ledger)
			}
		})
	}
}

// TestAValueThatIsNotWhatWasWrittenIsSetAside damages values in tables that are well for Pebble.
func TestAValueThatIsNotWhatWasWrittenIsSetAside(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		read func(p *state.Partition) error
	}{
		"an account": {"a\x03ann", func(p *state.Partition) error {
			_, _, err := p.Account("ann")
			return err
		}},
		"an account that is listed anew": {"a\x03ann", func(p *state.Partition) error {
			_, err := p.Reschedule(nil, 10)
			return err
		}},
		"an account that a batch wants": {"a\x03ann", func(p *state.Partition) error { return commitOne(p, "ann", "new") }},
		"a chunk": {"g\x03ann\x00\x00\x00\x00", func(p *state.Partition) error {
			_, err := p.Statement("ann", 5, 10)
			return err
		}},
		"a chunk that an id is looked for in": {"g\x03ann\x00\x00\x00\x00", func(p *state.Partition) error { return commitOne(p, "ann", "e1") }},
		"the schedule": {"sd\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01", func(p *state.Partition) error {
			var err error
			for more := true; more && err == nil; {
				_, more, err = p.Due(midnight, 10)
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := smallConfig(vfs.NewMem())
			cfg.NextDue = nextPending
			s := openStore(t, cfg)
			p := openPartition(t, s, 0)
			for i := range 20 {
				if err := commitOne(p, "ann", fmt.Sprint("e", i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			db, err := pebble.Open(filepath.Join("state", "000"), &pebble.Options{FS: cfg.FS, FormatMajorVersion: pebble.FormatNewest, Logger: quietLog{}})
			if err == nil {
				err = errors.Join(db.Set([]byte(c.key), []byte("\xffgarbage"), pebble.Sync), db.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			s = openStore(t, cfg)
			p = openPartition(t, s, 0)
			if err := c.read(p); !errors.Is(err, state.ErrQuarantined) || !errors.Is(p.Err(), state.ErrQuarantined) {
				t.Errorf("reading it is answered with %v, the partition with %v", err, p.Err())
			}
		})
	}
}
