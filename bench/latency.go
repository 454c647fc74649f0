package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

const (
	latencyRate   = 200
	latencyEvents = 3000
)

// latency measures the time from sending one event to reading what became of it, committed, at 200 events a second.
func (b *bench) latency(ctx context.Context) error {
	const prefix = "latency."
	if err := b.system(ctx, prefix); err != nil {
		return err
	}
	if err := b.admin(func(adm *kadm.Client) error {
		_, err := adm.CreateTopic(ctx, b.partitions, 1, nil, "latency-echo")
		return err
	}); err != nil {
		return err
	}
	fmt.Printf("\nlatency: one event to its committed result, %d events/s\n  %-8s %8s %8s %8s ms\n", latencyRate, "", "p50", "p99", "p99.9")
	var echoes, accrues []float64
	for round := range b.rounds {
		echo, err := startEcho(b.broker, prefix+"orders", "latency-echo", "latency-echo", b.workers)
		if err != nil {
			return err
		}
		p50, err := b.probe(ctx, prefix+"orders", "latency-echo", "echo", round)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, echo.log)
		}
		echoes = append(echoes, p50)
		if _, err := echo.stop(); err != nil {
			return err
		}
		accrue, err := b.startAccrue(prefix, "latency", noTick)
		if err != nil {
			return err
		}
		if err := accrue.ready(ctx); err != nil {
			return err
		}
		if p50, err = b.probe(ctx, prefix+"orders", prefix+"ledger", "accrue", round); err != nil {
			return fmt.Errorf("%w\n%s", err, accrue.log)
		}
		accrues = append(accrues, p50)
		if _, err := accrue.stop(); err != nil {
			return err
		}
	}
	fmt.Printf("  median of p50: echo %.1f, accrue %.1f ms\n", median(echoes), median(accrues))
	return nil
}

// probe sends events at an even rate and matches results to them by the customer, who is new each time. It returns the
// median time, in milliseconds.
func (b *bench) probe(ctx context.Context, from, to, name string, round int) (p50 float64, err error) {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.broker), kgo.ConsumeTopics(to), kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().UnixMilli())),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	writer, err := kgo.NewClient(kgo.SeedBrokers(b.broker), kgo.DefaultProduceTopic(from), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return 0, err
	}
	defer writer.Close()

	var mu sync.Mutex
	sent := map[string]time.Time{}
	done := make(chan []time.Duration, 1)
	go func() {
		var took []time.Duration
		for len(took) < latencyEvents && ctx.Err() == nil {
			fetches := reader.PollFetches(ctx)
			now := time.Now()
			mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) {
				if t, ok := sent[string(r.Key)]; ok {
					took = append(took, now.Sub(t))
					delete(sent, string(r.Key))
				}
			})
			mu.Unlock()
		}
		done <- took
	}()
	codec := schemas.NewCodec()
	tick := time.NewTicker(time.Second / latencyRate)
	defer tick.Stop()
	for i := range latencyEvents + latencyRate {
		<-tick.C
		customer := fmt.Sprintf("%s-%d-%d", name, round, i)
		e := &events.OrderPlaced{Header: events.Header{ID: customer, Customer: customer, At: events.InstantOf(time.Now())},
			Order: "o", Currency: "USD", Lines: []events.Line{{Line: "1", SKU: "s", Quantity: 1, Amount: 1000}}}
		value, err := codec.AppendEvent(nil, e)
		if err != nil {
			return 0, err
		}
		// The first second warms up and is not counted.
		if i >= latencyRate {
			mu.Lock()
			sent[customer] = time.Now()
			mu.Unlock()
		}
		writer.Produce(ctx, &kgo.Record{Key: []byte(customer), Value: value, Partition: schemas.Partition(customer, b.partitions)}, nil)
	}
	took := <-done
	if len(took) < latencyEvents {
		return 0, fmt.Errorf("%s answered %d of %d events", name, len(took), latencyEvents)
	}
	slices.Sort(took)
	fmt.Printf("  %-8s %8.1f %8.1f %8.1f\n", name, quantile(took, .5), quantile(took, .99), quantile(took, .999))
	return quantile(took, .5), nil
}
