package consumer_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/accrue-loyalty/accrue/consumer"
)

// TestAPartitionWhoseStateBreaksIsRebuiltFromTheLedger makes the disk fail under one partition while events are decided.
// The others go on, and what comes back is what a calm run ends in.
func TestAPartitionWhoseStateBreaksIsRebuiltFromTheLedger(t *testing.T) {
	t.Parallel()
	const broken = 1
	names := customers(20)
	all := shopping(9, 20, 3000)
	want := undisturbed(t, all, names)

	w := newWorld(t, 4)
	var onFire atomic.Bool
	w.disk = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if onFire.Load() && strings.Contains(op.Path, "/001/") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("the disk is on fire")
		}
		return nil
	}))
	w.publish(plainProgram)
	i := w.start("one", "", oneWorker)
	w.send(all[:300]...)
	w.decided()

	onFire.Store(true)
	w.send(all[300:]...)
	eventually(t, "the partition is stopped", func() bool {
		for _, s := range i.engine.Status() {
			if s.Partition == broken {
				return s.Phase == consumer.Stopped
			}
		}
		return false
	})
	for _, s := range i.engine.Status() {
		if s.Partition != broken && s.Phase != consumer.Running {
			t.Errorf("partition %d, whose disk is well, is %v: %s", s.Partition, s.Phase, s.Err)
		}
	}

	onFire.Store(false)
	eventually(t, "the partition is back", func() bool { return running(i, 4) })
	w.decided()
	w.audit()
	sameAccounts(t, want, i.accounts(names))
}
