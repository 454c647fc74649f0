package schemas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// OpenCodec returns a codec that writes the Confluent wire format with schema ids of the registry, and reads both
// framings. Our schemas are looked up under the subjects accrue.OrderPlaced and so on (record-name strategy); those
// that are missing are registered when cfg.Register allows it, else the error names them.
//
// The error is [ErrRegistryUnavailable] when the registry did not answer: try again.
func OpenCodec(ctx context.Context, cfg RegistryConfig) (*Codec, error) {
	r, err := newRegistry(cfg)
	if err != nil {
		return nil, err
	}
	c := NewCodec()
	c.registry = r
	var missing []string
	for _, name := range Names() {
		id, err := r.idOf(ctx, name)
		if errors.Is(err, errNotRegistered) {
			missing = append(missing, Subject(name))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", Subject(name), err)
		}
		c.prefixes[name] = registryPrefix(id)
		c.remember(id, &writer{name: name, schema: c.ours[name]})
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the schema registry lacks the present schemas of %s: register the files of accrue's schemas folder there, or allow accrue to register them",
			strings.Join(missing, ", "))
	}
	c.decision = c.prefixes[NameDecision]
	return c, nil
}

// Subject returns the registry's subject for the record called name.
func Subject(name string) string { return Namespace + "." + name }

var errNotRegistered = errors.New("not registered")

// idOf returns the id of our schema called name, registering it when allowed.
func (r *registry) idOf(ctx context.Context, name string) (uint32, error) {
	schema := sr.Schema{Type: sr.TypeAvro, Schema: Text(name)}
	found, err := r.client.LookupSchema(ctx, Subject(name), schema)
	switch {
	case err == nil:
		return uint32(found.ID), nil
	case !isNotFound(err):
		return 0, registryError(err)
	case !r.cfg.Register:
		return 0, errNotRegistered
	}
	// The level goes first, so that the registry holds this version to it. Some registries know no level for a
	// subject without versions: theirs follows.
	levelErr := r.setLevel(ctx, Subject(name))
	if levelErr != nil && !isNotFound(levelErr) {
		return 0, registryError(levelErr)
	}
	id, err := r.client.RegisterSchema(ctx, Subject(name), schema, -1, -1)
	if err != nil {
		return 0, registryError(err)
	}
	if levelErr != nil {
		if err := r.setLevel(ctx, Subject(name)); err != nil {
			return 0, registryError(err)
		}
	}
	return uint32(id), nil
}

// setLevel makes the registry refuse versions that are not compatible with all others, both ways.
func (r *registry) setLevel(ctx context.Context, subject string) error {
	level := sr.SetCompatibility{Level: sr.CompatFullTransitive}
	return r.client.SetCompatibility(ctx, level, subject)[0].Err
}

// registryError tells a registry that refuses (incompatible, not allowed) from one that does not answer.
func registryError(err error) error {
	var e *sr.ResponseError
	if errors.As(err, &e) && e.StatusCode < 500 && e.StatusCode != http.StatusTooManyRequests {
		return fmt.Errorf("the schema registry refuses: %w", err)
	}
	return fmt.Errorf("%w: %v", ErrRegistryUnavailable, err)
}
