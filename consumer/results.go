package consumer

import (
	"context"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// LedgerEnds returns where each of the ledger's partitions ends, for [Client.Results].
func (c *Client) LedgerEnds(ctx context.Context) (map[int32]int64, error) {
	n, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	ends := make(map[int32]int64, n)
	for id := range n {
		span, err := c.reader.Span(ctx, c.Name(schemas.TopicLedger), id)
		if err != nil {
			return nil, err
		}
		ends[id] = span.End
	}
	return ends, nil
}

// Results counts what became of the events that producers sent, by result, in the ledger from the given offsets on. told is
// called with the number of decisions read so far and must not block.
func (c *Client) Results(ctx context.Context, from map[int32]int64, told func(read int64)) (map[events.Result]int64, error) {
	ends, err := c.LedgerEnds(ctx)
	if err != nil {
		return nil, err
	}
	results := map[events.Result]int64{}
	read := int64(0)
	var d events.Decision
	for id, end := range ends {
		err := c.reader.Read(ctx, c.Name(schemas.TopicLedger), id, from[id], end, func(chunk projector.Chunk) error {
			for _, rec := range chunk.Records {
				if rec.Attrs.IsControl() {
					continue
				}
				if err := c.codec.DecodeDecision(rec.Value, &d); err != nil {
					return err
				}
				read++
				if at := schemas.Topic(d.Cause.Topic); at != schemas.TopicClock && at != schemas.TopicTransfers {
					results[d.Result]++
				}
			}
			told(read)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}
