package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrNameTaken means that another instance has the same name, with another folder. They would fence each other for ever.
var ErrNameTaken = errors.New("another instance has this name")

// ErrFolderTaken means that another process has a copy of this instance's folder. They would take each other's place for
// ever, so who is told first ends.
var ErrFolderTaken = errors.New("another process runs on a copy of this instance's state folder")

// nameTaken names a folder other than ours that a member of the group with our instance's name has; "" when there is
// none. It reads the members' ids ([worker.memberID]), because a group that rebalances tells nothing else of them.
func (e *Engine) nameTaken(ctx context.Context) (folder string, err error) {
	members, err := e.client.members(ctx)
	for _, m := range members {
		if m.InstanceID == nil {
			continue
		}
		if _, instance, folder, ok := parseMemberID(*m.InstanceID); ok && instance == e.cfg.Instance && folder != e.storeID {
			return folder, nil
		}
	}
	return "", err
}

// parseMemberID is the opposite of [worker.memberID]. An instance's name may have dots in it, a folder's identity has none.
func parseMemberID(id string) (worker int, instance, folder string, ok bool) {
	n, rest, _ := strings.Cut(id, ".")
	worker, err := strconv.Atoi(n)
	dot := strings.LastIndexByte(rest, '.')
	if err != nil || dot < 0 {
		return 0, "", "", false
	}
	return worker, rest[:dot], rest[dot+1:], true
}

// awaitName waits until no other instance has our name. One that died is a member until its session runs out; one that
// is still there afterwards lives.
func (e *Engine) awaitName(ctx context.Context) error {
	began := time.Now()
	for said := false; ctx.Err() == nil; {
		folder, err := e.nameTaken(ctx)
		switch {
		case kerr.IsRetriable(err) && time.Since(began) < nameGrace:
			// The first to ask of a new cluster has the coordinator made.
		case err != nil:
			// Joining waits for the coordinator anyway.
			e.cfg.Log.Warn("nobody can say whether another instance has this name", "error", err)
			return nil
		case folder == "":
			return nil
		case time.Since(began) > e.client.cfg.SessionTimeout+nameGrace:
			return e.errNameTaken()
		case !said:
			said = true
			e.cfg.Log.Warn("another instance of this name is in the group; it may have died just now", "instance", e.cfg.Instance, "wait", e.client.cfg.SessionTimeout)
		}
		sleep(ctx, namePause)
	}
	return ctx.Err()
}

// placeTaken reports whether another process has this worker's place in the group, and lives. A coordinator that is started
// anew may take up what it knew of the group long ago, and fence us for a member that died since: that one leaves the group
// when its session runs out.
func (w *worker) placeTaken(ctx context.Context) bool {
	for began := time.Now(); ctx.Err() == nil; sleep(ctx, namePause) {
		members, err := w.e.client.members(ctx)
		taken := slices.ContainsFunc(members, func(m kadm.DescribedGroupMember) bool {
			return m.InstanceID != nil && *m.InstanceID == w.memberID()
		})
		if over := time.Since(began) > w.e.client.cfg.SessionTimeout+nameGrace; over || err == nil && !taken {
			return taken
		}
	}
	return false
}

const (
	// nameGrace is what the group may take beyond a session's timeout to notice that a member is gone.
	nameGrace = 2 * time.Second
	namePause = 250 * time.Millisecond
)

func (e *Engine) errNameTaken() error {
	return fmt.Errorf("%w: %s", ErrNameTaken, e.cfg.Instance)
}

func (e *Engine) errFolderTaken() error {
	return fmt.Errorf("%w: %s", ErrFolderTaken, e.cfg.Instance)
}

// mustYield reports whether a session ended because another instance has our name and is to keep it: of two, the one
// whose folder's identity is the lesser. Both may have started at the same moment.
func (e *Engine) mustYield(ctx context.Context, ended error) bool {
	if !errors.Is(ended, kerr.ProducerFenced) && !errors.Is(ended, kerr.InvalidProducerEpoch) {
		return false
	}
	folder, err := e.nameTaken(ctx)
	if err != nil || folder == "" {
		return false
	}
	e.cfg.Log.Error("another instance has this name, with another folder, and the two fence each other: each needs a name of its own", "instance", e.cfg.Instance)
	return folder < e.storeID
}
