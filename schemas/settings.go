package schemas

import "strconv"

// Setting is one configuration of a topic that accrue depends on or recommends.
type Setting struct {
	// Key and Value are Kafka's.
	Key, Value string
	// Required settings guard the truth: accrue must not run without them. Others are advice.
	Required bool
	// Why is one sentence for the operator.
	Why string
}

// TopicPlan says how a topic should be created.
type TopicPlan struct {
	Topic Topic
	// Partitions is 1, or 0 for as many as all the others that have 0: they are partitioned alike.
	Partitions int32
	Settings   []Setting
}

// Room around a value of RecordBytesMax for its key, headers and batch; a dead letter has more headers.
const (
	BatchBytesMax      = RecordBytesMax + 64<<10
	DeadLetterBytesMax = RecordBytesMax + 256<<10
)

const (
	dayMillis              = 24 * 60 * 60 * 1000
	notificationsKeptDays  = 7
	deadLettersKeptDays    = 90
	whyKeepLedger          = "the ledger is the truth: whatever is deleted from it cannot be rebuilt"
	whyKeepInputs          = "verify fetches each decision's cause from its topic, as far back as it is kept; and imported history has old timestamps, which retention by time would delete at once"
	whyNotCompacted        = "compaction keeps only a customer's last record; all are needed"
	whySize                = "a merged account or a large order fits in one record of at most 8 MiB"
	whyInSync              = "a commit must have reached more than one broker before it is answered"
	whyNoUncleanElection   = "a leader that is behind would drop decisions that were answered"
	whyProducerCompression = "batches stay as their producers compressed them"
)

// Plans returns how every topic should be created on a cluster that keeps replicas copies of each partition, in the
// order of [Topics].
func Plans(replicas int16) []TopicPlan {
	plans := make([]TopicPlan, 0, len(Topics()))
	for _, t := range Topics() {
		plans = append(plans, planOf(t, replicas))
	}
	return plans
}

func planOf(t Topic, replicas int16) TopicPlan {
	p := TopicPlan{Topic: t}
	add := func(required bool, key, value, why string) {
		p.Settings = append(p.Settings, Setting{Key: key, Value: value, Required: required, Why: why})
	}
	truth := t == TopicLedger || t == TopicProgram
	switch t {
	case TopicNotifications:
		add(false, "cleanup.policy", "delete", "notifications are for now, not for ever")
		add(false, "retention.ms", days(notificationsKeptDays), "marketing tools read them within days")
	case TopicDeadLetter:
		add(true, "cleanup.policy", "delete", whyNotCompacted)
		add(false, "retention.ms", days(deadLettersKeptDays), "long enough to mend a producer and re-submit")
	default:
		why := whyKeepInputs
		if truth {
			why = whyKeepLedger
		}
		add(true, "cleanup.policy", "delete", whyNotCompacted)
		add(truth, "retention.ms", "-1", why)
		add(truth, "retention.bytes", "-1", why)
	}
	if t == TopicProgram {
		p.Partitions = 1
	}
	size := BatchBytesMax
	if t == TopicDeadLetter {
		size = DeadLetterBytesMax
	}
	add(t.Internal(), "max.message.bytes", strconv.Itoa(size), whySize)
	add(false, "compression.type", "producer", whyProducerCompression)
	if replicas > 1 {
		add(truth, "min.insync.replicas", strconv.Itoa(min(2, int(replicas))), whyInSync)
	}
	if truth {
		add(true, "unclean.leader.election.enable", "false", whyNoUncleanElection)
	}
	return p
}

func days(n int) string { return strconv.Itoa(n * dayMillis) }
