package fetch

import (
	"sync"
	"time"
)

// How long is waited after a failure before the next attempt: firstWait, then twice
// as long each time, at most maxWait.
const (
	firstWait = 2 * time.Second
	maxWait   = 2 * time.Minute
)

// maxReason bounds the text of an error that is kept, in octets.
const maxReason = 300

// State says what is known of somebody who is asked over the network.
type State string

// The states.
const (
	// Untried: nothing has been asked since the start.
	Untried State = "untried"
	// Reachable: the last answer could be used.
	Reachable State = "reachable"
	// Unreachable: the last attempt failed.
	Unreachable State = "unreachable"
)

// Report is how somebody stands.
type Report struct {
	State State
	// Since is when that State began; zero for Untried.
	Since time.Time
	// LastAnswer is when an answer could last be used; zero if never.
	LastAnswer time.Time
	// Reason says why the last attempt failed, "" unless Unreachable. It holds no
	// token and no secret.
	Reason string
	// Failures counts the attempts that have failed since the last answer.
	Failures int
}

// Standing remembers how somebody stands who is asked over the network, and holds
// attempts back while they fail. It is safe for concurrent use.
type Standing struct {
	// tolerated is how many failures in a row do not hold anything back yet.
	tolerated int

	mu     sync.Mutex // guards what follows
	report Report
	// failed is when the last failure was counted; next when the next attempt may be made
	// after it.
	failed, next time.Time
}

// NewStanding returns one that is Untried. That many failures in a row are tolerated
// before attempts are held back.
func NewStanding(tolerated int) *Standing {
	return &Standing{tolerated: tolerated, report: Report{State: Untried}}
}

// Succeeded notes an answer that could be used.
func (s *Standing) Succeeded(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report.State != Reachable {
		s.report.Since = now
	}
	s.report.State, s.report.LastAnswer, s.report.Reason, s.report.Failures = Reachable, now, "", 0
	s.next = time.Time{}
}

// Failed notes an attempt that began then and brought nothing, and why. Attempts that
// were under way together count as one.
func (s *Standing) Failed(began, now time.Time, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.report.State != Unreachable {
		s.report.Since = now
	}
	reason := why.Error()
	s.report.State, s.report.Reason = Unreachable, reason[:min(len(reason), maxReason)]
	if s.report.Failures > 0 && began.Before(s.failed) {
		return
	}
	s.report.Failures++
	s.failed, s.next = now, now
	if over := s.report.Failures - s.tolerated; over > 0 {
		s.next = now.Add(min(firstWait<<min(over-1, 10), maxWait))
	}
}

// Blocked reports whether it is too early for another attempt.
func (s *Standing) Blocked(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A clock that went back must not hold attempts back for longer than ever meant.
	return now.Before(s.next) && s.next.Sub(now) <= maxWait
}

// Failing reports whether more attempts in a row have failed than are tolerated: one at
// a time is enough then.
func (s *Standing) Failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report.Failures > s.tolerated
}

// Report tells how it stands.
func (s *Standing) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report
}
