package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// When driving the clock.
var (
	// ErrClockTaken means that somebody else drives the clock through history.
	ErrClockTaken = errors.New("somebody else drives the clock")
	// ErrClockAhead means that the clock stands at a later time than the history that is to be imported, so that its
	// points would be stale, or expire at once.
	ErrClockAhead = errors.New("the clock is past this history already")
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
	name := c.Name(schemas.TopicClock)
	span, err := c.reader.Span(ctx, name, id)
	if err != nil {
		return ClockState{}, err
	}
	var log clockLog
	var at clock
	// Ticks ascend, so the last ones tell; but one that was refused may be among them.
	from := max(span.Start, span.End-clockLookback)
	err = c.reader.Read(ctx, name, id, from, span.End, func(chunk projector.Chunk) error {
		for _, rec := range chunk.Records {
			if rec.Attrs.IsControl() {
				continue
			}
			r, err := parseClock(c.codec.DecodeEvent, rec)
			if errors.Is(err, schemas.ErrRegistryUnavailable) || errors.Is(err, schemas.ErrNoRegistry) {
				return err
			}
			if err == nil && log.admit(&r) {
				at.apply(&r)
			}
		}
		return nil
	})
	if err != nil {
		return ClockState{}, err
	}
	return ClockState{Partition: id, At: at.at, Driver: log.heldBy(now), Live: at.at != 0 && !at.lenient}, nil
}

// ClockDriver drives the clocks of all partitions through history while the wall clock waits. It is for one goroutine.
type ClockDriver struct {
	c     *Client
	name  string
	count int32
	stop  context.CancelFunc
	done  chan struct{}

	mu   sync.Mutex
	sent time.Time // when the last confirmed record with a lease was made
}

// driverLease is how long the wall clock waits for a driver that has fallen silent.
const driverLease = time.Minute

// DriveClock takes over the clocks of all partitions, to drive them through history that begins at first. It refuses
// when somebody else does so ([ErrClockTaken]) and when a clock is past first already ([ErrClockAhead]). The caller must
// Close it, which gives the clock back to the wall.
func (c *Client) DriveClock(ctx context.Context, first events.Instant) (*ClockDriver, error) {
	n, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	d := &ClockDriver{
		c: c, count: n, done: make(chan struct{}),
		name: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), strconv.FormatInt(time.Now().UnixNano(), 36)),
	}
	// Claimed first and looked at afterwards: a tick of the wall clock that lands behind the claim does not count, one
	// before it is seen.
	if err := d.send(ctx, 0, driverLease); err != nil {
		return nil, err
	}
	states, err := c.Clocks(ctx)
	if err == nil {
		err = d.check(states, first)
	}
	if err != nil {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), driverLease)
		defer cancel()
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

func (d *ClockDriver) check(states []ClockState, first events.Instant) error {
	for _, s := range states {
		if s.Driver != d.name {
			return fmt.Errorf("%w: %s drives partition %d; wait for it, or at most %v after it has died", ErrClockTaken, s.Driver, s.Partition, driverLease)
		}
		if s.At > first {
			return fmt.Errorf("%w: partition %d stands at %s, the history begins at %s. Import history before the system is in use, or without driving the clock, so that its events are decided under today's clock", ErrClockAhead, s.Partition, s.At, first)
		}
	}
	return nil
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

// Close gives the clocks back.
func (d *ClockDriver) Close(ctx context.Context) error {
	d.stop()
	<-d.done
	if err := d.held(); err != nil {
		return nil // it is over by itself
	}
	return d.send(ctx, 0, 0)
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
