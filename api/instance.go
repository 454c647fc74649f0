package api

import (
	"context"
	"math/big"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

const metricsPath = "/metrics"

// ProgramVersion names one version of the rules.
type ProgramVersion struct {
	Program     string         `json:"program"`
	Version     int32          `json:"version"`
	Hash        events.Hash    `json:"hash"`
	Revision    int            `json:"revision" doc:"Of the rules' meaning"`
	EffectiveAt events.Instant `json:"effective_at,omitzero"`
	PublishedAt events.Instant `json:"published_at,omitzero"`
}

func versionOf(p *loyalty.Program) ProgramVersion {
	return ProgramVersion{p.Name, p.Version, p.Hash, p.Revision, p.EffectiveAt, p.PublishedAt}
}

// Program is the answer to GET /v1/program.
type Program struct {
	Current    ProgramVersion    `json:"current" doc:"In effect now"`
	Currency   string            `json:"currency"`
	Timezone   string            `json:"timezone"`
	Value      string            `json:"point_value_minor,omitempty" doc:"Worth of a point in minor units, as a decimal or a fraction"`
	Rates      map[string]string `json:"rates_minor,omitempty" doc:"What a minor unit of another currency is in minor units of the program's, as a decimal or a fraction"`
	Redemption RedemptionBounds  `json:"redemption"`
	Versions   []ProgramVersion  `json:"versions" nullable:"false" doc:"All published versions, by the time they take effect"`
}

// RedemptionBounds are what the program says of one redemption.
type RedemptionBounds struct {
	Minimum  events.Points `json:"minimum" doc:"Fewest points, without a reward"`
	Step     events.Points `json:"step" doc:"Points are a multiple of it, without a reward"`
	MaxShare string        `json:"max_share_of_order,omitempty" doc:"Share of order_total_minor that points may pay, as a decimal or a fraction; absent: any"`
	TTL      string        `json:"reservation_ttl" example:"30 minutes"`
}

func boundsOf(r *loyalty.RedemptionRules) RedemptionBounds {
	b := RedemptionBounds{Minimum: r.Minimum, Step: r.Step, TTL: r.TTL.String()}
	if r.MaxShare != nil {
		b.MaxShare = decimal(r.MaxShare)
	}
	return b
}

// Partitions is the answer to GET /v1/partitions.
type Partitions struct {
	Partitions []PartitionInfo `json:"partitions" nullable:"false"`
}

// PartitionInfo is one partition as this instance sees it.
type PartitionInfo struct {
	Partition int32            `json:"partition"`
	State     string           `json:"state" enum:"unowned,owned,restoring,elsewhere,quarantined"`
	Owner     string           `json:"owner,omitempty" doc:"Where it is answered, when that is another instance"`
	Folded    int64            `json:"folded,omitempty" doc:"Next ledger offset to fold"`
	Target    int64            `json:"target,omitempty" doc:"Where the restore ends"`
	Clock     events.Instant   `json:"clock,omitzero"`
	Inputs    map[string]int64 `json:"inputs,omitempty" doc:"Next offset by input topic"`
}

// Readiness is the answer to GET /readyz.
type Readiness struct {
	Ready      bool            `json:"ready"`
	Joined     bool            `json:"joined" doc:"Whether it has joined the group with all its workers since it started"`
	Owned      int             `json:"owned" doc:"Partitions that this instance answers for"`
	Restoring  []PartitionInfo `json:"restoring" nullable:"false" doc:"Partitions that it will answer for"`
	Unassigned int             `json:"unassigned" doc:"Partitions without a known owner"`
}

// Health is the answer to GET /healthz.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

type bodyOf[T any] struct {
	Cache string `header:"Cache-Control"`
	Body  T
}

type readinessOutput struct {
	Status int
	Cache  string `header:"Cache-Control"`
	Retry  string `header:"Retry-After"`
	Body   Readiness
}

func (s *Server) registerInstance(h huma.API) {
	op := func(id, path, summary string, more ...Reason) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
			Tags: []string{"instance"}, Responses: problems(append(more, ReasonInternal)...)}
	}
	huma.Register(h, op("program", "/v1/program", "The rules in effect, and all their versions", ReasonNoProgram), s.program)
	huma.Register(h, op("partitions", "/v1/partitions", "Who answers for which partition, and how far it is"), s.partitions)
	huma.Register(h, op("healthz", "/healthz", "Whether the process lives"), s.health)
	ready := op("readyz", "/readyz", "Whether all partitions of this instance can be read")
	ready.Description = "503 with the same body while it is not ready."
	huma.Register(h, ready, s.ready)
	documentNotReady(h.OpenAPI().Paths[ready.Path].Get.Responses)
}

// documentNotReady gives the answer of an instance that is not ready the body of one that is.
func documentNotReady(r map[string]*huma.Response) {
	not := *r[strconv.Itoa(statusRead)]
	not.Description = http.StatusText(statusNotReady)
	r[strconv.Itoa(statusNotReady)] = &not
}

func (s *Server) program(context.Context, *struct{}) (*bodyOf[Program], error) {
	history := s.parts.Programs.History()
	current := history.At(events.InstantOf(s.cfg.Now()))
	if current == nil {
		return nil, noProgram()
	}
	body := Program{
		Current: versionOf(current), Currency: current.Currency, Timezone: current.Calendar.Location().String(),
		Redemption: boundsOf(&current.Redemption), Rates: map[string]string{}, Versions: []ProgramVersion{},
	}
	for currency, rate := range current.Rates {
		body.Rates[currency] = decimal(rate)
	}
	if current.PointValue != nil {
		body.Value = decimal(current.PointValue)
	}
	for _, p := range history {
		body.Versions = append(body.Versions, versionOf(p))
	}
	return &bodyOf[Program]{Cache: "no-cache", Body: body}, nil
}

// decimal writes x exactly: as a decimal when it has one, else as a fraction.
func decimal(x *big.Rat) string {
	if n, exact := x.FloatPrec(); exact {
		return x.FloatString(n)
	}
	return x.RatString()
}

func infoOf(p *Place) PartitionInfo {
	return PartitionInfo{p.Partition, p.State.String(), p.Owner, p.Folded, p.Target, p.Clock, p.Inputs}
}

func (s *Server) partitions(context.Context, *struct{}) (*bodyOf[Partitions], error) {
	places := s.parts.Places.Places()
	body := Partitions{make([]PartitionInfo, 0, len(places))}
	for i := range places {
		body.Partitions = append(body.Partitions, infoOf(&places[i]))
	}
	return &bodyOf[Partitions]{Cache: "no-cache", Body: body}, nil
}

func (s *Server) health(context.Context, *struct{}) (*bodyOf[Health], error) {
	return &bodyOf[Health]{Cache: "no-store", Body: Health{"ok"}}, nil
}

// ready is no as long as the group has assigned nothing to anybody, or this instance cannot read what it owns.
func (s *Server) ready(context.Context, *struct{}) (*readinessOutput, error) {
	places := s.parts.Places.Places()
	body := Readiness{Joined: s.parts.Places.Joined(), Restoring: []PartitionInfo{}}
	for i := range places {
		switch places[i].State {
		case Owned:
			body.Owned++
		case Restoring, Quarantined:
			body.Restoring = append(body.Restoring, infoOf(&places[i]))
		case Unowned:
			body.Unassigned++
		case Elsewhere:
		}
	}
	// The first time everything must have its owner. Later some may be without one for a while, as when another instance
	// has ended: ours are answered for all the same.
	body.Ready = body.Joined && len(places) > 0 && len(body.Restoring) == 0 &&
		(body.Unassigned == 0 || s.wasReady.Load() && body.Unassigned < len(places))
	if body.Ready {
		s.wasReady.Store(true)
	}
	out := &readinessOutput{Status: statusRead, Cache: "no-store", Body: body}
	if !body.Ready {
		out.Status, out.Retry = statusNotReady, "1"
	}
	return out, nil
}
