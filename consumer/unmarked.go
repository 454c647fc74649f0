package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/accrue-loyalty/accrue/schemas"
)

// The coordinator's states of a transaction that is over.
const (
	stateCommitted = "CompleteCommit"
	stateAborted   = "CompleteAbort"
	stateEmpty     = "Empty" // a new producer has come since
)

// offsetsTopic is where the brokers keep the offsets of groups.
const offsetsTopic = "__consumer_offsets"

// endUnmarked ends what a broker left of the worker's last transaction, as [Client.endUnmarked] does, before the coordinator
// forgets how it ended. A coordinator that is not there yet is waited for: it may be about to lose the markers.
func (w *worker) endUnmarked(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, abandonedTimeout)
	defer cancel()
	for {
		ended, err := w.e.client.endOwnUnmarked(asking, w.transactionalID())
		var said *kerr.Error
		switch {
		case ended:
			w.e.cfg.Log.Warn("a broker had lost the markers of the last transaction; they were written", "worker", w.n)
			return
		case err == nil || ctx.Err() != nil:
			return
		case asking.Err() != nil || errors.As(err, &said) && !said.Retriable:
			w.e.cfg.Log.Warn("whether the last transaction lacks its markers is not known", "worker", w.n, "error", err)
			return
		}
		sleep(asking, coordinatorPause)
	}
}

// endUnmarked ends a transaction that has ended, as the coordinator says, but is open in the ledger, where it was seen
// as p. It reports whether it was one.
//
// A broker that is killed after it has taken a commit, and before it has written the commit's markers, has to write them
// when it is started again. Where it does not know yet who leads a partition by then, it takes the partition for deleted
// and the transaction for complete. Nobody ends what is left, no timeout and no fencing: nobody reads the ledger's
// partition beyond it or learns the group's offsets, for ever.
//
// The engine may have answered for such a commit, so it must not be aborted. Each end of a transaction raises the
// producer's epoch by one: at the epoch after p's, the state of the coordinator is how the transaction of p ended, and
// no other's. With older brokers, which don't raise it, nothing is done here.
//
// The markers carry p's own epoch: a partition in which the producer has gone on refuses them.
func (c *Client) endUnmarked(ctx context.Context, id string, p kadm.DescribedProducer) (bool, error) {
	t, err := c.transaction(ctx, id)
	if err != nil || t.ProducerID != p.ProducerID || t.ProducerEpoch <= p.ProducerEpoch || !over(t) {
		return false, err
	}
	// Asked for only now: what is open yet has no marker, and all markers come before the end.
	left, err := c.openOf(ctx, p)
	if err != nil || !left.Lookup(p.Topic, p.Partition) {
		return false, err
	}
	if t.ProducerEpoch != p.ProducerEpoch+1 || t.State == stateEmpty {
		return false, fmt.Errorf("the transaction of %s at %s-%d@%d is over, but a broker has lost its markers, and how it ended is no longer known: nothing is decided there until kafka-transactions.sh has aborted it, here and where else its find-hanging shows the producer %d",
			id, p.Topic, p.Partition, p.CurrentTxnStartOffset, p.ProducerID)
	}
	// The ledger comes last: it is what whoever tries again looks at.
	ledger := kadm.TopicsSet{p.Topic: left[p.Topic]}
	delete(left, p.Topic)
	for _, topics := range []kadm.TopicsSet{left, ledger} {
		if len(topics) == 0 {
			continue
		}
		written, err := c.admin.WriteTxnMarkers(ctx, kadm.TxnMarkers{
			ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch, CoordinatorEpoch: p.CoordinatorEpoch,
			Commit: t.State == stateCommitted, Topics: topics,
		})
		problems := []error{err}
		written.EachPartition(func(r kadm.TxnMarkersPartitionResponse) { problems = append(problems, r.Err) })
		if err := errors.Join(problems...); err != nil {
			return false, fmt.Errorf("the transaction of %s at %s-%d@%d has ended (%s), but a broker has lost its markers, and writing them did not work: nothing is decided there until they are (is ClusterAction allowed?): %w",
				id, p.Topic, p.Partition, p.CurrentTxnStartOffset, t.State, err)
		}
	}
	return true, nil
}

// endOwnUnmarked is endUnmarked for whoever is about to take the transactional id over: then the coordinator forgets how
// the last transaction ended. It reports whether there was one to end.
func (c *Client) endOwnUnmarked(ctx context.Context, id string) (bool, error) {
	t, err := c.transaction(ctx, id)
	if err != nil || !over(t) || t.State == stateEmpty {
		return false, err
	}
	open, err := c.openTransactions(ctx, nil)
	if p, ok := open[t.ProducerID]; ok {
		return c.endUnmarked(ctx, id, p)
	}
	return false, err
}

// transaction returns what the coordinator knows of an id's last transaction; nothing of an id that is new.
func (c *Client) transaction(ctx context.Context, id string) (kadm.DescribedTransaction, error) {
	described, err := c.admin.DescribeTransactions(ctx, id)
	t := described[id]
	if errors.Is(t.Err, kerr.TransactionalIDNotFound) {
		return kadm.DescribedTransaction{}, nil
	}
	if err = errors.Join(err, t.Err); err != nil {
		return t, fmt.Errorf("asking how the last transaction of %s ended: %w", id, err)
	}
	return t, nil
}

// over reports whether no transaction is under way.
func over(t kadm.DescribedTransaction) bool {
	return t.State == stateCommitted || t.State == stateAborted || t.State == stateEmpty
}

// openOf returns where the transaction of p is open, of all that a worker's transaction may write to.
func (c *Client) openOf(ctx context.Context, p kadm.DescribedProducer) (kadm.TopicsSet, error) {
	topics := []string{offsetsTopic}
	for _, t := range []schemas.Topic{schemas.TopicLedger, schemas.TopicTransfers, schemas.TopicNotifications, schemas.TopicDeadLetter} {
		topics = append(topics, c.Name(t))
	}
	known, err := c.admin.ListTopicsWithInternal(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("asking for the partitions that a transaction writes to: %w", err)
	}
	asked := known.TopicsSet()
	for _, t := range asked.EmptyTopics() {
		delete(asked, t)
	}
	described, err := c.admin.DescribeProducers(ctx, asked)
	problems := []error{err}
	open := make(kadm.TopicsSet)
	described.EachPartition(func(at kadm.DescribedProducersPartition) {
		problems = append(problems, at.Err)
		if one, ok := at.ActiveProducers[p.ProducerID]; ok && one.CurrentTxnStartOffset >= 0 && one.ProducerEpoch == p.ProducerEpoch {
			// Of another transaction in the partition where p was seen, nothing is said here.
			if at.Topic != p.Topic || at.Partition != p.Partition || one.CurrentTxnStartOffset == p.CurrentTxnStartOffset {
				open.Add(at.Topic, at.Partition)
			}
		}
	})
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("asking where the transaction of a producer is open: %w", err)
	}
	return open, nil
}
