// Package faultydisk gives tests a disk that fails when they want it to.
package faultydisk

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/accrue-loyalty/accrue/state"
)

// Disk is a file system in memory. It is safe for concurrent use.
type Disk struct {
	fs     vfs.FS
	onFire atomic.Bool
}

// New returns a disk on which writing to paths with part in them fails while it is on fire.
func New(part string) *Disk {
	d := &Disk{}
	d.fs = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if d.onFire.Load() && strings.Contains(op.Path, part) && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("the disk is on fire")
		}
		return nil
	}))
	return d
}

// Hold has a store live on the disk.
func (d *Disk) Hold(c *state.Config) { c.FS = d.fs }

// Fire sets the disk on fire, or puts the fire out.
func (d *Disk) Fire(on bool) { d.onFire.Store(on) }
