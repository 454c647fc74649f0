package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/schemas"
)

// abandonedTimeout bounds how long a take-over tries to end what others left open.
const abandonedTimeout = 5 * time.Second

// endAbandoned ends the transactions that workers who are no longer in the group left open in the ledger partitions that
// the group has just given to this one. Nobody can read past them, nor learn the group's offsets, and the broker by
// itself ends them only some time after [KafkaConfig.TransactionTimeout]. Where the brokers don't know how, or don't
// allow it, that is waited for.
//
// It is called before the client asks for the offsets, which is the first thing that would wait.
func (w *worker) endAbandoned(ctx context.Context, _ *kgo.Client, added map[string][]int32) {
	partitions := added[w.e.client.Name(schemas.TopicOrders)] // the other inputs have the same
	w.expectOffsets(partitions)
	if len(partitions) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, abandonedTimeout)
	defer cancel()
	ended, err := w.e.client.endAbandoned(ctx, partitions)
	if len(ended) > 0 {
		w.e.cfg.Log.Warn("workers that are gone, or a broker that was killed, had left transactions open in the ledger; they were ended", "worker", w.n, "transactional_ids", ended)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		w.e.sayWaits.Do(func() {
			w.e.cfg.Log.Warn("what workers left open in the ledger cannot be ended; taking over their partitions waits until it is, for the transaction timeout at least", "error", err)
		})
	}
}

// expectOffsets has the log say so when the group's offsets of the partitions do not come; with none, that they are no longer
// expected. The client waits for them without a word as long as the group's coordinator has some of a transaction that has
// not ended. It may have them wrongly: one that was started again under load has been seen to forget how transactions ended.
func (w *worker) expectOffsets(partitions []int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.overdue != nil {
		w.overdue.Stop()
		w.overdue = nil
	}
	if len(partitions) == 0 {
		return
	}
	// An open transaction of somebody who died ends within this.
	cfg := &w.e.client.cfg
	w.overdue = time.AfterFunc(cfg.SessionTimeout+cfg.TransactionTimeout, func() {
		w.e.cfg.Log.Warn("the group's offsets are not told while a transaction that commits some has not ended; these partitions wait for it. If kafka-transactions.sh finds none that hangs in "+offsetsTopic+", it is the group's coordinator who is wrong: start that broker again",
			"worker", w.n, "partitions", partitions)
	})
}

// endAbandoned returns the transactional ids that it fenced, or whose lost markers it wrote.
func (c *Client) endAbandoned(ctx context.Context, partitions []int32) (ended []string, err error) {
	open, err := c.openTransactions(ctx, partitions)
	if len(open) == 0 {
		return nil, err
	}
	problems := []error{err}
	// On an error some brokers have answered all the same.
	listed, err := c.admin.ListTransactions(ctx, slices.Collect(maps.Keys(open)), nil)
	if err != nil {
		problems = append(problems, fmt.Errorf("asking whose transactions are open in the ledger: %w", err))
	} else if len(listed) < len(open) {
		problems = append(problems, fmt.Errorf("%d of the ledger's open transactions are not listed: is describing the transactional ids %s.* allowed?", len(open)-len(listed), c.cfg.group()))
	}
	// Asked for only now. Whoever began one of these transactions was a member then: who no longer is has lost his
	// partitions, and can't commit.
	alive, err := c.transactionalIDs(ctx)
	if err != nil {
		return nil, errors.Join(append(problems, err)...)
	}
	for _, t := range listed.Sorted() {
		if !strings.HasPrefix(t.TxnID, c.cfg.group()+".") {
			continue // it is none of ours
		}
		// A fence would make the coordinator forget how the transaction ended.
		unmarked, err := c.endUnmarked(ctx, t.TxnID, open[t.ProducerID])
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if unmarked {
			ended = append(ended, t.TxnID)
			continue
		}
		if alive[t.TxnID] {
			continue // he ends it himself
		}
		if err := c.fence(ctx, t.TxnID, open[t.ProducerID]); err != nil {
			problems = append(problems, err)
			continue
		}
		ended = append(ended, t.TxnID)
	}
	return ended, errors.Join(problems...)
}

// openTransactions returns the producers, by id, of the transactions that are open in the ledger's partitions.
func (c *Client) openTransactions(ctx context.Context, partitions []int32) (map[int64]kadm.DescribedProducer, error) {
	var asked kadm.TopicsSet
	asked.Add(c.Name(schemas.TopicLedger), partitions...)
	described, err := c.admin.DescribeProducers(ctx, asked)
	problems := []error{err}
	open := make(map[int64]kadm.DescribedProducer)
	described.EachPartition(func(p kadm.DescribedProducersPartition) {
		problems = append(problems, p.Err)
		for id, producer := range p.ActiveProducers {
			if producer.CurrentTxnStartOffset >= 0 {
				open[id] = producer
			}
		}
	})
	if err := errors.Join(problems...); err != nil {
		return open, fmt.Errorf("asking who has a transaction open in the ledger: %w", err)
	}
	return open, nil
}

// transactionalIDs returns those of the workers that are in the group.
func (c *Client) transactionalIDs(ctx context.Context) (map[string]bool, error) {
	members, err := c.members(ctx)
	ids := make(map[string]bool, len(members))
	for _, m := range members {
		if m.InstanceID == nil {
			continue
		}
		if worker, instance, _, ok := parseMemberID(*m.InstanceID); ok {
			ids[c.cfg.transactionalID(instance, worker)] = true
		}
	}
	return ids, err
}

// fence ends the transaction of a producer, as its successor would, and returns once it has ended on all partitions.
//
// Others may do the same at this moment, and so may the instance itself, started again: each asks for the producer's next
// epoch, and the first one's ends the transaction. We name the epoch that was seen in the ledger, and a producer that is
// further is left alone. But the broker does not compare epochs while a transaction is open, so an instance that was
// started again, joined the group and began its first transaction since the members were asked for loses that one: its
// session begins anew, as after any abort.
func (c *Client) fence(ctx context.Context, id string, producer kadm.DescribedProducer) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = int32(c.cfg.TransactionTimeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = producer.ProducerID, producer.ProducerEpoch
	for {
		resp, err := req.RequestWith(ctx, c.kafka)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		switch {
		case err == nil, errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
			return nil
		case !errors.Is(err, kerr.ConcurrentTransactions) || ctx.Err() != nil:
			return fmt.Errorf("ending the transaction of %s: %w", id, err)
		}
		sleep(ctx, fencePause) // it is being ended
	}
}

// fencePause is how long a transaction that is being ended is left alone.
const fencePause = 20 * time.Millisecond
