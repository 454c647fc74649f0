package state

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logFS keeps from Pebble that its log could not be written. Pebble answers such an error with a panic, on whichever
// goroutine, in places where even a recovered one would end the process (a deferred Unlock of an unlocked mutex). So the
// partition is quarantined and the goroutine stops right here, for good: nothing waits for it any more.
type logFS struct {
	vfs.FS
	p *Partition
}

func (fs logFS) Unwrap() vfs.FS { return fs.FS }

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func (fs logFS) guard(f vfs.File, name string, err error) (vfs.File, error) {
	if !isLog(name) {
		return f, err
	}
	fs.p.stopOn(name, err)
	return logFile{f, fs.p, name}, nil
}

func (fs logFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	return fs.guard(f, name, err)
}

func (fs logFS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, category)
	return fs.guard(f, name, err)
}

// OpenDir guards directories: they are synced when a log is created.
func (fs logFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return logFile{f, fs.p, name}, nil
}

// logFile is a log that is written, or the directory of one.
type logFile struct {
	vfs.File
	p    *Partition
	name string
}

func (f logFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.p.stopOn(f.name, err)
	return n, nil
}

func (f logFile) Sync() error {
	f.p.stopOn(f.name, f.File.Sync())
	return nil
}

func (f logFile) SyncData() error {
	f.p.stopOn(f.name, f.File.SyncData())
	return nil
}

func (f logFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	f.p.stopOn(f.name, err)
	return full, nil
}

// Preallocate reserves nothing. Pebble wants a tenth more than a write buffer for each log, and keeps up to six of them
// also where next to nothing comes in: 200 MB a partition. It would make syncs faster, and the log is hardly ever synced.
func (f logFile) Preallocate(int64, int64) error { return nil }

func (f logFile) Close() error {
	f.p.stopOn(f.name, f.File.Close())
	return nil
}

// stopOn does not return when there is an error.
func (p *Partition) stopOn(name string, err error) {
	if err == nil {
		return
	}
	p.quarantine(fmt.Errorf("writing %s: %w", name, err))
	select {}
}
