package consumer_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

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
	n := consumer.EnvInt("ACCRUE_BENCH_EVENTS", 200_000)
	for b.Loop() {
		w := newRealWorld(b, 8)
		w.publish(plainProgram)
		w.fill(n)
		echoed, echoCPU := w.echo(n)
		began, before := time.Now(), consumer.ProcessorTime()
		w.start("one", "")
		if err := w.client.WaitDecided(b.Context(), w.sent, func(int64) {}); err != nil {
			b.Fatal(err)
		}
		took, used := time.Since(began), consumer.ProcessorTime()-before
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
	began, before := time.Now(), consumer.ProcessorTime()
	s := w.echoSession()
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
	return float64(n) / time.Since(began).Seconds(), consumer.ProcessorTime() - before
}

func (w *world) echoSession() *kgo.GroupTransactSession {
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(w.brokers...), kgo.ConsumerGroup(w.prefix+"echo"), kgo.ConsumeTopics(schemas.TopicOrders.Name(w.prefix)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.TransactionalID(w.prefix+"echo"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(1<<20), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.BlockRebalanceOnPoll(), kgo.ProducerLinger(0))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// BenchmarkRealLatency sends 200 lone orders a second and reports how long each takes from being sent until its decision
// is answered.
func BenchmarkRealLatency(b *testing.B) {
	w := newRealWorld(b, 8)
	w.publish(plainProgram)
	i := w.start("one", "")
	eventually(b, "the engine is authoritative", func() bool {
		for p := range int32(8) {
			if !i.engine.Authoritative(p) {
				return false
			}
		}
		return true
	})
	var took []time.Duration
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	n := 0
	done := make(chan time.Duration, 10_000)
	for b.Loop() {
		for range 2000 {
			<-every.C
			n++
			c := fmt.Sprintf("c-%d", n%500)
			o := order(c, fmt.Sprint(n), t0+events.Instant(n), 1000)
			answer, _, err := i.engine.Await(b.Context(), c, o.ID)
			if err != nil {
				b.Fatal(err)
			}
			sent := time.Now()
			value, err := w.codec.AppendEvent(nil, o)
			if err != nil {
				b.Fatal(err)
			}
			w.producer.Produce(b.Context(), &kgo.Record{Topic: schemas.TopicOrders.Name(w.prefix), Key: schemas.Key(c), Value: value, Partition: schemas.Partition(c, 8)}, nil)
			go func() { <-answer; done <- time.Since(sent) }()
		}
		for range 2000 {
			took = append(took, <-done)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)*999/1000].Microseconds())/1000, "p99.9-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRealEchoLatency is the same for a bare exactly-once loop over the same records: the limit.
func BenchmarkRealEchoLatency(b *testing.B) {
	w := newRealWorld(b, 8)
	out := w.prefix + "echo"
	if _, err := w.admin.CreateTopic(w.ctx(), w.partitions, 1, nil, out); err != nil {
		b.Fatal(err)
	}
	s := w.echoSession()
	defer s.Close()
	var took []time.Duration
	go func() {
		every := time.NewTicker(5 * time.Millisecond)
		defer every.Stop()
		for n := 0; b.Context().Err() == nil; n++ {
			<-every.C
			c := fmt.Sprintf("c-%d", n%500)
			w.producer.Produce(b.Context(), &kgo.Record{Topic: schemas.TopicOrders.Name(w.prefix), Key: schemas.Key(c), Value: make([]byte, 150), Partition: schemas.Partition(c, 8), Timestamp: time.Now()}, nil)
		}
	}()
	for b.Loop() {
		for len(took) < 2000 {
			fetches := s.PollRecords(b.Context(), 10_000)
			if err := s.Begin(); err != nil {
				b.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				s.Produce(b.Context(), &kgo.Record{Topic: out, Key: r.Key, Value: r.Value, Partition: r.Partition}, nil)
			})
			if _, err := s.End(b.Context(), kgo.TryCommit); err != nil {
				b.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) { took = append(took, time.Since(r.Timestamp)) })
			s.AllowRebalance()
		}
	}
	took = took[200:] // joining the group
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}
