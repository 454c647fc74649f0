package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// KafkaConfig says where the topics are and under which names.
type KafkaConfig struct {
	// Options are for every client that is made: seed brokers, TLS, SASL, logging, hooks. They must not set a group, a
	// transactional id or what is consumed.
	Options []kgo.Opt
	// Prefix comes before all topics' names; [schemas.DefaultPrefix] by default.
	Prefix string
	// Group is the engine's consumer group; Prefix + "engine" when empty.
	Group string
	// SessionTimeout is how long the group waits for an instance that fell silent before it gives its partitions to
	// others, and how long an instance that hears nothing may still answer as their owner; 10 s by default. Kafka
	// allows 6 s to 30 min unless configured otherwise.
	SessionTimeout time.Duration
	// TransactionTimeout is how long a dead instance's open transaction may block readers of the ledger, unless others,
	// who take its partitions over after SessionTimeout, end it before; 10 s by default. A broker looks only now and
	// then which have run out, every 10 s unless configured otherwise.
	TransactionTimeout time.Duration
}

// DefaultKafkaConfig returns the defaults for a cluster that is reached at the given addresses.
func DefaultKafkaConfig(brokers ...string) KafkaConfig {
	return KafkaConfig{
		Options:            []kgo.Opt{kgo.SeedBrokers(brokers...)},
		Prefix:             schemas.DefaultPrefix,
		SessionTimeout:     10 * time.Second,
		TransactionTimeout: 10 * time.Second,
	}
}

func (c *KafkaConfig) group() string {
	if c.Group != "" {
		return c.Group
	}
	return c.Prefix + "engine"
}

// transactionalID is that of an instance's worker.
func (c *KafkaConfig) transactionalID(instance string, worker int) string {
	return fmt.Sprintf("%s.%s.%d", c.group(), instance, worker)
}

func (c *KafkaConfig) validate() []error {
	var problems []error
	if len(c.Options) == 0 {
		problems = append(problems, errors.New("kafka: no options are given, at least the seed brokers are needed"))
	}
	if c.SessionTimeout <= 0 {
		problems = append(problems, fmt.Errorf("kafka: session timeout is %v, want more than 0", c.SessionTimeout))
	}
	if c.TransactionTimeout <= 0 {
		problems = append(problems, fmt.Errorf("kafka: transaction timeout is %v, want more than 0", c.TransactionTimeout))
	}
	return problems
}

// Retrying towards brokers starts at a few milliseconds, because a transaction that begins right after another's commit
// is often refused for an instant, and grows so that a broker that is down is not hammered.
const (
	retryBackoffFirst = 2 * time.Millisecond
	retryBackoffMax   = 500 * time.Millisecond
)

func retryBackoff(tries int) time.Duration {
	d := retryBackoffFirst
	for ; tries > 1 && d < retryBackoffMax; tries-- {
		d *= 2
	}
	return min(d, retryBackoffMax)
}

// common are the options of every client.
func (c *KafkaConfig) common() []kgo.Opt {
	return append([]kgo.Opt{
		kgo.ClientID("accrue"),
		kgo.RetryBackoffFn(retryBackoff),
		// Found out soon that a topic was created or a leader moved.
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.MetadataMaxAge(time.Minute),
	}, c.Options...)
}

// Client speaks to a running system from outside, through Kafka alone: who owns which partition, what has been decided,
// which program holds, who drives the clock. It is safe for concurrent use.
type Client struct {
	cfg    KafkaConfig
	codec  *schemas.Codec
	kafka  *kgo.Client
	admin  *kadm.Client
	reader *projector.Reader

	owners ownersCache
	once   sync.Once
	count  int32
	mu     sync.Mutex
}

// NewClient returns a client. The caller must Close it.
func NewClient(cfg KafkaConfig, codec *schemas.Codec) (*Client, error) {
	if problems := cfg.validate(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	opts := append(cfg.common(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	return &Client{cfg: cfg, codec: codec, kafka: cl, admin: kadm.NewClient(cl), reader: projector.NewReader(cl)}, nil
}

// Close ends the client's connections.
func (c *Client) Close() { c.once.Do(c.kafka.Close) }

// Name returns a topic's name on the cluster.
func (c *Client) Name(t schemas.Topic) string { return t.Name(c.cfg.Prefix) }

// Partitions returns the number of partitions of the ledger, and so of all inputs.
func (c *Client) Partitions(ctx context.Context) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count > 0 {
		return c.count, nil
	}
	n, err := c.reader.Partitions(ctx, c.Name(schemas.TopicLedger))
	if err != nil {
		return 0, err
	}
	c.count = n
	return n, nil
}

// ErrPartitionsDiffer means that an input topic has another number of partitions than the ledger.
var ErrPartitionsDiffer = errors.New("the inputs and the ledger differ in their numbers of partitions")

// CheckPartitions returns an error that names every input topic with another number of partitions than the ledger
// ([ErrPartitionsDiffer]), or that is not there: the engine cannot run on such a cluster, because a customer's records would be
// on different partition numbers.
func (c *Client) CheckPartitions(ctx context.Context) error {
	want, err := c.Partitions(ctx)
	if err != nil {
		return err
	}
	var differ []string
	var problems []error
	for _, t := range inputNames {
		switch n, err := c.reader.Partitions(ctx, c.Name(t)); {
		case err != nil:
			problems = append(problems, err)
		case n != want:
			differ = append(differ, fmt.Sprintf("%s has %d", c.Name(t), n))
		}
	}
	if len(differ) > 0 {
		problems = append(problems, fmt.Errorf("%w: %s has %d, %s", ErrPartitionsDiffer, c.Name(schemas.TopicLedger), want, strings.Join(differ, ", ")))
	}
	return errors.Join(problems...)
}

// batchBounds are the largest batches that the topics take which the engine writes to, uncompressed.
type batchBounds struct{ decisions, deadLetters int32 }

func (c *Client) batchBounds(ctx context.Context) (batchBounds, error) {
	b := batchBounds{schemas.BatchBytesMax, schemas.DeadLetterBytesMax}
	all, err := c.BatchBytes(ctx, schemas.TopicLedger, schemas.TopicTransfers, schemas.TopicDeadLetter)
	for t, n := range all {
		if t == schemas.TopicDeadLetter {
			b.deadLetters = min(b.deadLetters, n)
		} else {
			b.decisions = min(b.decisions, n)
		}
	}
	return b, err
}

// BatchBytes returns the largest batch that each of the topics takes, as far as the cluster says it: max.message.bytes.
func (c *Client) BatchBytes(ctx context.Context, topics ...schemas.Topic) (map[schemas.Topic]int32, error) {
	const setting = "max.message.bytes"
	all := make(map[schemas.Topic]int32, len(topics))
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = c.Name(t)
	}
	configs, err := c.admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("asking for the topics' settings: %w", err)
	}
	for _, topic := range configs {
		if topic.Err != nil {
			return nil, fmt.Errorf("asking for the settings of %s: %w", topic.Name, topic.Err)
		}
		for _, one := range topic.Configs {
			if one.Key != setting || one.Value == nil {
				continue
			}
			n, err := strconv.ParseInt(*one.Value, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%s has %s = %q: %w", topic.Name, setting, *one.Value, err)
			}
			if t, ours := schemas.ParseTopic(c.cfg.Prefix, topic.Name); ours {
				all[t] = int32(n)
			}
		}
	}
	return all, nil
}
