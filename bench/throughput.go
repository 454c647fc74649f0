package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// throughput compares echo and accrue over the same orders, in turn.
func (b *bench) throughput(ctx context.Context) error {
	const prefix = "bench."
	if err := b.system(ctx, prefix); err != nil {
		return err
	}
	if err := newOrders(b.customers, b.events).publish(ctx, b.broker, prefix+"orders", b.partitions); err != nil {
		return err
	}
	fmt.Printf("\nthroughput: %d orders of %d customers\n  %-8s %12s %14s %10s\n", b.events, b.customers, "", "events/s", "CPU s/million", "peak MiB")
	var rates, costs [2][]float64
	for round := range b.rounds {
		if round > 0 {
			if err := b.renew(ctx, prefix); err != nil {
				return err
			}
		}
		echoTo := fmt.Sprintf("echo%d", round)
		if err := b.admin(func(adm *kadm.Client) error {
			_, err := adm.CreateTopic(ctx, b.partitions, 1, nil, echoTo)
			return err
		}); err != nil {
			return err
		}
		sides := []func() (*process, error){
			func() (*process, error) {
				return startEcho(b.broker, prefix+"orders", echoTo, echoTo, b.workers)
			},
			func() (*process, error) { return b.startAccrue(prefix, fmt.Sprintf("state%d", round), noTick) },
		}
		for i, side := range sides {
			p, err := side()
			if err != nil {
				return err
			}
			rate, err := b.drain(ctx, p, []string{echoTo, prefix + "engine"}[i], prefix+"orders", int64(b.events))
			if err != nil {
				return err
			}
			used, err := p.stop()
			if err != nil {
				return err
			}
			cost := used.cpu.Seconds() / float64(b.events) * 1e6
			rates[i], costs[i] = append(rates[i], rate), append(costs[i], cost)
			fmt.Printf("  %-8s %12.0f %14.2f %10.0f\n", []string{"echo", "accrue"}[i], rate, cost, used.peak)
		}
	}
	fmt.Printf("  median: accrue/echo throughput %.3f, CPU %.2f\n", median(rates[1])/median(rates[0]), median(costs[1])/median(costs[0]))
	return nil
}

// drain waits until a process's group has committed n records of a topic, and returns the rate from its first commit on, so that
// starting up does not count.
func (b *bench) drain(ctx context.Context, p *process, group, topic string, n int64) (rate float64, err error) {
	ctx, cancel := p.alive(ctx)
	defer cancel()
	err = b.admin(func(adm *kadm.Client) error {
		var first time.Time
		var before int64
		deadline := time.Now().Add(10 * time.Minute)
		for time.Now().Before(deadline) && ctx.Err() == nil {
			sum, err := committed(ctx, adm, group, topic)
			if err != nil {
				// A fresh broker makes the group's topic first.
				time.Sleep(100 * time.Millisecond)
				continue
			}
			if sum > 0 && first.IsZero() {
				first, before = time.Now(), sum
			}
			if sum >= n {
				rate = float64(n-before) / time.Since(first).Seconds()
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return errors.Join(fmt.Errorf("group %s did not work off topic %s in time\n%s", group, topic, p.log), context.Cause(ctx))
	})
	return rate, err
}

// committed sums the offsets that a group has committed of a topic.
func committed(ctx context.Context, adm *kadm.Client, group, topic string) (int64, error) {
	offsets, err := adm.FetchOffsets(ctx, group)
	if err != nil {
		return 0, err
	}
	var sum int64
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic && o.At > 0 {
			sum += o.At
		}
	})
	return sum, nil
}
