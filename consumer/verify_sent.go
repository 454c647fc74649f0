package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// sending is an event that a decision sent to another customer, as it must stand in the transfers topic.
type sending struct {
	kind         events.Type
	id, customer string
	payload      events.Fingerprint
}

func sendingOf(e events.Event) sending {
	if m, ok := e.(*events.MergeCredited); ok {
		// An older accrue may have sent the same account in other bytes.
		if again, err := loyalty.Recoded(m); err == nil {
			e = again
		}
	}
	h := e.Head()
	return sending{e.EventType(), strings.Clone(h.ID), strings.Clone(h.Customer), events.PayloadOf(e)}
}

// crossings are what a partition's decisions so far have sent to other customers, and what they have been caused by that other
// customers' must have sent, each with the difference that it is if it is nowhere.
type crossings struct{ sent, received map[sending]*Difference }

// noteSent notes what a decision sent.
func (v *verifier) noteSent(rec *kgo.Record, d *events.Decision, sent []events.Event) {
	for _, e := range sent {
		v.sent[sendingOf(e)] = &Difference{Partition: v.id, Offset: rec.Offset, Cause: d.Cause, Customer: d.Customer}
	}
}

// noteReceived notes that a decision was caused by an event of the transfers topic.
func (v *verifier) noteReceived(rec *kgo.Record, d *events.Decision, e events.Event) {
	s := sendingOf(e)
	if rec.Offset < v.receivedTo && v.received[s] == nil {
		v.received[s] = &Difference{Partition: v.id, Offset: rec.Offset, Cause: d.Cause, Customer: d.Customer}
	}
}

// checkReceived notes the first decision of each partition on what no decision has sent: what is in the transfers topic is
// believed, and whoever can write there could make points of nothing. It needs all partitions; one that differs has sent what
// nobody knows.
func checkReceived(verified []VerifiedPartition, crossing []crossings) {
	for i := range verified {
		if verified[i].Difference != nil {
			return
		}
	}
	sent := make(map[sending]struct{})
	for i := range crossing {
		for s := range crossing[i].sent {
			sent[s] = struct{}{}
		}
	}
	for i := range crossing {
		for s, d := range crossing[i].received {
			if _, ok := sent[s]; !ok {
				d.What = fmt.Sprintf("its cause, %s %q to customer %q, was sent by no decision: somebody else has written to the topic", s.kind, s.id, s.customer)
				verified[i].first(d)
			}
		}
	}
}

// first notes a difference, unless one before it is known.
func (p *VerifiedPartition) first(d *Difference) {
	if p.Difference == nil || p.Difference.Offset > d.Offset {
		p.Difference = d
	}
}

// checkSent looks for what the decisions of each verified partition have sent, and notes the first that is not there. A decision
// commits together with what it sends, but brokers have been seen to lose one part of a transaction, and no record of the
// ledger would miss it. A partition of which retention has deleted some can't be asked.
func (c *Client) checkSent(ctx context.Context, partitions int32, verified []VerifiedPartition, crossing []crossings) error {
	to := make(map[int32]map[sending]struct{})
	for i := range crossing {
		for s := range crossing[i].sent {
			id := schemas.Partition(s.customer, partitions)
			if to[id] == nil {
				to[id] = make(map[sending]struct{})
			}
			to[id][s] = struct{}{}
		}
	}
	for id, left := range to {
		if err := c.strikeSent(ctx, id, left); err != nil {
			return fmt.Errorf("looking for what was sent to partition %d: %w", id, err)
		}
		for i := range crossing {
			for s := range left {
				if d := crossing[i].sent[s]; d != nil {
					d.What = fmt.Sprintf("it sent %s %q to customer %q, which is not in %s and so was never decided: what it was to bring must be made up for, as by accrue adjust",
						s.kind, s.id, s.customer, c.Name(schemas.TopicTransfers))
					verified[i].first(d)
				}
			}
		}
	}
	return nil
}

// strikeSent takes what a partition of the transfers topic has off left.
func (c *Client) strikeSent(ctx context.Context, id int32, left map[sending]struct{}) error {
	name := c.Name(schemas.TopicTransfers)
	span, err := c.reader.Span(ctx, name, id)
	if err != nil {
		return err
	}
	if span.Start > 0 {
		clear(left)
		return nil
	}
	return c.reader.Read(ctx, name, id, 0, span.End, func(chunk projector.Chunk) error {
		for _, rec := range chunk.Records {
			if rec.Attrs.IsControl() {
				continue
			}
			e, err := c.codec.DecodeEvent(rec.Value)
			switch {
			case errors.Is(err, schemas.ErrRegistryUnavailable):
				return err
			case err == nil:
				delete(left, sendingOf(e))
			}
		}
		return nil
	})
}
