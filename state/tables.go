package state

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tables writes sorted tables for Pebble to take over. Keys come in order within their kind, and each kind, which is a
// key's first byte, has files of its own, of a bounded size. The first error stays and is close's.
type tables struct {
	p      *Partition
	round  int
	format sstable.TableFormat
	paths  []string
	kinds  [256]*table
	err    error
}

// table is a file that is being written.
type table struct {
	w    *sstable.Writer
	size int
}

const (
	// tableBytes is where a sorted table ends and the next begins.
	tableBytes = 48 << 20
	// tableName is that of a file that Pebble has not taken over: the partition's folder, the round, a number.
	tableName = "restore-%s-%d-%d"
)

func (t *tables) set(key, value []byte) {
	if w := t.writer(key[0], len(key)+len(value)); w != nil {
		t.fail(w.Set(key, value))
	}
}

func (t *tables) delete(key []byte) {
	if w := t.writer(key[0], len(key)); w != nil {
		t.fail(w.Delete(key))
	}
}

func (t *tables) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// writer returns where the next key of a kind goes, or nil after an error.
func (t *tables) writer(kind byte, size int) *sstable.Writer {
	if t.err != nil {
		return nil
	}
	k := t.kinds[kind]
	if k != nil && k.size > tableBytes {
		t.kinds[kind] = nil
		if err := k.w.Close(); err != nil {
			t.err = err
			return nil
		}
		k = nil
	}
	if k == nil {
		w, err := t.create()
		if err != nil {
			t.err = err
			return nil
		}
		k = &table{w: w}
		t.kinds[kind] = k
	}
	k.size += size
	return k.w
}

func (t *tables) create() (*sstable.Writer, error) {
	fs := t.p.store.fs
	name := fs.PathJoin(t.p.store.cfg.Dir, fmt.Sprintf(tableName, t.p.folder, t.round, len(t.paths)))
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	t.paths = append(t.paths, name)
	o := t.p.store.options(t.p).MakeWriterOptions(0, t.format)
	return sstable.NewWriter(objstorageprovider.NewFileWritable(f), o), nil
}

func (t *tables) close() error {
	for kind, k := range t.kinds {
		if k != nil {
			t.fail(k.w.Close())
			t.kinds[kind] = nil
		}
	}
	return t.err
}

// remove deletes the files that Pebble has not taken.
func (t *tables) remove() error {
	var errs []error
	for _, path := range t.paths {
		if err := t.p.store.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// isTable reports whether name is one of tableName.
func isTable(name string) bool {
	var round, number int
	rest, ok := strings.CutPrefix(name, "restore-")
	folder, counts, _ := strings.Cut(rest, "-")
	if _, _, is := parseFolder(folder); !ok || !is {
		return false
	}
	_, err := fmt.Sscanf(counts, "%d-%d", &round, &number)
	return err == nil && name == fmt.Sprintf(tableName, folder, round, number)
}

// removeTables deletes what a restore left that ended with its process.
func (s *Store) removeTables() error {
	names, err := s.fs.List(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("listing %s: %w", s.cfg.Dir, err)
	}
	for _, name := range names {
		if isTable(name) {
			if err := s.fs.Remove(s.fs.PathJoin(s.cfg.Dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("removing what a restore left: %w", err)
			}
		}
	}
	return nil
}
