package consumer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lease is how long a member of the group may still believe that its partitions are its own.
//
// The group's coordinator gives a silent member's partitions away when it has heard nothing for the session timeout. A
// process that was paused for longer cannot know that from inside, so the lease runs from the moment before a heartbeat
// was sent that the coordinator confirmed: the coordinator's own timer was started later, and runs out later.
// Heartbeats that are answered with "a rebalance is under way" don't prolong it: when a member takes longer to join
// anew than the rebalance may last, its partitions are given away while its session is still alive.
//
// It is for one generation of the group, and ends when the member is about to join the next one: from then on the
// partitions may be others', whether or not the client has said that they were revoked.
type lease struct {
	// heard counts what the coordinator has answered, whether it confirmed or not. ask has the next heartbeat sent at once.
	heard atomic.Int64
	ask   chan struct{}
	// until holds nanoseconds of both clocks, because a suspended machine stops the monotonic one and a set clock
	// moves the other.
	monotonic, wall atomic.Int64
	generation      atomic.Int32
	started         time.Time

	mu sync.Mutex
	// joins counts the ends: a heartbeat that was sent before one proves nothing after it.
	joins int
}

func newLease() *lease { return &lease{started: time.Now(), ask: make(chan struct{}, 1)} }

func (l *lease) held() bool {
	now := time.Now()
	return int64(now.Sub(l.started)) < l.monotonic.Load() && now.UnixNano() < l.wall.Load()
}

// heldIn reports whether the lease is held in a generation. The generation is read last: it changes before the next
// generation's lease begins, so the lease that was held is of the one that is read, or of one before it.
func (l *lease) heldIn(generation int32) bool { return l.held() && l.generation.Load() == generation }

// prolong makes the lease last for d from the moment sent, unless it has ended since: joins is what [lease.ends] said then.
func (l *lease) prolong(joins int, generation int32, sent time.Time, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.joins != joins {
		return
	}
	l.generation.Store(generation)
	l.monotonic.Store(int64(sent.Sub(l.started) + d))
	l.wall.Store(sent.UnixNano() + int64(d))
}

// end ends the lease until a heartbeat is confirmed that is sent from now on.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.joins++
	l.monotonic.Store(0)
	l.wall.Store(0)
}

func (l *lease) ends() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.joins
}

// askNow has the next heartbeat sent at once.
func (l *lease) askNow() {
	select {
	case l.ask <- struct{}{}:
	default:
	}
}

// heartbeatsInSession is how many heartbeats of ours fit in a session timeout.
const heartbeatsInSession = 5

// leaseRetry is how soon a member asks again that has no lease, or got no answer.
const leaseRetry = 100 * time.Millisecond

// keep prolongs the lease until ctx is done. The client sends heartbeats too, but does not say when one was confirmed.
func (l *lease) keep(ctx context.Context, cl *kgo.Client, group, instance string, session time.Duration) {
	defer l.end()
	answered := false
	for {
		pause := session / heartbeatsInSession
		if !l.held() || !answered {
			pause = min(pause, leaseRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.ask:
		case <-time.After(pause):
		}
		joins, sent := l.ends(), time.Now()
		generation, err := heartbeat(ctx, cl, group, instance, session)
		if err == nil {
			l.prolong(joins, generation, sent, session)
		} else if gone(err) {
			l.end()
		}
		if answered = err == nil || spoken(err); answered {
			l.heard.Add(1)
		}
	}
}

// linger returns when the coordinator has spoken, the lease has run out or ctx is done.
func (l *lease) linger(ctx context.Context) {
	before := l.heard.Load()
	l.askNow()
	for ctx.Err() == nil && l.held() && l.heard.Load() == before {
		sleep(ctx, lingerLook)
	}
}

// lingerLook is how often a member that lingers looks whether it still may.
const lingerLook = 10 * time.Millisecond

// heartbeat returns the generation that it was sent in.
func heartbeat(ctx context.Context, cl *kgo.Client, group, instance string, timeout time.Duration) (int32, error) {
	member, generation := cl.GroupMetadata()
	if member == "" || generation < 0 {
		return generation, errors.New("not in the group")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = group, member, generation
	if instance != "" {
		req.InstanceID = &instance
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return generation, err
	}
	return generation, kerr.ErrorForCode(resp.ErrorCode)
}

// spoken reports whether an error is the coordinator's word on the membership, and not one that passes by itself: of a
// broker that can't be reached, or does not know yet what became of the group.
func spoken(err error) bool {
	var said *kerr.Error
	return errors.As(err, &said) && !said.Retriable
}

// gone reports whether the coordinator's answer means that the member has been replaced.
func gone(err error) bool {
	return errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.FencedInstanceID)
}
