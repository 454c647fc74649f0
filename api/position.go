package api

import (
	"fmt"
	"strconv"
	"strings"
)

// positionHeader carries positions both ways.
const positionHeader = "Accrue-Position"

// positionsMax bounds the positions in one header, in and out.
const positionsMax = 64

// Position is a point in one partition's history: all of its records below Next.
type Position struct {
	Partition int32
	// Topic is an input topic without prefix; "" is the ledger.
	Topic string
	Next  int64
}

// String returns "3@812" for the ledger and "3@orders:17" for an input topic.
func (p Position) String() string { return string(p.appendTo(nil)) }

func (p Position) appendTo(b []byte) []byte {
	b = strconv.AppendInt(b, int64(p.Partition), 10)
	b = append(b, '@')
	if p.Topic != "" {
		b = append(b, p.Topic...)
		b = append(b, ':')
	}
	return strconv.AppendInt(b, p.Next, 10)
}

// ParsePosition is the inverse of [Position.String].
func ParsePosition(text string) (Position, error) {
	partition, rest, ok := strings.Cut(text, "@")
	topic, next, input := strings.Cut(rest, ":")
	if !input {
		topic, next = "", rest
	}
	n, err := strconv.ParseInt(partition, 10, 32)
	offset, err2 := strconv.ParseInt(next, 10, 64)
	if !ok || err != nil || err2 != nil || n < 0 || offset < 0 || (input && topic == "") {
		return Position{}, fmt.Errorf("%q is not a position such as 3@812 or 3@orders:17", text)
	}
	return Position{Partition: int32(n), Topic: topic, Next: offset}, nil
}

// parsePositions reads what an Accrue-Position header says: positions with commas between them.
func parsePositions(text string) ([]Position, error) {
	var all []Position
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if len(all) == positionsMax {
			return nil, fmt.Errorf("more than %d positions", positionsMax)
		}
		p, err := ParsePosition(part)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// parseMinOffset reads what min_offset says: the next ledger offset of the customer's partition, or what an Accrue-Position
// header may say.
func parseMinOffset(text string, partition int32) ([]Position, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return []Position{{Partition: partition, Next: n}}, nil
	}
	return parsePositions(text)
}
