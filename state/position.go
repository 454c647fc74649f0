package state

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/accrue-loyalty/accrue/events"
)

// Position says which part of the world a partition reflects.
type Position struct {
	// Ledger is the next ledger offset to fold: every decision below it is in the state.
	Ledger int64
	// Chain is the SHA-256 of the last ledger record folded; zero when there was none.
	Chain events.Hash
	// Clock is the partition clock; 0 before the first tick.
	Clock events.Instant
	// Inputs are the next offsets to decide, by topic without prefix. The map is not written to once it was handed over.
	Inputs map[string]int64
}

// Clone returns a copy whose Inputs may be written to.
func (p Position) Clone() Position {
	p.Inputs = maps.Clone(p.Inputs)
	if p.Inputs == nil {
		p.Inputs = map[string]int64{}
	}
	return p
}

// follows returns an error unless no part of p is behind its counterpart in before.
func (p *Position) follows(before *Position) error {
	switch {
	case p.Ledger < before.Ledger:
		return fmt.Errorf("%w: ledger from %d to %d", ErrBackwards, before.Ledger, p.Ledger)
	case p.Clock < before.Clock:
		return fmt.Errorf("%w: clock from %v to %v", ErrBackwards, before.Clock, p.Clock)
	}
	for topic, offset := range before.Inputs {
		if p.Inputs[topic] < offset {
			return fmt.Errorf("%w: %s from %d to %d", ErrBackwards, topic, offset, p.Inputs[topic])
		}
	}
	return nil
}

func appendPosition(b []byte, p *Position) []byte {
	b = binary.AppendVarint(b, p.Ledger)
	b = append(b, p.Chain[:]...)
	b = binary.AppendVarint(b, int64(p.Clock))
	b = append(b, 0) // was for owners to count themselves, which none did
	b = binary.AppendUvarint(b, uint64(len(p.Inputs)))
	for _, topic := range slices.Sorted(maps.Keys(p.Inputs)) {
		b = appendText(b, topic)
		b = binary.AppendVarint(b, p.Inputs[topic])
	}
	return b
}

func decodePosition(b []byte) (*Position, error) {
	d := decoder{b: b}
	p := &Position{Ledger: d.int()}
	copy(p.Chain[:], d.take(len(p.Chain)))
	p.Clock = events.Instant(d.int())
	d.take(1)
	n := d.count()
	p.Inputs = make(map[string]int64, n)
	for range n {
		topic := d.text()
		p.Inputs[topic] = d.int()
	}
	return p, d.done("position")
}
