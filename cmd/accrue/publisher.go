package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// publisher sends events to their topics, in order within each partition. Send and Flush are for one goroutine.
type publisher struct {
	kafka      *kgo.Client
	codec      *schemas.Codec
	prefix     string
	partitions int32
	now        func() time.Time

	// acked counts what Kafka has taken.
	acked atomic.Int64
	mu    sync.Mutex
	err   error // the first one
}

// publishBuffered bounds the records that wait for their broker.
const publishBuffered = 50_000

// newPublisher returns a publisher to the cluster. The caller must close it.
func newPublisher(ctx context.Context, c *cluster) (*publisher, error) {
	n, err := c.client.Partitions(ctx)
	if err != nil {
		return nil, topicsMissing(err)
	}
	kafka, err := kgo.NewClient(append(append([]kgo.Opt{}, c.options...),
		kgo.ClientID("accrue-import"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.MaxBufferedRecords(publishBuffered),
		kgo.RecordDeliveryTimeout(time.Minute),
	)...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	return &publisher{kafka: kafka, codec: c.codec, prefix: c.prefix, partitions: n, now: time.Now}, nil
}

// send hands e over to Kafka; it waits only when much is on its way. What went wrong is told by flush.
func (p *publisher) send(ctx context.Context, e events.Event) error {
	h := e.Head()
	value, err := p.codec.AppendEvent(nil, e)
	if err != nil {
		return fmt.Errorf("event %q of customer %q: %w", h.ID, h.Customer, err)
	}
	// The record has the event's time, which orders topics among each other; brokers refuse times ahead of theirs.
	at := h.At.Time()
	if now := p.now(); at.After(now) {
		at = now
	}
	p.kafka.Produce(ctx, &kgo.Record{
		Topic:     schemas.TopicOf(e.EventType()).Name(p.prefix),
		Partition: schemas.Partition(h.Customer, p.partitions),
		Key:       schemas.Key(h.Customer),
		Value:     value,
		Timestamp: at,
	}, func(_ *kgo.Record, err error) {
		if err == nil {
			p.acked.Add(1)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err == nil {
			p.err = fmt.Errorf("publishing event %q of customer %q: %w", h.ID, h.Customer, err)
		}
	})
	return nil
}

// flush waits until Kafka has everything that was sent.
func (p *publisher) flush(ctx context.Context) error {
	err := p.kafka.Flush(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return topicsMissing(p.err)
	}
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

func (p *publisher) close() { p.kafka.Close() }
