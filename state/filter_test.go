package state_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

// crashed returns the partition of a process that was killed, with what it had given to the system, or, after a loss of
// power, only with what it had synced.
func crashed(t *testing.T, fs *vfs.MemFS, power bool) *state.Partition {
	t.Helper()
	kept := 100
	if power {
		kept = 0
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(1, 2))})
	s := openStore(t, smallConfig(clone))
	return openPartition(t, s, 0)
}

// TestTheFilterOutlivesACrash kills a process that has written its filter several times: the next one looks for nothing
// new on the disk, and takes nothing old for new.
func TestTheFilterOutlivesACrash(t *testing.T) {
	n := racetest.Of(3000, 300)
	fs := vfs.NewCrashableMem()
	cfg := smallConfig(fs)
	cfg.FlushEvents = 10
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	for i := range n {
		if err := commitOne(p, "ann", fmt.Sprint("e", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, power := range []bool{false, true} {
		t.Run(fmt.Sprintf("loss of power %v", power), func(t *testing.T) {
			p := crashed(t, fs, power)
			if !power && !p.Stats().FilterWhole {
				t.Error("the filter lacks keys after a kill")
			}
			r, err := p.Records("ann")
			if err != nil {
				t.Fatal(err)
			}
			for i := range int(p.Position().Ledger) {
				if _, ok := r.Seen(fmt.Sprint("e", i)); !ok {
					t.Fatalf("e%d of %d was forgotten", i, p.Position().Ledger)
				}
			}
			if power {
				return
			}
			before := p.Stats().GetsTotal
			for i := range 1000 {
				if _, ok := r.Seen(fmt.Sprint("new", i)); ok {
					t.Fatalf("new%d was seen before", i)
				}
			}
			if gets := p.Stats().GetsTotal - before; gets > 1000*indexScan/100 {
				t.Errorf("1,000 new ids took %d look-ups", gets)
			}
		})
	}
}

// TestADamagedFilterIsNotUsed changes a byte of the filter's file.
func TestADamagedFilterIsNotUsed(t *testing.T) {
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	cfg.FlushEvents = 60 // so that a filter is worth a file
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	for i := range 100 {
		if err := commitOne(p, "ann", fmt.Sprint("e", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := fs.OpenReadWrite("state/000.filter", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1, 2, 3, 4}, 40); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, cfg)
	p = openPartition(t, s, 0)
	r, err := p.Records("ann")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if got, ok := r.Seen(fmt.Sprint("e", i)); !ok || got != (events.Fingerprint{1}) {
			t.Fatalf("e%d was forgotten", i)
		}
	}
}

// TestAFilterIsFilledThoughAnotherPartitionHangs has a read hang while one partition's filter is filled, and that partition
// break.
func TestAFilterIsFilledThoughAnotherPartitionHangs(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	cfg.FlushEvents = 60 // so that a filter is worth a file
	for i := range 2 {   // the second start drops what the file has
		s := openStore(t, cfg)
		for number := range int32(2) {
			for c := range 200 {
				if err := commitOne(openPartition(t, s, number), fmt.Sprint("customer", c), fmt.Sprint("e", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"state/000.filter", "state/001.filter"} {
		f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var armed atomic.Bool
	var once sync.Once
	hanging, end := make(chan struct{}), make(chan struct{})
	cfg.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch {
		case !armed.Load() || !strings.Contains(op.Path, "/000/"):
		case op.Kind.ReadOrWrite() == errorfs.OpIsWrite:
			return errors.New("the disk is on fire")
		case strings.HasSuffix(op.Path, ".sst"):
			once.Do(func() { close(hanging) })
			<-end
		}
		return nil
	}))
	s := openStore(t, cfg)
	defer close(end)
	broken := openPartition(t, s, 0)
	time.Sleep(500 * time.Millisecond) // Pebble has looked at its tables by then, the filling has not begun
	armed.Store(true)
	<-hanging
	well := openPartition(t, s, 1)
	if broken.Stats().FilterWhole || well.Stats().FilterWhole {
		t.Fatal("the filters need not be filled: the test shows nothing")
	}
	b := broken.Begin()
	b.Decided(&events.Decision{Result: events.Unreadable})
	large := map[string]int64{strings.Repeat("x", 64<<10): 1} // so that the log is written now
	_ = errors.Join(b.Commit(state.Position{Ledger: 401, Inputs: large}, nil), broken.Flush())
	for range 500 {
		if broken.Err() != nil && well.Stats().FilterWhole {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("after 5 s the first is in the state %v, the other's filter is not filled", broken.Err())
}

// TestAFilledFilterMissesNothing fills the filter of a partition whose file is gone: all that lies on the disk is still found.
func TestAFilledFilterMissesNothing(t *testing.T) {
	t.Parallel()
	const n = 300
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	cfg.FlushEvents = 60 // so that a filter is worth a file
	var s *state.Store
	for i := range 2 { // the second start drops what the file has
		s = openStore(t, cfg)
		p := openPartition(t, s, 0)
		for j := i * n / 2; j < (i+1)*n/2; j++ {
			change(t, p, fmt.Sprint("e", j), func(r *state.Records) {
				r.PutOrder(&loyalty.Order{ID: orderName(j), At: 1})
				r.PutOrder(&loyalty.Order{ID: orderName(j / 2), At: 2}) // in a chunk, or under its own key by now
				r.PutReference(events.Reference{Kind: events.TypeOrderReturned, ID: fmt.Sprint("t", j)})
				r.PutRedemption(&loyalty.Redemption{ID: fmt.Sprint("r", j)})
				r.AddExpired(orderName(j), 1, 5)
			})
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f, err := fs.Create("state/000.filter", vfs.WriteCategoryUnspecified)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	p := openPartition(t, openStore(t, cfg), 0)
	if p.Stats().FilterWhole {
		t.Fatal("the filter need not be filled: the test shows nothing")
	}
	for range 500 {
		if p.Stats().FilterWhole {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !p.Stats().FilterWhole {
		t.Fatal("after 5 s the filter is not filled")
	}
	r, err := p.Records("ann")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, ok := r.Seen(fmt.Sprint("e", i)); !ok {
			t.Errorf("e%d was forgotten", i)
		}
		if r.Order(orderName(i)) == nil || r.Redemption(fmt.Sprint("r", i)) == nil || r.Expired(orderName(i)) != 5 ||
			!r.Referenced(events.Reference{Kind: events.TypeOrderReturned, ID: fmt.Sprint("t", i)}) {
			t.Errorf("of order %d, its redemption, its return and what of it expired something was forgotten", i)
		}
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}
