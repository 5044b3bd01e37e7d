package directories

import (
	"context"
	"sync"
)

// Checked is how a directory stands that was tried.
type Checked struct {
	Name, Kind string
	// Err is what is wrong with it; nil where nothing is.
	Err error
}

// Check tries each directory once, all at the same time, and says how they stand, in the
// order of the configuration. It takes no longer than the longest of their time-outs.
func (s *Set) Check(ctx context.Context) []Checked {
	list := make([]Checked, len(s.list))
	var all sync.WaitGroup
	for i := range s.list {
		e := &s.list[i]
		all.Go(func() { list[i] = Checked{e.Directory.Name, e.Kind, e.Guard.Check(ctx)} })
	}
	all.Wait()
	return list
}
