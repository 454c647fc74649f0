package projector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// When reading the ledger.
var (
	// ErrChain means that a ledger record does not name the one before it: a record was removed or changed.
	ErrChain = errors.New("the ledger's chain is broken")
	// ErrNoDecision means that there is no decision at an offset of the ledger.
	ErrNoDecision = errors.New("no decision at this offset")
)

// Projector reads the ledger. It is safe for concurrent use.
type Projector struct {
	reader *Reader
	codec  *schemas.Codec
	topic  string
}

// New returns a projector of the ledger topic, given by its whole name.
func New(reader *Reader, codec *schemas.Codec, topic string) *Projector {
	return &Projector{reader: reader, codec: codec, topic: topic}
}

// What reading single decisions may take.
const (
	// decisionBytes is what a fetch asks for, for each offset that it is to reach: more than nearly all decisions have. A
	// larger batch is sent all the same.
	decisionBytes = 2 << 10
	// decisionBytesMax bounds a fetch for a few decisions that lie together.
	decisionBytesMax = 256 << 10
	// decisionsAtOnce bounds the fetches under way for one call.
	decisionsAtOnce = 8
)

// Decisions returns the decisions at the given offsets of a partition, in the order of the offsets given. It returns
// [ErrNoDecision] when one of them is not there.
func (p *Projector) Decisions(ctx context.Context, partition int32, offsets []int64) ([]events.Decision, error) {
	found := make([]events.Decision, len(offsets))
	byOffset := make([]int, len(offsets))
	for i := range byOffset {
		byOffset[i] = i
	}
	slices.SortFunc(byOffset, func(a, b int) int { return cmp.Compare(offsets[a], offsets[b]) })

	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(decisionsAtOnce)
	for len(byOffset) > 0 {
		// Offsets close together are most likely in one answer.
		n := 1
		for n < len(byOffset) && offsets[byOffset[n]]-offsets[byOffset[0]] < neighbours {
			n++
		}
		near := byOffset[:n]
		byOffset = byOffset[n:]
		g.Go(func() error { return p.readNear(ctx, partition, offsets, near, found) })
	}
	return found, g.Wait()
}

// neighbours is how far apart decisions may be to be sought by one fetch.
const neighbours = 200

// readNear reads the decisions at the offsets with the ascending indexes near into found.
func (p *Projector) readNear(ctx context.Context, partition int32, offsets []int64, near []int, found []events.Decision) error {
	at := offsets[near[0]]
	for len(near) > 0 {
		span := offsets[near[len(near)-1]] - at + 1
		c, err := p.reader.Fetch(ctx, p.topic, partition, at, int32(min(span*decisionBytes, decisionBytesMax)))
		if err != nil {
			return err
		}
		for _, rec := range c.Records {
			if len(near) == 0 {
				break
			}
			want := offsets[near[0]]
			if rec.Offset > want {
				return fmt.Errorf("%s-%d@%d: %w", p.topic, partition, want, ErrNoDecision)
			}
			if rec.Offset < want {
				continue
			}
			if rec.Attrs.IsControl() {
				return fmt.Errorf("%s-%d@%d: %w: it is a transaction's marker", p.topic, partition, want, ErrNoDecision)
			}
			for len(near) > 0 && offsets[near[0]] == want { // an offset may be asked for twice
				d := &found[near[0]]
				if err := p.codec.DecodeDecision(rec.Value, d); err != nil {
					return fmt.Errorf("decoding the decision at %s-%d@%d: %w", p.topic, partition, want, err)
				}
				d.Partition, d.Offset = partition, want
				near = near[1:]
			}
		}
		if len(near) > 0 && (offsets[near[0]] >= c.End || c.Next > offsets[near[0]]) {
			return fmt.Errorf("%s-%d@%d: %w", p.topic, partition, offsets[near[0]], ErrNoDecision)
		}
		at = max(c.Next, at)
		if len(near) > 0 && offsets[near[0]] > at && len(c.Records) > 0 {
			at = offsets[near[0]]
		}
	}
	return nil
}
