package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// notOpened tells apart why a partition can't be opened, and returns what its owner is told. What the operating system
// refuses may be allowed later, and what another version of accrue wrote may be read by that one: both stay as they are.
// Everything else that Pebble or load complains of is in the files. Pebble has a mark for damage, but sets it on part of it
// only: not on a table of the wrong size or a marker that is missing.
func (p *Partition) notOpened(err error) error {
	if p.Err() == nil {
		var closed error
		if p.db != nil {
			closed = p.db.Close()
		}
		if p.mayPass(err) || errors.Is(err, ErrFormat) {
			return errors.Join(named(err), closed)
		}
		p.quarantine(fmt.Errorf("its files are damaged: %w", err))
	}
	p.store.abandon(p.folder)
	return p.Err()
}

// readError is notOpened for an error of reading later on.
func (p *Partition) readError(err error) error {
	switch {
	case pebble.IsCorruptionError(err):
	case p.opening.Load():
		return err // to notOpened
	case p.mayPass(err):
		return fmt.Errorf("reading partition %d: %w", p.number, named(err))
	}
	p.quarantine(fmt.Errorf("reading it: %w", err))
	return p.Err()
}

// checked quarantines the partition when the error says that a value is not what was written, and returns what the caller
// is told.
func (p *Partition) checked(err error) error {
	if !p.opening.Load() && (errors.Is(err, errValue) || errors.Is(err, loyalty.ErrEncoding)) {
		p.quarantine(err)
		return p.Err()
	}
	return err
}

// mayPass reports whether an error is the operating system's and the files may be well. What it has trouble to read may be
// read the next time, but not for ever: a bad spot of the disk stays.
func (p *Partition) mayPass(err error) bool {
	var number syscall.Errno
	if !errors.As(err, &number) || number == syscall.ENOENT {
		return false
	}
	limits := []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.ENOMEM, syscall.EROFS, syscall.EBUSY}
	return slices.Contains(limits, number) || number.Is(os.ErrPermission) || number.Temporary() || !p.store.troubled(p.folder)
}

// sameTrouble is how long errors of reading count as one: when a disk stumbles, many readers hear of it at once.
const sameTrouble = time.Second

// troubled takes note that the disk had trouble to read a folder's files. It reports whether it had before.
func (s *Store) troubled(folder string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, before := s.trouble[folder]
	if !before {
		s.trouble[folder] = time.Now()
	}
	return before && time.Since(first) >= sameTrouble
}

// named adds what the package calls an error of the operating system.
func named(err error) error {
	var number syscall.Errno
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case errors.As(err, &number) && number != syscall.ENOENT:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// checkManifest finds damage that Pebble takes for something else: a lost marker for a database that is new, a manifest that
// can't be read to its end for one that a crash cut off. It would open both with what the remaining logs hold, which is
// part of the state under the position of the whole. A crash that does cut the manifest off costs a restore this way.
func (p *Partition) checkManifest() error {
	fs := p.store.fs
	names, err := fs.List(p.path())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing %s: %w", p.path(), err)
	}
	found, err := pebble.Peek(p.path(), fs)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", p.path(), err)
	}
	if !found.Exists {
		for _, name := range names {
			if strings.HasPrefix(name, "MANIFEST") {
				return fmt.Errorf("%s has a manifest, but nothing says that it is in use", p.path())
			}
		}
		return nil
	}
	f, err := fs.Open(found.ManifestFilename)
	if err != nil {
		return fmt.Errorf("opening the manifest: %w", err)
	}
	defer f.Close()
	for edits := record.NewReader(f, 0); ; {
		edit, err := edits.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, edit)
		} else if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", found.ManifestFilename, err)
		}
	}
}
