package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// Problem is the body of every answer that is not a success: problem details (RFC 9457) with the members that clients
// of accrue need.
type Problem struct {
	Title  string `json:"title" doc:"The status in words"`
	Status int    `json:"status" doc:"The HTTP status"`
	Reason Reason `json:"reason" doc:"A stable code: of the API, or of the decision that refused a command" example:"balance_too_low"`
	Detail string `json:"detail" doc:"What happened, and what to do"`
	// Errors lists every single thing that is wrong with the request.
	Errors []string `json:"errors,omitempty" doc:"Each thing that is wrong with the request"`
	// Owner is who answers instead.
	Owner string `json:"owner,omitempty" doc:"Base URL of the instance that answers for this customer (421)"`
	// Into is the customer that an ended account was merged into.
	Into     string          `json:"into,omitempty" doc:"The customer that this one was merged into, and that has what is missing here"`
	Position string          `json:"position,omitempty" doc:"How far the partition has folded, as in Accrue-Position"`
	Restore  *Progress       `json:"restore,omitempty" doc:"How far the restore has come"`
	Balance  *events.Balance `json:"balance,omitempty" doc:"What the customer of a refused command has now, as GET …/balance says"`
	// Decision is where the refusal stands in the ledger.
	Decision *Ref `json:"decision,omitempty" doc:"The decision that refused the command"`
	// replayed is set when an earlier request under the same key was answered so.
	replayed bool
}

// Progress is how far a restore has come, in ledger offsets.
type Progress struct {
	Folded int64 `json:"folded"`
	Target int64 `json:"target"`
}

// Ref names a decision.
type Ref struct {
	Partition int32         `json:"partition"`
	Offset    int64         `json:"offset"`
	Event     string        `json:"event"`
	Result    events.Result `json:"result"`
}

func problem(r Reason, format string, args ...any) *Problem {
	status := r.Status()
	return &Problem{Title: http.StatusText(status), Status: status, Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus tells huma the status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType tells huma the media type.
func (p *Problem) ContentType(string) string { return problemType }

const (
	problemType = "application/problem+json"
	jsonType    = "application/json"
	ownerHeader = "Accrue-Owner"
	// replayedHeader is the name that other APIs have given it.
	replayedHeader = "Idempotent-Replayed"
)

// GetHeaders tells huma the headers.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	p.setHeaders(h)
	return h
}

func (p *Problem) setHeaders(h http.Header) {
	if s := p.Reason.retryAfterSeconds(); s > 0 {
		h.Set("Retry-After", strconv.Itoa(s))
	}
	if p.Owner != "" {
		h.Set(ownerHeader, p.Owner)
	}
	if p.Position != "" {
		h.Set(positionHeader, p.Position)
	}
	if p.replayed {
		h.Set(replayedHeader, "true")
	}
	h.Set("Cache-Control", "no-store")
}

// write answers with p, outside of huma.
func (p *Problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("api: a problem has no JSON form: %v", err))
	}
	p.setHeaders(w.Header())
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	// A client that has gone away is no concern of ours.
	_, _ = w.Write(append(body, '\n'))
}

// ownProblems replaces huma's errors about requests by ours.
func (s *Server) ownProblems(_ huma.Context, _ string, v any) (any, error) {
	theirs, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := s.problemOf(theirs)
	// The status line is written already: the body must say the same.
	p.Status, p.Title = theirs.Status, http.StatusText(theirs.Status)
	for _, e := range theirs.Errors {
		text := e.Message
		if e.Location != "" {
			text = e.Location + ": " + text
		}
		p.Errors = append(p.Errors, text)
	}
	return p, nil
}

func (s *Server) problemOf(e *huma.ErrorModel) *Problem {
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		return s.bodyTooLarge()
	case http.StatusRequestTimeout:
		return problem(ReasonRequestTimeout, "the body did not arrive whole and in time: send it again")
	case http.StatusNotAcceptable:
		return problem(ReasonNotAcceptable, "answers are JSON: ask for application/json")
	case http.StatusBadRequest:
		return problem(ReasonInvalidJSON, "the request has no body: send JSON")
	case http.StatusInternalServerError:
		return problem(ReasonInternal, "accrue could not answer: its log says why")
	default:
		return problem(ReasonInvalidRequest, "the request is not right: see errors")
	}
}

func (s *Server) bodyTooLarge() *Problem {
	return problem(ReasonBodyTooLarge, "the body is longer than %d bytes: send fewer events at a time", s.cfg.BodyBytesMax)
}
