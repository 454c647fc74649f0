package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const readConnections = 64

// bare serves body at every path: what net/http alone can do with the same bytes.
func bare(ctx context.Context, addr, body string) error {
	answer := []byte(body)
	s := &http.Server{Addr: addr, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})}
	go func() { <-ctx.Done(); _ = s.Close() }()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// reads compares the balance endpoint with a bare handler: closed loop, then at a fixed rate.
func (b *bench) reads(ctx context.Context) error {
	const prefix = "reads."
	const customers, total = 20_000, 100_000
	if err := b.system(ctx, prefix); err != nil {
		return err
	}
	if err := newOrders(customers, total).publish(ctx, b.broker, prefix+"orders", b.partitions); err != nil {
		return err
	}
	accrue, err := b.startAccrue(prefix, "reads", noTick)
	if err != nil {
		return err
	}
	defer func() { _, _ = accrue.stop() }()
	if _, err := b.drain(ctx, accrue, prefix+"engine", prefix+"orders", total); err != nil {
		return err
	}
	if err := accrue.ready(ctx); err != nil {
		return err
	}
	path := func(i int) string { return fmt.Sprintf("/v1/customers/c%07d/balance", i%2000) }
	sample, err := fetch(accrue.url + path(1))
	if err != nil {
		return fmt.Errorf("%w\n%s", err, accrue.log)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	_ = l.Close()
	bareSide, err := startBare(addr, sample)
	if err != nil {
		return err
	}
	defer func() { _ = bareSide.kill() }()
	time.Sleep(300 * time.Millisecond)

	sides := []struct{ name, addr string }{{"bare", addr}, {"accrue", strings.TrimPrefix(accrue.url, "http://")}}
	fmt.Printf("\nreads: balance of %d bytes, %d connections\n  %-8s %14s %10s %8s %8s %8s ms at %d/s\n", len(sample), readConnections, "", "closed loop/s", "", "p50", "p99", "p99.9", b.readRate)
	var closed, p99 [2][]float64
	for range b.rounds {
		for i, side := range sides {
			rate, err := closedLoop(side.addr, path, b.readTime/2)
			if err != nil {
				return err
			}
			took, err := openLoop(side.addr, path, b.readRate, b.readTime)
			if err != nil {
				return err
			}
			closed[i], p99[i] = append(closed[i], rate), append(p99[i], quantile(took, .99))
			fmt.Printf("  %-8s %14.0f %10s %8.2f %8.2f %8.2f\n", side.name, rate, "", quantile(took, .5), quantile(took, .99), quantile(took, .999))
		}
	}
	fmt.Printf("  median: accrue/bare closed loop %.2f, p99 %.2f\n", median(closed[1])/median(closed[0]), median(p99[1])/median(p99[0]))
	return nil
}

func fetch(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %s: %s", url, resp.Status, body))
	}
	return string(body), err
}

// connection is a plain keep-alive connection, so that the generator costs little beside the servers.
type connection struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string) (*connection, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReader(c)}, nil
}

func (c *connection) get(path string) error {
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
		return err
	}
	length, status := 0, ""
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if status == "" {
			status = string(line)
		}
		if n, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if _, err := fmt.Sscan(n, &length); err != nil {
				return err
			}
		}
		if len(line) <= 2 {
			break
		}
	}
	if !strings.Contains(status, " 200 ") {
		return fmt.Errorf("%s answered %q", path, status)
	}
	_, err := c.r.Discard(length)
	return err
}

// closedLoop asks on every connection as fast as answers come, and returns requests a second.
func closedLoop(addr string, path func(int) string, length time.Duration) (float64, error) {
	var done atomic.Int64
	err := onConnections(addr, func(c *connection, n int) error {
		for i, end := n*1000, time.Now().Add(length); time.Now().Before(end); i++ {
			if err := c.get(path(i)); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return float64(done.Load()) / length.Seconds(), err
}

// openLoop sends requests at a fixed rate and measures each from when it was due, so that a stall counts for all that
// waited behind it.
func openLoop(addr string, path func(int) string, rate int, length time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	from := time.Now().Add(50 * time.Millisecond)
	total := int(float64(rate) * length.Seconds())
	err := onConnections(addr, func(c *connection, n int) error {
		took := make([]time.Duration, 0, total/readConnections+1)
		for i := n; i < total; i += readConnections {
			due := from.Add(time.Duration(float64(i) / float64(rate) * float64(time.Second)))
			time.Sleep(time.Until(due))
			if err := c.get(path(i)); err != nil {
				return err
			}
			took = append(took, time.Since(due))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, took...)
		return nil
	})
	slices.Sort(all)
	return all, err
}

func onConnections(addr string, work func(c *connection, n int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, readConnections)
	for n := range readConnections {
		wg.Go(func() {
			c, err := dial(addr)
			if err != nil {
				errs[n] = err
				return
			}
			defer func() { _ = c.Close() }()
			errs[n] = work(c, n)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
