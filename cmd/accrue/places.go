package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// places tells the API where customers live: in this instance's state, or with whom else. It implements [api.Places].
type places struct {
	engine *consumer.Engine
	store  *state.Store
	count  int32
	// self is our own address: an owner of that address is this process's past.
	self   string
	owners atomic.Pointer[map[int32]string]
}

func newPlaces(ctx context.Context, engine *consumer.Engine, store *state.Store, self string) (*places, error) {
	n, err := engine.Client().Partitions(ctx)
	if err != nil {
		return nil, err
	}
	p := &places{engine: engine, store: store, count: n, self: self}
	p.owners.Store(&map[int32]string{})
	return p, nil
}

// ownersEvery is how often the other owners are asked for while some partitions are not ours; ownersMissing, how often
// while some have no known owner: requests for those are held until they have.
const (
	ownersEvery   = time.Second
	ownersMissing = 200 * time.Millisecond
)

// follow keeps up with who owns what, until ctx is done.
func (p *places) follow(ctx context.Context, log *slog.Logger) error {
	for {
		pause := ownersEvery
		if int32(len(*p.owners.Load())) < p.count {
			pause = ownersMissing
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		if int32(len(p.engine.Status())) == p.count {
			continue
		}
		list, err := p.engine.Client().Owners(ctx)
		if err != nil {
			if ctx.Err() == nil {
				log.Warn("the owners of other partitions are not known", "error", err)
			}
			continue
		}
		owners := make(map[int32]string, len(list))
		for _, o := range list {
			owners[o.Partition] = o.API
		}
		p.owners.Store(&owners)
	}
}

// Place implements [api.Places].
func (p *places) Place(customer string) api.Place {
	return p.place(schemas.Partition(customer, p.count))
}

func (p *places) place(partition int32) api.Place {
	place := api.Place{Partition: partition}
	part, open := p.store.Lookup(partition)
	if open {
		at := part.Position()
		place.Folded, place.Clock = at.Ledger, at.Clock
	}
	switch {
	case open && part.Err() != nil:
		place.State = api.Quarantined
	case open && p.engine.Authoritative(partition):
		place.State, place.Store = api.Owned, api.StoreOf(part)
	default:
		p.elsewhere(&place)
	}
	return place
}

// elsewhere fills in who else may answer, or how far a restore has come.
func (p *places) elsewhere(place *api.Place) {
	for _, s := range p.engine.Status() {
		if s.Partition == place.Partition {
			place.State, place.Folded, place.Target = api.Restoring, s.Ledger, s.End
			if s.Phase == consumer.Stopped {
				place.State, place.Why = api.Quarantined, s.Err
			}
			if s.Phase != consumer.Running {
				return
			}
			// Ours, but the group has not confirmed it in time: somebody else may have it.
			place.State = api.Unowned
		}
	}
	if owner := (*p.owners.Load())[place.Partition]; owner != "" && owner != p.self {
		place.State, place.Owner = api.Elsewhere, owner
	}
}

// Places implements [api.Places].
func (p *places) Places() []api.Place {
	all := make([]api.Place, p.count)
	for i := range all {
		all[i] = p.place(int32(i))
		if part, ok := p.store.Lookup(int32(i)); ok {
			all[i].Inputs = part.Position().Inputs
		}
	}
	return all
}

// Joined implements [api.Places].
func (p *places) Joined() bool { return p.engine.Joined() }

// Wait implements [api.Places].
func (p *places) Wait(ctx context.Context, want api.Position) error {
	part, ok := p.store.Lookup(want.Partition)
	if !ok {
		return consumer.ErrNotOwner
	}
	return api.WaitFolded(ctx, part, want)
}

// ledger reads decisions and what led to them. It implements [api.Ledger].
type ledger struct {
	*projector.Projector
	client *consumer.Client
}

// Cause implements [api.Ledger].
func (l ledger) Cause(ctx context.Context, c events.Cause) (events.Event, error) {
	return l.client.Cause(ctx, c)
}

// decisions waits for the engine's. It implements [api.Decisions].
type decisions struct{ engine *consumer.Engine }

// Wait implements [api.Decisions].
func (d decisions) Wait(ctx context.Context, customer, event string, send func() error) (events.Decision, error) {
	answers, stop, err := d.engine.Await(ctx, customer, event)
	if err != nil {
		return events.Decision{}, err
	}
	defer stop()
	if err := send(); err != nil {
		return events.Decision{}, err
	}
	select {
	case a := <-answers:
		return a.Decision, a.Err
	case <-ctx.Done():
		return events.Decision{}, ctx.Err()
	}
}
