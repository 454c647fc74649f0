package consumer_test

import (
	"slices"
	"testing"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/schemas"
)

// TestTheEngineReadsAllInputsThatAreNotReserved keeps the engine and `accrue topics check` of one mind about what is needed.
func TestTheEngineReadsAllInputsThatAreNotReserved(t *testing.T) {
	want := slices.DeleteFunc(schemas.Inputs(), schemas.Topic.Reserved)
	got := consumer.InputNames()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the engine reads %v, the inputs in use are %v", got, want)
	}
}
