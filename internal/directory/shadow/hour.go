package shadow

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// hour counts what was made within the last hour, whenever that begins. It is safe for
// concurrent use.
type hour struct {
	most int
	now  func() time.Time

	mu   sync.Mutex // guards made
	made []time.Time
}

func newHour(most int, now func() time.Time) *hour { return &hour{most: most, now: now} }

// take counts one more, and reports whether that may be.
func (h *hour) take() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	gone := 0
	for gone < len(h.made) && !h.made[gone].After(now.Add(-time.Hour)) {
		gone++
	}
	if gone > 0 {
		h.made = append(h.made[:0], h.made[gone:]...)
	}
	if len(h.made) >= h.most {
		return false
	}
	h.made = append(h.made, now)
	return true
}

// giveBack takes back the last that was counted: nothing was made.
func (h *hour) giveBack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.made); n > 0 {
		h.made = h.made[:n-1]
	}
}

// said keeps what was said to the operator, so that the same is said once an hour. It is
// safe for concurrent use.
type said struct {
	now func() time.Time

	mu   sync.Mutex // guards what follows
	last map[string]time.Time
}

// maxSaid is how many different things are remembered; others wait for the next hour.
const maxSaid = 1000

func newSaid(now func() time.Time) *said { return &said{now: now, last: map[string]time.Time{}} }

// warn writes a warning, unless the same was written within the hour.
func (s *said) warn(log *slog.Logger, text string, args ...any) {
	if s.first(text, args) {
		log.Warn(text, args...)
	}
}

// first notes that something is said, and reports whether it was not within the hour.
func (s *said) first(text string, args []any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	key := text + fmt.Sprintln(args...)
	if at, known := s.last[key]; known && now.Sub(at) < time.Hour {
		return false
	}
	if len(s.last) >= maxSaid {
		for other, at := range s.last {
			if now.Sub(at) >= time.Hour {
				delete(s.last, other)
			}
		}
	}
	if len(s.last) >= maxSaid {
		return false
	}
	s.last[key] = now
	return true
}
