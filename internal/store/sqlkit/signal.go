package sqlkit

import "sync"

// Signal tells whoever follows the account generation, or the numbers of bans and limits, that it may
// have been raised. It is safe for concurrent use.
type Signal struct {
	mu      sync.Mutex // guards what follows
	changed chan struct{}
	told    bool
}

// NewSignal returns a Signal that is told of this process's changes alone.
func NewSignal() *Signal { return &Signal{changed: make(chan struct{})} }

// Raise wakes all who follow.
func (s *Signal) Raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raise()
}

func (s *Signal) raise() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Told says whether the changes of all processes lead to Raise from now on. It
// wakes all who follow, as some may have been missed, or will be.
func (s *Signal) Told(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = all
	s.raise()
}

// Changed returns a channel that the next Raise closes, and what Told said last.
func (s *Signal) Changed() (changed <-chan struct{}, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed, s.told
}
