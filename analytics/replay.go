package analytics

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/schemas"
)

// Source is where the topics are.
type Source struct {
	// Options reach the cluster: seed brokers, TLS, SASL. They must not say what is consumed.
	Options []kgo.Opt
	// Prefix comes before all topics' names.
	Prefix string
	Codec  *schemas.Codec
	// Progress, when not nil, is told how many records of the expected ones have been read. It is called from several
	// goroutines.
	Progress func(read, expected int64)
}

// progress adds up over several topics.
type progress struct {
	read, expected atomic.Int64
	tell           func(read, expected int64)
}

func (p *progress) add(n int) {
	read := p.read.Add(int64(n))
	if p.tell != nil {
		p.tell(read, p.expected.Load())
	}
}

// fetchBytesMax is more than the partitions' bounds together. An answer that is cut off by it lacks, from the embedded broker,
// the list of transactions that were aborted: their records would pass for committed.
const fetchBytesMax = 64 << 20

// each reads the committed records of a topic, from its first to its last at the moment of the call, and gives them to
// fn: those of one partition in order and one at a time, several partitions at once. It returns where each one ended.
func (s *Source) each(ctx context.Context, topic schemas.Topic, p *progress, fn func(partition int32, rec *kgo.Record) error) ([]int64, error) {
	name := topic.Name(s.Prefix)
	cl, err := kgo.NewClient(append(append([]kgo.Opt{kgo.ClientID("accrue-analytics")}, s.Options...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(fetchBytesMax), kgo.FetchMaxPartitionBytes(1<<20), kgo.MaxConcurrentFetches(2))...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	defer cl.Close()
	ends, remaining, err := s.span(ctx, cl, name, p)
	if err != nil {
		return nil, err
	}
	ended := make([]bool, len(ends))
	for remaining > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return nil, fmt.Errorf("reading %s-%d: %w", errs[0].Topic, errs[0].Partition, errs[0].Err)
		}
		g := errgroup.Group{}
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			end := ends[f.Partition]
			if len(f.Records) == 0 || ended[f.Partition] {
				return
			}
			// The record before the end may be of a transaction that was aborted, and never comes: then a later one tells.
			if f.Records[len(f.Records)-1].Offset >= end-1 {
				ended[f.Partition] = true
				remaining--
			}
			g.Go(func() error {
				p.add(len(f.Records))
				for _, rec := range f.Records {
					if rec.Attrs.IsControl() || rec.Offset >= end {
						continue
					}
					if err := fn(f.Partition, rec); err != nil {
						return fmt.Errorf("%s-%d@%d: %w", topic, rec.Partition, rec.Offset, err)
					}
				}
				return nil
			})
		})
		if err := g.Wait(); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// span begins consuming all partitions of a topic and returns their ends, and how many of them have anything to read.
func (s *Source) span(ctx context.Context, cl *kgo.Client, name string, p *progress) (ends []int64, remaining int, err error) {
	admin := kadm.NewClient(cl)
	starts, err := admin.ListStartOffsets(ctx, name)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("looking up where %s begins: %w", name, err)
	}
	// The last stable offset: what lies beyond it may still be aborted.
	stops, err := admin.ListCommittedOffsets(ctx, name)
	if err == nil {
		err = stops.Error()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("looking up where %s ends: %w", name, err)
	}
	from := map[int32]kgo.Offset{}
	ends = make([]int64, len(stops[name]))
	stops.Each(func(o kadm.ListedOffset) {
		first, _ := starts.Lookup(name, o.Partition)
		ends[o.Partition] = o.Offset
		if o.Offset > first.Offset {
			remaining++
			from[o.Partition] = kgo.NewOffset().At(first.Offset)
			p.expected.Add(o.Offset - first.Offset)
		}
	})
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{name: from})
	return ends, remaining, nil
}
