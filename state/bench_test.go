package state_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

// diskStore opens a store with the default sizes in a folder of the benchmark's.
func diskStore(b *testing.B, change func(*state.Config)) *state.Store {
	b.Helper()
	cfg := state.DefaultConfig(b.TempDir())
	cfg.NextDue = nextPending
	if change != nil {
		change(&cfg)
	}
	s := openStore(b, cfg)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// workload makes up decisions of orders: a few customers have many, most have few.
type workload struct {
	random   *rand.Rand
	names    []string
	n        int64
	decision events.Decision
	fact     events.OrderFact
	entries  [1]events.Entry
	lots     map[string]int64
}

func newWorkload(seed uint64, customers int) *workload {
	w := &workload{random: rand.New(rand.NewPCG(seed, 3)), lots: map[string]int64{}}
	for i := range customers {
		w.names = append(w.names, fmt.Sprintf("customer-%d-%07d", seed, i))
	}
	return w
}

// next returns the next decision; it is good until the call after.
func (w *workload) next() *events.Decision {
	x := w.random.Float64()
	customer := w.names[int(x*x*float64(len(w.names)))]
	w.n++
	w.lots[customer]++
	id := fmt.Sprintf("order-%012d", w.n)
	at := events.Instant(1_700_000_000_000 + w.n*1000)
	points := events.Points(10 + w.random.IntN(200))
	w.entries[0] = events.Entry{
		Type: events.Earn, Points: points, Lot: w.lots[customer], Rule: "base", Asked: points, Order: id,
		EarnedAt: at, ActiveAt: at + 14*86_400_000, ExpiresAt: at + 365*86_400_000,
	}
	w.fact = events.OrderFact{Order: id, Lines: []events.LineFact{{Line: "1", Amount: 5000}, {Line: "2", Amount: 1999}},
		Rules: []events.RuleFact{{Rule: "base"}}}
	w.decision = events.Decision{
		Offset: w.n, Customer: customer, Result: events.Applied, Entries: w.entries[:],
		Cause: events.Cause{Topic: "orders", Offset: w.n, Event: "e-" + id},
		Facts: events.Facts{Type: events.TypeOrderPlaced, At: at, Payload: events.Fingerprint{1}, Order: &w.fact},
	}
	return &w.decision
}

// fold folds n decisions in batches of size and commits them.
func (w *workload) fold(b *testing.B, p *state.Partition, n, size int) {
	for n > 0 {
		batch := p.Begin()
		for range min(size, n) {
			if err := batch.Fold(w.next()); err != nil {
				b.Fatal(err)
			}
			n--
		}
		if err := batch.Commit(state.Position{Ledger: w.n + 1}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peakMemory is the most that the process had resident so far, in MB.
func peakMemory() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	var kb float64
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, _ = fmt.Sscan(rest, &kb)
		}
	}
	return kb / 1024
}

// BenchmarkCommit folds batches of 50,000 decisions over 8 partitions of 100,000 accounts in all, flushing each as a
// backlog does. An operation is one batch, Evolve included.
func BenchmarkCommit(b *testing.B) {
	const batch, partitions, accounts = 50_000, 8, 100_000
	s := diskStore(b, nil)
	var loads []*workload
	var parts []*state.Partition
	for i := range partitions {
		p, err := s.Partition(int32(i))
		if err != nil {
			b.Fatal(err)
		}
		p.CatchingUp(true)
		w := newWorkload(uint64(i), accounts/partitions)
		w.fold(b, p, 2*accounts/partitions, 5000)
		loads, parts = append(loads, w), append(parts, p)
	}
	b.ResetTimer()
	cpu, n := cpuSeconds(), 0
	for b.Loop() {
		for i, p := range parts {
			loads[i].fold(b, p, batch/partitions, batch/partitions)
			n += batch / partitions
		}
	}
	for _, p := range parts {
		if err := p.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpuSeconds()-cpu)*1e6/float64(n), "cpu-µs/event")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(peakMemory(), "peak-MB")
}

// BenchmarkRestore restores 1,000,000 decisions of 200,000 accounts in 8 partitions, which are alike, from records in
// memory, in as many rounds as 5,000,000 decisions would take by default.
func BenchmarkRestore(b *testing.B) {
	const partitions, accounts, decisions = 8, 25_000, 125_000
	ledger := newRecords(b, accounts, decisions)
	for b.Loop() {
		s := diskStore(b, func(c *state.Config) { c.RestoreBytes /= 5 })
		cpu, began := cpuSeconds(), time.Now()
		var workers sync.WaitGroup
		for i := range int32(partitions) {
			workers.Go(func() {
				if err := ledger.restore(s, i); err != nil {
					b.Error(err)
				}
			})
		}
		workers.Wait()
		wall := time.Since(began)
		b.ReportMetric(partitions*decisions/wall.Seconds(), "decisions/s")
		b.ReportMetric((cpuSeconds()-cpu)*1e6/(partitions*decisions), "cpu-µs/decision")
		b.ReportMetric(peakMemory(), "peak-MB")
	}
}

// records are a ledger's.
type records struct {
	bytes []byte
	ends  []int
}

func newRecords(b *testing.B, accounts, decisions int) *records {
	w, r := newWorkload(1, accounts), &records{ends: make([]int, 0, decisions)}
	for range decisions {
		var err error
		if r.bytes, err = codec.AppendDecision(r.bytes, w.next()); err != nil {
			b.Fatal(err)
		}
		r.ends = append(r.ends, len(r.bytes))
	}
	return r
}

func (l *records) restore(s *state.Store, number int32) error {
	p, err := s.Partition(number)
	if err != nil {
		return err
	}
	r, err := p.Restore(context.Background(), int64(len(l.ends)), codec.DecodeDecision)
	if err != nil {
		return err
	}
	defer r.Abandon()
	var head events.Decision
	from := 0
	for i, end := range l.ends {
		if err := codec.DecodeHead(l.bytes[from:end], &head); err != nil {
			return err
		}
		r.Add(&head, int64(i), l.bytes[from:end])
		from = end
		if i%1000 == 999 {
			if err := r.Mark(context.Background(), state.Position{Ledger: int64(i) + 1}); err != nil {
				return err
			}
		}
	}
	return r.Finish(context.Background(), state.Position{Ledger: int64(len(l.ends))})
}

// benchmarkPartition has 100,000 accounts with orders, all written.
func benchmarkPartition(b *testing.B, change func(*state.Config)) (*state.Partition, *workload) {
	p, err := diskStore(b, change).Partition(0)
	if err != nil {
		b.Fatal(err)
	}
	w := newWorkload(1, 100_000)
	w.fold(b, p, 500_000, 5000)
	if err := p.Flush(); err != nil {
		b.Fatal(err)
	}
	return p, w
}

// BenchmarkSeen asks for ids and orders that are new, and for ids that left the account long ago.
func BenchmarkSeen(b *testing.B) {
	p, w := benchmarkPartition(b, nil)
	b.Run("new", func(b *testing.B) {
		batch := p.Begin()
		defer batch.Discard()
		i := 0
		for b.Loop() {
			i++
			_, r, err := batch.Account(w.names[i*31%1000])
			if err != nil {
				b.Fatal(err)
			}
			id := fmt.Sprint("unheard-", i)
			if _, ok := r.Seen(id); ok || r.Order(id) != nil {
				b.Fatal("a new id was seen")
			}
		}
	})
	b.Run("old", func(b *testing.B) {
		old := newWorkload(1, 100_000)
		batch := p.Begin()
		defer batch.Discard()
		for b.Loop() {
			if old.n == 100_000 {
				old = newWorkload(1, 100_000)
			}
			d := old.next()
			_, r, err := batch.Account(d.Customer)
			if err != nil {
				b.Fatal(err)
			}
			if _, ok := r.Seen(d.Cause.Event); !ok {
				b.Fatalf("%s was forgotten", d.Cause.Event)
			}
		}
	})
}

// BenchmarkReadAccount reads accounts as the API does.
func BenchmarkReadAccount(b *testing.B) {
	for _, c := range []struct {
		name string
		max  int64
	}{{"in memory", 4 << 30}, {"on the disk", 0}} {
		b.Run(c.name, func(b *testing.B) {
			p, w := benchmarkPartition(b, func(cfg *state.Config) { cfg.AccountsBytes = c.max })
			var last *loyalty.Account
			i := 0
			for b.Loop() {
				i++
				a, _, err := p.Account(w.names[i*7919%len(w.names)])
				if err != nil {
					b.Fatal(err)
				}
				last = a
			}
			_ = last
		})
	}
}

// BenchmarkDue works off a million lots that become active at one midnight; the metric that counts is the longest time
// that one call of Due took.
func BenchmarkDue(b *testing.B) {
	for b.Loop() {
		p, err := diskStore(b, nil).Partition(0)
		if err != nil {
			b.Fatal(err)
		}
		withLots(b, p, 1_000_000, func(int) events.Instant { return midnight })
		if err := p.Flush(); err != nil {
			b.Fatal(err)
		}
		cpu, began := cpuSeconds(), time.Now()
		named, longest := workOff(b, p, midnight, 256)
		if named != 1_000_000 {
			b.Fatalf("%d customers were named", named)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s")
		b.ReportMetric(cpuSeconds()-cpu, "cpu-s")
		b.ReportMetric(float64(longest.Milliseconds()), "longest-ms")
	}
}
