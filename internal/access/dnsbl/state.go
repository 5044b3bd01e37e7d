package dnsbl

import (
	"cmp"
	"context"
	"net/netip"
	"sync"
	"time"
)

// state is whether a list answers. It is safe for concurrent use.
type state struct {
	mu sync.Mutex // guards what follows
	// failed counts the questions since the last answer.
	failed int
	// away is what the list does that is away, "" for none.
	away string
	// asking counts the questions that have begun.
	asking int
	// unsound says that a test of the list has failed: then it is not asked.
	unsound string
}

// begin says whether a question may be asked, else what the list does; end is called after
// one that was.
func (s *state) begin() (may bool, away string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != "" && s.asking > 0 {
		return false, s.away
	}
	s.asking++
	return true, ""
}

func (s *state) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking--
}

// patience is after how many questions without an answer a list is away: one may be lost.
const patience = 3

// note takes how a question has ended, and says whether the list is gone or back by that.
func (s *state) note(trouble string) (changed bool, now string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if trouble == "" {
		s.failed = 0
	} else {
		s.failed++
	}
	before := s.now()
	switch {
	case trouble == "":
		s.away = ""
	case s.failed >= patience:
		s.away = trouble
	}
	now = s.now()
	return (before == "") != (now == ""), now
}

// judge takes how a test has ended, likewise.
func (s *state) judge(unsound string) (changed bool, now string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.now()
	s.unsound = unsound
	now = s.now()
	return (before == "") != (now == ""), now
}

// now is what the list does. The lock is held.
func (s *state) now() string {
	if s.unsound != "" {
		return s.unsound
	}
	return s.away
}

func (s *state) trouble() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *state) broken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsound
}

// testEvery is how often lists are tested.
const testEvery = 10 * time.Minute

// Run tests the lists at once and then every ten minutes, until ctx ends, and when Configure
// has been called.
func (c *Checker) Run(ctx context.Context, configured <-chan struct{}) {
	tick := time.NewTicker(testEvery)
	defer tick.Stop()
	for {
		c.Test(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-configured:
		}
	}
}

// What every list has for IPv4, and what none has (RFC 5782 section 5).
var (
	mustBe    = netip.AddrFrom4([4]byte{127, 0, 0, 2})
	mustNotBe = netip.AddrFrom4([4]byte{127, 0, 0, 1})
)

// Test tests all lists that are to be tested: one that does not have what every list has, or
// has what none may have, is away until the next test. That a list does not answer is no
// failure of the test.
func (c *Checker) Test(ctx context.Context) {
	for _, s := range *c.lists.Load() {
		if s.Test && ctx.Err() == nil {
			c.test(ctx, s)
		}
	}
}

func (c *Checker) test(ctx context.Context, s *source) {
	has, _, gone := c.question(ctx, s, mustBe)
	not, _, left := c.question(ctx, s, mustNotBe)
	if gone || left || has.ours || not.ours {
		return
	}
	unsound := ""
	switch {
	case has.trouble != "" || not.trouble != "":
		c.note(s, cmp.Or(has.trouble, not.trouble))
		return
	case !has.on:
		unsound = "it does not list 127.0.0.2, as every list does that is in use"
	case not.on:
		unsound = "it lists 127.0.0.1, which no list may: it may list everybody"
	default:
		c.note(s, "")
	}
	if unsound != "" {
		s.memory.forget() // or what it has said of everybody would outlive it
	}
	if changed, now := s.state.judge(unsound); changed {
		c.opt.Away(s.List, now)
	}
}
