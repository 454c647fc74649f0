package embedded

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Fault describes requests that the broker refuses, and with which error. A
// refused request has not been acted on, except where Kafka itself may answer
// with an error after having acted: see kfake.Fault. For an EndTxn that was
// acted on, use UnknownOutcome or LostAnswer.
type Fault = kfake.Fault

// Inject makes the broker refuse what the faults describe. The handle counts
// the refusals and takes the faults away again.
func (c *Cluster) Inject(faults ...Fault) *kfake.FaultHandle { return c.fake.Fault(faults...) }

// UnknownOutcome lets the next times transactions of txnID end as asked, but
// answers each with REQUEST_TIMED_OUT: the client is told neither committed
// nor aborted. An empty txnID means every transaction.
func (c *Cluster) UnknownOutcome(txnID string, times int) *WireFault {
	return c.wires.add(&WireFault{txnID: txnID, left: times, answer: timedOut})
}

// Misreported lets the next times transactions of txnID end as asked, but
// answers each with UNKNOWN_SERVER_ERROR. That one is special to franz-go: a
// GroupTransactSession retries it as an abort, which does nothing any more, and
// End then says (false, nil) of a transaction that was committed. An empty
// txnID means every transaction.
func (c *Cluster) Misreported(txnID string, times int) *WireFault {
	return c.wires.add(&WireFault{txnID: txnID, left: times, answer: serverError})
}

// LostAnswer lets the next times transactions of txnID end as asked, but cuts
// the connection instead of answering. A client asks again and learns the
// truth, unless times outlasts its retries. An empty txnID means every
// transaction.
func (c *Cluster) LostAnswer(txnID string, times int) *WireFault {
	return c.wires.add(&WireFault{txnID: txnID, left: times, answer: cut})
}

// Fence does what a second instance with the same transactional id does when
// it starts: the open transaction of txnID, if any, is aborted and its
// producer is fenced.
func (c *Cluster) Fence(ctx context.Context, txnID string) error {
	// Kafka raises the epoch twice here, once to abort and once for the new
	// producer; kfake raises it once, and one above its own epoch a producer
	// is taken for one that repeats its last EndTxn. Hence two clients.
	for range 2 {
		if err := c.initProducer(ctx, txnID); err != nil {
			return fmt.Errorf("fencing %s: %w", txnID, err)
		}
	}
	return nil
}

func (c *Cluster) initProducer(ctx context.Context, txnID string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...), kgo.TransactionalID(txnID))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, _, err = cl.ProducerID(ctx)
	return err
}
