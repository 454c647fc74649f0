package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/accrue-loyalty/accrue/projector"
	"github.com/accrue-loyalty/accrue/schemas"
)

// offsetsCommitted are the group's committed offsets.
type offsetsCommitted = kadm.OffsetResponses

// committed asks for the group's offsets. A coordinator that is not there yet, or moves, is waited for.
func (c *Client) committed(ctx context.Context) (offsetsCommitted, error) {
	for {
		all, err := c.admin.FetchOffsets(ctx, c.cfg.group())
		if errors.Is(err, kerr.GroupIDNotFound) {
			return nil, nil // nobody has committed yet
		}
		if err == nil {
			err = all.Error()
		}
		if err == nil {
			return all, nil
		}
		if ctx.Err() != nil || !kerr.IsRetriable(err) {
			return nil, fmt.Errorf("asking for the offsets of the group %s: %w", c.cfg.group(), err)
		}
		sleep(ctx, coordinatorPause)
	}
}

// coordinatorPause is how long a coordinator that is not available is left alone.
const coordinatorPause = 100 * time.Millisecond

// startFrom sets the partition's course from its state, and what the group's offsets say beyond that.
func (p *partition) startFrom(ctx context.Context, committed offsetsCommitted) error {
	p.now = course{position: p.store.Position(), chain: p.store.Position().Chain}
	// Asked for after the ledger's end, so that they hold all that the ledger has decided.
	spans, err := p.e.client.reader.Spans(ctx, p.names[:], p.id)
	if err != nil {
		return err
	}
	for t := range inputNames {
		p.known[t] = spans[t].Stable
		at, err := p.startOf(ctx, t, spans[t], committed)
		if err != nil {
			return err
		}
		p.fetched[t] = at
		p.told[t] = -1
	}
	group, _ := committed.Lookup(p.names[clockIndex], p.id)
	return p.recoverClock(ctx, spans[clockIndex], group.Metadata)
}

// startOf returns the next offset of a topic to read. The ledger says which record was decided last. The group's offset
// was committed together with decisions, so it can't be behind; when it is ahead of the ledger, then by markers and
// aborted records only, or the ledger lacks decisions.
func (p *partition) startOf(ctx context.Context, t int, span projector.Span, committed offsetsCommitted) (int64, error) {
	decided := p.now.position.Inputs[string(inputNames[t])]
	group, ok := committed.Lookup(p.names[t], p.id)
	if !ok || group.At < 0 {
		return p.fromLog(t, decided, span)
	}
	if t == clockIndex {
		// Ticks that had nothing to do are in no decision. One that was not worked off to its end is in the group's
		// offset all the same: the sweep of whoever takes over finds what is left of it.
		return max(min(group.At, span.End), span.Start), nil
	}
	if group.At <= decided {
		return p.fromLog(t, decided, span)
	}
	if last, ok := parseCommit(group.Metadata); ok {
		if last > decided {
			return 0, p.aheadOfLedger(t, last, decided)
		}
		return p.fromLog(t, group.At, span)
	}
	// Somebody else committed, as when offsets were set by hand: look for a record that would be skipped.
	if span.Start > decided {
		return 0, p.aheadOfLedger(t, group.At, decided)
	}
	err := p.e.client.reader.Read(ctx, p.names[t], p.id, decided, min(group.At, span.End), func(c projector.Chunk) error {
		for _, rec := range c.Records {
			if !rec.Attrs.IsControl() {
				return p.aheadOfLedger(t, group.At, decided)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return p.fromLog(t, group.At, span)
}

func (p *partition) aheadOfLedger(t int, committed, decided int64) error {
	return fmt.Errorf("%w: the group has committed %s-%d to offset %d, but the ledger names it to %d only, so the ledger lacks decisions that were made: restore the topic %s from a backup, or, if the decisions are to be made anew, delete the offsets of the group %s",
		errStopped, p.names[t], p.id, committed, decided, p.e.ledgerTopic, p.e.client.cfg.group())
}

// fromLog returns at, unless the log no longer has it.
func (p *partition) fromLog(t int, at int64, span projector.Span) (int64, error) {
	switch {
	case at >= span.Start && at <= span.End:
		return at, nil
	case t == clockIndex:
		return max(min(at, span.End), span.Start), nil
	case at == 0:
		// Nothing was ever decided; the history before the log's start is gone for good.
		p.e.cfg.Log.Warn("retention has deleted records of which none was ever decided, and they will not be", "topic", p.names[t],
			"partition", p.id, "begins", span.Start)
		return span.Start, nil
	case at > span.End:
		return 0, fmt.Errorf("%w: %s-%d ends at %d, but its record %d was decided: the topic was deleted and made anew, or is not the one that the ledger belongs to",
			errStopped, p.names[t], p.id, span.End, at-1)
	default:
		return 0, fmt.Errorf("%w: %s-%d begins at %d, but its records from %d on are not decided: retention has deleted them",
			errStopped, p.names[t], p.id, span.Start, at)
	}
}

// clockLookback is how many records of the clock topic before the position are read to learn who drives the clock, where
// the group has no note of it: more than the wall clock's ticks in the longest lease.
const clockLookback = 4096

// recoverClock finds the tick that the clock stands at and who drives it. The clock is the ledger's last, or that of a
// later tick that was consumed and had nothing to do. Most have nothing to do, and leave no trace in the ledger, so that
// looking for the last that had could mean to read the topic from its beginning: the group's note names what to read.
func (p *partition) recoverClock(ctx context.Context, span projector.Span, noted string) error {
	now := &p.now
	now.clock = clock{at: now.position.Clock, offset: noTick}
	to := p.fetched[clockIndex]
	from := max(span.Start, min(to, now.position.Inputs[string(schemas.TopicClock)])-clockLookback)
	if note, ok := parseClockNote(noted); ok && note.tick < to && note.since <= to {
		from = max(span.Start, note.since)
		err := p.readClock(ctx, max(span.Start, note.tick), min(note.tick+1, from), func(r *clockRecord) {
			if r.tick != nil && r.tick.At >= now.clock.at {
				now.clock.stand(r)
			}
		})
		if err != nil {
			return err
		}
	}
	now.lease.since = from
	err := p.readClock(ctx, from, to, func(r *clockRecord) {
		if !now.lease.admit(r) {
			return
		}
		if now.clock.offset == noTick && r.tick.At == now.clock.at {
			now.clock.stand(r)
		} else {
			now.clock.apply(r)
		}
	})
	if err == nil && now.clock.at != 0 && now.clock.offset == noTick {
		// Without the group's offsets the tick lies ahead. It will be read again, and find its work done.
		ahead := now.lease
		err = p.readClock(ctx, to, span.Stable, func(r *clockRecord) {
			if ahead.admit(r) && now.clock.offset == noTick && r.tick.At == now.clock.at {
				now.clock.stand(r)
			}
		})
	}
	if err != nil {
		return err
	}
	// Whatever the last sweep left is found by sweeping once more. Without its tick there is no cause to name: the next
	// tick will do it.
	now.sweep = now.clock.at != 0 && now.clock.offset != noTick
	p.tenure.set(func(s *PartitionStatus) {
		s.Clock, s.Ledger, s.End = now.clock.at, now.position.Ledger, now.position.Ledger
	})
	p.tenure.follow(now.lease, 0)
	return nil
}

// readClock calls fn with the clock records from the offset from up to to that can be read.
func (p *partition) readClock(ctx context.Context, from, to int64, fn func(*clockRecord)) error {
	return p.e.client.readClock(ctx, p.id, from, to, func(r *clockRecord, unread error) error {
		if unread == nil {
			fn(r)
		}
		return nil
	})
}

// clockNote goes with the committed offset of the clock topic: the tick that the clock stands at, and the record from which
// on those before the offset tell who drives it. There are few of them, however long ago it was: while a history is open
// the wall clock sends none, and otherwise it is the wall clock's last.
type clockNote struct{ tick, since int64 }

// clockNote returns the note for the position of the course.
func (c *course) clockNote() clockNote {
	if len(c.ticks) > 0 { // the position is before it
		return clockNote{c.clock.offset, c.ticks[0].since}
	}
	return clockNote{c.clock.offset, c.lease.since}
}

const clockNoteFormat = "tick=%d since=%d"

func (n clockNote) String() string { return fmt.Sprintf(clockNoteFormat, n.tick, n.since) }

func parseClockNote(note string) (n clockNote, ok bool) {
	_, err := fmt.Sscanf(note, clockNoteFormat, &n.tick, &n.since)
	return n, err == nil
}

// commitPrefix begins the note that goes with the other topics' committed offsets. It names the position as far as
// decisions go: the committed offset itself may be further, past markers and aborted records.
const commitPrefix = "decided="

func commitNote(decided int64) string { return commitPrefix + strconv.FormatInt(decided, 10) }

func parseCommit(note string) (decided int64, ok bool) {
	s, ok := strings.CutPrefix(note, commitPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
