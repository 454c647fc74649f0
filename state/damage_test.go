package state_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/state"
)

// filledFolder returns the configuration of a store on the disk whose partition 0 has tables and a log, and is closed.
func filledFolder(t *testing.T) state.Config {
	t.Helper()
	cfg := smallConfig(vfs.Default)
	cfg.Dir = t.TempDir()
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	for i := range 300 {
		if err := commitOne(p, fmt.Sprint("customer", i), "e"); err != nil {
			t.Fatal(err)
		}
	}
	r, err := p.Restore(t.Context(), 1000, codec.DecodeDecision) // only so that there are tables
	if err == nil {
		err = r.Finish(t.Context(), p.Position())
	}
	if err := errors.Join(err, commitOne(p, "ann", "e"), s.Close()); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// inFolder returns the files of partition 0 that match the pattern, the largest first.
func inFolder(t *testing.T, cfg state.Config, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(cfg.Dir, "000", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no file is like %s: %v", pattern, err)
	}
	size := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for i := range names {
		if size(names[i]) > size(names[0]) {
			names[0], names[i] = names[i], names[0]
		}
	}
	return names
}

func TestADamagedFolderIsSetAside(t *testing.T) {
	t.Parallel()
	truncated := func(name string) error { return os.Truncate(name, 1000) }
	flipped := func(name string) error {
		b, err := os.ReadFile(name)
		if err == nil {
			b[len(b)/2] ^= 1
			err = os.WriteFile(name, b, 0o600)
		}
		return err
	}
	shortened := func(name string) error {
		info, err := os.Stat(name)
		if err == nil {
			err = os.Truncate(name, info.Size()-1)
		}
		return err
	}
	garbage := func(name string) error { return os.WriteFile(name, []byte("garbage"), 0o600) }
	for name, damage := range map[string]struct {
		pattern string
		do      func(string) error
		all     bool
	}{
		"a table is cut":             {"*.sst", truncated, false},
		"a table is lost":            {"*.sst", os.Remove, false},
		"the manifest is garbage":    {"MANIFEST*", garbage, true},
		"the manifest is lost":       {"MANIFEST*", os.Remove, true},
		"the manifest lacks its end": {"MANIFEST*", shortened, true},
		"a bit in it is not right":   {"MANIFEST*", flipped, true},
		"one marker is lost":         {"marker.format*", os.Remove, true},
		"another marker is lost":     {"marker.manifest*", os.Remove, true},
		"all markers are lost":       {"marker*", os.Remove, true},
		"the options are garbage":    {"OPTIONS*", garbage, true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := filledFolder(t)
			files := inFolder(t, cfg, damage.pattern)
			if !damage.all {
				files = files[:1]
			}
			for _, f := range files {
				if err := damage.do(f); err != nil {
					t.Fatal(err)
				}
			}
			s := openStore(t, cfg)
			p, err := s.Partition(0)
			switch {
			case err == nil:
				// A database without markers is a new one. It must not hold part of the old.
				if a, _, err := p.Account("ann"); a != nil || err != nil || p.Position().Ledger != 0 {
					t.Errorf("what was damaged is open at %d with %v, %v", p.Position().Ledger, a, err)
				}
			case !errors.Is(err, state.ErrQuarantined):
				t.Errorf("the damage is answered with %v", err)
			default:
				if err := s.Drop(0); err != nil {
					t.Fatal(err)
				}
				if p = openPartition(t, s, 0); p.Position().Ledger != 0 {
					t.Errorf("after Drop the position is %d", p.Position().Ledger)
				}
				if _, err := os.Stat(filepath.Join(cfg.Dir, "000")); err != nil {
					t.Errorf("what was damaged is not left for anybody to look at: %v", err)
				}
			}
			if err := errors.Join(commitOne(p, "ann", "e"), s.Close()); err != nil {
				t.Error(err)
			}
			s = openStore(t, cfg)
			if p := openPartition(t, s, 0); p.Position().Ledger != 1 {
				t.Errorf("the next start finds the position %d", p.Position().Ledger)
			}
			if folders, err := filepath.Glob(filepath.Join(cfg.Dir, "000*")); err != nil || len(folders) > 2 { // with a filter
				t.Errorf("the next start leaves %v, %v", folders, err)
			}
		})
	}
}

// TestWhatTheSystemRefusesIsNotDamage has the operating system refuse a file of each kind. The folder stays as it is, and
// is opened once it is allowed.
func TestWhatTheSystemRefusesIsNotDamage(t *testing.T) {
	t.Parallel()
	numbers := []syscall.Errno{syscall.EACCES, syscall.ENOSPC, syscall.EMFILE, syscall.EIO, syscall.EAGAIN}
	for _, number := range numbers[:racetest.Of(len(numbers), 2)] {
		for _, part := range []string{"MANIFEST", "OPTIONS", ".sst", "LOCK", "000"} {
			t.Run(fmt.Sprintf("%s of %s", number, part), func(t *testing.T) {
				cfg := filledFolder(t)
				refusing := true
				cfg.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
					name := strings.TrimPrefix(op.Path, cfg.Dir)
					if refusing && strings.HasPrefix(name, "/000") && strings.Contains(name, part) {
						return &os.PathError{Op: "open", Path: op.Path, Err: number}
					}
					return nil
				}))
				s := openStore(t, cfg)
				want := state.ErrRefused
				if number == syscall.ENOSPC {
					want = state.ErrDiskFull
				}
				if _, err := s.Partition(0); !errors.Is(err, want) || errors.Is(err, state.ErrQuarantined) {
					t.Errorf("the refusal is answered with %v", err)
				}
				refusing = false
				if p := openPartition(t, s, 0); p.Position().Ledger != 301 {
					t.Errorf("once it is allowed the position is %d", p.Position().Ledger)
				}
			})
		}
	}
}
