package consumer

import (
	"strings"

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
	return d.fold(from, &made)
}

// parks reports whether a record may not be decided.
func (d *decider) parks(from origin, customer string) (parking, bool) {
	if park, ok := d.p.parked[from]; ok {
		return park, true
	}
	if d.isParked(customer) {
		return parking{reasonBehindParked, "an earlier event of the customer is parked"}, true
	}
	return parking{}, false
}

// isParked reports whether an earlier record of the customer is parked.
func (d *decider) isParked(customer string) bool {
	_, before := d.p.parkedCustomers[customer]
	_, now := d.parked[customer]
	return before || now
}

// park records an event that may not be decided and sends its bytes to the dead letters, from where an operator sends
// it again once the cause is mended.
func (d *decider) park(from origin, cause events.Cause, rec *kgo.Record, e events.Event, park parking) error {
	if d.parked == nil {
		d.parked = make(map[string]struct{})
	}
	d.parked[strings.Clone(e.Head().Customer)] = struct{}{} // it may be a part of its event's record
	made := parkedDecision(cause, e.Head().Customer, d.p.next.clock.at, park.reason)
	d.deadLetter(rec, park.reason, park.detail)
	return d.fold(from, &made)
}

// deadLetter puts the record into the outbox as it is, with why.
func (d *decider) deadLetter(rec *kgo.Record, reason, detail string) {
	l := schemas.DeadLetter{
		Reason: reason, Detail: detail, Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
		Time: events.InstantOf(rec.Timestamp),
	}
	out := kgo.Record{
		Topic: d.p.e.deadLetterTopic, Partition: rec.Partition % d.p.e.deadLetterPartitions, Key: rec.Key, Value: rec.Value,
		Headers: letterHeaders(&l, rec.Headers),
	}
	// Compressed, the broker took it from its producer; the client counts uncompressed bytes.
	if n := recordBytes(&out); n > int(d.p.e.batches.deadLetters) {
		l.Omitted = int64(n)
		out.Value, out.Headers = nil, letterHeaders(&l, nil)
		if len(out.Key) > letterKeyMax {
			out.Key = nil
		}
	}
	d.out.add(out)
	d.counts.letter(reason)
}

func letterHeaders(l *schemas.DeadLetter, own []kgo.RecordHeader) []kgo.RecordHeader {
	headers := l.Headers()
	all := make([]kgo.RecordHeader, 0, len(headers)+len(own))
	for _, h := range headers {
		all = append(all, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return append(all, own...)
}

// letterKeyMax is the longest key that a dead letter without its value keeps; those of customers are shorter.
const letterKeyMax = 4 << 10

// recordBytes is at least what a record takes as a batch of its own, uncompressed.
func recordBytes(r *kgo.Record) int {
	const around, aroundHeader = 256, 16
	n := around + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += aroundHeader + len(h.Key) + len(h.Value)
	}
	return n
}

// batchMaxBytes is the largest batch that a topic takes.
func (e *Engine) batchMaxBytes(topic string) int32 {
	if topic == e.deadLetterTopic {
		return e.batches.deadLetters
	}
	return e.batches.decisions
}
