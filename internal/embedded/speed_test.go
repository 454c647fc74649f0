package embedded_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/embedded"
)

// BenchmarkIngest writes records of 200 bytes in transactions of 1,000 to 8
// partitions, as the demo's import does, and reports records per second.
func BenchmarkIngest(b *testing.B) {
	for _, kind := range []string{"memory", "disk fast", "disk synced"} {
		b.Run(kind, func(b *testing.B) {
			cfg := embedded.Config{FastWrites: kind == "disk fast"}
			if kind != "memory" {
				cfg.Dir = b.TempDir()
			}
			c := start(b, cfg)
			createTopics(b, c, 8, "in")
			cl := client(b, c, kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("in"))
			value := make([]byte, 200)
			b.ResetTimer()
			for n := 0; n < b.N; {
				if err := cl.BeginTransaction(); err != nil {
					b.Fatal(err)
				}
				for i := 0; i < 1000 && n < b.N; i, n = i+1, n+1 {
					cl.Produce(b.Context(), kgo.KeySliceRecord(fmt.Append(nil, n), value), nil)
				}
				if err := cl.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := cl.EndTransaction(b.Context(), kgo.TryCommit); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkEcho is consume, produce and commit in one transaction a poll.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range []string{"memory", "disk synced"} {
		b.Run(kind, func(b *testing.B) {
			var cfg embedded.Config
			if kind != "memory" {
				cfg.Dir = b.TempDir()
			}
			c := start(b, cfg)
			createTopics(b, c, 8, "in", "out")
			produce(b, c, b.N)
			s := session(b, c, "tx", "g", "in")
			b.ResetTimer()
			for n := 0; n < b.N; {
				fs := s.PollRecords(b.Context(), 10_000)
				if err := s.Begin(); err != nil {
					b.Fatal(err)
				}
				fs.EachRecord(func(r *kgo.Record) {
					s.Produce(b.Context(), &kgo.Record{Topic: "out", Key: r.Key, Value: r.Value}, nil)
				})
				ok, err := s.End(b.Context(), kgo.TryCommit)
				if err != nil {
					b.Fatal(err)
				}
				if ok {
					n += fs.NumRecords()
				}
				s.AllowRebalance()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
