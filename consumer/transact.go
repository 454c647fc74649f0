package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/events"
)

// endTimeout bounds the end of a transaction. It is not tied to the engine's context: an end that is cut short leaves
// the outcome unknown.
const endTimeout = 60 * time.Second

// transact decides what waits in the partitions, of which there is one at least, and commits it. An error means that the
// session must begin anew.
func (w *worker) transact(ctx context.Context, parts []*partition) error {
	began := time.Now()
	w.out.reset()
	var batch []*decider
	drop := func() {
		for _, d := range batch {
			d.b.Discard()
		}
	}
	portion := w.portion(parts)
	due := portion
	for _, p := range w.inTurn(parts) {
		d, err := p.decide(w.out, &due)
		if err != nil {
			// The state of the partition can't be used; it is restored here or elsewhere.
			w.stop(p.id, err)
			continue
		}
		batch = append(batch, d)
	}
	w.swept = due < portion
	if len(w.out.records) == 0 && time.Since(w.committedAt) < offsetsEvery && !driven(batch) {
		// Only time has passed. The positions are committed with the next decisions, or soon.
		w.settle(batch, nil)
		return nil
	}
	if len(batch) == 0 {
		return nil
	}
	decided := time.Now()
	if err := w.session.Begin(); err != nil {
		drop()
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	// The batch at hand is ended also when the engine is to stop.
	producing, delivered := context.WithoutCancel(ctx), w.out.delivered
	for i := range w.out.records {
		w.session.Produce(producing, &w.out.records[i], delivered)
	}
	outcome, err := w.end(batch)
	w.e.cfg.Metrics.Outcome(outcome)
	if outcome != Committed {
		drop()
		if err == nil && ctx.Err() == nil {
			err = w.resync(ctx)
		}
		return err
	}
	w.committedAt, w.lastBatch = time.Now(), len(w.out.ledger)
	w.e.cfg.Metrics.Batch(len(w.out.ledger), decided.Sub(began), w.committedAt.Sub(decided))
	w.settle(batch, w.out)
	return nil
}

// turns say what a worker's next batch begins with, and whether it sweeps.
type turns struct {
	// turn is the partition, or one before it, with which the next batch begins.
	turn int32
	// swept is set when the last batch worked off what was due.
	swept bool
}

// portion is how long the next batch may sweep. Events that came while the last one did are committed without waiting for
// another portion.
func (w *worker) portion(parts []*partition) time.Duration {
	if w.swept && slices.ContainsFunc(parts, func(p *partition) bool { return p.waiting.first(&p.now.heads) >= 0 }) {
		return 0
	}
	return w.e.cfg.Limits.Due
}

// inTurn has another of the partitions begin each time: at midnight the first uses up what time there is for sweeping.
func (w *worker) inTurn(parts []*partition) []*partition {
	first, _ := slices.BinarySearchFunc(parts, w.turn, func(p *partition, id int32) int { return cmp.Compare(p.id, id) })
	first %= len(parts)
	w.turn = parts[first].id + 1
	return slices.Concat(parts[first:], parts[:first])
}

// driven reports whether the batch applied a tick of somebody who drives the clock through history: he waits for it to be
// committed before he goes on, also where nothing was due.
func driven(batch []*decider) bool {
	return slices.ContainsFunc(batch, func(d *decider) bool {
		return d.p.next.clock.lenient && d.p.next.clock.offset != d.p.now.clock.offset
	})
}

// end commits what was produced together with the positions of the batch. With an error the session can't go on;
// without one, a transaction that was not committed is decided again.
func (w *worker) end(batch []*decider) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	// The client would commit what it has polled. What is committed here is what was decided.
	ctx = kgo.PreTxnCommitFnContext(ctx, func(req *kmsg.TxnOffsetCommitRequest) error {
		w.writePositions(req, batch)
		return nil
	})
	if err := w.session.Client().Flush(ctx); err != nil {
		return Unknown, fmt.Errorf("flushing a transaction: %w", err)
	}
	if err := w.out.failure(); err != nil {
		// A record that will never be accepted would be tried for ever; a new session at least says so, and waits.
		_, aborted := w.session.End(ctx, kgo.TryAbort)
		return Aborted, errors.Join(fmt.Errorf("producing a decision: %w", err), aborted)
	}
	// What the client thinks uncommitted is not what is committed here. Without it the client spares a heartbeat before
	// the end, which would say no more than the commit of the offsets: that the generation stands.
	w.session.Client().SetOffsets(w.session.Client().UncommittedOffsets())
	committed, err := w.session.End(ctx, kgo.TryCommit)
	switch {
	case err != nil:
		return Unknown, fmt.Errorf("the outcome of a transaction is unknown: %w", err)
	case !committed:
		return Aborted, nil
	default:
		return Committed, nil
	}
}

// writePositions makes req commit the positions behind the batch that have moved. Its member and generation fence: who
// has lost the partitions can't commit, and so not decide. So there is something in it even where none has.
func (w *worker) writePositions(req *kmsg.TxnOffsetCommitRequest, batch []*decider) {
	req.Topics = req.Topics[:0]
	none := !slices.ContainsFunc(batch, func(d *decider) bool { return d.p.positions(&d.p.next) != d.p.told })
	for t, name := range inputNames {
		topic := kmsg.NewTxnOffsetCommitRequestTopic()
		topic.Topic = w.e.client.Name(name)
		topic.TopicID = w.e.topicIDs[t]
		for _, d := range batch {
			at := d.p.positions(&d.p.next)[t]
			if at == d.p.told[t] && !none {
				continue
			}
			note := commitNote(d.p.next.position.Inputs[string(name)])
			if t == clockIndex {
				note = d.p.next.clockNote().String()
			}
			p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Partition = d.p.id
			p.Offset = at
			p.LeaderEpoch = -1
			p.Metadata = &note
			topic.Partitions = append(topic.Partitions, p)
		}
		if len(topic.Partitions) > 0 {
			req.Topics = append(req.Topics, topic)
		}
	}
}

// settle makes batches lasting: those that decided nothing (out is nil), or those that Kafka has committed.
func (w *worker) settle(batch []*decider, out *outbox) {
	for _, d := range batch {
		var offsets []int64
		if out != nil {
			d.p.told = d.p.positions(&d.p.next)
			offsets = make([]int64, 0, d.ended-d.began)
			for _, i := range out.ledger[d.began:d.ended] {
				offsets = append(offsets, out.records[i].Offset)
			}
		}
		if len(offsets) > 0 {
			d.p.next.position.Ledger = offsets[len(offsets)-1] + 1
			d.p.next.position.Chain = d.p.next.chain
		}
		if len(offsets) == 0 && d.handed == 0 {
			d.b.Discard()
		} else if err := d.b.Commit(d.p.next.position, offsets); err != nil {
			w.stop(d.p.id, err)
			continue
		}
		d.p.committed(d)
		w.report(d, offsets)
	}
}

// catchingUpFrom is the backlog from which on state may write less often.
const catchingUpFrom = 10_000

// report tells those who wait, the status and the metrics. The decisions are at the offsets.
func (w *worker) report(d *decider, offsets []int64) {
	p := d.p
	waiting := p.backlog()
	p.store.CatchingUp(waiting > catchingUpFrom)
	p.tenure.set(func(s *PartitionStatus) {
		s.Ledger, s.End = p.now.position.Ledger, p.now.position.Ledger
		s.Clock, s.Waiting, s.Sweeping, s.Due = p.now.clock.at, waiting, p.now.sweep, d.handed
		if d.newest != 0 {
			s.Newest = events.Instant(d.newest)
		}
	})
	p.tenure.follow(p.now.lease, len(p.now.ticks))
	if len(offsets) == 0 {
		return
	}
	for i := range d.awaited {
		made := &d.awaited[i]
		made.Partition, made.Offset = p.id, offsets[made.Offset]
		w.e.waiters.decided(made)
	}
	d.counts.report(w.e.cfg.Metrics)
	if d.newest != 0 {
		w.e.cfg.Metrics.Latency(time.Since(time.UnixMilli(d.newest)))
	}
}

// resync sets the partitions back to what the ledger says, after a transaction that was not committed. The client says
// so when it gave the transaction up; that may not be all that happened.
func (w *worker) resync(ctx context.Context) error {
	w.mu.Lock()
	parts := make([]*partition, 0, len(w.parts))
	for _, p := range w.parts {
		parts = append(parts, p)
	}
	w.mu.Unlock()
	committed, err := w.e.client.committed(ctx)
	if err != nil {
		return err
	}
	back := make(map[string]map[int32]kgo.EpochOffset)
	for _, p := range parts {
		err := w.e.projector.Restore(ctx, p.store, func(int64, int64) {})
		if err == nil {
			err = p.startAgain(ctx, committed)
		}
		if errors.Is(err, errStopped) {
			w.stop(p.id, err)
			continue
		}
		if err != nil {
			return err
		}
		for t, at := range p.fetched {
			if back[p.names[t]] == nil {
				back[p.names[t]] = make(map[int32]kgo.EpochOffset)
			}
			back[p.names[t]][p.id] = kgo.EpochOffset{Epoch: -1, Offset: at}
		}
	}
	w.session.Client().SetOffsets(back)
	return nil
}

// startAgain is startFrom for a partition that is in use.
func (p *partition) startAgain(ctx context.Context, committed offsetsCommitted) error {
	for t := range p.waiting {
		clear(p.waiting[t])
		p.waiting[t] = p.waiting[t][:0]
	}
	return p.startFrom(ctx, committed)
}
