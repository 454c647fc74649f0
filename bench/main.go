// Command bench measures accrue on a real Kafka broker beside what bounds it: for throughput and latency an exactly-once
// echo on the same client library that decodes nothing, for reads a bare net/http handler that returns the same bytes.
// Both sides of a ratio run in one run, in turn, with the same settings, on the same broker.
//
//	scripts/kafka-jars.sh && go run ./bench              everything, about 20 minutes on two cores
//	go run ./bench -only throughput,latency -rounds 3
//
// What it printed last, and what was learned from it, is in docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/internal/kafkatest"
)

// settings are the same for both sides of every ratio.
type settings struct {
	events, customers int
	partitions        int32
	rounds, workers   int
	accounts          int
	restore           int
	readRate          int
	readTime          time.Duration
	// profile is the folder for CPU profiles; "" makes none.
	profile string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		child(os.Args[2:])
		return
	}
	s := settings{partitions: 8}
	flag.IntVar(&s.events, "events", 1_000_000, "orders of the throughput rounds")
	flag.IntVar(&s.customers, "customers", 100_000, "customers of those orders")
	flag.IntVar(&s.rounds, "rounds", 5, "interleaved rounds")
	flag.IntVar(&s.workers, "workers", 4, "transactional clients on each side")
	flag.IntVar(&s.accounts, "accounts", 1_000_000, "accounts of the memory and ticks runs")
	flag.IntVar(&s.restore, "restore", 5_000_000, "decisions of the restore run")
	flag.IntVar(&s.readRate, "read-rate", 10_000, "requests a second of the open-loop reads")
	flag.DurationVar(&s.readTime, "read-time", 10*time.Second, "length of each read measurement")
	flag.StringVar(&s.profile, "profile", "", "folder for a CPU profile of each accrue process")
	only := flag.String("only", "throughput,latency,reads,memory,ticks,restore", "which measurements to run")
	broker := flag.String("broker", "", "host:port of a broker to use instead of one of our own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s, strings.Split(*only, ","), *broker); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(3)
	}
}

// bench is one run: a broker, the accrue binary and a folder.
type bench struct {
	settings
	broker string
	binary string
	dir    string
}

func run(ctx context.Context, s settings, only []string, broker string) (err error) {
	dir, err := os.MkdirTemp("", "accrue-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{settings: s, broker: broker, dir: dir, binary: filepath.Join(dir, "accrue")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "./cmd/accrue").CombinedOutput(); err != nil {
		return fmt.Errorf("building accrue: %w\n%s", err, out)
	}
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o755); err != nil {
			return err
		}
	}
	if b.broker == "" {
		kafka, err := kafkatest.StartJVM(ctx, kafkatest.JVMConfig{Heap: "1g", Properties: map[string]string{
			"log.retention.bytes": "-1", "group.initial.rebalance.delay.ms": "0",
		}})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, kafka.Stop()) }()
		b.broker = kafka.Addr
	}
	fmt.Printf("%s, %d cores, Kafka %s at %s, %d partitions, %d workers, lz4\n", runtime.Version(), runtime.NumCPU(),
		kafkatest.KafkaVersion, b.broker, b.partitions, b.workers)
	for _, m := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"throughput", b.throughput}, {"latency", b.latency}, {"reads", b.reads}, {"memory", b.memory}, {"ticks", b.ticking}, {"restore", b.restoring},
	} {
		if !slices.Contains(only, m.name) {
			continue
		}
		from := time.Now()
		if err := m.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Printf("  (%s took %.0f s)\n", m.name, time.Since(from).Seconds())
	}
	return nil
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// quantile of sorted durations, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Microseconds()) / 1000
}
