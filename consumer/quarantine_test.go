package consumer_test

import (
	"testing"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/internal/faultydisk"
	"github.com/accrue-loyalty/accrue/internal/racetest"
)

// TestAPartitionWhoseStateBreaksIsRebuiltFromTheLedger makes the disk fail under one partition while events are decided.
// The others go on, and what comes back is what a calm run ends in.
func TestAPartitionWhoseStateBreaksIsRebuiltFromTheLedger(t *testing.T) {
	t.Parallel()
	const broken = 1
	names := customers(20)
	all := shopping(9, 20, racetest.Of(3000, 1200))
	want := undisturbed(t, all, names)

	w := newWorld(t, 4)
	w.disk = faultydisk.New("/001/")
	w.publish(plainProgram)
	i := w.start("one", "", oneWorker)
	w.send(all[:300]...)
	w.decided()

	w.disk.Fire(true)
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

	w.disk.Fire(false)
	eventually(t, "the partition is back", func() bool { return running(i, 4) })
	w.decided()
	w.audit()
	sameAccounts(t, want, i.accounts(names))
}
