package schemas

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
)

// Header is a record header. It is Kafka's, without tying this package to a client.
type Header struct {
	Key   string
	Value []byte
}

// The headers of a dead letter. Its key and value are the original record's, byte for byte; the record's own headers
// come after these. A record that is too large for the topic of the dead letters leaves its value and headers behind.
const (
	HeaderReason    = "accrue-reason"
	HeaderDetail    = "accrue-detail"
	HeaderTopic     = "accrue-topic"
	HeaderPartition = "accrue-partition"
	HeaderOffset    = "accrue-offset"
	HeaderTime      = "accrue-time"
	// HeaderOmitted is there when the dead letter lacks the original's value and headers.
	HeaderOmitted = "accrue-omitted"
)

// deadLetterDetailBytesMax keeps a long explanation from making the dead letter larger than its topic allows.
const deadLetterDetailBytesMax = 1024

// DeadLetter says where a record that could not be decided came from, and why it could not.
type DeadLetter struct {
	// Reason is the stable code of the decision that records it, such as unknown_schema.
	Reason string
	// Detail is for people.
	Detail string
	// Topic is the origin's whole name on the cluster, with the prefix.
	Topic     string
	Partition int32
	Offset    int64
	// Time is the original record's timestamp.
	Time events.Instant
	// Omitted is how many bytes the original takes, when those are too many for the dead letters' topic: its value and
	// headers are left out then. They are where the original is, as long as its topic keeps it. 0: nothing is left out.
	Omitted int64
}

// Headers returns l as record headers.
func (l *DeadLetter) Headers() []Header {
	detail := l.Detail
	if len(detail) > deadLetterDetailBytesMax {
		detail = strings.ToValidUTF8(detail[:deadLetterDetailBytesMax], "") + "…"
	}
	headers := []Header{
		{HeaderReason, []byte(l.Reason)},
		{HeaderDetail, []byte(detail)},
		{HeaderTopic, []byte(l.Topic)},
		{HeaderPartition, strconv.AppendInt(nil, int64(l.Partition), 10)},
		{HeaderOffset, strconv.AppendInt(nil, l.Offset, 10)},
		{HeaderTime, strconv.AppendInt(nil, int64(l.Time), 10)},
	}
	if l.Omitted > 0 {
		headers = append(headers, Header{HeaderOmitted, strconv.AppendInt(nil, l.Omitted, 10)})
	}
	return headers
}

// ParseDeadLetter reads the headers of a dead letter, and returns the original record's own. Where a name comes twice,
// the first counts: a dead letter that was re-submitted and failed again carries the old ones behind.
func ParseDeadLetter(headers []Header) (DeadLetter, []Header, error) {
	var l DeadLetter
	var own []Header
	seen := make(map[string]bool)
	number := func(h Header, bits int) (int64, error) {
		n, err := strconv.ParseInt(string(h.Value), 10, bits)
		if err != nil {
			return 0, fmt.Errorf("dead letter: header %s is %q, want a number", h.Key, h.Value)
		}
		return n, nil
	}
	for _, h := range headers {
		var n int64
		var err error
		first := !seen[h.Key]
		seen[h.Key] = true
		switch h.Key {
		case HeaderReason, HeaderDetail, HeaderTopic, HeaderPartition, HeaderOffset, HeaderTime, HeaderOmitted:
			if !first {
				continue
			}
		}
		switch h.Key {
		case HeaderReason:
			l.Reason = string(h.Value)
		case HeaderDetail:
			l.Detail = string(h.Value)
		case HeaderTopic:
			l.Topic = string(h.Value)
		case HeaderPartition:
			n, err = number(h, 32)
			l.Partition = int32(n)
		case HeaderOffset:
			l.Offset, err = number(h, 64)
		case HeaderTime:
			n, err = number(h, 64)
			l.Time = events.Instant(n)
		case HeaderOmitted:
			l.Omitted, err = number(h, 64)
		default:
			own = append(own, h)
		}
		if err != nil {
			return DeadLetter{}, nil, err
		}
	}
	for _, key := range []string{HeaderReason, HeaderTopic, HeaderPartition, HeaderOffset} {
		if !seen[key] {
			return DeadLetter{}, nil, fmt.Errorf("dead letter: header %s is missing: accrue did not write this record", key)
		}
	}
	return l, own, nil
}
