package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/state"
)

// reader is one customer's account, found for one request.
type reader struct {
	place    Place
	account  *loyalty.Account
	position int64
	// asOf is the later of the wall clock and the partition's.
	asOf    events.Instant
	program *loyalty.Program
}

// at is the position that the answer reflects at least.
func (r *reader) at() Position { return Position{Partition: r.place.Partition, Next: r.place.Folded} }

// own returns the customer's place when this instance may answer for it.
func (s *Server) own(customer string) (Place, *Problem) {
	place := s.parts.Places.Place(customer)
	return place, s.refusePlace(place)
}

func (s *Server) refusePlace(place Place) *Problem {
	switch place.State {
	case Owned:
		return nil
	case Elsewhere:
		p := problem(ReasonNotOwner, "partition %d is answered by another instance: ask %s", place.Partition, place.Owner)
		p.Owner = place.Owner
		return p
	case Restoring:
		p := problem(ReasonRestoring, "partition %d is being restored from the ledger: ask again in a few seconds",
			place.Partition)
		p.Restore = &Progress{place.Folded, place.Target}
		return p
	case Quarantined:
		if place.Why != "" {
			return problem(ReasonQuarantined, "partition %d is stopped on the instance that owns it: %s", place.Partition, place.Why)
		}
		return problem(ReasonQuarantined, "the state of partition %d is damaged and will be restored from the ledger: "+
			"ask again in a few seconds", place.Partition)
	case Unowned:
		if len(s.parts.Programs.History()) == 0 {
			return noProgram() // nobody decides anything before there are rules
		}
	}
	return problem(ReasonNoOwner, "partition %d has no owner at the moment: ask again in a second", place.Partition)
}

// read finds a customer's account for a read that must reflect the positions wanted.
func (s *Server) read(ctx context.Context, customer, minOffset, positions string) (reader, *Problem) {
	place, p := s.own(customer)
	if p != nil {
		if place, p = s.hold(ctx, customer, place, p); p != nil {
			return reader{}, p
		}
	}
	if minOffset != "" || positions != "" {
		if place, p = s.wait(ctx, customer, place, minOffset, positions); p != nil {
			return reader{}, p
		}
	}
	account, position, err := place.Store.Account(customer)
	if err != nil {
		return reader{}, s.storeProblem(place, err)
	}
	// Had the lease been lost before the account was read, another owner might have decided since. It is still held now,
	// so nobody had.
	if _, p = s.own(customer); p != nil {
		return reader{}, p
	}
	r := reader{place: place, account: account, position: position}
	switch {
	case account == nil:
		return r, s.located(problem(ReasonUnknownCustomer, "nothing has been decided for this customer yet"), &r)
	case account.Erased:
		return r, s.located(problem(ReasonErased, "this customer was erased"), &r)
	}
	r.asOf = max(events.InstantOf(s.cfg.Now()), place.Clock)
	r.program = s.parts.Programs.History().At(r.asOf)
	if r.program == nil {
		return r, s.located(noProgram(), &r)
	}
	return r, nil
}

func noProgram() *Problem {
	return problem(ReasonNoProgram, "no program has been published: publish one with accrue program publish")
}

// located adds the position that a refusal reflects.
func (s *Server) located(p *Problem, r *reader) *Problem {
	p.Position = r.at().String()
	return p
}

// missing is [Server.located] for what an account does not have: the customer may have it that it was merged into.
func (s *Server) missing(p *Problem, r *reader) *Problem {
	if into := r.account.MergedInto; into != "" {
		p.Into = into
		p.Detail += fmt.Sprintf("; this customer was merged into %q: ask for that one", into)
	}
	return s.located(p, r)
}

// still refuses what was read of an account's records if the partition has moved since the account was read.
func (s *Server) still(r *reader) *Problem {
	_, p := s.own(r.account.Customer)
	return p
}

// storeProblem answers when the state cannot be read. A partition that was closed has just moved or is about to.
func (s *Server) storeProblem(place Place, err error) *Problem {
	if errors.Is(err, state.ErrClosed) {
		place.State = Unowned
		return s.refusePlace(place)
	}
	s.log.Error("reading the state", "partition", place.Partition, "error", err)
	if errors.Is(err, state.ErrQuarantined) {
		place.State = Quarantined
		return s.refusePlace(place)
	}
	return problem(ReasonStoreUnavailable, "the state of partition %d cannot be read: ask again in a second",
		place.Partition)
}

// wait waits until the customer's partition has folded what the request asks for, and returns the place as it is then.
// Positions of other partitions are no concern of this customer.
func (s *Server) wait(ctx context.Context, customer string, place Place, minOffset, positions string) (Place, *Problem) {
	wanted, err := parsePositions(positions)
	if err != nil {
		return place, problem(ReasonInvalidRequest, "%s: %s; send back what an answer carried", positionHeader, err)
	}
	more, err := parseMinOffset(minOffset, place.Partition)
	if err != nil {
		return place, problem(ReasonInvalidRequest, "min_offset: %s; send a ledger offset such as 812, or an Accrue-Position", err)
	}
	wanted = append(wanted, more...)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.WaitMax)
	defer cancel()
	for _, p := range wanted {
		if p.Partition != place.Partition || (p.Topic == "" && p.Next <= place.Folded) {
			continue
		}
		if err := s.parts.Places.Wait(ctx, p); err != nil {
			return place, s.notReached(customer, p, err)
		}
	}
	return s.own(customer)
}

// notReached says why a wait ended: the partition may have moved meanwhile.
func (s *Server) notReached(customer string, want Position, err error) *Problem {
	place, p := s.own(customer)
	if p != nil {
		return p
	}
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return s.storeProblem(place, err)
	}
	have := Position{Partition: place.Partition, Next: place.Folded}
	p = problem(ReasonPositionNotReached, "position %s was not reached within %s, the partition is at %s: ask again",
		want, s.cfg.WaitMax, have)
	p.Position = have.String()
	return p
}

// headerOf returns the first value of a header whose name is in canonical form.
func headerOf(r *http.Request, canonical string) string {
	if v := r.Header[canonical]; len(v) > 0 {
		return v[0]
	}
	return ""
}
