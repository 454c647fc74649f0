package api

import (
	"context"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Parts are what a [Server] stands on. All of them are needed, and all must be safe for concurrent use.
type Parts struct {
	Places    Places
	Ledger    Ledger
	Producer  Producer
	Decisions Decisions
	Programs  Programs
}

// Places knows where customers live.
type Places interface {
	// Place returns where a customer's account is. It must not block: it runs on every read.
	Place(customer string) Place
	// Places returns every partition, by number.
	Places() []Place
	// Joined reports whether the instance has taken its whole part since it started. Until then partitions move to it, and
	// within it.
	Joined() bool
	// Wait returns once the partition's state has folded the position, or with ctx's error.
	Wait(ctx context.Context, p Position) error
}

// Place is one partition as this instance sees it at one moment.
type Place struct {
	Partition int32
	State     PlaceState
	// Store reads the partition; it is set when State is [Owned].
	Store Store
	// Owner is the base URL of the owner's API when State is [Elsewhere], such as http://10.0.0.7:8080.
	Owner string
	// Why says what stopped the partition where State is [Quarantined]; "" when it will be restored.
	Why string
	// Folded is the next ledger offset to fold; Target is where a restore ends.
	Folded, Target int64
	Clock          events.Instant
	// Inputs are the next offsets by topic, without prefix. Only [Places.Places] need fill it in.
	Inputs map[string]int64
}

// PlaceState says who answers for a partition.
type PlaceState uint8

// The states of a place.
const (
	// Unowned: the group has not given the partition to anybody yet, or its owner is not known.
	Unowned PlaceState = iota
	// Owned by this instance, and up to date.
	Owned
	// Restoring: owned by this instance, which is still reading the ledger.
	Restoring
	// Elsewhere: owned by another instance.
	Elsewhere
	// Quarantined: owned by this instance, which can't decide it: its copy of the state is damaged, or what Why says.
	Quarantined
)

// String returns the state's name in answers.
func (s PlaceState) String() string {
	return [...]string{"unowned", "owned", "restoring", "elsewhere", "quarantined"}[s]
}

// Store reads the accounts of one partition. What it returns is shared: nobody may write to it.
type Store interface {
	// Account returns a customer's account and the ledger offset of its last decision; nil for an unknown customer.
	Account(customer string) (a *loyalty.Account, position int64, err error)
	// Records returns the parts of the account that grow. Writes to them are kept apart and thrown away.
	Records(customer string) (Records, error)
	// Statement returns the ledger offsets of the customer's decisions below before (0: all), newest first.
	Statement(customer string, before int64, limit int) ([]int64, error)
	// Find returns the ledger offset of the decision on an event.
	Find(customer, event string) (offset int64, ok bool, err error)
}

// Records are records that may fail to be read: Err must be asked for afterwards.
type Records interface {
	loyalty.Records
	Err() error
}

// Ledger reads back what was decided, and why.
type Ledger interface {
	// Decisions returns the decisions at the ledger offsets of a partition, in the order asked for.
	Decisions(ctx context.Context, partition int32, offsets []int64) ([]events.Decision, error)
	// Cause returns the event that led to a decision, or an error when its topic no longer has it.
	Cause(ctx context.Context, c events.Cause) (events.Event, error)
}

// Producer hands events to Kafka.
type Producer interface {
	// Publish sends events, in order, to their topics, and returns once each was taken or given up. Entry i of the
	// answer belongs to event i. An event whose error is ctx's may have been taken all the same.
	Publish(ctx context.Context, batch []events.Event) []Published
}

// Published is the outcome of publishing one event.
type Published struct {
	// Topic is the topic's name without the prefix.
	Topic     string
	Partition int32
	Offset    int64
	Err       error
}

// Decisions tells who waits what was decided.
type Decisions interface {
	// Wait makes sure that the decision on an event of a customer whose partition this instance owns will not be missed,
	// calls send, and returns the decision. An error of send is returned as it is. After another error the event may
	// still be decided: here when ctx ended, by another instance when the partition moved.
	Wait(ctx context.Context, customer, event string, send func() error) (events.Decision, error)
}

// Programs knows the rules.
type Programs interface {
	// History returns the published versions, without copying them.
	History() loyalty.History
}
