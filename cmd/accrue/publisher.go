package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// publisher sends events to their topics, in order within each partition. Send and Flush are for one goroutine.
type publisher struct {
	kafka      *kgo.Client
	codec      *schemas.Codec
	prefix     string
	partitions int32
	// bytesMax is what the topics take at most in a batch, and so in a record, by their names.
	bytesMax map[string]int32
	now      func() time.Time

	// acked counts what Kafka has taken.
	acked atomic.Int64
	mu    sync.Mutex
	err   error // the first one
	// sent is how far the topics must be decided for all that was taken to be.
	sent consumer.Offsets
}

// publishBuffered bounds the records that wait for their broker.
const publishBuffered = 50_000

// publishRetries is how often a batch is sent before a broker counts as gone: about a minute.
const publishRetries = 25

// newPublisher returns a publisher to the cluster, which keeps records for linger to send more of them at once. The caller
// must close it.
func newPublisher(ctx context.Context, c *cluster, linger time.Duration) (*publisher, error) {
	n, err := c.client.Partitions(ctx)
	if err != nil {
		return nil, topicsMissing(err)
	}
	bytesMax, err := producedBytesMax(ctx, c)
	if err != nil {
		return nil, err
	}
	kafka, err := kgo.NewClient(append(append([]kgo.Opt{}, c.options...),
		kgo.ClientID("accrue-import"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.MaxBufferedRecords(publishBuffered),
		kgo.ProducerLinger(linger),
		// A broker refuses a batch as a whole, and would not say which of its events is too large.
		kgo.ProducerBatchMaxBytesFn(func(topic string) int32 { return cmp.Or(bytesMax[topic], batchBytesUnsaid) }),
		// A timeout of records would count from their own times, which are history's.
		kgo.RecordRetries(publishRetries),
	)...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	return &publisher{kafka: kafka, codec: c.codec, prefix: c.prefix, partitions: n, bytesMax: bytesMax, now: time.Now, sent: consumer.Offsets{}}, nil
}

// batchBytesUnsaid is Kafka's own default, for topics whose settings say nothing; batchBytesLeast is the least that makes
// sense to the client.
const (
	batchBytesUnsaid = 1_000_012
	batchBytesLeast  = 512
)

// producedBytesMax returns the bounds of the batches of producers' topics, by their names.
func producedBytesMax(ctx context.Context, c *cluster) (map[string]int32, error) {
	produced := slices.DeleteFunc(schemas.Inputs(), func(t schemas.Topic) bool { return t.Internal() })
	bounds, err := c.client.BatchBytes(ctx, produced...)
	if err != nil {
		return nil, topicsMissing(err)
	}
	byName := make(map[string]int32, len(bounds))
	for t, n := range bounds {
		byName[t.Name(c.prefix)] = max(min(n, schemas.BatchBytesMax), batchBytesLeast)
	}
	return byName, nil
}

// send hands e over to Kafka; it waits only when much is on its way. What went wrong is told by flush. The record has the
// event's time, which orders topics among each other, unless at says otherwise.
func (p *publisher) send(ctx context.Context, e events.Event, at time.Time) error {
	rec, err := p.record(e)
	if err != nil {
		return fmt.Errorf("event %q of customer %q: %w", e.Head().ID, e.Head().Customer, err)
	}
	if at.IsZero() {
		at = e.Head().At.Time()
	}
	// Brokers refuse times ahead of theirs.
	if now := p.now(); at.After(now) {
		at = now
	}
	rec.Timestamp = at
	p.produce(ctx, rec, func(partition int32, offset int64, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil && p.err == nil {
			p.err = p.failed(e, rec, err)
		}
		if err == nil {
			p.acked.Add(1)
			p.sent.Add(schemas.TopicOf(e.EventType()), partition, offset)
		}
	})
	return nil
}

// failed says which event was not taken, and of one that is too large, for what.
func (p *publisher) failed(e events.Event, rec *kgo.Record, err error) error {
	h := e.Head()
	if !errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("publishing event %q of customer %q: %w", h.ID, h.Customer, err)
	}
	return fmt.Errorf("event %q of customer %q has %d bytes as a record, and %s takes at most %d in a batch (its max.message.bytes): %w",
		h.ID, h.Customer, len(rec.Value), rec.Topic, p.bytesMax[rec.Topic], err)
}

// record returns the record of an event, without a time.
func (p *publisher) record(e events.Event) (*kgo.Record, error) {
	h := e.Head()
	value, err := p.codec.AppendEvent(nil, e)
	if err != nil {
		return nil, err
	}
	return &kgo.Record{
		Topic:     schemas.TopicOf(e.EventType()).Name(p.prefix),
		Partition: schemas.Partition(h.Customer, p.partitions),
		Key:       schemas.Key(h.Customer),
		Value:     value,
	}, nil
}

func (p *publisher) produce(ctx context.Context, rec *kgo.Record, then func(partition int32, offset int64, err error)) {
	p.kafka.Produce(ctx, rec, func(rec *kgo.Record, err error) { then(rec.Partition, rec.Offset, err) })
}

// errUnanswered is of events that were sent: Kafka has them, or will, or will not.
var errUnanswered = errors.New("no answer from Kafka in time")

// Publish implements [api.Producer]: the events go to their topics and are waited for, until ctx ends. The client does not
// give up what is on its way to a broker, which may take it later.
func (p *publisher) Publish(ctx context.Context, batch []events.Event) []api.Published {
	out := make([]api.Published, len(batch))
	type answer struct {
		index int
		api.Published
	}
	answers := make(chan answer, len(batch)) // late ones are taken too
	for i, e := range batch {
		out[i].Err = errUnanswered
		rec, err := p.record(e)
		if err != nil {
			answers <- answer{i, api.Published{Err: err}}
			continue
		}
		p.produce(ctx, rec, func(partition int32, offset int64, err error) {
			answers <- answer{i, api.Published{Topic: string(schemas.TopicOf(e.EventType())), Partition: partition, Offset: offset, Err: err}}
		})
	}
	for range batch {
		select {
		case a := <-answers:
			out[a.index] = a.Published
		case <-ctx.Done():
			for { // what has been answered by now counts
				select {
				case a := <-answers:
					out[a.index] = a.Published
				default:
					return out
				}
			}
		}
	}
	return out
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

// sentSoFar returns how far the topics must be decided for everything that Kafka has taken since it was last asked.
func (p *publisher) sentSoFar() consumer.Offsets {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.sent
	p.sent = consumer.Offsets{}
	return sent
}
