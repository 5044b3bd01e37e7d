package dnsbl

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mx"
	"countersign/internal/testkit"
)

func TestParseCode(t *testing.T) {
	for text, want := range map[string]Code{
		"127.0.0.2=5":            {netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.2"), 5},
		"127.0.0.4-127.0.0.7=-3": {netip.MustParseAddr("127.0.0.4"), netip.MustParseAddr("127.0.0.7"), -3},
		"127.0.0.1=-5":           {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.1"), -5},
	} {
		if got, err := ParseCode(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"": "no score", "127.0.0.2": "no score", "127.0.0.2=": "no score from", "127.0.0.2=1001": "no score from", "127.0.0.2=1e3": "no score from",
		"x=1": "no IPv4 address", "127.0.0.2-=1": "no IPv4 address", "::1=1": "lists nobody", "127.0.0.1-127.0.0.2=1": "lists nobody", "127.0.0.0=1": "lists nobody", "10.0.0.2=1": "lists nobody",
		"127.255.255.252=1": "lists nobody", "127.0.0.3-127.0.0.2=1": "ends before",
	} {
		if got, err := ParseCode(text); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %+v, %v; want %q", text, got, err, says)
		}
	}
}

// TestName has the examples of RFC 5782 sections 2.1 and 2.4.
func TestName(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.99":                "99.2.0.192.bad.example.com",
		"::ffff:192.0.2.99":         "99.2.0.192.bad.example.com",
		"2001:db8:1:2:3:4:567:89ab": "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bad.example.com",
	} {
		if got := Name(netip.MustParseAddr(text), "bad.example.com"); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

const (
	four, six = "192.0.2.99", "2001:db8::1"
	zone      = "bl.example"
)

// bench is a Checker that asks a name server on loopback.
type bench struct {
	*testing.T
	dns   *testkit.DNS
	clock *testkit.Clock
	c     *Checker

	mu     sync.Mutex // guards what follows
	away   []string
	counts map[Outcome]int
}

func newBench(t *testing.T, lists ...List) *bench {
	b := &bench{T: t, dns: testkit.NewDNS(t), clock: testkit.NewClock(time.Now()), counts: map[Outcome]int{}}
	client, err := mx.NewClient(mx.ClientOptions{Servers: []netip.AddrPort{b.dns.Addr()}, CacheSize: -1, Timeout: 5 * time.Second, Rounds: 1, Now: b.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	b.c = New(Options{
		Asker: client, Now: b.clock.Now,
		Away: func(l List, trouble string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.away = append(b.away, l.Name+": "+trouble)
		},
		Asked: func(_ string, o Outcome) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.counts[o]++
		},
	})
	b.c.Configure(lists)
	return b
}

// list has a client answered so.
func (b *bench) list(client, in string, ttl int, answers ...string) {
	for _, a := range answers {
		b.dns.Add(fmt.Sprintf("%s. %d IN A %s", Name(netip.MustParseAddr(client), in), ttl, a))
	}
}

func (b *bench) check(client string) Verdict {
	return b.c.Check(b.Context(), netip.MustParseAddr(client))
}

// told wants Away to have been told these, once each.
func (b *bench) told(want ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.away, want) {
		b.Errorf("told %q, want %q", b.away, want)
	}
}

func same(a, b Verdict) bool {
	return a.Score == b.Score && slices.Equal(a.Hits, b.Hits) && slices.Equal(a.Away, b.Away) && slices.Equal(a.Closed, b.Closed)
}

func code(t *testing.T, text string) Code {
	t.Helper()
	c, err := ParseCode(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestScores(t *testing.T) {
	codes := []Code{code(t, "127.0.0.3=7"), code(t, "127.0.0.2-127.0.0.9=3"), code(t, "127.0.1.1=0"), code(t, "127.0.2.1=-4")}
	b := newBench(t, List{Name: "a", Zone: zone, Score: 2, Codes: codes}, List{Name: "b", Zone: "other.example", Score: 10})
	for n, c := range []struct {
		answers []string
		want    int
		on      bool
	}{
		{nil, 0, false},
		{[]string{"127.0.0.2"}, 3, true},
		{[]string{"127.0.0.3"}, 7, true},
		{[]string{"127.0.0.10"}, 2, true},
		{[]string{"127.0.0.2", "127.0.0.3", "127.0.0.10"}, 7, true},
		{[]string{"127.0.1.1"}, 0, true},
		{[]string{"127.0.2.1"}, -4, true},
		{[]string{"127.0.2.1", "127.0.1.1"}, 0, true},
		{[]string{"127.0.3.1"}, 2, true},
	} {
		client := fmt.Sprintf("198.51.100.%d", n+1)
		b.list(client, zone, 60, c.answers...)
		want := Verdict{Score: c.want}
		if c.on {
			want.Hits = []Hit{{"a", c.want}}
		}
		if got := b.check(client); !same(got, want) {
			t.Errorf("%v: %+v, want %+v", c.answers, got, want)
		}
	}
	b.list(four, zone, 60, "127.0.0.2")
	b.list(four, "other.example", 60, "127.9.9.9")
	if got := b.check("::ffff:" + four); !same(got, Verdict{Score: 13, Hits: []Hit{{"a", 3}, {"b", 10}}}) {
		t.Errorf("of two lists: %+v", got)
	}
	b.list(six, zone, 60, "127.0.0.3")
	if got := b.check(six); !same(got, Verdict{Score: 7, Hits: []Hit{{"a", 7}}}) {
		t.Errorf("IPv6: %+v", got)
	}
	b.told()
}

// TestPrivate: what is not of the public network is asked of nobody.
func TestPrivate(t *testing.T) {
	b := newBench(t, List{Name: "a", Zone: zone})
	for _, client := range []string{"127.0.0.2", "10.0.0.1", "192.168.1.1", "::1", "fe80::1%eth0", "fd00::1", "169.254.0.1", "0.0.0.0", "224.0.0.1", "::ffff:10.0.0.1",
		"100.64.0.1", "::ffff:100.127.255.255", "192.0.0.8", "198.18.0.1", "198.19.255.255", "240.0.0.1", "255.255.255.255", "64:ff9b:1::1"} {
		if got := b.check(client); !same(got, Verdict{}) {
			t.Errorf("%s: %+v", client, got)
		}
	}
	if got := b.c.Check(t.Context(), netip.Addr{}); !same(got, Verdict{}) {
		t.Errorf("no address: %+v", got)
	}
	if len(b.counts) > 0 {
		t.Errorf("asked %v", b.counts)
	}
}

// TestTroubles: whatever a list does but answer, it is away, never one that says no; and of
// three in a row somebody is told, once, and once when it is back.
func TestTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*bench, string)
		says    string
	}{
		"SERVFAIL":               {func(b *bench, client string) { b.dns.Break(dotted(client), testkit.ServFail) }, "it does not answer"},
		"REFUSED":                {func(b *bench, client string) { b.dns.Break(dotted(client), testkit.Refuse) }, "it does not answer"},
		"no answer":              {func(b *bench, client string) { b.dns.Break(dotted(client), testkit.Silence) }, "it does not answer"},
		"of another name":        {func(b *bench, client string) { b.dns.Break(dotted(client), testkit.OtherName) }, "it does not answer"},
		"a code of error":        {func(b *bench, client string) { b.list(client, zone, 60, "127.255.255.254") }, "it refuses to answer, by 127.255.255.254"},
		"beside a listing":       {func(b *bench, client string) { b.list(client, zone, 60, "127.0.0.2", "127.255.255.252") }, "it refuses to answer, by 127.255.255.252"},
		"what no list may":       {func(b *bench, client string) { b.list(client, zone, 60, "127.0.0.1") }, "it answers what no list may"},
		"that beside a listing":  {func(b *bench, client string) { b.list(client, zone, 60, "127.0.0.2", "127.0.0.1") }, "it answers what no list may"},
		"0.0.0.0, as filters do": {func(b *bench, client string) { b.list(client, zone, 60, "0.0.0.0") }, "it answers what no list may"},
		"aliases in a circle": {func(b *bench, client string) {
			b.dns.Add(dotted(client)+" 60 IN CNAME loop."+client+".", "loop."+client+". 60 IN CNAME "+dotted(client))
		}, "it does not answer"},
		"a domain that was bought": {func(b *bench, client string) { b.list(client, zone, 60, "203.0.113.80") }, "it answers what no list may"},
	} {
		t.Run(name, func(t *testing.T) {
			l := List{Name: "a", Zone: zone, Score: 1, Timeout: 300 * time.Millisecond}
			closed := List{Name: "b", Zone: zone, Score: 1, Timeout: 300 * time.Millisecond, Closed: true}
			b := newBench(t, l, closed)
			for n := range 4 {
				client := fmt.Sprintf("198.51.100.%d", n+1)
				c.arrange(b, client)
				if got := b.check(client); !same(got, Verdict{Away: []string{"a", "b"}, Closed: []string{"b"}}) {
					t.Fatalf("%d: %+v", n, got)
				}
			}
			if trouble := b.c.Trouble(); len(trouble) != 2 || trouble["a"] != c.says {
				t.Errorf("the trouble is %q, want %q", trouble, c.says)
			}
			b.list(four, zone, 60, "127.0.0.2")
			if got := b.check(four); !same(got, Verdict{Score: 2, Hits: []Hit{{"a", 1}, {"b", 1}}}) {
				t.Fatalf("afterwards: %+v", got)
			}
			slices.Sort(b.away)
			b.told("a: ", "a: "+c.says, "b: ", "b: "+c.says)
			if len(b.c.Trouble()) != 0 || b.counts[Away] != 8 || b.counts[Listed] != 2 {
				t.Errorf("trouble %v, counted %v", b.c.Trouble(), b.counts)
			}
		})
	}
}

func dotted(client string) string { return Name(netip.MustParseAddr(client), zone) + "." }

// TestAliases are followed.
func TestAliases(t *testing.T) {
	b := newBench(t, List{Name: "a", Zone: zone})
	b.dns.Add(dotted("192.0.2.1")+" 60 IN CNAME deep.example.", "deep.example. 60 IN A 127.0.0.2")
	if got := b.check("192.0.2.1"); len(got.Hits) != 1 {
		t.Errorf("by an alias: %+v", got)
	}
}

// TestKept: an answer is asked for once in its TTL, one that there is none as well, and a
// failure for some seconds.
func TestKept(t *testing.T) {
	b := newBench(t, List{Name: "a", Zone: zone, Score: 1, Timeout: 300 * time.Millisecond})
	b.dns.Add(zone + ". 900 IN SOA ns." + zone + ". root." + zone + ". 1 7200 900 86400 120")
	b.list(four, zone, 60, "127.0.0.2")
	b.list("192.0.2.2", zone, 0, "127.0.0.2")
	b.list("192.0.2.3", zone, 86400, "127.0.0.2")
	b.dns.Break(dotted("192.0.2.4"), testkit.ServFail)
	for _, c := range []struct {
		client string
		kept   time.Duration
		each   int
	}{{four, 60 * time.Second, 1}, {"192.0.2.2", minKept, 1}, {"192.0.2.3", time.Hour, 1}, {"192.0.2.1", 120 * time.Second, 1}, {"192.0.2.4", again, 1}} {
		asked := func(want int) {
			t.Helper()
			b.check(c.client)
			if got := b.dns.Queries(dotted(c.client)); got != want {
				t.Errorf("%s: asked %d times, want %d", c.client, got, want)
			}
		}
		asked(1)
		asked(1)
		b.clock.Move(c.kept - time.Millisecond)
		asked(1)
		b.clock.Move(2 * time.Millisecond)
		asked(2)
		b.clock.Move(-2 * time.Hour) // a clock that goes back keeps nothing for ever
		asked(3)
		b.clock.Move(2 * time.Hour)
	}
}

// TestBounded: so many answers are kept and no more.
func TestBounded(t *testing.T) {
	m := newMemory(100)
	now := time.Now()
	for n := range 1000 {
		m.get(t.Context(), netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}), func() time.Time { return now }, func() (answer, time.Duration) { return answer{on: true}, time.Hour })
		if len(m.answers) > 100 {
			t.Fatalf("%d are kept", len(m.answers))
		}
	}
	if len(m.answers) < 50 {
		t.Errorf("but %d are kept", len(m.answers))
	}
}

// slow answers when it is told to.
type slow struct {
	gate            chan struct{}
	asked, at, most atomic.Int32
}

func (s *slow) Ask(ctx context.Context, _ string, _ mx.Type) (mx.Answer, error) {
	s.asked.Add(1)
	if n := s.at.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.at.Add(-1)
	select {
	case <-s.gate:
		return mx.Answer{TTL: time.Minute, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.2")}}, nil
	case <-ctx.Done():
		return mx.Answer{}, fault.Wrap("test", fault.Unavailable, ctx.Err())
	}
}

// TestOnceForMany: of many who want to know the same, one asks; and at most so many ask at
// once.
func TestOnceForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{gate: make(chan struct{})}
		c := New(Options{Asker: s, MaxAsked: 4})
		c.Configure([]List{{Name: "a", Zone: zone, Score: 1}})
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				if v := c.Check(t.Context(), netip.MustParseAddr(four)); v.Score != 1 {
					t.Errorf("%+v", v)
				}
			})
		}
		synctest.Wait()
		close(s.gate)
		asking.Wait()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		s.gate = make(chan struct{})
		s.most.Store(0)
		for n := range 50 {
			asking.Go(func() { c.Check(t.Context(), netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})) })
		}
		synctest.Wait()
		if n := s.most.Load(); n != 4 {
			t.Errorf("%d questions at once", n)
		}
		close(s.gate)
		asking.Wait()
	})
}

// TestNeverLonger: nobody waits for longer than a list's time, however many do; and while it
// is away only one waits for it at a time.
func TestNeverLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{gate: make(chan struct{})}
		c := New(Options{Asker: s, MaxAsked: 4})
		c.Configure([]List{{Name: "a", Zone: zone, Timeout: 2 * time.Second}})
		wave := func(first int) {
			began := time.Now()
			var asking sync.WaitGroup
			for n := range 20 {
				asking.Go(func() {
					if v := c.Check(t.Context(), netip.AddrFrom4([4]byte{198, 51, 100, byte(first + n)})); len(v.Away) != 1 {
						t.Errorf("%+v", v)
					}
				})
			}
			asking.Wait()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		}
		wave(0)
		before := s.asked.Load()
		wave(100)
		if n := s.asked.Load() - before; n != 1 {
			t.Errorf("%d wait for a list that is away", n)
		}
	})
}

// TestLeft: who leaves before the answer says nothing of the list, and takes nothing from
// others who want to know.
func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{gate: make(chan struct{})}
		c := New(Options{Asker: s, Away: func(l List, trouble string) { t.Errorf("%s: %s", l.Name, trouble) }})
		c.Configure([]List{{Name: "a", Zone: zone, Score: 1, Timeout: time.Minute}})
		var asking sync.WaitGroup
		for range 5 {
			ctx, leave := context.WithCancel(t.Context())
			asking.Go(func() { c.Check(ctx, netip.MustParseAddr(four)) })
			synctest.Wait()
			stays := make(chan Verdict, 1)
			go func() { stays <- c.Check(t.Context(), netip.MustParseAddr(four)) }()
			synctest.Wait()
			leave()
			synctest.Wait()
			select {
			case v := <-stays:
				t.Errorf("who stays has %+v", v)
			default:
			}
		}
		close(s.gate)
		asking.Wait()
		if v := c.Check(t.Context(), netip.MustParseAddr(four)); v.Score != 1 {
			t.Errorf("%+v", v)
		}
	})
}

// TestTest: a list that lists nobody, or everybody, is away (RFC 5782 section 5).
func TestTest(t *testing.T) {
	b := newBench(t, List{Name: "a", Zone: zone, Score: 1, Test: true}, List{Name: "own", Zone: "own.example", Score: 1})
	b.c.Test(t.Context())
	dead := "it does not list 127.0.0.2, as every list does that is in use"
	b.told("a: " + dead)
	if got := b.check(four); !same(got, Verdict{Away: []string{"a"}}) {
		t.Errorf("a list that has nobody: %+v", got)
	}
	b.list("127.0.0.2", zone, 60, "127.0.0.2")
	b.c.Test(t.Context())
	b.told("a: "+dead, "a: ")
	if got := b.check(four); !same(got, Verdict{}) {
		t.Errorf("a sound list: %+v", got)
	}
	b.list("127.0.0.1", zone, 60, "127.0.0.2")
	b.c.Test(t.Context())
	b.c.Test(t.Context())
	wild := "it lists 127.0.0.1, which no list may: it may list everybody"
	b.told("a: "+dead, "a: ", "a: "+wild)
	b.dns.Break(dotted("127.0.0.2"), testkit.ServFail) // which is no test
	b.c.Test(t.Context())
	if got := b.c.Trouble(); len(got) != 1 || got["a"] != wild {
		t.Errorf("the trouble is %q", got)
	}
}

// TestCodeOfOne: a list may use 127.0.0.1 where it has a code for it.
func TestCodeOfOne(t *testing.T) {
	b := newBench(t, List{Name: "a", Zone: zone, Score: 3, Codes: []Code{code(t, "127.0.0.1=-5")}})
	b.list(four, zone, 60, "127.0.0.1")
	b.list(six, zone, 60, "127.0.0.2")
	if got := b.check(four); !same(got, Verdict{Score: -5, Hits: []Hit{{"a", -5}}}) {
		t.Errorf("%+v", got)
	}
	if got := b.check(six); !same(got, Verdict{Score: 3, Hits: []Hit{{"a", 3}}}) {
		t.Errorf("%+v", got)
	}
}

// TestWildIsForgotten: what a list has said of somebody while it listed everybody does not outlive
// that.
func TestWildIsForgotten(t *testing.T) {
	b := newBench(t, List{Name: "a", Zone: zone, Score: 1, Test: true})
	b.list("127.0.0.2", zone, 60, "127.0.0.2")
	b.list("127.0.0.1", zone, 60, "127.0.0.2")
	b.list(four, zone, 3600, "127.0.0.2")
	if got := b.check(four); got.Score != 1 {
		t.Fatalf("before it is found out: %+v", got)
	}
	b.c.Test(t.Context())
	b.dns.Remove(dotted(four))
	b.dns.Remove(dotted("127.0.0.1"))
	b.c.Test(t.Context())
	if got := b.check(four); !same(got, Verdict{}) || len(b.c.Trouble()) != 0 {
		t.Errorf("afterwards: %+v, %v", got, b.c.Trouble())
	}
}

// TestLeast: how far a list that is away, and may not be left out, could bring a score down.
func TestLeast(t *testing.T) {
	b := newBench(t,
		List{Name: "bad", Zone: zone, Score: 5},
		List{Name: "good", Zone: "good.example", Score: -1, Codes: []Code{code(t, "127.0.0.3=-4"), code(t, "127.0.0.4=9")}, Closed: true},
		List{Name: "open", Zone: "open.example", Score: -100},
	)
	b.list(four, zone, 60, "127.0.0.2")
	if got := b.check(four); got.Score != 5 || got.Least != 5 {
		t.Errorf("while all answer: %+v", got)
	}
	for _, in := range []string{"good.example", "open.example"} {
		b.dns.Break(Name(netip.MustParseAddr(six), in)+".", testkit.ServFail)
	}
	b.list(six, zone, 60, "127.0.0.2")
	if got := b.check(six); got.Score != 5 || got.Least != 1 {
		t.Errorf("while two are away: %+v", got)
	}
}

// TestTooMuchIsNotAway: that more is asked than may be says nothing of a list.
func TestTooMuchIsNotAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{gate: make(chan struct{})}
		c := New(Options{Asker: s, MaxAsked: 1, Away: func(l List, trouble string) { t.Errorf("%s: %s", l.Name, trouble) }})
		c.Configure([]List{{Name: "slow", Zone: zone, Timeout: time.Hour}, {Name: "a", Zone: "a.example", Timeout: time.Second}})
		var asking sync.WaitGroup
		asking.Go(func() { c.ask(t.Context(), (*c.lists.Load())[0], netip.MustParseAddr(four)) })
		synctest.Wait()
		for n := range 10 {
			client := netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
			if a := c.about(t.Context(), (*c.lists.Load())[1], client); a.trouble == "" {
				t.Errorf("%d: %+v", n, a)
			}
		}
		if got := c.Trouble(); len(got) != 0 {
			t.Errorf("the trouble is %v", got)
		}
		close(s.gate)
		asking.Wait()
	})
}

// TestRun tests at the start, now and then, and when there are other lists.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{gate: make(chan struct{})}
		close(s.gate)
		c := New(Options{Asker: s})
		c.Configure([]List{{Name: "a", Zone: zone, Test: true}})
		configured := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.Run(ctx, configured); close(done) }()
		for _, want := range []int32{2, 4} {
			synctest.Wait()
			if n := s.asked.Load(); n != want {
				t.Errorf("asked %d times, want %d", n, want)
			}
			time.Sleep(testEvery) // of the bubble
		}
		synctest.Wait()
		configured <- struct{}{}
		synctest.Wait()
		if n := s.asked.Load(); n != 8 {
			t.Errorf("asked %d times, want 8", n)
		}
		cancel()
		<-done
	})
}

// TestConfigure: what is known of a list that stays as it is stays known.
func TestConfigure(t *testing.T) {
	a := List{Name: "a", Zone: zone, Score: 1, Codes: []Code{code(t, "127.0.0.3=2")}}
	b := newBench(t, a)
	b.list(four, zone, 600, "127.0.0.2")
	b.check(four)
	b.c.Configure([]List{{Name: "b", Zone: "other.example"}, a})
	if got := b.check(four); got.Score != 1 || b.dns.Queries(dotted(four)) != 1 || b.c.Lists() != 2 {
		t.Errorf("%+v after %d questions", got, b.dns.Queries(dotted(four)))
	}
	if m := (*b.c.lists.Load())[1].memory; m.size != maxKept/2 {
		t.Errorf("of two lists one keeps %d answers", m.size)
	}
	a.Score = 5
	b.c.Configure([]List{a})
	if got := b.check(four); got.Score != 5 {
		t.Errorf("with another score: %+v", got)
	}
	b.c.Configure(nil)
	if got := b.check(four); !same(got, Verdict{}) {
		t.Errorf("without lists: %+v", got)
	}
}
