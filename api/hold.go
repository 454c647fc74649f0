package api

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// heldMax bounds the requests that are held at once: each keeps its connection and a goroutine. What comes beyond is
// refused as if nothing were held.
const heldMax = 1000

// holdPause is the pause between two looks at a partition for which requests are held: a rebalance takes some hundred
// milliseconds.
const holdPause = 5 * time.Millisecond

// held are the requests that are held, and the partitions for which none is any more.
type held struct {
	count atomic.Int32
	// looks has one goroutine look out for each partition, however many requests are held for it.
	looks singleflight.Group

	mu sync.Mutex
	// gaveUp is when holding requests for a partition was given up, or when somebody last asked for it after that.
	gaveUp map[int32]time.Time
}

// hold is for a request that [Server.own] has refused with p. Where the partition is changing hands, which is over in a
// moment, it holds the request until somebody answers for the partition again, and returns what own says then. Requests
// that are answered, such as those for other partitions, do not come here.
//
// Where holding did not help, as in a long restore, it is given up: as long as requests for the partition keep coming they
// are refused at once, and told how far the restore is.
func (s *Server) hold(ctx context.Context, customer string, place Place, p *Problem) (Place, *Problem) {
	if p.Reason != ReasonNoOwner && p.Reason != ReasonRestoring {
		return place, p
	}
	if s.held.count.Add(1) > heldMax || s.held.refuses(place.Partition, s.cfg.HoldMax) {
		s.held.count.Add(-1)
		return place, p
	}
	defer s.held.count.Add(-1)
	over := s.held.looks.DoChan(strconv.Itoa(int(place.Partition)), func() (any, error) {
		s.lookOut(customer, place.Partition)
		return nil, nil
	})
	select {
	case <-over:
	case <-ctx.Done():
	}
	return s.own(customer)
}

// lookOut returns once the customer's partition is no longer changing hands, or when that takes too long.
func (s *Server) lookOut(customer string, partition int32) {
	for end := time.Now().Add(s.cfg.HoldMax); time.Now().Before(end); time.Sleep(holdPause) {
		if state := s.parts.Places.Place(customer).State; state != Unowned && state != Restoring {
			return
		}
	}
	s.held.giveUp(partition)
}

// refuses reports whether holding requests for the partition was given up and they have kept coming since, with no longer
// pause than forgotten.
func (h *held) refuses(partition int32, forgotten time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.gaveUp[partition]) > forgotten {
		return false
	}
	h.gaveUp[partition] = time.Now()
	return true
}

func (h *held) giveUp(partition int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gaveUp == nil {
		h.gaveUp = make(map[int32]time.Time)
	}
	h.gaveUp[partition] = time.Now()
}
