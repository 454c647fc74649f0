package api

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/singleflight"
)

// share has requests that want the same at the same time share one answer: work runs once for all that come with the same
// key while it does. It does not end with the request that began it, because others may wait for it, so it must have a
// limit of its own. Each request stops waiting when its ctx ends. What work returns is shared: nobody may write to it.
func share[T any](ctx context.Context, g *singleflight.Group, key string, work func(context.Context) (T, *Problem)) (T, *Problem) {
	type outcome struct {
		value    T
		problem  *Problem
		panicked string
	}
	shared := g.DoChan(key, func() (any, error) {
		var out outcome
		func() {
			// A panic is an answer to each request, as it is where a request works alone: here it would end the process.
			defer func() {
				if v := recover(); v != nil {
					out.panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
				}
			}()
			out.value, out.problem = work(context.WithoutCancel(ctx))
		}()
		return out, nil
	})
	select {
	case r := <-shared:
		out := r.Val.(outcome)
		if out.panicked != "" {
			panic(out.panicked)
		}
		return out.value, out.problem
	case <-ctx.Done():
		var none T
		return none, problem(ReasonDecisionPending, "the request ended before there was an answer")
	}
}
