package consumer

import (
	"slices"

	"github.com/accrue-loyalty/accrue/schemas"
)

// inputs lists the topics that are consumed, by name: in a batch, that is the order of records with the same time, but
// for ticks, which come after what is as old as they are. The signals topic is reserved: nothing is written to it yet.
func inputs() []schemas.Topic {
	all := slices.DeleteFunc(schemas.Inputs(), func(t schemas.Topic) bool {
		return t == schemas.TopicSignals || t == schemas.TopicClock
	})
	slices.Sort(all)
	return append(all, schemas.TopicClock)
}
