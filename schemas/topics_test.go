package schemas_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

func TestEveryEventTypeHasAnInputTopic(t *testing.T) {
	for _, typ := range events.Types() {
		topic := schemas.TopicOf(typ)
		if !slices.Contains(schemas.Inputs(), topic) {
			t.Errorf("%s is on %q", typ, topic)
		}
		if typ.Internal() != topic.Internal() {
			t.Errorf("%s is internal: %v, its topic %s: %v", typ, typ.Internal(), topic, topic.Internal())
		}
	}
	if got := schemas.TopicOf("Unheard"); got != "" {
		t.Errorf("an unknown type is on %q", got)
	}
}

func TestTopicNamesAreRead(t *testing.T) {
	for _, topic := range schemas.Topics() {
		if got, ok := schemas.ParseTopic("shop1.", topic.Name("shop1.")); !ok || got != topic {
			t.Errorf("%s: got %q, %v", topic, got, ok)
		}
	}
	for _, name := range []string{"orders", "accrue.order", "accrue."} {
		if got, ok := schemas.ParseTopic(schemas.DefaultPrefix, name); ok {
			t.Errorf("%s was read as %q", name, got)
		}
	}
}

func TestPlansKeepTheTruth(t *testing.T) {
	plans := schemas.Plans(3)
	if len(plans) != len(schemas.Topics()) {
		t.Fatalf("%d plans for %d topics", len(plans), len(schemas.Topics()))
	}
	for _, p := range plans {
		settings := make(map[string]schemas.Setting)
		for _, s := range p.Settings {
			if s.Why == "" || s.Value == "" {
				t.Errorf("%s: %+v is not explained", p.Topic, s)
			}
			if _, ok := settings[s.Key]; ok {
				t.Errorf("%s: %s is set twice", p.Topic, s.Key)
			}
			settings[s.Key] = s
		}
		if (p.Partitions == 1) != (p.Topic == schemas.TopicProgram) {
			t.Errorf("%s has %d partitions", p.Topic, p.Partitions)
		}
		if p.Topic == schemas.TopicLedger {
			for _, key := range []string{"cleanup.policy", "retention.ms", "retention.bytes", "min.insync.replicas", "max.message.bytes"} {
				if !settings[key].Required {
					t.Errorf("the ledger does not require %s", key)
				}
			}
			if settings["retention.ms"].Value != "-1" || settings["min.insync.replicas"].Value != "2" {
				t.Errorf("the ledger has %v", settings)
			}
		}
	}
	for _, p := range schemas.Plans(1) {
		for _, s := range p.Settings {
			if s.Key == "min.insync.replicas" {
				t.Errorf("%s asks one replica for %s", p.Topic, s.Value)
			}
		}
	}
}

// The vectors are those of Kafka's own UtilsTest.
func TestPartitionIsKafkas(t *testing.T) {
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107} {
		for _, n := range []int32{1, 7, 12, 1 << 30} {
			if got, want := schemas.Partition(key, n), hash&0x7fffffff%n; got != want {
				t.Errorf("%q of %d: got %d, want %d", key, n, got, want)
			}
		}
	}
}

func TestPartitionIsTheClients(t *testing.T) {
	client := kgo.StickyKeyPartitioner(nil).ForTopic("any")
	r := newRandom(1)
	for i := range 5000 {
		customer := fmt.Sprintf("customer-%d", i)
		if i%2 == 0 {
			customer = r.text()
		}
		n := int32(1 + r.IntN(200))
		want := client.Partition(&kgo.Record{Key: schemas.Key(customer)}, int(n))
		if got := schemas.Partition(customer, n); got != int32(want) {
			t.Fatalf("%q of %d: got %d, want %d", customer, n, got, want)
		}
	}
}
