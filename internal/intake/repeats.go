package intake

import (
	"fmt"
	"strings"
)

// repeatedMin is how many rows make it no chance that they stand there again, in their order: two tills that write into one
// file may well have put something between two of the same mug.
const repeatedMin = 2

// repeated says that the rows of an event stand in the file twice, with others between: exports of two periods that overlap
// were put together, and all amounts would count double. The same rows one after the other are pieces that were rung up
// one by one.
func (now *group) repeated(noun string) error {
	half := len(now.rows) / 2
	if len(now.rows)%2 != 0 || half < repeatedMin {
		return nil
	}
	for i := range half {
		if now.rows[i].text != now.rows[half+i].text {
			return nil
		}
	}
	last := now.rows[half-1]
	if now.rows[half].line <= last.line+1+int64(strings.Count(last.text, "\n")) {
		return nil
	}
	return fmt.Errorf("the rows of this %s are there again from line %d on: take out what the file has twice", noun, now.rows[half].line)
}
