package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// memory decides an order of each of many accounts and says how large the process grew.
func (b *bench) memory(ctx context.Context) error {
	_, err := b.many(ctx, "memory.", b.accounts, b.accounts)
	return err
}

// restoring decides many orders, kills the process, and measures how long it takes to serve again, with its folder and
// without.
func (b *bench) restoring(ctx context.Context) error {
	p, err := b.many(ctx, "restore.", b.accounts, b.restore)
	if err != nil {
		return err
	}
	for _, what := range []string{"with its folder", "with an empty folder"} {
		if p != nil {
			if err := p.kill(); err != nil {
				return err
			}
		}
		if what == "with an empty folder" {
			if err := os.RemoveAll(filepath.Join(b.dir, "restore.")); err != nil {
				return err
			}
		}
		from := time.Now()
		if p, err = b.startAccrue("restore.", "restore."); err != nil {
			return err
		}
		if err := p.ready(ctx); err != nil {
			return err
		}
		fmt.Printf("  killed, then serving again %s: %.1f s\n", what, time.Since(from).Seconds())
	}
	used, err := p.stop()
	fmt.Printf("  peak while restoring: %.0f MiB\n", used.peak)
	return err
}

func (b *bench) many(ctx context.Context, prefix string, customers, total int) (*process, error) {
	if err := b.system(ctx, prefix); err != nil {
		return nil, err
	}
	o := newOrders(customers, total)
	if customers == total {
		// Every account once, evenly: drawing by weight would leave many without an order.
		o.even = true
	}
	if err := o.publish(ctx, b.broker, prefix+"orders", b.partitions); err != nil {
		return nil, err
	}
	p, err := b.startAccrue(prefix, prefix)
	if err != nil {
		return nil, err
	}
	rate, err := b.drain(ctx, prefix+"engine", prefix+"orders", int64(total))
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.log)
	}
	fmt.Printf("\n%s %d orders of %d customers at %.0f/s\n", prefix, total, customers, rate)
	if customers == total {
		used, err := p.stop()
		if err != nil {
			return nil, err
		}
		fmt.Printf("  peak %.0f MiB with %d accounts, CPU %.2f s per million\n", used.peak, customers, used.cpu.Seconds()/float64(total)*1e6)
		return nil, nil
	}
	return p, nil
}
