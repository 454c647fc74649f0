package state_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/state"
)

// commitOne decides one event of a customer.
func commitOne(p *state.Partition, customer, event string) error {
	b := p.Begin()
	a, r, err := b.Account(customer)
	if err != nil {
		b.Discard()
		return err
	}
	a.LotLast++
	r.PutSeen(event, events.Fingerprint{1})
	next := p.Position().Clone()
	b.Decided(&events.Decision{Customer: customer, Result: events.Applied, Offset: next.Ledger, Cause: events.Cause{Event: event}})
	next.Ledger++
	return b.Commit(next, nil)
}

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	err := state.Config{AccountsBytes: -1}.Validate()
	for _, field := range []string{"Dir", "CacheBytes", "MemTableBytes", "AccountsBytes", "FlushEvents", "FlushInterval", "RestoreBytes", "RestoresMax"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s is not reported in: %v", field, err)
		}
	}
	if err := state.DefaultConfig("x").Validate(); err != nil {
		t.Error(err)
	}
}

func TestASecondStoreIsRefused(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			cfg := smallConfig(fs)
			cfg.Dir = t.TempDir()
			s := openStore(t, cfg)
			if _, err := state.Open(cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, state.ErrInUse) || !strings.Contains(err.Error(), cfg.Dir) {
				t.Errorf("a second store is answered with %v", err)
			}
			if err := openAgain(t, s, cfg).Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// storeOfFormat returns a store in which another version of accrue has written partition 0.
func storeOfFormat(t *testing.T, format string) *state.Store {
	t.Helper()
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	s := openStore(t, cfg)
	if err := commitOne(openPartition(t, s, 0), "ann", "e"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open("state/000", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: quietLog{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("mformat"), []byte(format), pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, cfg)
	return s
}

// What is beside the partitions' folders is not taken for one of them, and stays.
func TestOtherFilesOfTheFolderStay(t *testing.T) {
	cfg := state.DefaultConfig(t.TempDir())
	for _, name := range []string{"1.4", "1.5", "2", "0", "01", "restore-1"} {
		if err := os.MkdirAll(filepath.Join(cfg.Dir, name, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"restore-db.sh", "restore-2024-01-31", "restore-001-2-3.sql", "notes"} {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, cfg)
	for number := range int32(3) {
		openPartition(t, s, number)
		if err := s.Drop(number); err != nil {
			t.Fatal(err)
		}
	}
	names, err := os.ReadDir(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := s.Kept(); len(names) != 11 || len(kept) > 0 || err != nil { // and the lock
		t.Errorf("%v are left, and %v are kept (%v)", names, kept, err)
	}
}

func TestAFolderOfSomebodyElsesIsRefused(t *testing.T) {
	for _, name := range []string{"001", "002.1", "2024", "restore-001-0-1"} {
		cfg := state.DefaultConfig(t.TempDir())
		if err := os.MkdirAll(filepath.Join(cfg.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, state.ErrForeign) {
			t.Errorf("a folder with %s: %v", name, err)
		}
	}
}

func TestAnOlderFormatIsBuiltAgain(t *testing.T) {
	for _, format := range []string{"accrue-state-1", "accrue-state-2"} {
		s := storeOfFormat(t, format)
		p := openPartition(t, s, 0)
		if p.Position().Ledger != 0 {
			t.Errorf("%s: the position is %d, want 0: nothing of an older format is read", format, p.Position().Ledger)
		}
		if a, _, err := p.Account("ann"); a != nil || err != nil {
			t.Errorf("%s: ann is still there: %v, %v", format, a, err)
		}
		if err := commitOne(p, "ann", "e"); err != nil {
			t.Error(err)
		}
	}
}

func TestAnUnknownFormatIsRefused(t *testing.T) {
	s := storeOfFormat(t, "accrue-state-99")
	_, err := s.Partition(0)
	if !errors.Is(err, state.ErrFormat) || !strings.Contains(err.Error(), "accrue-state-99") {
		t.Fatalf("an unknown format is answered with %v", err)
	}
	if err := s.Drop(0); err != nil {
		t.Fatal(err)
	}
	if p := openPartition(t, s, 0); p.Position().Ledger != 0 {
		t.Errorf("after Drop the position is %d", p.Position().Ledger)
	}
}

func TestReadsAfterCloseAreRefused(t *testing.T) {
	s := openStore(t, smallConfig(vfs.NewMem()))
	p := openPartition(t, s, 0)
	if err := commitOne(p, "ann", "e1"); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// Unknown and known customers, in memory and on the disk.
				for _, c := range []string{"ann", fmt.Sprint("nobody", i, n)} {
					if _, err := p.Statement(c, 0, 10); err != nil && !errors.Is(err, state.ErrClosed) {
						t.Errorf("Statement answers %v", err)
						return
					}
				}
				_ = p.Stats()
			}
		}()
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	readers.Wait()
	if _, err := p.Records("ann"); err != nil && !errors.Is(err, state.ErrClosed) {
		t.Errorf("Records answers %v", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("a second Close answers %v", err)
	}
	again := openPartition(t, s, 0)
	if again == p || again.Position().Ledger != 1 {
		t.Errorf("the partition opened anew is at %d", again.Position().Ledger)
	}
}

func TestDecisionsReachTheDiskInTime(t *testing.T) {
	p := memoryPartition(t, func(c *state.Config) { c.FlushInterval = 20 * time.Millisecond })
	if err := commitOne(p, "ann", "e1"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); p.Stats().FlushesTotal == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was written after 5 s")
		}
	}
	if n := p.Stats().UnwrittenDecisions; n != 0 {
		t.Errorf("%d decisions still wait", n)
	}
}

func TestAPositionThatGoesBackIsRefused(t *testing.T) {
	p := memoryPartition(t, nil)
	position := state.Position{Ledger: 5, Clock: 10, Inputs: map[string]int64{"orders": 7}}
	if err := p.Begin().Commit(position, nil); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*state.Position){
		"ledger": func(p *state.Position) { p.Ledger-- },
		"clock":  func(p *state.Position) { p.Clock-- },
		"input":  func(p *state.Position) { p.Inputs["orders"]-- },
	} {
		next := position.Clone()
		change(&next)
		b := p.Begin()
		if err := b.Commit(next, nil); !errors.Is(err, state.ErrBackwards) {
			t.Errorf("%s: Commit answers %v", name, err)
		}
	}
}

// TestErrorsOfTheDiskQuarantineThePartition makes every write fail from some moment on. The process must live, the
// callback be told once, and another partition go on.
func TestErrorsOfTheDiskQuarantineThePartition(t *testing.T) {
	for _, after := range []int64{0, 1, 2, 5, 20} {
		t.Run(fmt.Sprintf("after %d writes", after), func(t *testing.T) {
			var broken atomic.Bool
			var writes atomic.Int64
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if broken.Load() && strings.HasPrefix(op.Path, "state/000/") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && writes.Add(1) > after {
					return errors.New("the disk is on fire")
				}
				return nil
			}))
			told := make(chan error, 10)
			cfg := smallConfig(fs)
			cfg.FlushEvents = 1000
			cfg.OnQuarantine = func(partition int32, reason error) { told <- reason }
			s := openStore(t, cfg)
			p, other := openPartition(t, s, 0), openPartition(t, s, 1)
			if err := commitOne(p, "ann", "e0"); err != nil {
				t.Fatal(err)
			}
			if err := p.Flush(); err != nil {
				t.Fatal(err)
			}
			broken.Store(true)
			var err error
			for i := 0; i < 200_000 && err == nil; i++ {
				if err = commitOne(p, fmt.Sprint("customer", i%3000), fmt.Sprint("e", i)); err == nil && i%500 == 499 {
					err = p.Flush()
				}
			}
			if !errors.Is(err, state.ErrQuarantined) {
				t.Fatalf("writing to a broken disk is answered with %v", err)
			}
			if reason := <-told; !errors.Is(reason, state.ErrQuarantined) {
				t.Errorf("the callback is told %v", reason)
			}
			if _, _, err := p.Account("ann"); !errors.Is(err, state.ErrQuarantined) {
				t.Errorf("reading is answered with %v", err)
			}
			if err := commitOne(other, "bob", "e1"); err != nil {
				t.Errorf("the other partition: %v", err)
			}
			broken.Store(false)
			if err := s.Drop(0); err != nil {
				t.Fatal(err)
			}
			p = openPartition(t, s, 0)
			if p.Position().Ledger != 0 {
				t.Errorf("after Drop the position is %d", p.Position().Ledger)
			}
			if err := errors.Join(commitOne(p, "ann", "e1"), p.Flush()); err != nil {
				t.Errorf("after Drop: %v", err)
			}
			if len(told) != 0 {
				t.Errorf("the callback was told again: %v", <-told)
			}
		})
	}
}

func TestDamagedTablesQuarantineThePartition(t *testing.T) {
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	cfg.AccountsBytes = 0
	var told atomic.Int64
	cfg.OnQuarantine = func(int32, error) { told.Add(1) }
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	for i := range 3000 {
		if err := commitOne(p, fmt.Sprint("customer", i), "e"); err != nil {
			t.Fatal(err)
		}
	}
	r, err := p.Restore(t.Context(), 1000, codec.DecodeDecision) // only so that all of it is in tables
	if err == nil {
		err = r.Finish(t.Context(), p.Position())
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, cfg)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("state/000")
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".log") {
			b, err := fs.UnsafeGetFileDataBuffer("state/000/" + name)
			if err != nil {
				t.Fatal(err)
			}
			for i := 40; i < len(b)-2000; i += 500 {
				b[i] ^= 0xff
				damaged++
			}
		}
	}
	if damaged == 0 {
		t.Fatalf("nothing to damage among %v", names)
	}
	s = openStore(t, cfg)
	p, err = s.Partition(0)
	for i := 0; i < 3000 && err == nil; i++ {
		_, _, err = p.Account(fmt.Sprint("customer", i))
	}
	if err == nil {
		t.Fatal("damage was not noticed")
	}
	t.Logf("noticed: %v", err)
	if err := s.Drop(0); err != nil {
		t.Fatal(err)
	}
	if p := openPartition(t, s, 0); p.Position().Ledger != 0 {
		t.Errorf("after Drop the position is %d", p.Position().Ledger)
	}
}

func TestAFullDiskIsNamed(t *testing.T) {
	fs := vfs.NewMem()
	cfg := smallConfig(fs)
	cfg.FlushEvents = 10
	s := openStore(t, cfg)
	p := openPartition(t, s, 0)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30, UsedBytes: 1<<30 - 1<<20})
	if err := commitOne(p, "ann", "e1"); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(); !errors.Is(err, state.ErrDiskFull) {
		t.Fatalf("Flush answers %v", err)
	}
	// Room comes back: what waited is written.
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 31, UsedBytes: 1 << 30})
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30, UsedBytes: 1<<30 - 1<<20})
	var err error
	for i := 0; i < 1000 && err == nil; i++ {
		err = commitOne(p, "ann", fmt.Sprint("f", i))
	}
	if !errors.Is(err, state.ErrDiskFull) || !errors.Is(err, state.ErrQuarantined) {
		t.Fatalf("after too much waits: %v", err)
	}
}

func TestNoSpaceInTheLogIsADiskFull(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	s := openStore(t, smallConfig(fs))
	p := openPartition(t, s, 0)
	full.Store(true)
	var err error
	for i := 0; i < 100_000 && err == nil; i++ {
		if err = commitOne(p, fmt.Sprint("customer", i%1000), fmt.Sprint("e", i)); err == nil && i%500 == 499 {
			err = p.Flush()
		}
	}
	if !errors.Is(err, state.ErrDiskFull) {
		t.Fatalf("no space is answered with %v", err)
	}
}

// Pebble writes while it opens a database that was not closed, and tries for ever where it can't.
func TestOpeningOnAFullDiskIsADiskFull(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := openStore(t, smallConfig(disk))
	p := openPartition(t, s, 0)
	if err := commitOne(p, "ann", "e1"); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	killed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	fs := errorfs.Wrap(killed, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".sst") {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	s = openStore(t, smallConfig(fs))
	full.Store(true)
	if _, err := s.Partition(0); !errors.Is(err, state.ErrDiskFull) {
		t.Fatalf("opening answers %v", err)
	}
	// Room comes back.
	full.Store(false)
	if err := s.Drop(0); err != nil {
		t.Fatal(err)
	}
	openPartition(t, s, 0)
}

func TestADiskWithoutRoomIsNotWrittenTo(t *testing.T) {
	fs := vfs.NewMem()
	s := openStore(t, smallConfig(fs))
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30, UsedBytes: 1<<30 - 1<<20})
	if _, err := s.Partition(0); !errors.Is(err, state.ErrDiskFull) || errors.Is(err, state.ErrQuarantined) {
		t.Fatalf("opening answers %v", err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 31, UsedBytes: 1 << 30})
	openPartition(t, s, 0)
}

// TestReadersDoNotDisturbTheOwner reads everything while batches are committed, flushed and evicted; run it with -race.
func TestReadersDoNotDisturbTheOwner(t *testing.T) {
	t.Parallel()
	prog := parseProgram(t)
	p := memoryPartition(t, func(c *state.Config) {
		c.NextDue, c.FlushEvents, c.AccountsBytes = dueBy(prog), 50, 128<<10
	})
	e := newEngine(t, p, prog, 11, 300)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 3 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				customer := fmt.Sprintf("customer-%05d", n*7%300)
				before := p.Position().Ledger
				a, position, err := p.Account(customer)
				if err != nil {
					t.Errorf("Account answers %v", err)
					return
				}
				if a == nil {
					continue
				}
				if err := a.Check(); err != nil {
					t.Errorf("a reader saw a half-written account: %v", err)
				}
				offsets, err := p.Statement(customer, 0, 50)
				if err != nil || len(offsets) == 0 || offsets[0] < position {
					t.Errorf("at %d the statement is %v, %v", position, offsets, err)
				}
				// Whatever the position said before the read is in the account.
				if again, err := p.Statement(customer, before, 1); err != nil || len(again) == 1 && again[0] > position {
					t.Errorf("at ledger position %d the account is at %d, its statement has %v", before, position, again)
				}
				r, err := p.Records(customer)
				if err != nil {
					t.Errorf("Records answers %v", err)
					return
				}
				r.Seen(fmt.Sprintf("event-%d", n%1000))
				r.Order(fmt.Sprintf("order-%d", n%1000))
				if r.All(); r.Err() != nil {
					t.Errorf("reading records: %v", r.Err())
				}
			}
		}()
	}
	e.run(racetest.Of(3000, 1000))
	close(stop)
	readers.Wait()
}

// TestAnOldDuplicateIsFoundWithoutScanning asks for ids of a customer with a long history.
func TestAnOldDuplicateIsFoundWithoutScanning(t *testing.T) {
	p := memoryPartition(t, nil)
	n := racetest.Of(6000, 2000)
	for i := range n {
		if err := commitOne(p, "ann", fmt.Sprint("e", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := p.Records("ann")
	if err != nil {
		t.Fatal(err)
	}
	before := p.Stats().GetsTotal
	for i := n / 2; i < n; i++ {
		if _, ok := r.Seen(fmt.Sprint("e", i)); !ok {
			t.Fatalf("e%d was forgotten", i)
		}
	}
	if gets := p.Stats().GetsTotal - before; gets > int64(n/2*2) {
		t.Errorf("%d duplicates took %d look-ups", n/2, gets)
	}
	before = p.Stats().GetsTotal
	for i := range 10_000 {
		if _, ok := r.Seen(fmt.Sprint("new", i)); ok {
			t.Fatalf("new%d was seen before", i)
		}
		if r.Order(fmt.Sprint("order", i)) != nil {
			t.Fatalf("order%d exists", i)
		}
	}
	if gets := p.Stats().GetsTotal - before; gets > 10_000*2*indexScan/100 {
		t.Errorf("20,000 new ids took %d look-ups", gets)
	}
}

// indexScan is what one false positive may cost in look-ups: the index and the oldest chunks.
const indexScan = 66

// TestPartitionsAreOpenedSideBySide opens partitions from many goroutines while the store closes: whoever asks for the
// same one gets the same, and none stays open behind a closed store.
func TestPartitionsAreOpenedSideBySide(t *testing.T) {
	cfg := smallConfig(vfs.NewMem())
	for round := range 20 {
		s := openStore(t, cfg)
		var opened sync.Map
		var askers sync.WaitGroup
		for i := range int32(24) {
			askers.Go(func() {
				p, err := s.Partition(i % 8)
				if errors.Is(err, state.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("opening partition %d: %v", i%8, err)
					return
				}
				if other, twice := opened.LoadOrStore(i%8, p); twice && other != p {
					t.Errorf("partition %d was opened twice", i%8)
				}
			})
		}
		if round%2 == 0 {
			askers.Wait()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		askers.Wait()
		if n := s.Stats().Partitions; n != 0 {
			t.Fatalf("%d partitions are open after Close", n)
		}
	}
}
