package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
)

// Limits of the HTTP server that nobody has needed to choose.
const (
	readHeaderMax  = 5 * time.Second
	readMax        = 30 * time.Second
	idleMax        = 2 * time.Minute
	headerBytesMax = 32 << 10
)

// Server is the HTTP side of an instance.
type Server struct {
	cfg     Config
	parts   Parts
	log     *slog.Logger
	hasher  *Hasher
	metrics *httpMetrics
	handler http.Handler
	held    held
	// commands and reads are under way for as many requests as want the same.
	commands, reads singleflight.Group
	// rebuilding has room for the accounts that may be rebuilt at a time.
	rebuilding chan struct{}
	// wasReady is set by the first answer of /readyz that said so.
	wasReady atomic.Bool
	// patterns are the routes, for the test that doc describes them all.
	patterns []string
	doc      *huma.OpenAPI
}

// Registry is where metrics are registered and gathered from, such as a [prometheus.Registry].
type Registry interface {
	prometheus.Registerer
	prometheus.Gatherer
}

// New returns a server that is ready to [Server.Serve] or to be used as a [Server.Handler]. GET /metrics shows all that
// reg holds.
func New(cfg Config, parts Parts, log *slog.Logger, reg Registry) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if parts.Places == nil || parts.Ledger == nil || parts.Producer == nil || parts.Decisions == nil ||
		parts.Programs == nil {
		return nil, errors.New("starting the API: a part is missing")
	}
	s := &Server{cfg: cfg, parts: parts, log: log, hasher: NewHasher(cfg.HashKey), metrics: newHTTPMetrics(), rebuilding: make(chan struct{}, rebuildingMax)}
	if err := reg.Register(s.metrics.latency); err != nil {
		return nil, fmt.Errorf("registering the API's metrics: %w", err)
	}
	s.handler = s.routes(reg)
	return s, nil
}

// Handler returns the handler of all routes.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on l until ctx ends, then lets running requests finish. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderMax,
		ReadTimeout:       readMax,
		WriteTimeout:      readMax + s.cfg.HoldMax + s.cfg.WaitMax + s.cfg.PublishMax + s.cfg.DecideMax,
		IdleTimeout:       idleMax,
		MaxHeaderBytes:    headerBytesMax,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownMax)
	defer cancel()
	if err := server.Shutdown(late); err != nil {
		return errors.Join(fmt.Errorf("stopping on %s: requests were still running after %s", l.Addr(), s.cfg.ShutdownMax),
			server.Close())
	}
	return nil
}
