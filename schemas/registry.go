package schemas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// RegistryConfig says where the schema registry is and what may be done there.
type RegistryConfig struct {
	// URLs are tried in turn when one cannot be reached. Required. Apicurio's end in /apis/ccompat/v7.
	URLs []string
	// User and Password are for basic authentication.
	User, Password string
	// TLS is for https; nil is Go's default.
	TLS *tls.Config
	// Register creates subjects and versions that the registry lacks. Without it they must be there already, and
	// [OpenCodec] only looks their ids up.
	Register bool
	// Timeout bounds each request; DefaultRegistryConfig has 5 seconds.
	Timeout time.Duration
	// Pause is how long an id that could not be looked up is answered with ErrRegistryUnavailable before the
	// registry is asked again; DefaultRegistryConfig has 500 milliseconds. That the registry does not know an id is
	// believed for unknownPauses of these.
	Pause time.Duration
}

// DefaultRegistryConfig returns the defaults, which lack the URLs.
func DefaultRegistryConfig(urls ...string) RegistryConfig {
	return RegistryConfig{URLs: urls, Timeout: 5 * time.Second, Pause: 500 * time.Millisecond}
}

// Validate reports everything that is wrong with the configuration.
func (cfg *RegistryConfig) Validate() error {
	var problems []error
	if len(cfg.URLs) == 0 {
		problems = append(problems, errors.New("registry: no URL is given"))
	}
	if cfg.Timeout <= 0 {
		problems = append(problems, fmt.Errorf("registry: timeout is %v, want more than 0", cfg.Timeout))
	}
	if cfg.Pause < 0 {
		problems = append(problems, fmt.Errorf("registry: pause is %v, want 0 or more", cfg.Pause))
	}
	return errors.Join(problems...)
}

const (
	// writersMax bounds how many schema ids are remembered; beyond it everything is looked up anew. A registry
	// that serves one accrue has some dozens.
	writersMax = 10_000
	// referencesMax bounds how many schemas one schema may refer to, also through others.
	referencesMax = 64
	// unknownPauses is how many of the configuration's pauses pass until the registry is asked again for what it did
	// not know: a schema may be registered later than its first record is written.
	unknownPauses = 60
)

// registry looks schema ids up. One request runs at a time: others mostly wait for the same id.
type registry struct {
	cfg        RegistryConfig
	client     *sr.Client
	mu         sync.Mutex
	retryAt    map[uint32]time.Time // ids that could not be looked up
	askedTwice time.Time            // when an unknown id was last asked for twice
}

func newRegistry(cfg RegistryConfig) (*registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg.TLS
	opts := []sr.ClientOpt{
		sr.URLs(cfg.URLs...),
		sr.UserAgent("accrue"),
		sr.HTTPClient(&http.Client{Timeout: cfg.Timeout, Transport: transport}),
	}
	if cfg.User != "" {
		opts = append(opts, sr.BasicAuth(cfg.User, cfg.Password))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	return &registry{cfg: cfg, client: client, retryAt: make(map[uint32]time.Time)}, nil
}

// writerByID returns the writer of a schema id, asking the registry for those not met before. Ids never change their
// schema, so an answer is good for ever; that there is none is good for a while.
func (c *Codec) writerByID(id uint32) (*writer, error) {
	if w := (*c.byID.Load())[id]; w != nil && !w.lapsed() {
		return w, nil
	}
	if c.registry == nil {
		return nil, &UnreadableError{
			Code: CodeUnknownSchema, Detail: fmt.Sprintf("the record has the schema id %d, but %v", id, ErrNoRegistry), cause: ErrNoRegistry,
		}
	}
	r := c.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := (*c.byID.Load())[id]; w != nil && !w.lapsed() {
		return w, nil // another goroutine asked meanwhile
	}
	if time.Now().Before(r.retryAt[id]) {
		return nil, fmt.Errorf("looking up schema id %d: %w; it is asked again soon", id, ErrRegistryUnavailable)
	}
	w, err := c.lookUp(id)
	if err != nil {
		if len(r.retryAt) >= writersMax {
			clear(r.retryAt)
		}
		r.retryAt[id] = time.Now().Add(r.cfg.Pause)
		return nil, err
	}
	delete(r.retryAt, id)
	c.remember(id, w)
	return w, nil
}

// remember keeps the writer of an id. Unknown ids are kept too, or each of their records would ask the registry.
func (c *Codec) remember(id uint32, w *writer) {
	c.learning.Lock()
	defer c.learning.Unlock()
	known := map[uint32]*writer{}
	if old := *c.byID.Load(); len(old) < writersMax {
		known = maps.Clone(old)
	}
	known[id] = w
	c.byID.Store(&known)
}

func (c *Codec) lookUp(id uint32) (*writer, error) {
	ctx, r := context.Background(), c.registry // each request has the client's timeout
	s, err := r.client.SchemaByID(ctx, int(id))
	if isNotFound(err) && time.Since(r.askedTwice) > r.cfg.Pause {
		// A schema that was just registered may not have reached this node of the registry: one more try. One for all ids
		// of a while, or a producer of plain numbers, each an id of its own, would hold its partition up.
		time.Sleep(r.cfg.Pause / 2)
		r.askedTwice = time.Now()
		s, err = r.client.SchemaByID(ctx, int(id))
	}
	if isNotFound(err) {
		return r.unknown(unreadable(CodeUnknownSchema, "the schema registry does not know the schema id %d", id)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking up schema id %d: %w: %v", id, ErrRegistryUnavailable, err)
	}
	if s.Type != sr.TypeAvro {
		return &writer{err: unreadable(CodeUnknownSchema, "schema id %d is %v: expected Avro", id, s.Type)}, nil
	}
	var references []string
	switch err := r.references(ctx, s.References, &references, 0); {
	case errors.Is(err, ErrUnreadable):
		return r.unknown(err), nil
	case err != nil:
		return nil, fmt.Errorf("looking up what schema id %d refers to: %w: %v", id, ErrRegistryUnavailable, err)
	}
	rec, err := parseRecord(s.Schema, references...)
	if err != nil {
		return &writer{err: unreadable(CodeUnknownSchema, "schema id %d: %v", id, err)}, nil
	}
	return c.writerOf(rec), nil
}

// unknown is the writer of an id whose schema the registry lacks, in whole or in part.
func (r *registry) unknown(err error) *writer {
	return &writer{err: err, until: time.Now().Add(unknownPauses * r.cfg.Pause)}
}

// references collects the texts that a schema needs, each after those that it needs itself. The error is [ErrUnreadable]
// when they cannot be had.
func (r *registry) references(ctx context.Context, refs []sr.SchemaReference, texts *[]string, depth int) error {
	for _, ref := range refs {
		if len(*texts) >= referencesMax || depth >= referencesMax {
			return unreadable(CodeUnknownSchema, "the writer's schema refers to over %d schemas", referencesMax)
		}
		s, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if isNotFound(err) {
			return unreadable(CodeUnknownSchema, "the writer's schema refers to version %d of %s, which the schema registry does not know", ref.Version, ref.Subject)
		}
		if err != nil {
			return err
		}
		if err := r.references(ctx, s.References, texts, depth+1); err != nil {
			return err
		}
		*texts = append(*texts, s.Schema.Schema)
	}
	return nil
}

// isNotFound reports whether the registry itself says so, by a code of its own. Who stands before it answers 404 too,
// a proxy that lacks its registry for example, and knows nothing of schemas.
func isNotFound(err error) bool {
	var e *sr.ResponseError
	return errors.As(err, &e) && sr.IsNotFoundError(e.ErrorCode)
}
