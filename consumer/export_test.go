package consumer

import (
	"context"
	"slices"

	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// FixedPrograms returns versions that don't come from Kafka.
func FixedPrograms(versions ...*loyalty.Program) *Programs {
	p := &Programs{changed: make(chan struct{}), stop: func() {}, done: make(chan struct{})}
	close(p.done)
	h := historyOf(versions)
	p.history.Store(&h)
	return p
}

// Reader reads any topic by position. It lives as long as the client.
func (c *Client) Reader() *projector.Reader { return c.reader }

// OrMadeAnew is what becomes of a session's error.
func (e *Engine) OrMadeAnew(ctx context.Context, err error) error { return e.orMadeAnew(ctx, err) }

// OwnerOf returns the owner of a partition; ok is false while it has none.
func (c *Client) OwnerOf(ctx context.Context, partition int32) (o Owner, ok bool, err error) {
	list, err := c.Owners(ctx)
	if err != nil {
		return Owner{}, false, err
	}
	for _, o := range list {
		if o.Partition == partition {
			return o, true, nil
		}
	}
	return Owner{}, false, nil
}

// InputNames returns the topics that the engine reads.
func InputNames() []schemas.Topic { return slices.Clone(inputNames[:]) }
