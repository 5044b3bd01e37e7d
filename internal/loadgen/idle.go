package loadgen

import (
	"context"
	"sync"
)

// Idle opens n authenticated sessions, calls measure while all of them do
// nothing, and closes them. At most 32 are opened at once.
func Idle(ctx context.Context, o Options, n int, measure func()) error {
	var (
		mu      sync.Mutex // guards clients and first
		clients []*client
		first   error
		wg      sync.WaitGroup
		slots   = make(chan struct{}, 32)
	)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			c, err := dial(ctx, o.numbered(i+1))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if first == nil {
					first = err
				}
				return
			}
			clients = append(clients, c)
		})
	}
	wg.Wait()
	if first == nil {
		measure()
	}
	for _, c := range clients {
		c.close()
	}
	return first
}
