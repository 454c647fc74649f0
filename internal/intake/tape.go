package intake

import (
	"io"
	"strings"
)

// TextBytesMax is how much of a line a [Reject] keeps: more than any line that a person would mend.
const TextBytesMax = 64 << 10

// tape remembers what was read through it until it is cut, so that a row can be told as it stands in the file: quotes and
// all, also when it is no CSV.
type tape struct {
	from io.Reader
	kept []byte
	// cutAt is how much was cut off before kept.
	cutAt int64
}

// Read implements [io.Reader].
func (t *tape) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.kept = append(t.kept, p[:n]...)
	return n, err
}

// cut returns what was read since the last cut, up to an offset from the beginning, without the ends of lines around it.
func (t *tape) cut(to int64) string {
	n := to - t.cutAt
	text := strings.Trim(ClipText(t.kept[:n]), "\r\n")
	t.kept, t.cutAt = t.kept[n:], to
	return text
}

// ClipText returns a line as a [Reject] has it.
func ClipText(line []byte) string {
	if len(line) > TextBytesMax {
		return string(line[:TextBytesMax]) + "…"
	}
	return string(line)
}
