package schemas_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/accrue-loyalty/accrue/schemas"
)

func TestDeadLettersComeBack(t *testing.T) {
	letter := schemas.DeadLetter{Reason: "unknown_framing", Detail: "no Avro", Topic: "accrue.orders", Partition: 3, Offset: 12345, Time: 1763805600000}
	own := schemas.Header{Key: "trace", Value: []byte("7")}
	got, rest, err := schemas.ParseDeadLetter(append(letter.Headers(), own))
	if err != nil || got != letter || !reflect.DeepEqual(rest, []schemas.Header{own}) {
		t.Errorf("got %+v, %v, %v", got, rest, err)
	}
}

func TestTheNewestDeadLetterCounts(t *testing.T) {
	first := schemas.DeadLetter{Reason: "broken_bytes", Detail: "d", Topic: "accrue.orders", Offset: 1}
	second := schemas.DeadLetter{Reason: "unknown_schema", Detail: "d", Topic: "accrue.orders", Offset: 99}
	got, rest, err := schemas.ParseDeadLetter(append(second.Headers(), first.Headers()...))
	if err != nil || got != second || len(rest) != 0 {
		t.Errorf("got %+v, %v, %v", got, rest, err)
	}
}

func TestForeignDeadLettersAreRefused(t *testing.T) {
	whole := (&schemas.DeadLetter{Reason: "r", Topic: "t"}).Headers()
	if _, _, err := schemas.ParseDeadLetter(whole[1:]); err == nil || !strings.Contains(err.Error(), schemas.HeaderReason) {
		t.Errorf("without a reason: %v", err)
	}
	whole[3].Value = []byte("three")
	if _, _, err := schemas.ParseDeadLetter(whole); err == nil || !strings.Contains(err.Error(), schemas.HeaderPartition) {
		t.Errorf("with a partition in words: %v", err)
	}
}

func TestLongExplanationsAreCut(t *testing.T) {
	letter := schemas.DeadLetter{Reason: "r", Topic: "t", Detail: "x" + strings.Repeat("ü", 1<<19)}
	n := 0
	for _, h := range letter.Headers() {
		if !utf8.Valid(h.Value) {
			t.Errorf("%s is cut within a character", h.Key)
		}
		n += len(h.Value)
	}
	if n > 2048 {
		t.Errorf("the headers have %d bytes", n)
	}
}
