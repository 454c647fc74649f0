package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/schemas"
)

// When driving the clock.
var (
	// ErrClockTaken means that somebody else drives the clock through history.
	ErrClockTaken = errors.New("somebody else drives the clock")
	// ErrClockAhead means that the clock stands at a later time than the history that is to be imported, so that its
	// points would be stale, or expire at once.
	ErrClockAhead = errors.New("the clock is past this history already")
	// ErrClockOpen means that the clock waits for the rest of another history, which would be stale once this one is through.
	ErrClockOpen = errors.New("the clock waits for the rest of another history")
	// ErrClockLost means that a driver did not renew its lease in time and the wall clock may have ticked.
	ErrClockLost = errors.New("the lease on the clock has run out")
)

// ClockState is where one partition's clock stands.
type ClockState struct {
	Partition int32 `json:"partition"`
	// At is the highest tick that counts, consumed or not; 0 before the first.
	At events.Instant `json:"at"`
	// Driver is who drives the clock through history; "" is the wall clock.
	Driver string `json:"driver,omitempty"`
	// Until is when the driver's lease is over, unless it renews it, as it does several times a minute; 0: there is no driver.
	Until events.Instant `json:"until,omitempty"`
	// History identifies what was driven through last; "" once the wall clock has ticked.
	History string `json:"history,omitempty"`
	// Open is set when that history is not through: the wall clock waits for the rest of it, or for [Client.ReleaseClock].
	Open bool `json:"open"`
	// Live is set when the clock follows the wall clock: its last tick that counts came from it.
	Live bool `json:"live"`
}

// Clocks returns where each partition's clock stands, from the clock topic.
func (c *Client) Clocks(ctx context.Context) ([]ClockState, error) {
	n, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now().UnixMilli()
	states := make([]ClockState, n)
	for id := range n {
		if states[id], err = c.clockState(ctx, id, now); err != nil {
			return nil, err
		}
	}
	return states, nil
}

func (c *Client) clockState(ctx context.Context, id int32, now int64) (ClockState, error) {
	span, err := c.reader.Span(ctx, c.Name(schemas.TopicClock), id)
	if err != nil {
		return ClockState{}, err
	}
	var log clockLog
	var at clock
	// Ticks ascend, so the last ones tell; but one that was refused may be among them.
	from := max(span.Start, span.End-clockLookback)
	err = c.readClock(ctx, id, from, span.End, func(r *clockRecord, unread error) error {
		if errors.Is(unread, schemas.ErrNoRegistry) {
			return unread
		}
		if unread == nil && log.admit(r) {
			at.apply(r)
		}
		return nil
	})
	if err != nil {
		return ClockState{}, err
	}
	s := ClockState{
		Partition: id, At: at.at, Driver: log.heldBy(now), History: log.history, Open: log.open,
		Live: at.at != 0 && !at.lenient,
	}
	if s.Driver != "" {
		s.Until = events.Instant(log.until)
	}
	return s, nil
}

// ClockDriver drives the clocks of all partitions through history while the wall clock waits. It is for one goroutine.
type ClockDriver struct {
	c     *Client
	name  string
	count int32
	// history is on every record once it may be driven through; open, until it is through.
	history string
	open    bool
	stop    context.CancelFunc
	done    chan struct{}

	mu   sync.Mutex
	sent time.Time // when the last confirmed record with a lease was made
}

// driverLease is how long the wall clock waits for a driver that has fallen silent.
const driverLease = time.Minute

// DriveClock takes over the clocks of all partitions, to drive them through a history that begins at first and is
// identified by history. It refuses when somebody else does so ([ErrClockTaken]) and when a clock is past first already
// ([ErrClockAhead]), unless that is because the same history was driven through, whole or in part; and when another history is
// open ([ErrClockOpen]), unless this one is to take its place. The caller must Close it.
//
// In a system that is not live yet, the wall clock waits until the history is closed as through, also when the driver dies:
// it can be driven on later.
func (c *Client) DriveClock(ctx context.Context, first events.Instant, history string, instead bool) (*ClockDriver, error) {
	d, err := c.clockDriver(ctx)
	if err != nil {
		return nil, err
	}
	// Claimed first and looked at afterwards: a tick of the wall clock that lands behind the claim does not count, one
	// before it is seen.
	if err := d.send(ctx, 0, driverLease); err != nil {
		return nil, err
	}
	states, err := c.Clocks(ctx)
	if err == nil {
		err = d.check(states, first, history, instead)
	}
	if err == nil {
		d.history = history
		d.open = !slices.ContainsFunc(states, func(s ClockState) bool { return s.Live })
		err = d.send(ctx, 0, driverLease)
	}
	if err != nil {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), driverLease)
		defer cancel()
		d.history = "" // what stood open before stands open
		return nil, errors.Join(err, d.send(release, 0, 0))
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	go func() {
		defer close(d.done)
		d.renew(renewing)
	}()
	return d, nil
}

// clockDriver returns a driver that has not claimed anything.
func (c *Client) clockDriver(ctx context.Context) (*ClockDriver, error) {
	n, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	return &ClockDriver{
		c: c, count: n, done: make(chan struct{}),
		name: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), strconv.FormatInt(time.Now().UnixNano(), 36)),
	}, nil
}

// ReleaseClock gives the clocks to the wall where a history was left open that nobody will go on with: with the next tick
// what is due by today happens, and the rest of the history would be stale. It refuses while somebody drives
// ([ErrClockTaken]), and reports whether there was anything to release.
func (c *Client) ReleaseClock(ctx context.Context) (released bool, err error) {
	states, err := c.Clocks(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range states {
		if s.Driver != "" {
			return false, s.taken()
		}
	}
	open := slices.IndexFunc(states, func(s ClockState) bool { return s.Open })
	if open < 0 {
		return false, nil
	}
	d, err := c.clockDriver(ctx)
	if err != nil {
		return false, err
	}
	d.history = states[open].History
	return true, d.send(ctx, 0, 0)
}

func (d *ClockDriver) check(states []ClockState, first events.Instant, history string, instead bool) error {
	for _, s := range states {
		if s.Driver != d.name {
			return s.taken()
		}
		if s.Open && s.History != history && !instead {
			return fmt.Errorf("%w: partition %d stands at %s", ErrClockOpen, s.Partition, s.At)
		}
		if s.At > first && (history == "" || s.History != history) {
			return fmt.Errorf("%w: partition %d stands at %s, the history begins at %s. Import history before the system is in use, or without driving the clock, so that its events are decided under today's clock", ErrClockAhead, s.Partition, s.At, first)
		}
	}
	return nil
}

// taken says who drives the clock, and how long the clock would be his if he were dead.
func (s *ClockState) taken() error {
	rest := max(time.Until(s.Until.Time()), 0).Truncate(time.Second) + time.Second
	return fmt.Errorf("%w: %s drives partition %d, and keeps it for %v more unless it renews that", ErrClockTaken, s.Driver, s.Partition, rest)
}

// Tick moves all partitions' clocks to at. Whoever calls it has made sure that everything before at is decided
// ([Client.WaitDecided]).
func (d *ClockDriver) Tick(ctx context.Context, at events.Instant) error {
	if err := d.held(); err != nil {
		return err
	}
	return d.send(ctx, at, driverLease)
}

// held returns an error when the lease may be over.
func (d *ClockDriver) held() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if since := time.Since(d.sent); since >= driverLease {
		return fmt.Errorf("%w: it was renewed %v ago", ErrClockLost, since.Round(time.Second))
	}
	return nil
}

// Close stops driving. When the history is through, the clocks go back to the wall.
func (d *ClockDriver) Close(ctx context.Context, through bool) error {
	d.stop()
	<-d.done
	if !through {
		if err := d.held(); err != nil {
			return nil // it is over by itself
		}
		if !d.open {
			d.history = "" // it would count as through
		}
		return d.send(ctx, 0, 0)
	}
	d.open = false
	return d.send(ctx, 0, 0)
}

// KeepsOpen reports whether the wall clock waits until the history is through.
func (d *ClockDriver) KeepsOpen() bool { return d.open }

// DrivenThrough reports whether the clock was driven through a history before the wall clock took over.
func (c *Client) DrivenThrough(ctx context.Context, history string) (through bool, err error) {
	span, err := c.reader.Span(ctx, c.Name(schemas.TopicClock), 0)
	if err != nil {
		return false, err
	}
	over := errors.New("no history comes behind")
	var log clockLog
	err = c.readClock(ctx, 0, span.Start, span.End, func(r *clockRecord, unread error) error {
		if unread != nil {
			return nil // it is for the dead letters
		}
		counts := log.admit(r)
		through = through || r.history == history && r.lease == 0 && !r.open
		if through || counts && r.driver == "" {
			return over
		}
		return nil
	})
	if errors.Is(err, over) {
		err = nil
	}
	return through, err
}

// send writes a record to every partition: a tick, or a mere claim when at is 0; a lease of 0 gives the clock back.
func (d *ClockDriver) send(ctx context.Context, at events.Instant, lease time.Duration) error {
	made := time.Now()
	records := make([]*kgo.Record, d.count)
	for id := range d.count {
		rec := &kgo.Record{Topic: d.c.Name(schemas.TopicClock), Partition: id}
		if at != 0 {
			var err error
			if rec, err = d.c.tickRecord(id, at); err != nil {
				return err
			}
		}
		rec.Timestamp = made
		rec.Headers = []kgo.RecordHeader{
			{Key: headerDriver, Value: []byte(d.name)},
			{Key: headerLease, Value: strconv.AppendInt(nil, lease.Milliseconds(), 10)},
		}
		if d.history != "" {
			rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: headerHistory, Value: []byte(d.history)})
		}
		if d.open {
			rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: headerOpen, Value: []byte("1")})
		}
		records[id] = rec
	}
	if err := d.c.kafka.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("sending to the clock: %w", err)
	}
	d.mu.Lock()
	d.sent = made
	d.mu.Unlock()
	return nil
}

// renew keeps the lease while nothing is ticked, as when an import waits for its orders to be decided.
func (d *ClockDriver) renew(ctx context.Context) {
	every := time.NewTicker(driverLease / 6)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		d.mu.Lock()
		fresh := time.Since(d.sent) < driverLease/6
		d.mu.Unlock()
		if fresh {
			continue
		}
		// An error is not final: the next renewal may come in time. If none does, held says so.
		_ = d.send(ctx, 0, driverLease)
	}
}
