package dnsbl

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/access"
	"countersign/internal/fault"
	"countersign/internal/mx"
)

// List is one DNS list.
type List struct {
	// Name is how it is called in records, metrics and texts; Zone is asked. A zone may be a
	// secret of a subscriber, so it stands nowhere else.
	Name, Zone string
	// Score is what an answer counts for that no code is for; the first Code that is for an
	// answer decides.
	Score int
	Codes []Code
	// Timeout is how long an answer is waited for; 0 means 2 s.
	Timeout time.Duration
	// Closed says that while the list is away a client counts as one that cannot be judged;
	// else as one that is not on it.
	Closed bool
	// Test asks now and then whether the list has what every list must have (RFC 5782
	// section 5): else it would not be found out that it lists nobody, or everybody.
	Test bool
}

const usualTimeout = 2 * time.Second

// Options are what a Checker is made of. Asker is needed.
type Options struct {
	Asker mx.Asker
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// MaxAsked is how many questions are asked at once; 0 means 64. One more waits, no
	// longer than its list's Timeout.
	MaxAsked int
	// MaxKept is how many answers are kept; 0 means 20,000, some 200 octets each.
	MaxKept int
	// Away is told when a list goes away, with what it does, and when it is back, with "";
	// nil where nobody is. It must be quick.
	Away func(l List, trouble string)
	// Asked is told how each question to a list has ended; nil where nobody is.
	Asked func(list string, o Outcome)
}

// Outcome is how a question to a list has ended.
type Outcome string

// The outcomes.
const (
	Listed Outcome = "listed"
	Clear  Outcome = "clear"
	Away   Outcome = "away"
)

// Outcomes lists them.
func Outcomes() []Outcome { return []Outcome{Listed, Clear, Away} }

// Checker asks lists. It is safe for concurrent use.
type Checker struct {
	opt   Options
	slots chan struct{}
	lists atomic.Pointer[[]*source]
	mu    sync.Mutex // one Configure at a time
}

// source is a list and what is known of it.
type source struct {
	List
	memory *memory
	state  state
}

// New returns a Checker without lists.
func New(opt Options) *Checker {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Away == nil {
		opt.Away = func(List, string) {}
	}
	if opt.Asked == nil {
		opt.Asked = func(string, Outcome) {}
	}
	c := &Checker{opt: opt, slots: make(chan struct{}, cmp.Or(opt.MaxAsked, 64))}
	c.lists.Store(new([]*source))
	return c
}

// maxKept is how many answers are kept of all lists.
const maxKept = 20_000

// Configure replaces the lists. What is known of a list that stays as it is stays known.
func (c *Checker) Configure(lists []List) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := *c.lists.Load()
	var all []*source
	for _, l := range lists {
		l.Timeout = cmp.Or(l.Timeout, usualTimeout)
		same := func(s *source) bool { return equal(&s.List, &l) }
		most := max(1, cmp.Or(c.opt.MaxKept, maxKept)/len(lists))
		if i := slices.IndexFunc(before, same); i >= 0 {
			before[i].memory.resize(most)
			all = append(all, before[i])
			continue
		}
		all = append(all, &source{List: l, memory: newMemory(most)})
	}
	c.lists.Store(&all)
}

func equal(a, b *List) bool {
	return a.Name == b.Name && a.Zone == b.Zone && a.Score == b.Score && a.Timeout == b.Timeout && a.Closed == b.Closed && a.Test == b.Test && slices.Equal(a.Codes, b.Codes)
}

// Hit is a list that has a client.
type Hit struct {
	// List is its name.
	List  string
	Score int
}

// Verdict is what lists say of a client.
type Verdict struct {
	// Score is the sum of the Hits. Least is what it could come down to if the lists in Closed
	// had answered.
	Score, Least int
	Hits         []Hit
	// Away are the names of lists that have not answered, Closed those of them that keep a
	// client from being judged.
	Away, Closed []string
}

// Check asks all lists about a client, at once, and waits for all: no longer than the
// longest Timeout, or until ctx ends. Those that have no public address are on no list.
func (c *Checker) Check(ctx context.Context, client netip.Addr) Verdict {
	client = access.Plain(client)
	lists := *c.lists.Load()
	if len(lists) == 0 || !public(client) {
		return Verdict{}
	}
	answers := make([]answer, len(lists))
	var asking sync.WaitGroup
	now := c.opt.Now()
	for i, s := range lists {
		var known bool
		if answers[i], known = c.known(s, client, now); !known {
			asking.Go(func() { answers[i] = c.about(ctx, s, client) })
		}
	}
	asking.Wait()
	var v Verdict
	for i, s := range lists {
		switch a := answers[i]; {
		case a.trouble != "":
			v.Away = append(v.Away, s.Name)
			if s.Closed {
				v.Closed = append(v.Closed, s.Name)
				v.Least += s.least()
			}
		case a.on:
			v.Hits = append(v.Hits, Hit{s.Name, a.score})
			v.Score += a.score
		}
	}
	v.Least += v.Score
	return v
}

// special are networks that are nobody's on the public network, beside those that netip knows
// (RFC 6890): what providers have between them and their customers (RFC 6598), of protocols,
// of benchmarks (RFC 2544), reserved, and of translators of one's own (RFC 8215).
var special = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b:1::/48"),
}

// public reports whether lists may have an address: they are about the public network, and
// what is behind ours is nobody's business.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// known is what a list says of a client, where nobody needs to ask it now.
func (c *Checker) known(s *source, client netip.Addr, now time.Time) (a answer, known bool) {
	if broken := s.state.broken(); broken != "" {
		a, known = answer{trouble: broken}, true
	} else {
		a, known = s.memory.find(client, now)
	}
	if known {
		c.count(s, a)
	}
	return a, known
}

// about is what a list says of a client, from memory or by asking. Of several who want to
// know the same, one asks.
func (c *Checker) about(ctx context.Context, s *source, client netip.Addr) answer {
	a := s.memory.get(ctx, client, c.opt.Now, func() (answer, time.Duration) { return c.ask(ctx, s, client) })
	c.count(s, a)
	return a
}

// count counts an answer.
func (c *Checker) count(s *source, a answer) {
	switch {
	case a.trouble != "":
		c.opt.Asked(s.Name, Away)
	case a.on:
		c.opt.Asked(s.Name, Listed)
	default:
		c.opt.Asked(s.Name, Clear)
	}
}

// ask asks a list, and says for how long the answer holds; less than 0 where who asks has
// left before it came. While a list is away, one question at a time tries whether it is back,
// and nobody else waits for it.
func (c *Checker) ask(ctx context.Context, s *source, client netip.Addr) (answer, time.Duration) {
	may, away := s.state.begin()
	if !may {
		return answer{trouble: away}, 0
	}
	defer s.state.end()
	a, ttl, gone := c.question(ctx, s, client)
	if gone { // which says nothing of the list
		return a, -1
	}
	if !a.ours { // nor does that we have asked too much
		c.note(s, a.trouble)
	}
	return a, ttl
}

// question puts one question to DNS.
func (c *Checker) question(ctx context.Context, s *source, client netip.Addr) (a answer, ttl time.Duration, gone bool) {
	bounded, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-bounded.Done():
		return answer{trouble: "too many questions are waiting for answers", ours: true}, 0, ctx.Err() != nil
	}
	found, err := c.opt.Asker.Ask(bounded, Name(client, s.Zone), mx.A)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && len(found.Addresses) == 0 && !found.Endless:
		return answer{}, found.TTL, false
	case err != nil, found.Endless:
		// The error names the zone.
		return answer{trouble: "it does not answer"}, 0, ctx.Err() != nil
	}
	a.score, a.on, a.trouble = s.score(found.Addresses)
	if a.trouble != "" {
		found.TTL = 0
	}
	return a, found.TTL, false
}

// note takes into account how a list has answered.
func (c *Checker) note(s *source, trouble string) {
	if changed, now := s.state.note(trouble); changed {
		c.opt.Away(s.List, now)
	}
}

// Trouble says which lists are away, and what they do; none where all answer.
func (c *Checker) Trouble() map[string]string {
	all := map[string]string{}
	for _, s := range *c.lists.Load() {
		if trouble := s.state.trouble(); trouble != "" {
			all[s.Name] = trouble
		}
	}
	return all
}

// Lists returns how many lists there are.
func (c *Checker) Lists() int { return len(*c.lists.Load()) }
