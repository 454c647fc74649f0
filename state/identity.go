package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// identityFile holds the folder's name for itself.
	identityFile = "IDENTITY"
	// lockFile is held while the folder is open, and stays.
	lockFile = "LOCK"
)

// checkOurs returns [ErrForeign] if there is no lock, and so no store has been here, but something with one of our names.
func checkOurs(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("listing %s: %w", dir, err)
	}
	if slices.Contains(names, lockFile) {
		return nil
	}
	for _, name := range names {
		if _, _, ok := parseFolder(name); ok || isTable(name) {
			return fmt.Errorf("state folder %s has %s, but no %s: %w", dir, name, lockFile, ErrForeign)
		}
	}
	return nil
}

// ID returns a random name that the folder got when it was first asked, and keeps. As one process at a time can hold
// the folder, whoever has this name can be sure that everybody who had it before has ended.
func (s *Store) ID() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.fs.PathJoin(s.cfg.Dir, identityFile)
	f, err := s.fs.Open(path)
	switch {
	case err == nil:
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", fmt.Errorf("reading %s: %w", path, err)
		}
		if id := strings.TrimSpace(string(b)); id != "" {
			return id, nil
		}
	case !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	id := strings.ToLower(rand.Text()[:10])
	w, err := s.fs.Create(path, "unspecified")
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = w.Write([]byte(id + "\n"))
	if err := errors.Join(err, w.Sync(), w.Close()); err != nil {
		return "", fmt.Errorf("writing %s: %w", path, err)
	}
	return id, nil
}
