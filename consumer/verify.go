package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// ErrNoPartition means that a partition was named that the topics do not have.
var ErrNoPartition = errors.New("there is no partition")

// VerifyConfig says what to verify.
type VerifyConfig struct {
	// Partitions are those to verify, whatever else the topics have; nil: all, which the inputs and the ledger must have alike
	// ([ErrPartitionsDiffer]).
	Partitions []int32
	// AtOnce is how many partitions are verified side by side; 0: as many as there are processors. Each holds its
	// accounts in memory.
	AtOnce int
	// Progress is told how far a partition is, as ledger offsets; it may be called by several goroutines. Nil: nobody is.
	Progress func(partition int32, position, end int64)
}

// VerifyReport is what verifying found.
type VerifyReport struct {
	Partitions []VerifiedPartition `json:"partitions"`
	// Records are the ledger records that were decided once more.
	Records int64         `json:"records"`
	Took    time.Duration `json:"took_ns"`
}

// Differences returns the first difference of each partition that has one.
func (r *VerifyReport) Differences() []Difference {
	var all []Difference
	for i := range r.Partitions {
		if d := r.Partitions[i].Difference; d != nil {
			all = append(all, *d)
		}
	}
	return all
}

// Undecided sums what the partitions have not decided.
func (r *VerifyReport) Undecided() int64 {
	return r.sum(func(p *VerifiedPartition) int64 { return p.Undecided })
}

// Unknown sums the records of which the ledger's word was taken that their schema was unknown.
func (r *VerifyReport) Unknown() int64 {
	return r.sum(func(p *VerifiedPartition) int64 { return p.Unknown })
}

// Parked sums the records of which the ledger's word was taken that deciding them broke down.
func (r *VerifyReport) Parked() int64 {
	return r.sum(func(p *VerifiedPartition) int64 { return p.Parked })
}

// Due sums the customers for whom something is due that is not decided.
func (r *VerifyReport) Due() int64 {
	return r.sum(func(p *VerifiedPartition) int64 { return p.Due })
}

// Rewritten sums the records that say the same in other bytes.
func (r *VerifyReport) Rewritten() int64 {
	return r.sum(func(p *VerifiedPartition) int64 { return p.Rewritten })
}

func (r *VerifyReport) sum(of func(*VerifiedPartition) int64) (n int64) {
	for i := range r.Partitions {
		n += of(&r.Partitions[i])
	}
	return n
}

// RecordsPerSecond is the speed over all partitions.
func (r *VerifyReport) RecordsPerSecond() float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(r.Records) / r.Took.Seconds()
}

// VerifiedPartition is what verifying found in one partition.
type VerifiedPartition struct {
	Partition int32 `json:"partition"`
	Records   int64 `json:"records"`
	Customers int   `json:"customers"`
	// Undecided are records of the inputs that come after all that the ledger has decided. An engine decides them, or has
	// done so while they were counted.
	Undecided int64 `json:"undecided"`
	// Due are customers for whom the last tick has something to do that is not in the ledger. An engine does it, or has done so
	// meanwhile.
	Due int64 `json:"due,omitempty"`
	// Rewritten are records whose bytes another schema wrote, and which say the same.
	Rewritten int64 `json:"rewritten,omitempty"`
	// Unknown are records that could not be read because the registry did not know their schema, and does now: the
	// ledger's word is taken for it.
	Unknown int64 `json:"unknown,omitempty"`
	// Parked are records that say that deciding them broke down, or an earlier one of the customer: the ledger's word is taken
	// for it.
	Parked int64 `json:"parked,omitempty"`
	// Chain is the hash of the last record.
	Chain events.Hash `json:"chain"`
	// Difference is the first one; what comes after it is not looked at.
	Difference *Difference `json:"difference,omitempty"`
}

// Verify walks partitions of the ledger from their start, decides every record's cause once more, and compares bytes. It
// also checks the chain, the accounts' invariants, that each input record has exactly one decision, in order, that the
// clock never goes back and stands where a tick put it, that nothing was decided for a customer before what was due
// by then, and nothing is left to do of a tick when the next is worked off, that what decisions sent to other customers is
// in the transfers topic and, where all partitions are verified, nothing else, and that the ledger has all that the group
// has committed as decided. It reads no state and needs no engine; records that come while it runs are not looked at.
//
// The error says why it could not be done, as when an input topic no longer has the causes. Differences are in the
// report.
func (c *Client) Verify(ctx context.Context, cfg VerifyConfig) (VerifyReport, error) {
	began := time.Now()
	n, err := c.Partitions(ctx)
	if err != nil {
		return VerifyReport{}, err
	}
	ids := slices.Compact(slices.Sorted(slices.Values(cfg.Partitions)))
	if cfg.Partitions == nil {
		// What an input has beyond the ledger's partitions nobody decides, and no record of the ledger would miss it.
		if err := c.CheckPartitions(ctx); err != nil {
			return VerifyReport{}, err
		}
		for id := range n {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if id < 0 || id >= n {
			return VerifyReport{}, fmt.Errorf("%w %d: the ledger has 0 to %d", ErrNoPartition, id, n-1)
		}
	}
	if cfg.AtOnce <= 0 {
		cfg.AtOnce = runtime.GOMAXPROCS(0)
	}
	// An engine may be running. So what decisions follow from is asked for after them, and what must follow from them,
	// before: the ledger has all that the group's offsets say was decided, what one partition has received by its first end
	// was sent by the other's second, and the program topic has all versions that are pinned.
	//
	// Who may read the topics need not be allowed to see the group.
	committed, err := c.committed(ctx)
	if err != nil && !errors.Is(err, kerr.GroupAuthorizationFailed) {
		return VerifyReport{}, err
	}
	received, err := c.ledgerEnds(ctx, ids)
	if err != nil {
		return VerifyReport{}, err
	}
	ends, err := c.ledgerEnds(ctx, ids)
	if err != nil {
		return VerifyReport{}, err
	}
	history, err := c.Programs(ctx)
	if err != nil {
		return VerifyReport{}, err
	}
	report := VerifyReport{Partitions: make([]VerifiedPartition, len(ids))}
	g, verifying := errgroup.WithContext(ctx)
	g.SetLimit(cfg.AtOnce)
	crossing := make([]crossings, len(ids))
	for i, id := range ids {
		g.Go(func() error {
			v := newVerifier(c, id, n, history, received[i])
			err := v.run(verifying, ends[i], committed, cfg.Progress)
			report.Partitions[i], crossing[i] = v.result, v.crossings
			if err != nil {
				return fmt.Errorf("verifying partition %d: %w", id, err)
			}
			return nil
		})
	}
	if err = g.Wait(); err == nil {
		err = c.checkSent(ctx, n, report.Partitions, crossing)
	}
	if err == nil && len(ids) == int(n) {
		checkReceived(report.Partitions, crossing)
	}
	for i := range report.Partitions {
		report.Records += report.Partitions[i].Records
	}
	report.Took = time.Since(began)
	return report, err
}

// ledgerEnds returns where partitions of the ledger end.
func (c *Client) ledgerEnds(ctx context.Context, ids []int32) ([]int64, error) {
	ends := make([]int64, len(ids))
	for i, id := range ids {
		span, err := c.reader.Span(ctx, c.Name(schemas.TopicLedger), id)
		if err != nil {
			return nil, err
		}
		ends[i] = span.End
	}
	return ends, nil
}
