package projector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// When reading.
var (
	// ErrOutOfRange means that the wanted offset is not in the log: retention has deleted it, or it was never written.
	ErrOutOfRange = errors.New("offset out of range")
)

// What one fetch asks for.
const (
	// chunkBytesMax bounds one answer. The broker sends one whole batch even if it is larger.
	chunkBytesMax = 8 << 20
	// fetchWait is how long the broker may hold a fetch that has nothing to answer, as where a transaction is open.
	fetchWait = 250 * time.Millisecond
	// retryPause is the pause before a fetch is repeated after an error that passes by itself.
	retryPause = 50 * time.Millisecond
	// unknownTopicWait is how long a topic may be unknown after it was created.
	unknownTopicWait = 3 * time.Second
	// awayMax is how long a leader may be out of reach: longer than brokers take to restart, or to name another. Beyond it
	// an address or the network is wrong, and somebody should hear of it.
	awayMax = time.Minute
)

// Reader reads topics by position, committed records only. It is safe for concurrent use.
type Reader struct {
	client     *kgo.Client
	decompress kgo.Decompressor

	mu    sync.Mutex
	where map[string]topicPlace
}

// topicPlace is what metadata said of a topic. The leader is -1 of a partition that has none for now.
type topicPlace struct {
	id      [16]byte
	leaders []int32
}

// Chunk is part of a partition, as one fetch answered it.
type Chunk struct {
	// Records are the committed records and the control records, in order.
	Records []*kgo.Record
	// Next is the first offset that the chunk does not cover.
	Next int64
	// End is the high watermark.
	End int64
}

// NewReader returns a reader over client, which stays the caller's. The client needs no consuming options.
func NewReader(client *kgo.Client) *Reader {
	return &Reader{client: client, decompress: kgo.DefaultDecompressor(), where: make(map[string]topicPlace)}
}

// Read calls fn with the chunks of a partition from the offset from until to is reached, fetching one chunk ahead. It
// waits where an open transaction hides records below to. fn must not keep the slice of records, but may keep them.
func (r *Reader) Read(ctx context.Context, topic string, partition int32, from, to int64, fn func(Chunk) error) error {
	if from >= to {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		chunk Chunk
		err   error
	}
	ahead := make(chan answer, 1)
	go func() {
		defer close(ahead)
		for at := from; at < to; {
			c, err := r.Fetch(ctx, topic, partition, at, chunkBytesMax)
			select {
			case ahead <- answer{c, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			at = c.Next
		}
	}()
	for a := range ahead {
		if a.err != nil {
			return a.err
		}
		c := a.chunk
		for n := len(c.Records); n > 0 && c.Records[n-1].Offset >= to; n-- {
			c.Records = c.Records[:n-1]
		}
		if c.Next > to {
			c.Next = to
		}
		if err := fn(c); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Fetch returns what one fetch from the offset at answers, of about bytesMax. The chunk is empty, with Next == at, when
// nothing came within a short wait. Errors that pass by themselves (a leader that moved) are waited out.
func (r *Reader) Fetch(ctx context.Context, topic string, partition int32, at int64, bytesMax int32) (Chunk, error) {
	return r.fetch(ctx, topic, partition, at, bytesMax, kgo.ReadCommitted())
}

// FetchEnded is Fetch with the records of aborted transactions too; of those that are open it has none either.
func (r *Reader) FetchEnded(ctx context.Context, topic string, partition int32, at int64, bytesMax int32) (Chunk, error) {
	return r.fetch(ctx, topic, partition, at, bytesMax, kgo.ReadUncommitted())
}

func (r *Reader) fetch(ctx context.Context, topic string, partition int32, at int64, bytesMax int32, keep kgo.IsolationLevel) (Chunk, error) {
	var c Chunk
	err := r.persist(ctx, topic, func() (err error) {
		c, err = r.fetchOnce(ctx, topic, partition, at, bytesMax, keep)
		return err
	})
	if err != nil {
		return Chunk{}, fmt.Errorf("reading %s-%d@%d: %w", topic, partition, at, err)
	}
	return c, nil
}

// persist repeats fn while its errors are of those that pass by themselves. A topic that does not exist is given the time
// that the brokers may need to hear of it; a leader that is away, to come back or be replaced.
func (r *Reader) persist(ctx context.Context, topic string, fn func() error) error {
	began := time.Now()
	for {
		err := fn()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !passing(err), errors.Is(err, kerr.UnknownTopicOrPartition) && time.Since(began) > unknownTopicWait,
			errors.Is(err, errAway) && time.Since(began) > awayMax:
			return err
		}
		r.forget(topic)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryPause):
		}
	}
}

func (r *Reader) fetchOnce(ctx context.Context, topic string, partition int32, at int64, bytesMax int32, keep kgo.IsolationLevel) (Chunk, error) {
	place, err := r.place(ctx, topic)
	if err != nil {
		return Chunk{}, away(err)
	}
	if int(partition) >= len(place.leaders) {
		return Chunk{}, fmt.Errorf("the topic has %d partitions", len(place.leaders))
	}
	if place.leaders[partition] < 0 {
		return Chunk{}, kerr.LeaderNotAvailable
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.MaxWaitMillis = int32(fetchWait.Milliseconds())
	req.MinBytes = 1
	// The partition's bound is the one. An answer that this one cuts off lacks, from the embedded broker, the list of
	// transactions that were aborted: their records would pass for committed.
	req.MaxBytes = math.MaxInt32
	req.IsolationLevel = 1
	req.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, place.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, at, bytesMax
	p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.LogStartOffset = -1, -1, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)

	// Not repeated by the client, which would stay with this broker: who leads now is asked first.
	answer, err := r.client.Broker(int(place.leaders[partition])).Request(ctx, req)
	if err != nil {
		return Chunk{}, away(err)
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return Chunk{}, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return Chunk{Next: at}, nil
	}
	return r.parse(topic, &resp.Topics[0].Partitions[0], at, keep)
}

func (r *Reader) parse(topic string, rp *kmsg.FetchResponseTopicPartition, at int64, keep kgo.IsolationLevel) (Chunk, error) {
	if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
		if errors.Is(err, kerr.OffsetOutOfRange) {
			return Chunk{}, ErrOutOfRange
		}
		return Chunk{}, err
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true,
		Offset:             at,
		IsolationLevel:     keep,
		Topic:              topic,
		Partition:          rp.Partition,
	}, rp, r.decompress, nil)
	if fp.Err != nil {
		return Chunk{}, fp.Err
	}
	return Chunk{Records: fp.Records, Next: max(next, at), End: fp.HighWatermark}, nil
}

// errAway is wrapped by errors of a fetch that are no broker's answer.
var errAway = errors.New("the brokers do not answer")

// away tells apart what a broker has answered.
func away(err error) error {
	var ke *kerr.Error
	if errors.As(err, &ke) || errors.Is(err, kgo.ErrClientClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", errAway, err)
}

// passing reports whether an error of a fetch goes away by itself.
func passing(err error) bool {
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke.Retriable
	}
	return errors.Is(err, errAway) || kgo.IsRetryableBrokerErr(err)
}

func (r *Reader) forget(topic string) {
	r.mu.Lock()
	delete(r.where, topic)
	r.mu.Unlock()
}

// placeSurely is place, repeated while errors pass by themselves.
func (r *Reader) placeSurely(ctx context.Context, topic string) (p topicPlace, err error) {
	err = r.persist(ctx, topic, func() (err error) { p, err = r.place(ctx, topic); return err })
	return p, err
}

// place returns where a topic's leaders are.
func (r *Reader) place(ctx context.Context, topic string) (topicPlace, error) {
	r.mu.Lock()
	place, ok := r.where[topic]
	r.mu.Unlock()
	if ok {
		return place, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, r.client)
	if err != nil {
		return topicPlace{}, err
	}
	if len(resp.Topics) != 1 {
		return topicPlace{}, fmt.Errorf("asking for the leaders of %s: %d topics were answered", topic, len(resp.Topics))
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		return topicPlace{}, err
	}
	place = topicPlace{id: resp.Topics[0].TopicID, leaders: make([]int32, len(resp.Topics[0].Partitions))}
	for _, p := range resp.Topics[0].Partitions {
		if int(p.Partition) >= len(place.leaders) {
			return topicPlace{}, kerr.UnknownTopicOrPartition
		}
		place.leaders[p.Partition] = p.Leader
	}
	r.mu.Lock()
	r.where[topic] = place
	r.mu.Unlock()
	return place, nil
}

// Partitions returns how many partitions a topic has.
func (r *Reader) Partitions(ctx context.Context, topic string) (int32, error) {
	r.forget(topic)
	place, err := r.placeSurely(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("asking for the partitions of %s: %w", topic, err)
	}
	return int32(len(place.leaders)), nil
}

// TopicID returns a topic's id, zero on brokers that know none.
func (r *Reader) TopicID(ctx context.Context, topic string) ([16]byte, error) {
	place, err := r.placeSurely(ctx, topic)
	if err != nil {
		return [16]byte{}, fmt.Errorf("asking for the id of %s: %w", topic, err)
	}
	return place.id, nil
}

// Span is the part of a partition that the log holds.
type Span struct {
	// Start is the first offset that retention has left.
	Start int64
	// Stable is where committed reads end for now, End where uncommitted ones do.
	Stable, End int64
}

// Span returns the bounds of a partition.
func (r *Reader) Span(ctx context.Context, topic string, partition int32) (Span, error) {
	s, err := r.Spans(ctx, []string{topic}, partition)
	if err != nil {
		return Span{}, err
	}
	return s[0], nil
}

// Spans returns the bounds of the same partition of some topics, in the order of the topics. All are asked for at once.
func (r *Reader) Spans(ctx context.Context, topics []string, partition int32) ([]Span, error) {
	var starts, stable, ends []int64
	g, ctx := errgroup.WithContext(ctx)
	for _, want := range []struct {
		at        int64
		isolation int8
		into      *[]int64
	}{{-2, 0, &starts}, {-1, 1, &stable}, {-1, 0, &ends}} {
		g.Go(func() error {
			return r.persist(ctx, topics[0], func() (err error) {
				*want.into, err = r.listOffsets(ctx, topics, partition, want.at, want.isolation)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("asking for the bounds of %s-%d: %w", strings.Join(topics, ", "), partition, err)
	}
	spans := make([]Span, len(topics))
	for i := range spans {
		// The answer about the end may be the older one.
		spans[i] = Span{Start: starts[i], Stable: stable[i], End: max(ends[i], stable[i])}
	}
	return spans, nil
}

// listOffsets asks for one offset of the partition of each topic.
func (r *Reader) listOffsets(ctx context.Context, topics []string, partition int32, at int64, isolation int8) ([]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.IsolationLevel = isolation
	for _, topic := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, at, -1
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	// The client finds the leaders, puts their answers together and repeats what passes by itself.
	resp, err := req.RequestWith(ctx, r.client)
	if err != nil {
		return nil, err
	}
	offsets := make([]int64, len(topics))
	found := 0
	for _, t := range resp.Topics {
		i := slices.Index(topics, t.Topic)
		if i < 0 || len(t.Partitions) != 1 {
			continue
		}
		if err := kerr.ErrorForCode(t.Partitions[0].ErrorCode); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Topic, err)
		}
		offsets[i] = t.Partitions[0].Offset
		found++
	}
	if found != len(topics) {
		return nil, errors.New("the answer lacks a partition")
	}
	return offsets, nil
}
