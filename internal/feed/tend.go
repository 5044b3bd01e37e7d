package feed

import (
	"context"
	"sync"
)

// Tend has a follower follow, and pruners prune, until ctx ends.
func Tend[T any](ctx context.Context, f *Follower[T], pruners ...Pruner) {
	var working sync.WaitGroup
	defer working.Wait()
	for i := range pruners {
		working.Go(func() { pruners[i].Run(ctx) })
	}
	f.Run(ctx)
}
