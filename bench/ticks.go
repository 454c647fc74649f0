package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// ticking measures the time from one event to its decision while the lots of all accounts expire at one tick, beside the
// time when nothing is due.
func (b *bench) ticking(ctx context.Context) error {
	const prefix = "ticks."
	o := b.onceEach()
	o.from = events.InstantOf(time.Now()) - 2*monthsMillis
	if _, err := b.many(ctx, prefix, o); err != nil {
		return err
	}
	fmt.Printf("  one event to its decision, %d events/s, before and while all lots expire\n  %-8s %8s %8s %8s ms\n", latencyRate, "", "p50", "p99", "p99.9")
	for round, side := range []struct{ name, tick string }{{"quiet", noTick}, {"tick", "1s"}} {
		p, err := b.startAccrue(prefix, prefix, side.tick)
		if err != nil {
			return err
		}
		if err := p.ready(ctx); err != nil {
			return err
		}
		watching, stop := context.WithCancel(ctx)
		swept := make(chan sweep, 1)
		go func() { swept <- p.watchSweep(watching) }()
		if _, err = b.probe(ctx, prefix+"orders", prefix+"ledger", side.name, round); err != nil {
			stop()
			return fmt.Errorf("%w\n%s", err, p.log)
		}
		stop()
		if s := <-swept; side.tick != noTick {
			fmt.Printf("  the tick's decisions until the last event: %.0f in %.1f s\n", s.decisions, s.took.Seconds())
		}
		if _, err := p.stop(); err != nil {
			return err
		}
	}
	return nil
}

// sweep is how many decisions ticks have led to, and when the last was seen, from the beginning of the watch.
type sweep struct {
	decisions float64
	took      time.Duration
}

// watchSweep counts the decisions of ticks until ctx ends.
func (p *process) watchSweep(ctx context.Context) (s sweep) {
	began := time.Now()
	for ctx.Err() == nil {
		if n := p.counter(`accrue_decisions_total{result="APPLIED",type="Tick"}`); n > s.decisions {
			s = sweep{n, time.Since(began)}
		}
		time.Sleep(500 * time.Millisecond)
	}
	return s
}

// counter returns a counter of the process's metrics; 0 while there is none.
func (p *process) counter(name string) float64 {
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return n
		}
	}
	return 0
}
