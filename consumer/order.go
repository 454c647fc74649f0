package consumer

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/schemas"
)

// topicCount is how many topics are consumed.
const topicCount = 8

// The indexes in inputNames that are treated apart.
const (
	transfersIndex = topicCount - 2
	clockIndex     = topicCount - 1
)

// inputNames are the topics that are consumed, by name: in a batch, that is the order of records with the same time, but
// for ticks, which come after what is as old as they are. They are all inputs but those that are [schemas.Topic.Reserved].
var inputNames = [topicCount]schemas.Topic{
	schemas.TopicCRM, schemas.TopicEngagement, schemas.TopicOrders, schemas.TopicRedemptions, schemas.TopicReturns,
	schemas.TopicReviews, schemas.TopicTransfers, schemas.TopicClock,
}

// indexOf returns a topic's index in inputNames, or -1.
func indexOf(t schemas.Topic) int { return slices.Index(inputNames[:], t) }

// queues hold a partition's records that were polled and not decided yet, by topic. Each is in the order of its log.
type queues [topicCount][]*kgo.Record

// heads are how far a batch has come in the queues.
type heads [topicCount]int

// first returns the topic whose next record is the oldest, or -1 when no events are left. Records of one topic keep
// their order, whatever their times; between topics the older record goes first, and of two with the same time the one
// whose topic has the lesser name. Clock records are not looked at: they are queued as ticks.
func (q *queues) first(h *heads) int {
	best, bestTime := -1, int64(0)
	for t := range clockIndex {
		if h[t] == len(q[t]) {
			continue
		}
		if at := q[t][h[t]].Timestamp.UnixMilli(); best < 0 || at < bestTime {
			best, bestTime = t, at
		}
	}
	return best
}

// trim drops what a committed batch has taken, and its memory. Nothing may be left of those records.
func (q *queues) trim(h *heads) {
	for t := range q {
		for _, rec := range q[t][:h[t]] {
			rec.Recycle()
		}
		switch {
		case h[t] == 0:
		case h[t] == len(q[t]):
			clear(q[t])
			q[t] = q[t][:0]
		default:
			rest := copy(q[t], q[t][h[t]:])
			clear(q[t][rest:])
			q[t] = q[t][:rest]
		}
	}
}

// empty reports whether nothing waits but what h has taken.
func (q *queues) empty(h *heads) bool {
	for t := range q {
		if h[t] < len(q[t]) {
			return false
		}
	}
	return true
}

// count returns how many records wait.
func (q *queues) count() int {
	n := 0
	for t := range q {
		n += len(q[t])
	}
	return n
}
