package main

import (
	"context"
	"fmt"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// clockTail is how many of the last records of a clock partition are looked at: the driver's claims and hand-backs
// among them carry no time.
const clockTail = 50

// systemClock returns the latest tick of any partition, 0 when there was none.
func systemClock(ctx context.Context, cl *cluster) (events.Instant, error) {
	n, err := cl.client.Partitions(ctx)
	if err != nil {
		return 0, err
	}
	topic := schemas.TopicClock.Name(cl.prefix)
	reader := cl.client.Reader()
	var latest events.Instant
	for partition := range n {
		span, err := reader.Span(ctx, topic, partition)
		if err != nil {
			return 0, fmt.Errorf("reading the clock: %w", err)
		}
		err = reader.Read(ctx, topic, partition, max(span.Start, span.End-clockTail), span.End, func(chunk projector.Chunk) error {
			for _, rec := range chunk.Records {
				if rec.Attrs.IsControl() || len(rec.Value) == 0 {
					continue
				}
				// What cannot be read is no tick for the engine either.
				if e, err := cl.codec.DecodeEvent(rec.Value); err == nil && e.EventType() == events.TypeTick {
					latest = max(latest, e.Head().At)
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("reading the clock: %w", err)
		}
	}
	return latest, nil
}

// drive publishes history with the ticks that belong to it: before an event, one for each local midnight that event
// times pass, once all events before it have been decided.
func (c *importCommand) drive(r *run, cl *cluster, p *publisher, batch []events.Event, note *checkpoint, sum *imported, told func()) error {
	return fmt.Errorf("driving the clock is not there yet")
}
