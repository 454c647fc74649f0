package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/schemas"
)

// stalling is a connection whose other end can fall silent, as behind a firewall that drops packets.
type stalling struct {
	net.Conn
	silent *atomic.Bool
}

func (s stalling) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	for err == nil && s.silent.Load() {
		_, err = s.Conn.Read(p) // until it is closed
	}
	return n, err
}

func TestPublishingEndsWithItsContext(t *testing.T) {
	t.Parallel() // it mostly waits
	ec, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ec.Close()
	var silent atomic.Bool
	dial := kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, host)
		return stalling{c, &silent}, err
	})
	flags := clusterFlags{Brokers: ec.Brokers(), Prefix: schemas.DefaultPrefix}
	c, err := flags.reach(t.Context(), true, nil, dial)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := createTopics(t.Context(), c, schemas.Plans(1), 2, 1); err != nil {
		t.Fatal(err)
	}
	p, err := newPublisher(t.Context(), c, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	e := &events.OrderCancelled{Header: events.Header{ID: "1", Customer: "c", At: 1}, Order: "o"}
	if out := p.Publish(t.Context(), []events.Event{e}); out[0].Err != nil || out[0].Topic != "orders" {
		t.Fatalf("with a broker that answers: %+v", out[0])
	}
	silent.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if out := p.Publish(ctx, []events.Event{e, e}); len(out) != 2 || !errors.Is(out[1].Err, errUnanswered) {
		t.Errorf("with a broker that is silent: %+v", out)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it returned %s after it began", took)
	}
}
