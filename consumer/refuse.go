package consumer

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// unreadableDecision records that a record could not be read.
func unreadableDecision(cause events.Cause, clock events.Instant, err error) events.Decision {
	return events.Decision{Cause: cause, Clock: clock, Result: events.Unreadable, Reason: string(schemas.CodeOf(err))}
}

// parkedDecision records that an event may not be decided for now.
func parkedDecision(cause events.Cause, customer string, clock events.Instant, reason string) events.Decision {
	return events.Decision{Cause: cause, Customer: customer, Clock: clock, Result: events.Parked, Reason: reason}
}

// unreadable records a record that can't be read and sends its bytes to the dead letters.
func (d *decider) unreadable(from origin, cause events.Cause, rec *kgo.Record, err error) error {
	made := unreadableDecision(cause, d.p.next.clock.at, err)
	d.deadLetter(rec, made.Reason, err.Error())
	return d.ledger(from, &made, d.b.Fold)
}

// parks reports whether a record may not be decided.
func (p *partition) parks(from origin, customer string) (parking, bool) {
	if park, ok := p.parked[from]; ok {
		return park, true
	}
	if _, ok := p.parkedCustomers[customer]; ok {
		return parking{reasonBehindParked, "an earlier event of the customer is parked"}, true
	}
	return parking{}, false
}

// park records an event that may not be decided and sends its bytes to the dead letters, from where an operator sends
// it again once the cause is mended.
func (d *decider) park(from origin, cause events.Cause, rec *kgo.Record, e events.Event, park parking) error {
	d.p.parkedCustomers[e.Head().Customer] = struct{}{}
	made := parkedDecision(cause, e.Head().Customer, d.p.next.clock.at, park.reason)
	d.deadLetter(rec, park.reason, park.detail)
	return d.ledger(from, &made, d.b.Fold)
}

// deadLetter puts the record into the outbox as it is, with why.
func (d *decider) deadLetter(rec *kgo.Record, reason, detail string) {
	l := schemas.DeadLetter{
		Reason: reason, Detail: detail, Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
		Time: events.InstantOf(rec.Timestamp),
	}
	headers := l.Headers()
	all := make([]kgo.RecordHeader, 0, len(headers)+len(rec.Headers))
	for _, h := range headers {
		all = append(all, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	d.out.add(kgo.Record{
		Topic: d.p.e.deadLetterTopic, Partition: rec.Partition % d.p.e.deadLetterPartitions, Key: rec.Key, Value: rec.Value,
		Headers: append(all, rec.Headers...),
	})
	d.p.e.cfg.Metrics.DeadLetters(reason, 1)
}
