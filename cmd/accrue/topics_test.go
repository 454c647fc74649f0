package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/embedded"
	"github.com/accrue-loyalty/accrue/internal/racetest"
)

// broker is one without an engine.
type broker struct {
	t     *testing.T
	at    string
	admin *kadm.Client
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	c, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	kafka, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	return &broker{t, c.Brokers()[0], kadm.NewClient(kafka)}
}

// accrue runs a command against the broker.
func (b *broker) accrue(args ...string) outcome {
	b.t.Helper()
	return accrue(b.t, "", append(args, "--brokers", b.at)...)
}

// remake makes a topic anew with other partitions; 0: it is gone.
func (b *broker) remake(topic string, partitions int32) {
	b.t.Helper()
	_, err := b.admin.DeleteTopics(context.Background(), topic)
	if err == nil && partitions > 0 {
		_, err = b.admin.CreateTopic(context.Background(), partitions, 1, nil, topic)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestTopicsThatDifferInTheirPartitionsAreNamed(t *testing.T) {
	b := startBroker(t)
	b.accrue("topics", "create", "--partitions", "4").want(t, 0)
	b.remake("accrue.program", 2)
	b.accrue("topics", "create").want(t, 1, "topic accrue.program has 2 partitions, and needs 1; topics made: none")
	b.remake("accrue.orders", 2)
	b.remake("accrue.crm", 2)
	b.remake("accrue.reviews", 0)
	for _, args := range [][]string{nil, {"--partitions", "2"}, {"--partitions", "8"}} {
		b.accrue(append([]string{"topics", "create"}, args...)...).want(t, 1,
			"(2: accrue.orders, accrue.crm; 4: accrue.returns, accrue.engagement, ", "topics made: none", "Delete those that differ")
	}
}

// The engine runs without the topics that are for what is to come.
func TestTopicsThatNothingUsesYetMayBeMissing(t *testing.T) {
	b := startBroker(t)
	b.accrue("topics", "create", "--partitions", "2").want(t, 0)
	b.remake("accrue.signals", 0)
	b.remake("accrue.notifications", 3)
	o := b.accrue("topics", "check").want(t, 0)
	for _, want := range []string{"accrue.signals", "advice", "nothing uses it yet", "accrue.notifications"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the advice lacks %q:\n%s", want, o.stdout)
		}
	}
	b.remake("accrue.orders", 0)
	b.accrue("topics", "check").want(t, 1)
}

func TestTopicsWithPartitionsThatTheLedgerLacksAreRefused(t *testing.T) {
	racetest.Skip(t)
	b := startBroker(t)
	b.accrue("topics", "create", "--partitions", "2").want(t, 0)
	b.accrue("program", "publish", "testdata/plain.yaml").want(t, 0)
	if _, err := b.admin.CreatePartitions(t.Context(), 1, "accrue.orders"); err != nil {
		t.Fatal(err)
	}
	said := "accrue.ledger has 2, accrue.orders has 3"
	b.accrue("verify").want(t, 3, "nothing was verified", said, "--partition N", "never decided")
	b.accrue("verify", "--partition", "0,1").want(t, 0)
	b.accrue("run", "--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--log-level", "error").want(t, 3, said, "same partition number of every topic")
	b.accrue("topics", "check").want(t, 1)
}
