package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// orders makes a reproducible stream of orders: customers drawn with weight (1000+rank)^-1.05, two lines each, event
// times spread evenly over 24 months, one in a hundred sent again within the next 200.
type orders struct {
	random  *rand.Rand
	weights []float64
	total   int
	made    int
	from    events.Instant
	recent  []*events.OrderPlaced
	// even gives each customer as many orders as any other.
	even bool
}

const monthsMillis = 730 * 24 * 3600 * 1000

func newOrders(customers, total int) *orders {
	o := &orders{random: rand.New(rand.NewPCG(2026, 11)), total: total, weights: make([]float64, customers)}
	sum := 0.0
	for i := range o.weights {
		sum += math.Pow(float64(1000+i), -1.05)
		o.weights[i] = sum
	}
	o.from = events.InstantOf(time.Date(2024, 11, 1, 0, 0, 0, 0, time.UTC))
	return o
}

func (o *orders) customer() string {
	if o.even {
		return fmt.Sprintf("c%07d", o.made%len(o.weights))
	}
	at := o.random.Float64() * o.weights[len(o.weights)-1]
	return fmt.Sprintf("c%07d", sort.SearchFloat64s(o.weights, at))
}

func (o *orders) next() *events.OrderPlaced {
	if len(o.recent) == 200 && o.random.IntN(100) == 0 {
		o.made++
		return o.recent[o.random.IntN(len(o.recent))]
	}
	e := &events.OrderPlaced{
		Header: events.Header{
			ID:       fmt.Sprintf("e%09d", o.made),
			Customer: o.customer(),
			At:       o.from + events.Instant(float64(o.made)/float64(o.total)*monthsMillis),
		},
		Order: fmt.Sprintf("o%09d", o.made), Currency: "USD", Channel: "WEB",
		Lines: []events.Line{
			{Line: "1", SKU: fmt.Sprintf("sku%05d", o.random.IntN(20000)), Category: "shoes", Quantity: 1, Amount: events.Money(500 + o.random.IntN(12000))},
			{Line: "2", SKU: fmt.Sprintf("sku%05d", o.random.IntN(20000)), Category: "hats", Quantity: 2, Amount: events.Money(100 + o.random.IntN(4000)), Discount: 50},
		},
	}
	if len(o.recent) < 200 {
		o.recent = append(o.recent, e)
	} else {
		o.recent[o.made%200] = e
	}
	o.made++
	return e
}

// publish sends all orders to a topic.
func (o *orders) publish(ctx context.Context, broker, topic string, partitions int32) error {
	codec := schemas.NewCodec()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	failed := make(chan error, 1)
	for o.made < o.total {
		e := o.next()
		value, err := codec.AppendEvent(nil, e)
		if err != nil {
			return err
		}
		cl.Produce(ctx, &kgo.Record{Key: []byte(e.Customer), Value: value, Partition: schemas.Partition(e.Customer, partitions)},
			func(_ *kgo.Record, err error) {
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
