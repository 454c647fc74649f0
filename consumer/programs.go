package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// ErrNoProgram means that no version of the rules has been published, so that nothing can be decided.
var ErrNoProgram = errors.New("no program is published: publish one with `accrue program publish`")

// Programs are the published versions of the rules. Histories that it hands out never change; a new version makes a new
// history. It is safe for concurrent use.
type Programs struct {
	history atomic.Pointer[loyalty.History]
	mu      sync.Mutex
	changed chan struct{} // closed when history or err changes
	err     error
	stop    func()
	done    chan struct{}
}

// FollowPrograms reads the program topic to its end and follows it from then on. Records that no accrue wrote are left
// out. A version that this binary can't decide by (a newer revision of the rules' meaning, a damaged record) is an error,
// because deciding without it would decide wrongly; one that is published later shows in Err, and ends the engine. The
// caller must Close it before the client.
func (c *Client) FollowPrograms(ctx context.Context, log *slog.Logger) (*Programs, error) {
	versions, next, err := c.readPrograms(ctx)
	if err != nil {
		return nil, err
	}
	// A broker answers the fetches of one connection in turn. Waiting for the next version on the client's own would hold
	// up everybody who reads the ledger by up to the time of a fetch.
	own, err := kgo.NewClient(c.cfg.common()...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &Programs{changed: make(chan struct{}), stop: cancel, done: make(chan struct{})}
	h := historyOf(versions)
	p.history.Store(&h)
	go func() {
		defer close(p.done)
		defer own.Close()
		p.follow(ctx, c, projector.NewReader(own), log, next)
	}()
	return p, nil
}

// Close stops following.
func (p *Programs) Close() {
	p.stop()
	<-p.done
}

// History returns the versions known now. It is read-only.
func (p *Programs) History() loyalty.History { return *p.history.Load() }

// Changed returns a channel that is closed when the next version arrives.
func (p *Programs) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Err returns why a version that was published later can't be used, or nil. The history then lacks it and all that came
// after it.
func (p *Programs) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *Programs) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	close(p.changed)
	p.changed = make(chan struct{})
}

// NextDue returns the first instant after the given one at which a tick may have something to do for the account, under
// the versions that will be in effect by then; 0: none. It is what [state.Config.NextDue] wants.
func (p *Programs) NextDue(a *loyalty.Account, after events.Instant) events.Instant {
	return loyalty.NextDue(p.History(), a, after)
}

func (p *Programs) add(version *loyalty.Program) {
	h := historyOf(append(slices.Clone(p.History()), version))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history.Store(&h)
	close(p.changed)
	p.changed = make(chan struct{})
}

// historyOf orders versions as [loyalty.History] wants them.
func historyOf(versions []*loyalty.Program) loyalty.History {
	h := loyalty.History(slices.Clone(versions))
	slices.SortFunc(h, func(a, b *loyalty.Program) int {
		return cmp.Or(cmp.Compare(a.EffectiveAt, b.EffectiveAt), cmp.Compare(a.Version, b.Version))
	})
	return h
}

// programRetry is the pause after the program topic could not be read.
const programRetry = time.Second

func (p *Programs) follow(ctx context.Context, c *Client, r *projector.Reader, log *slog.Logger, next int64) {
	for ctx.Err() == nil {
		chunk, err := r.Fetch(ctx, c.Name(schemas.TopicProgram), 0, next, programBytesMax)
		if err != nil {
			if ctx.Err() == nil {
				log.Error("the program topic cannot be read; the known versions go on", "error", err)
				sleep(ctx, programRetry)
			}
			continue
		}
		for _, rec := range chunk.Records {
			if rec.Attrs.IsControl() {
				continue
			}
			published, err := c.published(rec)
			if notOurs(err) {
				log.Error("a record in the program topic was not written by accrue; it is left out", "offset", rec.Offset, "error", err)
				continue
			}
			var version *loyalty.Program
			if err == nil {
				version, err = loadProgram(rec, published)
			}
			if err != nil {
				p.fail(err)
				return
			}
			p.add(version)
			log.Info("program version published", "program", version.Name, "version", version.Version, "effective_at", version.EffectiveAt.String())
		}
		next = chunk.Next
	}
}

const programBytesMax = 1 << 20

// ProgramSources returns all published versions with their sources, oldest first.
func (c *Client) ProgramSources(ctx context.Context) ([]events.ProgramPublished, error) {
	var all []events.ProgramPublished
	_, err := c.eachProgram(ctx, func(_ *kgo.Record, p events.ProgramPublished) error {
		all = append(all, p)
		return nil
	})
	return all, err
}

// Programs returns all published versions, compiled.
func (c *Client) Programs(ctx context.Context) (loyalty.History, error) {
	versions, _, err := c.readPrograms(ctx)
	return historyOf(versions), err
}

func (c *Client) readPrograms(ctx context.Context) (versions []*loyalty.Program, next int64, err error) {
	next, err = c.eachProgram(ctx, func(rec *kgo.Record, p events.ProgramPublished) error {
		v, err := loadProgram(rec, p)
		if err != nil {
			return err
		}
		versions = append(versions, v)
		return nil
	})
	return versions, next, err
}

// eachProgram reads the program topic from its start to its end, but for records that no accrue wrote.
func (c *Client) eachProgram(ctx context.Context, fn func(*kgo.Record, events.ProgramPublished) error) (next int64, err error) {
	topic := c.Name(schemas.TopicProgram)
	span, err := c.reader.Span(ctx, topic, 0)
	if err != nil {
		return 0, err
	}
	err = c.reader.Read(ctx, topic, 0, span.Start, span.End, func(chunk projector.Chunk) error {
		for _, rec := range chunk.Records {
			if rec.Attrs.IsControl() {
				continue
			}
			p, err := c.published(rec)
			if notOurs(err) {
				continue
			}
			if err == nil {
				err = fn(rec, p)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return max(span.Start, span.End), err
}

// notOurs reports whether a record in the program topic has neither framing that accrue writes, so that no version of
// accrue can take it for rules. One that a newer accrue may understand is not passed over: two instances would decide by
// different rules.
func notOurs(err error) bool { return schemas.CodeOf(err) == schemas.CodeFraming }

// published decodes a record of the program topic.
func (c *Client) published(rec *kgo.Record) (p events.ProgramPublished, err error) {
	if err = c.codec.DecodeProgram(rec.Value, &p); err != nil {
		err = fmt.Errorf("%s@%d: %w", rec.Topic, rec.Offset, err)
	}
	return p, err
}

// loadProgram compiles what a record published.
func loadProgram(rec *kgo.Record, p events.ProgramPublished) (*loyalty.Program, error) {
	version, err := program.Load(p)
	if err != nil {
		return nil, fmt.Errorf("%s@%d cannot be used by this accrue: %w", rec.Topic, rec.Offset, err)
	}
	return version, nil
}

// PublishProgram checks a draft, appends it to the program topic and returns it. The draft's Latest is filled in.
// Versions are counted without gaps, also when two publish at once: one of the two is refused and may be tried again.
func (c *Client) PublishProgram(ctx context.Context, draft program.Draft) (events.ProgramPublished, error) {
	for range publishTries {
		p, there, err := c.publishOnce(ctx, draft)
		if err != nil {
			return events.ProgramPublished{}, err
		}
		if there {
			return p, nil
		}
	}
	return events.ProgramPublished{}, errors.New("publishing: the brokers took the version, but it is not in the program topic")
}

// publishOnce appends the next version and looks whether it is there. The first transaction of a client that has just
// heard of its topic may be aborted although the client calls it committed (franz-go 1.22.2), so its word is not enough;
// nor would the same client do for another try, because it would count on from the record that was lost.
func (c *Client) publishOnce(ctx context.Context, draft program.Draft) (p events.ProgramPublished, there bool, err error) {
	// From here on whoever else is publishing is fenced.
	cl, err := c.publisher(ctx)
	if err != nil {
		return p, false, fmt.Errorf("preparing to publish: %w", err)
	}
	defer cl.Close()
	all, err := c.ProgramSources(ctx)
	if err != nil {
		return p, false, err
	}
	draft.Latest = nil
	if len(all) > 0 {
		draft.Latest = &all[len(all)-1]
	}
	if p, _, err = program.Prepare(draft); err != nil {
		return p, false, err
	}
	if err := c.append(ctx, cl, &p); err != nil {
		return p, false, fmt.Errorf("publishing version %d (it may have been published all the same; look with `accrue program show`): %w", p.Version, err)
	}
	if all, err = c.ProgramSources(ctx); err != nil {
		return p, false, err
	}
	return p, len(all) >= int(p.Version) && all[p.Version-1].Hash == p.Hash, nil
}

// publishTries bounds how often a version is appended that is not there afterwards.
const publishTries = 3

// publisher returns a client with a transactional id of its own. It fences another publisher that has read the topic but
// not written yet.
func (c *Client) publisher(ctx context.Context) (*kgo.Client, error) {
	opts := append(c.cfg.common(),
		kgo.TransactionalID(c.cfg.Prefix+"program-publisher"),
		kgo.TransactionTimeout(c.cfg.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
	)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

// append writes a version in a transaction.
func (c *Client) append(ctx context.Context, cl *kgo.Client, p *events.ProgramPublished) error {
	value, err := c.codec.AppendProgram(nil, p)
	if err != nil {
		return err
	}
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	produced := cl.ProduceSync(ctx, &kgo.Record{Topic: c.Name(schemas.TopicProgram), Value: value}).FirstErr()
	return errors.Join(produced, cl.Flush(ctx), cl.EndTransaction(ctx, produced == nil))
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
