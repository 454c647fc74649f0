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
	_, err := b.many(ctx, "memory.", b.onceEach())
	return err
}

// onceEach makes an order of each account: drawing by weight would leave many without one.
func (b *bench) onceEach() *orders {
	o := newOrders(b.accounts, b.accounts)
	o.even = true
	return o
}

// restoring decides many orders, kills the process, and measures how long it takes to serve again. Then it stops the
// process in order, so that the group does not wait for who is gone, deletes the folder, and measures that start.
func (b *bench) restoring(ctx context.Context) error {
	p, err := b.many(ctx, "restore.", newOrders(b.accounts, b.restore))
	if err != nil {
		return err
	}
	if err := p.kill(); err != nil {
		return err
	}
	if p, err = b.serveAgain(ctx, "killed with -9, then serving again with its folder"); err != nil {
		return err
	}
	if _, err := p.stop(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "restore.")); err != nil {
		return err
	}
	if p, err = b.serveAgain(ctx, "serving from an empty folder"); err != nil {
		return err
	}
	used, err := p.stop()
	fmt.Printf("  while restoring: peak %.0f MiB, CPU %.0f s\n", used.peak, used.cpu.Seconds())
	return err
}

// serveAgain starts the process and says how long it takes until it serves all partitions.
func (b *bench) serveAgain(ctx context.Context, what string) (*process, error) {
	from := time.Now()
	p, err := b.startAccrue("restore.", "restore.", noTick)
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	fmt.Printf("  %s: %.1f s\n", what, time.Since(from).Seconds())
	return p, nil
}

// many decides orders in a new system. The process is stopped where each account had one.
func (b *bench) many(ctx context.Context, prefix string, o *orders) (*process, error) {
	if err := b.system(ctx, prefix); err != nil {
		return nil, err
	}
	customers, total := len(o.weights), o.total
	if err := o.publish(ctx, b.broker, prefix+"orders", b.partitions); err != nil {
		return nil, err
	}
	p, err := b.startAccrue(prefix, prefix, noTick)
	if err != nil {
		return nil, err
	}
	rate, err := b.drain(ctx, p, prefix+"engine", prefix+"orders", int64(total))
	if err != nil {
		return nil, err
	}
	fmt.Printf("\n%s %d orders of %d customers at %.0f/s\n", prefix, total, customers, rate)
	if o.even {
		used, err := p.stop()
		if err != nil {
			return nil, err
		}
		fmt.Printf("  peak %.0f MiB with %d accounts, CPU %.2f s per million\n", used.peak, customers, used.cpu.Seconds()/float64(total)*1e6)
		return nil, nil
	}
	return p, nil
}
