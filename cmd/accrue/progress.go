package main

import (
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress tells a person at a terminal how far something is. Elsewhere, and for what is over within a second, it says
// nothing. Safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	r     *run
	what  string
	unit  string
	began time.Time
	bar   *progressbar.ProgressBar
}

// progressAfter is how long something may take without a word.
const progressAfter = time.Second

func (r *run) progress(what, unit string) *progress {
	return &progress{r: r, what: what, unit: unit, began: time.Now()}
}

// set tells that done of total are done.
func (p *progress) set(done, total int64) {
	if !p.r.Terminal || p.r.json {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		if time.Since(p.began) < progressAfter {
			return
		}
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(p.r.Stderr),
			progressbar.OptionSetDescription(p.what),
			progressbar.OptionSetItsString(p.unit),
			progressbar.OptionShowIts(), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	}
	if total != p.bar.GetMax64() {
		p.bar.ChangeMax64(total)
	}
	_ = p.bar.Set64(min(done, total)) // a bar that cannot be drawn is no reason to stop
}

// end removes the bar.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
