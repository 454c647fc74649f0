package loyalty

import (
	"time"

	"github.com/accrue-loyalty/accrue/events"
)

// Wall returns the instant at which the calendar's wall clock shows what wall shows in UTC: the first of two, and, for
// a time that a change of the clocks skips, as much later as the gap is.
func (c Calendar) Wall(wall time.Time) events.Instant { return c.instant(wall.UnixMilli()) }
