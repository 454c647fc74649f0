package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/accrue-loyalty/accrue/api"
)

// apiFlags say where the API is.
type apiFlags struct {
	URL string `env:"ACCRUE_URL" default:"http://127.0.0.1:8080" placeholder:"URL" help:"The API of any instance."`
}

// requestMax is how long an answer may take: longer than any wait of the server's own.
const requestMax = 40 * time.Second

// apiClient asks one instance, and the customer's owner when that is another one.
type apiClient struct {
	base string
	http *http.Client
	// position is the last answer's; reads are asked to reflect it. raw is that answer as it came.
	position string
	raw      json.RawMessage
}

func (f *apiFlags) client() (*apiClient, error) {
	if err := checkURL(f.URL); err != nil {
		return nil, err
	}
	return newAPIClient(f.URL), nil
}

// checkURL refuses what --url cannot be.
func checkURL(address string) error {
	if address == "" {
		return wrongUsage(errors.New("--url ($ACCRUE_URL): is empty, want an address such as http://127.0.0.1:8080"))
	}
	if err := reachableBy("--url", address); err != nil {
		return wrongUsage(err)
	}
	return nil
}

func newAPIClient(base string) *apiClient {
	return &apiClient{base: strings.TrimRight(base, "/"), http: &http.Client{Timeout: requestMax}}
}

// get reads a path, whose parts are escaped, into answer.
func (c *apiClient) get(ctx context.Context, answer any, query url.Values, path ...string) error {
	target, err := targetOf(path)
	if err != nil {
		return err
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, target, nil, answer)
}

// zone returns where the program's days begin and end.
func (c *apiClient) zone(ctx context.Context) (*time.Location, error) {
	var p api.Program
	if err := c.get(ctx, &p, nil, "v1", "program"); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(p.Timezone)
	if err != nil {
		return nil, fmt.Errorf("the program's timezone: %w", err)
	}
	return zone, nil
}

// post sends a body and reads the answer.
func (c *apiClient) post(ctx context.Context, body, answer any, path ...string) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	target, err := targetOf(path)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, target, b, answer)
}

// targetOf joins the parts of a path, which may hold anything but nothing. Dots alone would be taken as steps in the path,
// so they are escaped too.
func targetOf(parts []string) (string, error) {
	var target strings.Builder
	for _, part := range parts {
		if part == "" {
			return "", wrongUsage(errors.New("an id is empty, and nothing has an empty id"))
		}
		if part == "." || part == ".." {
			part = strings.ReplaceAll(part, ".", "%2E")
		} else {
			part = url.PathEscape(part)
		}
		target.WriteString("/" + part)
	}
	return target.String(), nil
}

// ownersMax is how often a request is sent on to another instance: partitions move once, not forever.
const ownersMax = 3

func (c *apiClient) do(ctx context.Context, method, target string, body []byte, answer any) error {
	for range ownersMax {
		p, err := c.once(ctx, method, target, body, answer)
		if err != nil || p == nil {
			return err
		}
		if p.Owner == "" {
			return refusal(p)
		}
		c.base = strings.TrimRight(p.Owner, "/")
	}
	return couldNot(errors.New("the instances name each other as the owner of this customer"), "The partitions are moving: ask again in a second.")
}

// once sends a request; the problem is what the server answered instead.
func (c *apiClient) once(ctx context.Context, method, target string, body []byte, answer any) (*api.Problem, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", c.base, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.position != "" {
		req.Header.Set("Accrue-Position", c.position)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, couldNot(fmt.Errorf("asking %s: %w", c.base, err), "Is an instance running there? --url ($ACCRUE_URL) says where to ask.")
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.base, err)
	}
	if resp.StatusCode >= 300 {
		p := &api.Problem{}
		if err := json.Unmarshal(b, p); err != nil || p.Reason == "" {
			return nil, notAccrues(c.base, fmt.Errorf("%s: %s", resp.Status, firstLine(b)))
		}
		return p, nil
	}
	if position := resp.Header.Get("Accrue-Position"); position != "" {
		c.position = position
	}
	c.raw = b
	if answer == nil {
		return nil, nil
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return nil, notAccrues(c.base, fmt.Errorf("%s: %w", resp.Status, err))
	}
	return nil, nil
}

// notAccrues says that somebody else seems to answer.
func notAccrues(base string, err error) error {
	return couldNot(fmt.Errorf("%s answered something that is not accrue's: %w", base, err),
		"Is --url ($ACCRUE_URL) the address of an instance's API, or does something in front of it answer?")
}

// lineMost is how much of a line of somebody else's answer is shown.
const lineMost = 200

// firstLine returns the first line of a text that is not empty.
func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if len(line) > lineMost {
		return strings.ToValidUTF8(line[:lineMost], "") + "…"
	}
	return line
}

// refusal turns a problem into an error with the exit code that it means.
func refusal(p *api.Problem) error {
	text := p.Detail
	if p.Reason != "" {
		text += fmt.Sprintf(" (%s)", p.Reason)
	}
	for _, e := range p.Errors {
		text += "\n  " + e
	}
	if b := p.Balance; b != nil {
		text += fmt.Sprintf("\nbalance: %d spendable, %d pending, %d reserved", b.Active, b.Pending, b.Reserved)
	}
	if text == "" {
		text = http.StatusText(p.Status)
	}
	f := &failure{err: errors.New(text), hint: nextStep(p.Reason), reason: string(p.Reason), problems: p.Errors}
	switch {
	case p.Status == http.StatusBadRequest || p.Status == http.StatusUnprocessableEntity:
		f.code = exitUsage
	case p.Status >= 500:
		f.code = exitNotDone
	default:
		f.code = exitNotSo
	}
	return f
}

// nextStep is what to do about a refusal whose detail doesn't say it; "" where there is nothing.
func nextStep(reason api.Reason) string {
	switch reason {
	case api.ReasonUnknownCustomer:
		return "Check the id. What was sent just now may not be decided yet: ask again in a moment."
	case api.ReasonErased:
		return "Nothing of an erased customer is kept: who comes back needs a new id."
	case api.ReasonUnknownEvent:
		return "`accrue statement` lists the customer's decisions, with their events."
	case api.ReasonUnknownRedemption:
		return "Check the id: `accrue statement` shows the customer's redemptions, `accrue redeem --redemption ID` makes one."
	case api.ReasonConflict:
		return "Give it an id of its own by --id, or leave --id out."
	case "balance_too_low":
		return "`accrue balance` says what can be spent now, `accrue lots` when the rest can."
	case "invalid_points", "below_minimum", "not_a_step", "over_max_share", "reward_points_differ":
		return "Ask again with another number of points; `accrue program show` has the rules."
	case "unknown_reward", "tier_too_low":
		return "`accrue program show VERSION` lists the rewards, and the tiers that they are for."
	case "under_review":
		return "A FraudReviewed event with a verdict ends the review."
	case "redemption_confirmed", "redemption_cancelled", "redemption_lapsed":
		return "`accrue statement` shows what became of it."
	case "reservation_lapsed", "reservation_cancelled":
		return "`accrue redeem` reserves anew, under another --redemption."
	case "ahead_of_clock":
		return "`accrue clock show` says where the clock stands."
	default:
		return ""
	}
}
