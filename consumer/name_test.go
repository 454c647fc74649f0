package consumer_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/embedded"
)

// Two instances of one name have the same transactional ids, and would fence each other for ever.
func TestAnInstanceWhoseNameIsTakenEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	first := w.start("one", "")
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()

	second := w.start("one", "")
	select {
	case err := <-second.done:
		if !errors.Is(err, consumer.ErrNameTaken) {
			t.Fatalf("the second instance ended with %v", err)
		}
		second.done <- nil // for stop
	case <-time.After(time.Minute):
		t.Fatal("the second instance goes on")
	}
	for _, c := range customers(20) {
		w.send(order(c, "o2-"+c, t0+day, 1000))
	}
	w.decided()
	if got := first.active(customers(1)[0]); got != 20 {
		t.Errorf("the first instance has decided %d points, want 20", got)
	}
}

func TestOfTwoInstancesOfOneNameThatStartTogetherOneGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	one, two := w.start("one", ""), w.start("one", "")
	// Who is fenced learns of it when it commits something: what it has decided, or how far it has read.
	var ended, rest *instance
	for sent := 0; ended == nil; sent++ {
		var err error
		for _, c := range customers(20) {
			w.send(order(c, fmt.Sprintf("o%d-%s", sent, c), t0+events.Instant(sent), 1000))
		}
		select {
		case err = <-one.done:
			ended, rest = one, two
		case err = <-two.done:
			ended, rest = two, one
		case <-time.After(time.Second):
			if sent == 60 {
				t.Fatal("both go on")
			}
			continue
		}
		if !errors.Is(err, consumer.ErrNameTaken) {
			t.Fatalf("it ended with %v", err)
		}
		ended.done <- nil // for stop
	}
	w.decided()
	eventually(t, "the other goes on", func() bool { return running(rest, 4) })
}

// Without anything new to decide there are still the ticks of the wall clock, where something was decided, and positions
// behind them to commit.
func TestAnIdleInstanceNoticesThatItIsFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	ticking := func(c *consumer.Config) { c.Clock.Every = 100 * time.Millisecond }
	one, two := w.start("one", "", ticking), w.start("one", "", ticking)
	w.send(orders(customers(20), t0, 1000)...)
	// Both wait for rules. Then each looks for another of its name before either has joined.
	w.publish(plainProgram)
	var err error
	rest := one
	select {
	case err = <-one.done:
		one.done <- nil // for stop
		rest = two
	case err = <-two.done:
		two.done <- nil
	case <-time.After(time.Minute):
		t.Fatal("both go on")
	}
	if !errors.Is(err, consumer.ErrNameTaken) {
		t.Fatalf("it ended with %v", err)
	}
	eventually(t, "the other goes on", func() bool { return running(rest, 4) })
}

// Two processes with one identity take each other's membership away. Whoever is told so ends: mostly the earlier one.
func TestOfTwoInstancesOnCopiesOfAFolderOneEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.publish(plainProgram)
	dir, replica := t.TempDir(), t.TempDir()
	// With several workers the embedded broker may replace one in the midst of a rebalance: it miscounts them then, and waits
	// a minute.
	early := w.start("one", dir, oneWorker)
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()
	early.stop()
	if err := os.CopyFS(replica, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	early = w.start("one", dir, oneWorker)
	eventually(t, "the instance is back", func() bool { return running(early, 4) })

	late := w.start("one", replica, oneWorker)
	var err error
	rest := late
	select {
	case err = <-early.done:
		early.done <- nil // for stop
	case err = <-late.done:
		late.done <- nil
		rest = early
	case <-time.After(time.Minute):
		t.Fatal("both go on")
	}
	if !errors.Is(err, consumer.ErrFolderTaken) {
		t.Fatalf("it ended with %v", err)
	}
	eventually(t, "the other goes on", func() bool { return running(rest, 4) })
	for _, c := range customers(20) {
		w.send(order(c, "o2-"+c, t0+day, 1000))
	}
	w.decided()
	w.audit()
	if got := rest.active(customers(1)[0]); got != 20 {
		t.Errorf("it has decided %d points, want 20", got)
	}
}

// A coordinator that has forgotten who took whose place fences a member for one that is dead.
func TestAnInstanceWhosePlaceADeadOneHasGoesOn(t *testing.T) {
	t.Parallel() // it mostly waits
	w := newWorld(t, 2)
	w.publish(plainProgram)
	i := w.start("one", "", oneWorker)
	eventually(t, "the engine runs", func() bool { return running(i, 2) })

	group := w.prefix + "engine"
	described, err := w.admin.DescribeGroups(w.ctx(), group)
	if err != nil {
		t.Fatal(err)
	}
	dead := kmsg.NewPtrJoinGroupRequest()
	dead.Group, dead.InstanceID = group, described[group].Members[0].InstanceID
	dead.SessionTimeoutMillis, dead.RebalanceTimeoutMillis = 6000, 6000
	dead.ProtocolType = "consumer"
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	dead.Protocols = append(dead.Protocols, protocol)
	if _, err := dead.RequestWith(w.ctx(), w.producer); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine hears of it", func() bool { return !running(i, 2) })

	eventually(t, "the engine runs again", func() bool { return running(i, 2) })
	w.send(orders(customers(20), t0, 1000)...)
	w.decided()
	w.audit()
}

// A new cluster has no coordinator until somebody asks for one.
func TestACoordinatorThatIsNotThereYetIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.publish(plainProgram)
	asked := w.cluster.Inject(embedded.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 5})
	log := filepath.Join(t.TempDir(), "log")
	said, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	i := w.start("one", "", func(c *consumer.Config) { c.Log = slog.New(slog.NewTextHandler(said, nil)) })
	eventually(t, "the engine runs", func() bool { return running(i, 1) })
	if asked.Hits() == 0 {
		t.Error("nobody asked for the coordinator")
	}
	text, err := os.ReadFile(log)
	if err != nil || strings.Contains(string(text), "WARN") {
		t.Errorf("the log says %v\n%s", err, text)
	}
}
