package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
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
		if refused(err) || errors.Is(err, ErrFormat) {
			return errors.Join(named(err), closed)
		}
		p.quarantine(fmt.Errorf("its files are damaged: %w", err))
	}
	p.store.abandon(p.folder)
	return p.Err()
}

// refused reports whether the operating system is behind an error, other than by missing a file.
func refused(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) && number != syscall.ENOENT
}

// named adds what the package calls an error of the operating system.
func named(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	case refused(err):
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
