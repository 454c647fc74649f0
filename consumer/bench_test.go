package consumer_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// benchEvents is how many orders a throughput run decides; ACCRUE_BENCH_EVENTS sets it.
func benchEvents() int {
	if n, err := strconv.Atoi(os.Getenv("ACCRUE_BENCH_EVENTS")); err == nil {
		return n
	}
	return 200_000
}

// cpu returns the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill writes n orders of n/10 customers to the orders topic.
func (w *world) fill(n int) {
	r := rand.New(rand.NewPCG(1, 1))
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	for i := range n {
		c := fmt.Sprintf("customer-%06d", r.IntN(n/10+1))
		o := order(c, fmt.Sprintf("order-%09d", i), t0+events.Instant(i)*100, 100+r.Int64N(20_000))
		o.Channel, o.Store = "WEB", "berlin-1"
		o.Lines = append(o.Lines, events.Line{Line: "2", SKU: "SKU-12345", Category: "shoes", Quantity: 2, Amount: events.Money(r.Int64N(5000))})
		value, err := w.codec.AppendEvent(nil, o)
		if err != nil {
			w.t.Fatal(err)
		}
		cl.Produce(w.t.Context(), &kgo.Record{
			Topic: schemas.TopicOrders.Name(w.prefix), Key: schemas.Key(c), Value: value, Partition: schemas.Partition(c, w.partitions), Timestamp: o.At.Time(),
		}, func(rec *kgo.Record, err error) {
			if err != nil {
				w.t.Errorf("filling: %v", err)
				return
			}
			w.mu.Lock()
			w.sent.Add(schemas.TopicOrders, rec.Partition, rec.Offset)
			w.mu.Unlock()
		})
	}
	if err := cl.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// BenchmarkRealBacklog decides a backlog of orders, and copies the same records by a bare exactly-once loop. It reports
// both and their ratio. Run it with -benchtime 1x.
func BenchmarkRealBacklog(b *testing.B) {
	n := benchEvents()
	for b.Loop() {
		w := newRealWorld(b, 8)
		w.publish(plainProgram)
		w.fill(n)
		echoed, echoCPU := w.echo(n)
		began, before := time.Now(), cpu()
		w.start("one", "")
		if err := w.client.WaitDecided(b.Context(), w.sent, func(int64) {}); err != nil {
			b.Fatal(err)
		}
		took, used := time.Since(began), cpu()-before
		perSecond := float64(n) / took.Seconds()
		b.ReportMetric(perSecond, "events/s")
		b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-µs/event")
		b.ReportMetric(echoed, "echo/s")
		b.ReportMetric(float64(echoCPU.Microseconds())/float64(n), "echo-cpu-µs/event")
		b.ReportMetric(perSecond/echoed, "ratio")
		b.ReportMetric(0, "ns/op")
		report, err := w.client.Verify(b.Context(), consumer.VerifyConfig{})
		if err != nil || len(report.Differences()) > 0 {
			b.Fatalf("verify: %v %v", err, report.Differences())
		}
		b.ReportMetric(report.RecordsPerSecond(), "verified/s")
	}
}

// echo copies the orders topic in transactions and returns records a second.
func (w *world) echo(n int) (float64, time.Duration) {
	out := w.prefix + "echo"
	if _, err := w.admin.CreateTopic(w.ctx(), w.partitions, 1, nil, out); err != nil {
		w.t.Fatal(err)
	}
	began, before := time.Now(), cpu()
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup(w.prefix+"echo"), kgo.ConsumeTopics(schemas.TopicOrders.Name(w.prefix)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.TransactionalID(w.prefix+"echo"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(1<<20), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.BlockRebalanceOnPoll())
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	for done := 0; done < n; {
		fetches := s.PollRecords(w.t.Context(), 50_000)
		if err := s.Begin(); err != nil {
			w.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s.Produce(w.t.Context(), &kgo.Record{Topic: out, Key: r.Key, Value: r.Value, Partition: r.Partition}, nil)
		})
		ok, err := s.End(w.t.Context(), kgo.TryCommit)
		if err != nil {
			w.t.Fatal(err)
		}
		if ok {
			done += fetches.NumRecords()
		}
		s.AllowRebalance()
	}
	return float64(n) / time.Since(began).Seconds(), cpu() - before
}
