package consumer

import (
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/projector"
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
