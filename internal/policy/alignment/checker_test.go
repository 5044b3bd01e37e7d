package alignment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/domainkey"
)

// slow is DNS in memory that takes its time. Every domain has a policy; every key is
// published while good.
type slow struct {
	record string // of every key

	mu      sync.Mutex // guards what follows
	takes   time.Duration
	ttl     time.Duration
	good    bool
	away    bool
	asked   int // for keys
	at, top int // questions at once, and the most of them
}

func (s *slow) set(change func(*slow)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *slow) Ask(ctx context.Context, name string, _ mx.Type) (mx.Answer, error) {
	isKey := strings.Contains(name, "_domainkey")
	s.mu.Lock()
	takes := s.takes
	if isKey {
		s.asked++
		s.at++
		s.top = max(s.top, s.at)
	} else {
		takes = 0
	}
	s.mu.Unlock()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	var late error
	select {
	case <-timer.C:
	case <-ctx.Done():
		late = fault.Wrap("slow", fault.Unavailable, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if isKey {
		s.at--
	}
	switch {
	case late != nil:
		return mx.Answer{}, late
	case s.away:
		return mx.Answer{}, fault.New("slow", fault.Unavailable, "away")
	case strings.HasPrefix(name, "_dmarc"):
		return mx.Answer{Texts: []string{"v=DMARC1; p=reject"}, TTL: s.ttl}, nil
	case isKey && s.good:
		return mx.Answer{Texts: []string{s.record}, TTL: s.ttl}, nil
	}
	return mx.Answer{TTL: s.ttl}, fault.New("slow", fault.NotFound, "nothing")
}

// most is how many questions there were at once.
func (s *slow) most() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.top
}

func (s *slow) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// inBubble runs a test in virtual time with a Checker.
func inBubble(t *testing.T, o Options, test func(t *testing.T, c *Checker, dns *slow, q Question)) {
	key := keyOf(t, "example.org", "a")
	synctest.Test(t, func(t *testing.T) {
		dns := &slow{ttl: 10 * time.Minute, good: true, record: key.Record}
		o.Judge = &Judge{Asker: dns, Sending: ours}
		c := New(o)
		defer c.Close()
		test(t, c, dns, Question{From: "example.org", MailFrom: "other.example", Keys: []domainkey.Key{key}})
	})
}

func TestLookIsBoundedInTime(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.takes = 3 * time.Second
		begin := time.Now()
		a := c.Look(t.Context(), q)
		if a.Verdict != Unknown || a.Refusable() || time.Since(begin) != time.Second {
			t.Errorf("%s after %v, want unknown after 1s", a.Verdict, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin = time.Now()
		if a := c.Look(ctx, q); a.Verdict != Unknown || time.Since(begin) != 100*time.Millisecond {
			t.Errorf("%s after %v, want unknown when the caller gives up", a.Verdict, time.Since(begin))
		}
		time.Sleep(3 * time.Second) // of the bubble
		begin = time.Now()
		if a := c.Look(t.Context(), q); a.Verdict != Pass || time.Since(begin) != 0 || dns.questions() != 1 {
			t.Errorf("%s after %v and %d questions, want a pass at once after 1", a.Verdict, time.Since(begin), dns.questions())
		}
	})
}

func TestOneAssessmentForAllWhoAsk(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.takes = 500 * time.Millisecond
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if a := c.Look(t.Context(), q); a.Verdict != Pass {
					t.Errorf("%s, want pass", a.Verdict)
				}
			})
		}
		wg.Wait()
		if n := dns.questions(); n != 1 {
			t.Errorf("%d questions, want 1", n)
		}
	})
}

func TestPassesAreLookedAtAgain(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		c.Look(t.Context(), q)
		time.Sleep(10*time.Minute - time.Second)
		c.Look(t.Context(), q)
		if n := dns.questions(); n != 1 {
			t.Errorf("%d questions within the TTL, want 1", n)
		}
		time.Sleep(2 * time.Second)
		dns.set(func(s *slow) { s.takes, s.good = 5*time.Second, false })
		begin := time.Now()
		if a := c.Look(t.Context(), q); a.Verdict != Pass || time.Since(begin) != 0 {
			t.Errorf("%s after %v, want the pass that is due, at once", a.Verdict, time.Since(begin))
		}
		time.Sleep(6 * time.Second)
		if a := c.Look(t.Context(), q); a.Verdict != WillFail || dns.questions() != 2 {
			t.Errorf("%s after %d questions, want will-fail after 2", a.Verdict, dns.questions())
		}
	})
}

func TestFailuresAreNeverOld(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.good = false
		if a := c.Look(t.Context(), q); !a.Refusable() {
			t.Fatalf("%+v, want one to refuse", a)
		}
		dns.set(func(s *slow) { s.good = true })
		time.Sleep(maxFail - time.Second)
		if a := c.Look(t.Context(), q); a.Verdict != WillFail || dns.questions() != 1 {
			t.Errorf("%s after %d questions, want what is kept", a.Verdict, dns.questions())
		}
		time.Sleep(time.Second) // sooner than the TTL
		if a := c.Look(t.Context(), q); a.Verdict != Pass {
			t.Errorf("%s, want pass as soon as the record is there", a.Verdict)
		}
		// One that is due is not gone by while DNS does not answer.
		other := q
		other.MailFrom = "another.example"
		c.Look(t.Context(), other) // a pass, first
		dns.set(func(s *slow) { s.good = false })
		time.Sleep(maxPass)
		c.Look(t.Context(), other) // which is looked at again
		synctest.Wait()
		if a := c.Look(t.Context(), other); a.Verdict != WillFail {
			t.Errorf("%s, want will-fail", a.Verdict)
		}
		dns.set(func(s *slow) { s.away = true })
		time.Sleep(maxFail)
		if a := c.Look(t.Context(), other); a.Verdict != Unknown {
			t.Errorf("%s, want unknown", a.Verdict)
		}
	})
}

func TestDNSIsAwayForADay(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		c.Look(t.Context(), q)
		dns.set(func(s *slow) { s.away = true })
		for range 23 {
			time.Sleep(time.Hour)
			if a := c.Look(t.Context(), q); a.Verdict != Pass {
				t.Fatalf("%s, want the last pass", a.Verdict)
			}
			synctest.Wait()
		}
		time.Sleep(2 * time.Hour)
		if a := c.Look(t.Context(), q); a.Verdict != Unknown {
			t.Errorf("%s after a day, want unknown", a.Verdict)
		}
		asked := dns.questions()
		time.Sleep(unknownFor - time.Second)
		if c.Look(t.Context(), q); dns.questions() != asked {
			t.Error("what is not known is asked for at every message")
		}
		time.Sleep(2 * time.Second)
		dns.set(func(s *slow) { s.away = false })
		if a := c.Look(t.Context(), q); a.Verdict != Pass {
			t.Errorf("%s, want pass when DNS is back", a.Verdict)
		}
	})
}

func TestTTLIsBounded(t *testing.T) {
	for _, tt := range []struct {
		good      bool
		ttl, want time.Duration
	}{
		{true, 0, minPass}, {true, 5 * time.Minute, 5 * time.Minute}, {true, 48 * time.Hour, maxPass},
		{false, 0, minFail}, {false, time.Minute, time.Minute}, {false, time.Hour, maxFail},
	} {
		inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
			dns.good, dns.ttl = tt.good, tt.ttl
			c.Look(t.Context(), q)
			time.Sleep(tt.want - time.Second)
			c.Look(t.Context(), q)
			synctest.Wait()
			before := dns.questions()
			time.Sleep(time.Second)
			c.Look(t.Context(), q)
			synctest.Wait()
			if after := dns.questions(); before != 1 || after != 2 {
				t.Errorf("good %v, TTL %v: %d questions before %v, %d after", tt.good, tt.ttl, before, tt.want, after)
			}
		})
	}
}

func TestClockGoesBack(t *testing.T) {
	now := time.Now()
	inBubble(t, Options{Now: func() time.Time { return now }}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.good = false
		c.Look(t.Context(), q)
		now = now.Add(-48 * time.Hour)
		dns.set(func(s *slow) { s.good = true })
		if a := c.Look(t.Context(), q); a.Verdict != Pass {
			t.Errorf("%s, want an assessment anew", a.Verdict)
		}
	})
}

// signing returns keys as those of a domain.
func signing(domain mail.Domain, keys []domainkey.Key) []domainkey.Key {
	list := slices.Clone(keys)
	for i := range list {
		list[i].Domain = domain
	}
	return list
}

func TestBoundsOfWork(t *testing.T) {
	inBubble(t, Options{Running: 4, Waiting: 6}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.takes = 2 * time.Second
		var wg sync.WaitGroup
		var mu sync.Mutex
		reasons := map[string]int{}
		for i := range 30 {
			wg.Go(func() {
				mine := q
				mine.From = mail.Domain(fmt.Sprintf("d%d.example", i))
				mine.Keys = signing(mine.From, q.Keys)
				a := c.Look(t.Context(), mine)
				mu.Lock()
				defer mu.Unlock()
				reasons[a.DKIM.Reasons[0]]++
			})
		}
		wg.Wait()
		if reasons[tooMuch] != 20 || reasons["it takes too long to find out"] != 10 || dns.most() != 4 {
			t.Errorf("%v, %d at once; want 10 that wait, 20 for which there is no place, 4 at once", reasons, dns.most())
		}
		time.Sleep(10 * time.Second)
		if a := c.Look(t.Context(), Question{From: q.From, MailFrom: "late.example", Keys: q.Keys}); a.Verdict != Unknown || a.DKIM.Reasons[0] == tooMuch {
			t.Errorf("%+v, want a place again", a)
		}
	})
}

func TestAssessmentsAreBoundedInTime(t *testing.T) {
	inBubble(t, Options{Running: 1, Wait: time.Hour}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.takes = 2 * time.Hour
		second := q
		second.MailFrom = "second.example"
		begin := time.Now()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { c.Look(t.Context(), q) })
		if a := c.Look(t.Context(), second); a.Verdict != Unknown || time.Since(begin) != 20*time.Second {
			t.Errorf("%s after %v, want unknown after 20s", a.Verdict, time.Since(begin))
		}
	})
}

func TestSizeIsBounded(t *testing.T) {
	inBubble(t, Options{Size: 100}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		for i := range 1000 {
			q.MailFrom = mail.Domain(fmt.Sprintf("d%d.example", i))
			if a := c.Look(t.Context(), q); a.Verdict != Pass {
				t.Fatalf("%+v", a)
			}
		}
		if n := len(c.entries); n > 100 || n < 50 {
			t.Errorf("%d are kept, want at most 100 and not none", n)
		}
	})
}

// TestNewKeysAreAnotherQuestion: what was found for the old keys does not hold for new ones.
func TestNewKeysAreAnotherQuestion(t *testing.T) {
	fresh := keyOf(t, "example.org", "a")
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		c.Look(t.Context(), q)
		q.Keys = []domainkey.Key{fresh}
		if a := c.Look(t.Context(), q); a.Verdict != WillFail {
			t.Errorf("%s, want will-fail: another key is published", a.Verdict)
		}
	})
}

func TestClose(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		c.Look(t.Context(), q)
		dns.set(func(s *slow) { s.takes = time.Hour })
		other := q
		other.MailFrom = "another.example"
		c.Look(t.Context(), other)
		begin := time.Now()
		c.Close()
		if time.Since(begin) != 0 {
			t.Errorf("closed after %v", time.Since(begin))
		}
		time.Sleep(2 * time.Hour)
		if a := c.Look(t.Context(), q); a.Verdict != Pass {
			t.Errorf("%s of what is kept, want pass", a.Verdict)
		}
		if a := c.Look(t.Context(), other); a.Verdict != Unknown {
			t.Errorf("%s after the end, want unknown", a.Verdict)
		}
	})
}

// TestOneCustomerLeavesPlaces: DNS of one customer that never answers keeps nobody else waiting,
// and none of the customer's own domains takes all of the customer's places.
func TestOneCustomerLeavesPlaces(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.set(func(s *slow) { s.takes = time.Hour })
		var wg sync.WaitGroup
		ask := func(from, mailFrom string) {
			wg.Go(func() {
				c.Look(t.Context(), Question{From: mail.Domain(from), MailFrom: mail.Domain(mailFrom), Keys: signing(mail.Domain(from), q.Keys), Customer: "slow"})
			})
		}
		for i := range 20 {
			ask("d0.example", fmt.Sprintf("d%d.example", i))
		}
		synctest.Wait()
		if n := dns.most(); n != perDomain {
			t.Errorf("%d places of one domain, want %d", n, perDomain)
		}
		for i := range 20 {
			for j := range 20 {
				ask(fmt.Sprintf("d%d.example", i), fmt.Sprintf("d%d.example", j))
			}
		}
		synctest.Wait()
		if n := dns.most(); n != 4 {
			t.Errorf("%d places of one customer, want 4 of 16", n)
		}
		dns.set(func(s *slow) { s.takes, s.good = 0, false })
		begin := time.Now()
		q.Customer = "other"
		if a := c.Look(t.Context(), q); a.Verdict != WillFail || time.Since(begin) != 0 {
			t.Errorf("%s after %v for somebody else, want will-fail at once", a.Verdict, time.Since(begin))
		}
		wg.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(c.shares.of); n != 0 {
			t.Errorf("%d shares are left, want none", n)
		}
	})
}

// TestWhatTakesTooLongIsAskedMoreSeldom: each time takes a place for 20 s.
func TestWhatTakesTooLongIsAskedMoreSeldom(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.set(func(s *slow) { s.takes = time.Hour })
		for range 2 * 60 * 60 {
			c.Look(t.Context(), q)
			time.Sleep(time.Second)
		}
		if n := dns.questions(); n < 8 || n > 20 {
			t.Errorf("asked %d times in two hours, want about 14", n)
		}
		dns.set(func(s *slow) { s.takes = 0 })
		time.Sleep(maxPause)
		if a := c.Look(t.Context(), q); a.Verdict != Pass {
			t.Errorf("%s, want pass when DNS is quick again", a.Verdict)
		}
	})
}

// TestFailuresOutlastSlowDNS: a rule against mail that fails is not undone by making DNS slow, for
// a while.
func TestFailuresOutlastSlowDNS(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.set(func(s *slow) { s.good = false })
		c.Look(t.Context(), q)
		dns.set(func(s *slow) { s.takes = time.Hour })
		time.Sleep(maxFail)
		for range 9 {
			if a := c.Look(t.Context(), q); a.Verdict != WillFail {
				t.Errorf("%s, want the last failure", a.Verdict)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(staleFail - maxFail - 9*time.Minute)
		if a := c.Look(t.Context(), q); a.Verdict != Unknown {
			t.Errorf("%s after %v, want unknown", a.Verdict, staleFail)
		}
	})
}

// TestFailuresOutlastABusyChecker: nor by taking all places.
func TestFailuresOutlastABusyChecker(t *testing.T) {
	inBubble(t, Options{Running: 2, Waiting: 14}, func(t *testing.T, c *Checker, dns *slow, q Question) {
		dns.set(func(s *slow) { s.good = false })
		c.Look(t.Context(), q)
		dns.set(func(s *slow) { s.takes = time.Hour })
		time.Sleep(maxFail)
		var wg sync.WaitGroup
		defer wg.Wait()
		for i := range 16 {
			wg.Go(func() {
				from := mail.Domain(fmt.Sprintf("d%d.example", i))
				c.Look(t.Context(), Question{From: from, MailFrom: "d.example", Keys: signing(from, q.Keys)})
			})
		}
		synctest.Wait()
		if a := c.Look(t.Context(), q); a.Verdict != WillFail {
			t.Errorf("%s, want the last failure", a.Verdict)
		}
	})
}
