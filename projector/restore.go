package projector

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// When restoring.
var (
	// ErrOtherLedger means that the state's folder does not belong to this ledger: it reflects records that the ledger
	// lacks or has otherwise.
	ErrOtherLedger = errors.New("the state was folded from another ledger")
	// ErrTakenBack means that the last transaction that the state reflects was aborted, although the brokers had confirmed
	// its commit. The ledger is right; the state must be dropped.
	ErrTakenBack = errors.New("a commit of the ledger was taken back")
	// ErrLedgerCut means that retention has deleted records of the ledger which the state does not reflect.
	ErrLedgerCut = errors.New("the ledger lacks its beginning")
)

// bulkFrom is the number of ledger offsets from which on a restore folds in memory and writes sorted tables. Below it,
// accounts are worked on like by the engine, and what is cached stays.
const bulkFrom = 10_000

// Restore folds what part lacks of its ledger partition, to the end that uncommitted reads see. progress is told how far
// it is, about once for every 8 MiB; it must not block. When ctx ends, what was folded by then may be kept.
//
// The caller owns part, and no batch is open.
func (p *Projector) Restore(ctx context.Context, part *state.Partition, progress func(position, end int64)) error {
	from := part.Position()
	span, err := p.reader.Span(ctx, p.topic, part.Number())
	if err != nil {
		return err
	}
	if err := p.checkBelongs(ctx, part.Number(), &from, span); err != nil {
		return err
	}
	progress(from.Ledger, span.End)
	if from.Ledger >= span.End {
		return nil
	}
	f := &folding{p: p, partition: part.Number(), position: from.Clone()}
	if span.End-from.Ledger >= bulkFrom {
		err = f.bulk(ctx, part, span.End, progress)
	} else {
		err = f.batches(ctx, part, span.End, progress)
	}
	if err != nil {
		return fmt.Errorf("folding %s-%d: %w", p.topic, part.Number(), err)
	}
	return nil
}

// checkBelongs looks whether the last record that the state reflects is in the ledger.
func (p *Projector) checkBelongs(ctx context.Context, partition int32, at *state.Position, span Span) error {
	switch {
	case at.Ledger > span.End:
		return fmt.Errorf("%w: it reflects %s-%d to offset %d, but the ledger ends at %d; delete the state's folder to rebuild it, if this is the right cluster", ErrOtherLedger, p.topic, partition, at.Ledger, span.End)
	case at.Ledger < span.Start:
		return fmt.Errorf("%w: %s-%d begins at offset %d, but the state has it to %d only: the ledger must be kept for ever", ErrLedgerCut, p.topic, partition, span.Start, at.Ledger)
	case at.Ledger == 0 || at.Ledger == span.Start:
		return nil
	}
	// Markers reach the ledger after the commit was answered, and a transaction of somebody else may be open before it:
	// the record may not be readable yet.
	found := false
	isLast := func(rec *kgo.Record) bool {
		return rec.Offset == at.Ledger-1 && sha256.Sum256(rec.Value) == at.Chain
	}
	err := p.reader.Read(ctx, p.topic, partition, at.Ledger-1, at.Ledger, func(c Chunk) error {
		i := slices.IndexFunc(c.Records, isLast)
		if i < 0 {
			return nil
		}
		found = true
		return p.checkReadable(c.Records[i])
	})
	if err != nil || found {
		return err
	}
	c, err := p.reader.FetchEnded(ctx, p.topic, partition, at.Ledger-1, decisionBytes)
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(c.Records, isLast):
		return fmt.Errorf("%w: the record at %s-%d@%d, which was folded last, is there, but aborted", ErrTakenBack, p.topic, partition, at.Ledger-1)
	default:
		return fmt.Errorf("%w: the record at %s-%d@%d is not the one that was folded last; delete the state's folder to rebuild it, if this is the right cluster", ErrOtherLedger, p.topic, partition, at.Ledger-1)
	}
}

// checkReadable looks whether what was folded last can be read. Where it can't, nothing new in the ledger could be, and events
// that producers write alike would be decided as unreadable.
func (p *Projector) checkReadable(rec *kgo.Record) error {
	var d events.Decision
	err := p.codec.DecodeHead(rec.Value, &d)
	if !errors.Is(err, schemas.ErrUnreadable) {
		return nil // the registry may be down: who decides will wait for it
	}
	return fmt.Errorf("reading the decision at %s-%d@%d, which a newer accrue wrote, or one with a schema registry that this one lacks: %w", rec.Topic, rec.Partition, rec.Offset, err)
}

// folding is a restore under way.
type folding struct {
	p         *Projector
	partition int32
	position  state.Position
	decision  events.Decision
}

// next decodes a record, as a whole or its head, and checks that it follows the one before.
func (f *folding) next(rec *kgo.Record, decode func([]byte, *events.Decision) error) (*events.Decision, error) {
	d := &f.decision
	if err := decode(rec.Value, d); err != nil {
		return nil, fmt.Errorf("decoding the decision at offset %d: %w", rec.Offset, err)
	}
	if d.Chain != f.position.Chain {
		return nil, fmt.Errorf("%w at offset %d: it names %s as the record before it, which is %s", ErrChain, rec.Offset, d.Chain, f.position.Chain)
	}
	d.Partition, d.Offset = f.partition, rec.Offset
	Advance(&f.position, d)
	f.position.Ledger = rec.Offset + 1
	f.position.Chain = sha256.Sum256(rec.Value)
	return d, nil
}

// Advance moves a position past a decision, all but the ledger's own offset and chain. Its Inputs are written to.
func Advance(pos *state.Position, d *events.Decision) {
	pos.Clock = max(pos.Clock, d.Clock)
	if next := d.Cause.Offset + 1; next > pos.Inputs[d.Cause.Topic] {
		pos.Inputs[d.Cause.Topic] = next
	}
}

// markEvery is how many records may come before a restore is asked whether that is enough for a round.
const markEvery = 1024

// bulk leaves the folding to a restore, which decodes the records when it comes to their customers.
func (f *folding) bulk(ctx context.Context, part *state.Partition, end int64, progress func(int64, int64)) error {
	r, err := part.Restore(ctx, end-f.position.Ledger, f.p.codec.DecodeDecision)
	if err != nil {
		return err
	}
	defer r.Abandon()
	err = f.p.reader.Read(ctx, f.p.topic, f.partition, f.position.Ledger, end, func(c Chunk) error {
		for i, rec := range c.Records {
			if i%markEvery == markEvery-1 {
				if err := r.Mark(ctx, f.position.Clone()); err != nil {
					return err
				}
			}
			if rec.Attrs.IsControl() {
				continue
			}
			d, err := f.next(rec, f.p.codec.DecodeHead)
			if err != nil {
				return err
			}
			r.Add(d, rec.Offset, rec.Value)
		}
		progress(c.Next, end)
		return nil
	})
	if err != nil {
		return err
	}
	return r.Finish(ctx, f.position)
}

// batches folds through batches of the partition.
func (f *folding) batches(ctx context.Context, part *state.Partition, end int64, progress func(int64, int64)) error {
	return f.p.reader.Read(ctx, f.p.topic, f.partition, f.position.Ledger, end, func(c Chunk) error {
		b := part.Begin()
		for _, rec := range c.Records {
			if rec.Attrs.IsControl() {
				continue
			}
			d, err := f.next(rec, f.p.codec.DecodeDecision)
			if err == nil {
				err = b.Fold(d)
			}
			if err != nil {
				b.Discard()
				return err
			}
		}
		if err := b.Commit(f.position.Clone(), nil); err != nil {
			return err
		}
		progress(c.Next, end)
		return nil
	})
}
