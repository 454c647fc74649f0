// Package faultydisk gives tests a disk that fails when they want it to.
package faultydisk

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/accrue-loyalty/accrue/state"
)

// Disk is a file system in memory. It is safe for concurrent use.
type Disk struct {
	fs             vfs.FS
	onFire, spoilt atomic.Bool
}

// New returns a disk that fails for paths with part in them: writing does while it is on fire, reading tables while it is
// spoilt.
func New(part string) *Disk {
	d := &Disk{}
	d.fs = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch kind := op.Kind.ReadOrWrite(); {
		case !strings.Contains(op.Path, part):
		case d.onFire.Load() && kind == errorfs.OpIsWrite:
			return errors.New("the disk is on fire")
		case d.spoilt.Load() && kind == errorfs.OpIsRead && strings.HasSuffix(op.Path, ".sst"):
			return syscall.EIO
		}
		return nil
	}))
	return d
}

// Hold has a store live on the disk.
func (d *Disk) Hold(c *state.Config) { c.FS = d.fs }

// Fire sets the disk on fire, or puts the fire out.
func (d *Disk) Fire(on bool) { d.onFire.Store(on) }

// Spoil makes a bad spot of the tables.
func (d *Disk) Spoil() { d.spoilt.Store(true) }
