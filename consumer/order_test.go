package consumer

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// Whatever waits: each topic keeps the order of its log, of the heads the oldest goes first, then the lesser name. The
// clock is nobody's turn.
func TestTheOldestHeadGoesFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queues
		want := 0
		for topic := range q {
			times := rapid.SliceOfN(rapid.Int64Range(0, 5), 0, 6).Draw(t, string(inputNames[topic]))
			for n, at := range times {
				q[topic] = append(q[topic], &kgo.Record{Offset: int64(n), Timestamp: time.UnixMilli(at)})
			}
			if topic != clockIndex {
				want += len(times)
			}
		}
		var h heads
		for taken := range want {
			next := q.first(&h)
			if next < 0 {
				t.Fatalf("nothing is left after %d of %d records", taken, want)
			}
			if next == clockIndex {
				t.Fatal("a clock record was taken for an event")
			}
			at := q[next][h[next]].Timestamp
			for topic := range clockIndex {
				if h[topic] == len(q[topic]) {
					continue
				}
				other := q[topic][h[topic]].Timestamp
				if other.Before(at) || other.Equal(at) && inputNames[topic] < inputNames[next] {
					t.Fatalf("%s of %d ms went before %s of %d ms", inputNames[next], at.UnixMilli(), inputNames[topic], other.UnixMilli())
				}
			}
			h[next]++
		}
		if next := q.first(&h); next >= 0 {
			t.Fatalf("%s goes on after its last record", inputNames[next])
		}
	})
}
