package consumer

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// reading turns input records into events, alike for the engine and for Verify.
type reading struct {
	codec      *schemas.Codec
	partitions int32
}

// event returns the event of a record of the given topic, good until room is used again. The error is for the dead
// letters, or [schemas.ErrRegistryUnavailable]. Clock records are parsed by parseClock.
func (r *reading) event(t schemas.Topic, rec *kgo.Record, room *schemas.EventRoom) (events.Event, error) {
	e, err := r.codec.DecodeEventInto(rec.Value, room)
	if err != nil {
		return nil, err
	}
	customer := e.Head().Customer
	if string(rec.Key) != customer {
		return nil, unreadable(reasonWrongKey, "the key is %q, the customer %q", rec.Key, customer)
	}
	if p := schemas.Partition(customer, r.partitions); p != rec.Partition {
		return nil, unreadable(reasonWrongPartition, "customer %q belongs on partition %d, not %d: the producer must partition by murmur2, as Kafka's own clients do", customer, p, rec.Partition)
	}
	// Reports read an event's topic alone, and internal topics are believed.
	if at := schemas.TopicOf(e.EventType()); at != t {
		return nil, unreadable(reasonWrongTopic, "an event of type %s on the topic %s: it belongs on %s", e.EventType(), t, at)
	}
	return e, nil
}
