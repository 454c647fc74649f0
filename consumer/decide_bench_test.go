package consumer

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

const decideProgram = `
program: bench
currency: USD
timezone: Europe/Berlin
point_value: 0.01
expiry: {after: 12 months, round_to: end_of_month}
tiers:
  window: {rolling_months: 12}
  downgrade: {policy: one_down, grace_days: 30}
  levels:
    - {name: Bronze, from: 0}
    - {name: Silver, from: 1000, multiplier: 1.25}
    - {name: Gold, from: 5000, multiplier: 1.5}
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
`

// BenchmarkDecideBacklog decides a million orders of 100,000 customers as workers do, without Kafka: from the records of
// a poll to committed state. It reports the processor time of the whole process. Run it with -benchtime 1x.
func BenchmarkDecideBacklog(b *testing.B) {
	const partitions, workers, poll = 8, 2, 4_000
	total, customers := EnvInt("ACCRUE_BENCH_EVENTS", 1_000_000), EnvInt("ACCRUE_BENCH_CUSTOMERS", 100_000)
	rules, err := program.Parse([]byte(decideProgram), "bench.yaml")
	if err != nil {
		b.Fatal(err)
	}
	feeds := benchFeeds(b, total, customers, partitions)
	for b.Loop() {
		programs := FixedPrograms(rules)
		sc := state.DefaultConfig(b.TempDir())
		sc.NextDue = programs.NextDue
		store, err := state.Open(sc, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		cfg := DefaultConfig()
		cfg.Programs, cfg.Log = programs, slog.New(slog.DiscardHandler)
		codec := schemas.NewCodec()
		e := &Engine{cfg: cfg, client: &Client{codec: codec}, waiters: newWaiters(), reading: reading{codec, partitions}, partitions: partitions, ledgerTopic: "ledger"}
		before := ProcessorTime()
		var wg sync.WaitGroup
		for n := range workers {
			wg.Go(func() {
				w := newWorker(e, n)
				w.out = &outbox{}
				var parts []*partition
				for id := int32(n); id < partitions; id += workers {
					s, err := store.Partition(id)
					if err != nil {
						b.Error(err)
						return
					}
					p := &partition{e: e, id: id, store: s, tenure: &tenure{}, parked: map[origin]parking{}}
					p.now.clock.offset = noTick
					p.now.position = s.Position().Clone()
					p.known[2] = int64(len(feeds[id].times))
					parts = append(parts, p)
				}
				for more := true; more; {
					more = false
					for _, p := range parts {
						batch := feeds[p.id].poll(poll/len(parts), p.id, int(p.fetched[2]))
						p.waiting[2] = append(p.waiting[2], batch...)
						p.fetched[2] += int64(len(batch))
						more = more || len(batch) > 0
					}
					w.out.reset()
					var batch []*decider
					due := e.cfg.Limits.Due
					for _, p := range parts {
						d, err := p.decide(w.out, &due)
						if err != nil {
							b.Error(err)
							return
						}
						batch = append(batch, d)
					}
					for i := range w.out.records {
						rec := &w.out.records[i]
						rec.Offset = parts[rec.Partition/workers].now.position.Ledger + int64(i)
					}
					w.settle(batch, w.out)
				}
				for _, p := range parts {
					if err := p.store.Flush(); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64((ProcessorTime()-before).Microseconds())/float64(total), "cpu-µs/event")
		b.ReportMetric(0, "ns/op")
		var keys, bytes, flushes int64
		for id := range int32(partitions) {
			if p, err := store.Partition(id); err == nil {
				stats := p.Stats()
				keys, bytes, flushes = keys+stats.KeysTotal, bytes+stats.BytesTotal, flushes+stats.FlushesTotal
			}
		}
		b.ReportMetric(float64(keys)/float64(total), "keys/event")
		b.ReportMetric(float64(bytes)/float64(total), "written-B/event")
		b.ReportMetric(float64(flushes), "flushes")
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// EnvInt is the number in an environment variable, or otherwise.
func EnvInt(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// ProcessorTime is what this process has used.
func ProcessorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// feed is the records of a partition, in two large pieces of memory that the collector has no work with.
type feed struct {
	bytes []byte
	ends  []uint32 // of each record's key, then of its value
	times []int64
}

func (f *feed) poll(n int, partition int32, from int) []*kgo.Record {
	n = min(n, len(f.times)-from)
	room := make([]kgo.Record, n)
	out := make([]*kgo.Record, n)
	at := uint32(0)
	if from > 0 {
		at = f.ends[2*from-1]
	}
	for i := range room {
		key, value := f.ends[2*(from+i)], f.ends[2*(from+i)+1]
		room[i] = kgo.Record{Key: f.bytes[at:key], Value: f.bytes[key:value], Partition: partition, Offset: int64(from + i), Timestamp: time.UnixMilli(f.times[from+i])}
		out[i] = &room[i]
		at = value
	}
	return out
}

// benchFeeds makes orders of two lines over 24 months, of customers drawn with weight (1000+rank)^-1.05, one in a hundred
// sent twice.
func benchFeeds(b *testing.B, total, customers int, partitions int32) []feed {
	r := rand.New(rand.NewPCG(2026, 11))
	weights := make([]float64, customers)
	sum := 0.0
	for i := range weights {
		sum += math.Pow(float64(1000+i), -1.05)
		weights[i] = sum
	}
	feeds := make([]feed, partitions)
	codec := schemas.NewCodec()
	from := events.InstantOf(time.Date(2024, 11, 1, 0, 0, 0, 0, time.UTC))
	const months = 730 * 24 * 3600 * 1000
	for i := range total {
		customer := fmt.Sprintf("c%07d", sort.SearchFloat64s(weights, r.Float64()*sum))
		at := from + events.Instant(float64(i)/float64(total)*months)
		e := &events.OrderPlaced{
			Header: events.Header{ID: fmt.Sprintf("e%09d", i), Customer: customer, At: at},
			Order:  fmt.Sprintf("o%09d", i), Currency: "USD", Channel: "WEB",
			Lines: []events.Line{
				{Line: "1", SKU: fmt.Sprintf("sku%05d", r.IntN(20000)), Category: "shoes", Quantity: 1, Amount: events.Money(500 + r.IntN(12000))},
				{Line: "2", SKU: fmt.Sprintf("sku%05d", r.IntN(20000)), Category: "hats", Quantity: 2, Amount: events.Money(100 + r.IntN(4000)), Discount: 50},
			},
		}
		f := &feeds[schemas.Partition(customer, partitions)]
		for times := 1 + r.IntN(100)/99; times > 0; times-- {
			f.bytes = append(f.bytes, customer...)
			f.ends = append(f.ends, uint32(len(f.bytes)))
			value, err := codec.AppendEvent(f.bytes, e)
			if err != nil {
				b.Fatal(err)
			}
			f.bytes = value
			f.ends = append(f.ends, uint32(len(f.bytes)))
			f.times = append(f.times, int64(at))
		}
	}
	return feeds
}
