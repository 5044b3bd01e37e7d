package recent

import (
	"sync"
	"time"
)

// Seldom says whether something may be said that was said before: once in a while. It is
// safe for concurrent use.
type Seldom struct {
	every time.Duration
	now   func() time.Time

	mu sync.Mutex // guards last
	// last is when it was said last, zero for never.
	last time.Time
}

// NewSeldom returns one that may be said once in every.
func NewSeldom(every time.Duration, now func() time.Time) *Seldom {
	return &Seldom{every: every, now: now}
}

// May reports whether it may be said now, and takes it as said then. After the clock was
// set back it may.
func (s *Seldom) May() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if since := now.Sub(s.last); !s.last.IsZero() && since >= 0 && since < s.every {
		return false
	}
	s.last = now
	return true
}
