package api_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/api"
)

// slowLedger answers one read after the other, each in a few milliseconds: a thousand at once would take it seconds.
func (s *shop) slowLedger() {
	const each = 5 * time.Millisecond
	one := make(chan struct{}, 1)
	s.onLedger = func(ctx context.Context) error {
		select {
		case one <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		time.Sleep(each)
		<-one
		return nil
	}
}

// A checkout that does not hear from us may ask again and again, all at once.
func TestAStormOfRepetitions(t *testing.T) {
	const many = 2000
	storm := func(t *testing.T, body func(i int) string) (s *shop, answers map[string]int) {
		t.Helper()
		s = rich(t, func(c *api.Config) { c.PublishMax = time.Second })
		s.slowLedger()
		s.post("/v1/redemptions", body(0), "Idempotency-Key", "first").is(http.StatusCreated)
		got := make(chan reply, many)
		for i := range many {
			go func() { got <- s.post("/v1/redemptions", body(i), "Idempotency-Key", "k1") }()
		}
		answers = map[string]int{}
		for range many {
			r := <-got
			answers[fmt.Sprintf("%d %s", r.status, r.body)]++
		}
		return s, answers
	}
	t.Run("of one request has one answer, and one command", func(t *testing.T) {
		s, answers := storm(t, func(int) string { return redeem(20, "") })
		if len(answers) != 1 {
			t.Errorf("%d requests have %d answers: %v", many, len(answers), clip(answers))
		}
		for answer := range answers {
			if !strings.HasPrefix(answer, "201 ") {
				t.Errorf("answered %s", answer)
			}
		}
		if b := s.balance("ann"); b.Reserved != 40 {
			t.Errorf("the balance is %+v", b)
		}
		for _, records := range s.topics["redemptions"] {
			// Who comes when the first have their answer finds the decision.
			if len(records) != 2 {
				t.Errorf("%d commands were sent, want 2", len(records))
			}
		}
	})
	t.Run("of requests that share an id alone has one winner", func(t *testing.T) {
		_, answers := storm(t, func(i int) string {
			return redeem(20, fmt.Sprintf(`,"at":%q`, now.Add(-time.Duration(i)*time.Millisecond).Format(time.RFC3339Nano)))
		})
		statuses := map[string]int{}
		for answer, n := range answers {
			statuses[answer[:3]] += n
		}
		if statuses["201"] != 1 || statuses["409"] != many-1 {
			t.Errorf("answered %v", statuses)
		}
	})
}

// clip shows some of many answers.
func clip(answers map[string]int) (some []string) {
	for answer, n := range answers {
		if some = append(some, fmt.Sprintf("%d times %.120s", n, answer)); len(some) == 5 {
			break
		}
	}
	return some
}

func TestShare(t *testing.T) {
	// reading is a shop whose ledger is being read for one repetition, which goes away when leave is called, and then gone
	// is closed; others join it, and it is read to the end when proceed is closed.
	reading := func(t *testing.T) (s *shop, leave func(), gone, proceed chan struct{}) {
		t.Helper()
		s = rich(t)
		s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)).is(http.StatusCreated)
		begun := make(chan struct{}, 1)
		gone, proceed = make(chan struct{}), make(chan struct{})
		s.onLedger = func(ctx context.Context) error {
			begun <- struct{}{}
			<-proceed
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		go func() {
			defer close(gone)
			r := httptest.NewRequest(http.MethodPost, "/v1/redemptions", strings.NewReader(redeem(60, `,"id":"k1"`))).WithContext(ctx)
			s.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
		}()
		<-begun
		return s, cancel, gone, proceed
	}
	again := func(s *shop) chan reply {
		answers := make(chan reply, 10)
		for range cap(answers) {
			go func() { answers <- s.post("/v1/redemptions", redeem(60, `,"id":"k1"`)) }()
		}
		time.Sleep(20 * time.Millisecond) // they join
		return answers
	}
	t.Run("who began it may go away", func(t *testing.T) {
		s, leave, gone, proceed := reading(t)
		answers := again(s)
		leave()
		<-gone
		close(proceed)
		for range cap(answers) {
			(<-answers).is(http.StatusCreated)
		}
	})
	t.Run("a bug is an answer to each", func(t *testing.T) {
		s, _, gone, proceed := reading(t)
		s.edit(func() { s.ledger = nil })
		answers := again(s)
		close(proceed)
		<-gone
		for range cap(answers) {
			(<-answers).problem(http.StatusInternalServerError, api.ReasonInternal)
		}
	})
}
