package consumer_test

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/consumer"
)

// line is a network that can be cut: connections break, and new ones are refused, as by a broker that was killed.
type line struct {
	mu    sync.Mutex
	isCut bool
	open  []net.Conn
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		_ = c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	l.open = append(l.open, c)
	return c, nil
}

func (l *line) cut(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = on
	if on {
		for _, c := range l.open {
			_ = c.Close()
		}
		l.open = nil
	}
}

// answering counts the partitions that the instance answers for.
func (i *instance) answering() (n int) {
	for p := range i.w.partitions {
		if i.engine.Authoritative(p) {
			n++
		}
	}
	return n
}

func wallClock(c *consumer.Config) { c.Clock.Every = 200 * time.Millisecond }

const (
	// sessionTimeout is what worlds have.
	sessionTimeout = 6 * time.Second
	// answersAtLeast is how long an owner answers that hears nothing any more: the last heartbeat that was confirmed is
	// as old as the pause between two, and machines are slow.
	answersAtLeast = sessionTimeout * 4 / 5 * 4 / 5
)

func TestTheBrokerIsAway(t *testing.T) { t.Parallel(); brokerAway(t, newWorld) }

func TestRealBrokerIsAway(t *testing.T) { brokerAway(t, newRealWorld) }

func brokerAway(t *testing.T, begin func(testing.TB, int32) *world) {
	t.Run("reads go on", func(t *testing.T) { t.Parallel(); readsGoOn(t, begin) })
	t.Run("not for long", func(t *testing.T) { t.Parallel(); backSoon(t, begin) })
	t.Run("for one of two", func(t *testing.T) { t.Parallel(); cutOff(t, begin) })
}

// overLine starts an instance whose line to the broker can be cut, and returns when it answers for all partitions.
func overLine(t *testing.T, begin func(testing.TB, int32) *world) (*world, *instance) {
	w := begin(t, 4)
	w.line = &line{}
	w.publish(plainProgram)
	i := w.start("one", "", wallClock)
	w.send(orders(customers(20), t0, 500)...)
	w.decided()
	eventually(t, "all partitions are answered for", func() bool { return i.answering() == 4 })
	return w, i
}

func readsGoOn(t *testing.T, begin func(testing.TB, int32) *world) {
	for name, during := range map[string]func(w *world){
		"while nothing is to do": func(*world) {},
		"while events are decided": func(w *world) {
			go w.send(orders(customers(200), t0, 700)...)
			time.Sleep(5 * time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, i := overLine(t, begin)
			partitions := int(w.partitions)
			time.Sleep(2 * time.Second) // heartbeats have been confirmed

			during(w)
			w.line.cut(true)
			began := time.Now()
			for i.answering() == partitions && time.Since(began) < 2*sessionTimeout {
				time.Sleep(5 * time.Millisecond)
			}
			if took := time.Since(began); took < answersAtLeast || took > sessionTimeout {
				t.Errorf("all partitions were answered for during %v, want %v to %v", took, answersAtLeast, sessionTimeout)
			}
			eventually(t, "no partition is answered for", func() bool { return i.answering() == 0 })
			if took := time.Since(began); took > sessionTimeout+time.Second/2 {
				t.Errorf("a partition was answered for during %v", took)
			}
			w.line.cut(false)
			eventually(t, "all partitions are answered for again", func() bool { return i.answering() == partitions })
			w.decided()
			w.audit()
		})
	}
}

// backSoon has the line mended long before the session is over.
func backSoon(t *testing.T, begin func(testing.TB, int32) *world) {
	w, i := overLine(t, begin)
	partitions := int(w.partitions)

	w.line.cut(true)
	silent := time.Duration(0)
	for began := time.Now(); time.Since(began) < sessionTimeout; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > sessionTimeout/3 {
			w.line.cut(false)
		}
		if i.answering() < partitions {
			silent += 5 * time.Millisecond
		}
	}
	if silent > 2*time.Second {
		t.Errorf("not all partitions were answered for during %v", silent)
	}
	w.send(orders(customers(20), t0+day, 500)...)
	w.decided()
	w.audit()
}

// cutOff cuts one of two instances off until the other has all partitions.
func cutOff(t *testing.T, begin func(testing.TB, int32) *world) {
	const partitions = 4
	w := begin(t, partitions)
	w.publish(plainProgram)
	stays := w.start("stays", "", wallClock)
	w.line = &line{}
	leaves := w.start("leaves", "", wallClock)
	w.send(orders(customers(20), t0, 500)...)
	w.decided()
	both := func() bool {
		return stays.answering() > 0 && leaves.answering() > 0 && stays.answering()+leaves.answering() == partitions
	}
	eventually(t, "both answer for some", both)

	w.line.cut(true)
	eventually(t, "the other has all partitions", func() bool {
		for p := range w.partitions {
			if stays.engine.Authoritative(p) && leaves.engine.Authoritative(p) {
				t.Errorf("both answer for partition %d", p)
			}
		}
		return stays.answering() == partitions
	})
	w.line.cut(false)
	eventually(t, "both answer for some again", both)
	w.send(orders(customers(20), t0+day, 500)...)
	w.decided()
	w.audit()
}
