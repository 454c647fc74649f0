package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestComplaintsAreNotRepeatedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := newLog(&out, slog.LevelInfo)
		complain := func() {
			log.Warn("the broker is away", "error", errors.New("refused"), "backoff", time.Since(time.Time{}))
		}
		for range 100 { // during 20 s
			complain()
			log.With("partition", 1).Error("stopped")
			log.With("partition", 2).Error("stopped")
			log.Info("nothing to complain of")
			time.Sleep(200 * time.Millisecond)
		}
		complain()
		for what, want := range map[string]int{
			"the broker is away": 3, `"partition":1}`: 1, `"partition":2}`: 1, "nothing to complain of": 100, `"repeated":49}`: 4,
		} {
			if n := strings.Count(out.String(), what); n != want {
				t.Errorf("%s is there %d times, want %d", what, n, want)
			}
		}
	})
}

func TestDurationsAreText(t *testing.T) {
	var out bytes.Buffer
	newLog(&out, slog.LevelInfo).Info("waiting", "wait", 10*time.Second)
	if !strings.Contains(out.String(), `"wait":"10s"`) {
		t.Errorf("a duration is logged as %s", out.String())
	}
}
