package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/schemas"
)

const annsBalance = "/v1/customers/ann/balance"

// heldFor is how long tests hold requests that need an owner in the end.
func heldFor(d time.Duration) func(*api.Config) { return func(c *api.Config) { c.HoldMax = d } }

// put makes the customer's partition what p says, or the world's own again when p is nil.
func (s *shop) put(customer string, p *api.Place) {
	s.edit(func() {
		at := schemas.Partition(customer, s.partitions)
		if p == nil {
			delete(s.place, at)
		} else {
			s.place[at] = *p
		}
	})
}

func TestHold(t *testing.T) {
	const long, short, moment = time.Minute, 100 * time.Millisecond, 20 * time.Millisecond
	unowned := &api.Place{State: api.Unowned}

	t.Run("a request for a partition that changes hands is answered once it has", func(t *testing.T) {
		s := rich(t, heldFor(long))
		s.put("ann", unowned)
		answers := make(chan reply, 2)
		go func() { answers <- s.get(annsBalance).is(http.StatusOK) }()
		go func() { answers <- s.post("/v1/redemptions", redeem(60, "")).is(http.StatusCreated) }()
		time.Sleep(moment)
		s.put("ann", &api.Place{State: api.Restoring})
		time.Sleep(moment)
		select {
		case r := <-answers:
			t.Fatalf("answered without an owner: %s", r.body)
		default:
		}
		s.put("ann", nil)
		<-answers
		<-answers
	})
	t.Run("one that has moved is told where", func(t *testing.T) {
		s := rich(t, heldFor(long))
		s.put("ann", unowned)
		time.AfterFunc(moment, s.move)
		s.get(annsBalance).problem(http.StatusMisdirectedRequest, api.ReasonNotOwner)
	})
	t.Run("other partitions are answered meanwhile", func(t *testing.T) {
		s := rich(t, heldFor(long))
		other := "bob"
		for schemas.Partition(other, s.partitions) == schemas.Partition("ann", s.partitions) {
			other += "b"
		}
		s.order(other, "o2", 7)
		s.put("ann", unowned)
		answer := make(chan reply, 1)
		go func() { answer <- s.get(annsBalance) }()
		time.Sleep(moment)
		s.balance(other)
		s.put("ann", nil)
		(<-answer).is(http.StatusOK)
	})
	t.Run("what takes longer is refused, and not held again while it is asked for", func(t *testing.T) {
		s := rich(t, heldFor(short))
		s.put("ann", &api.Place{State: api.Restoring, Folded: 7, Target: 9})
		began := time.Now()
		p := s.get(annsBalance).problem(http.StatusServiceUnavailable, api.ReasonRestoring)
		if took := time.Since(began); took < short || p.Restore == nil {
			t.Errorf("refused after %s with %+v", took, p)
		}
		began = time.Now()
		for range 50 {
			s.get(annsBalance).problem(http.StatusServiceUnavailable, api.ReasonRestoring)
		}
		if took := time.Since(began) / 50; took > short/2 {
			t.Errorf("a request was held for %s in vain", took)
		}
		// It was answered, and is not asked for: the next change of hands is another.
		s.put("ann", nil)
		time.Sleep(2 * short)
		s.put("ann", unowned)
		time.AfterFunc(moment, func() { s.put("ann", nil) })
		s.balance("ann")
	})
	t.Run("no more than a limit are held", func(t *testing.T) {
		s := rich(t, heldFor(long))
		s.put("ann", unowned)
		const beyond = 50
		statuses := make(chan int, api.HeldMax+beyond)
		for range cap(statuses) {
			go func() { statuses <- s.get(annsBalance).status }()
		}
		for range beyond {
			if status := <-statuses; status != http.StatusServiceUnavailable {
				t.Fatalf("answered %d without an owner", status)
			}
		}
		s.put("ann", nil)
		for range api.HeldMax {
			if status := <-statuses; status != http.StatusOK {
				t.Fatalf("what was held was answered with %d", status)
			}
		}
	})
	t.Run("who goes away is not held", func(t *testing.T) {
		s := rich(t, heldFor(long))
		s.put("ann", unowned)
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			r := httptest.NewRequest(http.MethodGet, annsBalance, nil).WithContext(ctx)
			s.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
		})
		time.Sleep(moment)
		leave()
		wg.Wait()
		s.put("ann", nil)
	})
	t.Run("what no moment mends is refused at once", func(t *testing.T) {
		s := rich(t, heldFor(long))
		s.put("ann", &api.Place{State: api.Quarantined})
		s.get(annsBalance).problem(http.StatusServiceUnavailable, api.ReasonQuarantined)
		s.put("ann", unowned)
		s.edit(func() { s.history = nil })
		s.get(annsBalance).problem(http.StatusServiceUnavailable, api.ReasonNoProgram)
	})
}
