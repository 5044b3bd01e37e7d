package pgcluster

import (
	"bytes"
	"strings"
	"sync"
)

// kept is how many lines of its log a cluster keeps.
const kept = 200

// journal keeps the last lines that a server wrote to its log, and tells when
// an awaited one comes. It is safe for concurrent use.
type journal struct {
	mu      sync.Mutex // guards what follows
	lines   []string
	partial []byte // what came after the last newline
	awaited string // part of the line that closes seen
	seen    chan struct{}
}

// expect returns a channel that is closed when a line that contains text comes
// after now. It replaces what was expected before.
func (j *journal) expect(text string) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.awaited, j.seen = text, make(chan struct{})
	return j.seen
}

// Write takes a piece of the log.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.partial = append(j.partial, p...)
	for {
		line, rest, whole := bytes.Cut(j.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		j.add(string(line))
		j.partial = append([]byte(nil), rest...)
	}
}

// add takes one line; the caller holds mu.
func (j *journal) add(line string) {
	j.lines = append(j.lines, line)
	if extra := len(j.lines) - kept; extra > 0 {
		j.lines = append([]string(nil), j.lines[extra:]...)
	}
	if j.awaited != "" && strings.Contains(line, j.awaited) {
		close(j.seen)
		j.awaited = ""
	}
}

// String returns the lines that are kept.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}
