package aligning

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/rounds"
)

func TestRules(t *testing.T) {
	c := &config.Config{Alignment: config.Alignment{
		Action: "refuse", OffFor: []string{"off.example"}, WarnFor: []string{"warn.example"}, HoldFor: []string{"hold.example"}, RefuseFor: []string{"refuse.example"},
	}}
	r := Rules(c)
	for domain, want := range map[mail.Domain]alignment.Action{
		"off.example": alignment.Off, "warn.example": alignment.Warn, "hold.example": alignment.Hold, "refuse.example": alignment.Refuse, "other.example": alignment.Refuse,
	} {
		if got := r.For(domain, ""); got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
	for action, want := range map[string]alignment.Action{"off": alignment.Off, "": alignment.Off, "warn": alignment.Warn, "hold": alignment.Hold} {
		c.Alignment.Action = action
		if got := Rules(c).For("other.example", ""); got != want {
			t.Errorf("action %s: %q, want %q", action, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	c := &config.Config{Hostname: "gate.example.net"}
	c.DNS.Servers = []config.Resolver{{AddrPort: netip.MustParseAddrPort("127.0.0.1:53")}}
	c.Delivery.SourceIPv6 = netip.MustParseAddr("2001:db8::1")
	j, err := Judge(c)
	if err != nil || j.Sending.Hello != "gate.example.net" || !slices.Equal(j.Sending.Addresses, []netip.Addr{c.Delivery.SourceIPv6}) {
		t.Errorf("%+v, %v: want host name and source address", j, err)
	}
	c.Delivery.Hello, c.Alignment.SPFTerm = "out.example.net", "a:out.example.net"
	c.Alignment.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	j, err = Judge(c)
	if err != nil || j.Sending.Hello != "out.example.net" || j.Sending.Term != "a:out.example.net" || !slices.Equal(j.Sending.Addresses, c.Alignment.Addresses) {
		t.Errorf("%+v, %v: want what is set", j, err)
	}
}

func TestChecking(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{0: -1, 3 * time.Second: 3 * time.Second} {
		c := &config.Config{Alignment: config.Alignment{Wait: config.Duration(wait)}}
		if got := Checking(c).Wait; got != want {
			t.Errorf("wait %v: %v, want %v", wait, got, want)
		}
	}
}

// world is DNS, store and record in memory.
type world struct {
	mu      sync.Mutex // guards what follows
	domains []account.Domain
	good    bool // keys are published
	away    bool
	asked   map[string]int
	events  []audit.Event
	err     error
	never   string // domains that end so get no answer
	order   []string
	looks   map[mail.Domain]rounds.Look
}

// TakeLooks implements rounds.Store.
func (w *world) TakeLooks(_ context.Context, domains []mail.Domain, t rounds.Turn) (list []rounds.Look, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks == nil {
		w.looks = map[mail.Domain]rounds.Look{}
	}
	for _, name := range domains {
		l := w.looks[name]
		if l.Domain = name; w.err == nil && l.At.Before(t.Due) && l.Taken.Before(t.Lapsed) {
			l.Node, l.Taken = t.Node, t.At
			w.looks[name] = l
			list = append(list, l)
		}
	}
	return list, errors.Join(w.err, rounds.CheckTurn(domains, t))
}

// KeepLook implements rounds.Store.
func (w *world) KeepLook(_ context.Context, l rounds.Look, events ...audit.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if had := w.looks[l.Domain]; had.Node != l.Node || !had.Taken.Equal(l.Taken) {
		return fault.New("world", fault.Conflict, "another has it")
	}
	if err := errors.Join(w.err, rounds.CheckLook(l)); err != nil {
		return err
	}
	l.Taken = time.Time{}
	w.looks[l.Domain], w.events = l, append(w.events, events...)
	return nil
}

// LookAt implements rounds.Store.
func (w *world) LookAt(_ context.Context, domain mail.Domain) (rounds.Look, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks[domain], w.err
}

// LooksAt implements rounds.Store.
func (w *world) LooksAt(ctx context.Context, domains []mail.Domain) (list []rounds.Look, err error) {
	for _, name := range domains {
		l, _ := w.LookAt(ctx, name)
		list = append(list, l)
	}
	return list, w.err
}

// AllLooks implements rounds.Store.
func (w *world) AllLooks(context.Context, string) ([]rounds.Look, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.looks)), w.err
}

func (w *world) Domains(context.Context, account.DomainQuery) ([]account.Domain, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.domains, w.err
}

// public is the record of an RSA key.
var public = sync.OnceValue(func() string {
	key, err := dkim.Generate("a.example", "a", dkim.RSA, rand.Reader)
	if err != nil {
		panic(err)
	}
	record, err := key.Record()
	if err != nil {
		panic(err)
	}
	return record.Value
})

func (w *world) SigningKeys(_ context.Context, d mail.Domain) ([]account.Key, error) {
	return []account.Key{{Selector: "a", Public: public()}}, nil
}

func (w *world) Ask(ctx context.Context, name string, _ mx.Type) (mx.Answer, error) {
	w.mu.Lock()
	if domain, is := strings.CutPrefix(name, "_dmarc."); is {
		w.order = append(w.order, strings.TrimSuffix(domain, "."))
	}
	if w.never != "" && strings.HasSuffix(strings.TrimSuffix(name, "."), w.never) {
		w.mu.Unlock()
		<-ctx.Done()
		return mx.Answer{}, fault.Wrap("world", fault.Unavailable, ctx.Err())
	}
	defer w.mu.Unlock()
	w.asked[name]++
	switch {
	case w.away:
		return mx.Answer{}, fault.New("world", fault.Unavailable, "away")
	case strings.HasPrefix(name, "_dmarc."):
		return mx.Answer{Texts: []string{"v=DMARC1; p=reject"}, TTL: time.Minute}, nil
	case strings.HasPrefix(name, "a._domainkey.") && w.good:
		return mx.Answer{Texts: []string{public()}, TTL: time.Minute}, nil
	}
	return mx.Answer{TTL: time.Minute}, fault.New("world", fault.NotFound, "nothing")
}

// Append implements audit.Store.
func (w *world) Append(_ context.Context, events []audit.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, events...)
	return nil
}

// Search implements audit.Store.
func (w *world) Search(context.Context, audit.Query) ([]audit.Event, error) {
	return nil, errors.New("not asked for")
}

// kinds are those of the events so far, which are then forgotten.
func (w *world) kinds() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, e := range w.events {
		list = append(list, string(e.Kind)+" "+e.Object)
	}
	w.events = nil
	slices.Sort(list) // several are looked at at once
	return strings.Join(list, ", ")
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// watching returns a Watch of the world whose Run has begun, and what ends it.
func watching(t *testing.T, w *world, every time.Duration) (watch *Watch, end func()) {
	t.Helper()
	return watchingAs(t, w, "", every)
}

// watchingAs is watching for one of several gates.
func watchingAs(t *testing.T, w *world, node string, every time.Duration) (watch *Watch, end func()) {
	t.Helper()
	c := &config.Config{Hostname: "gate.example.net", DKIM: config.DKIM{Sign: true}, Alignment: config.Alignment{Action: "off", OffFor: []string{"off.example"}, CheckEvery: config.Duration(every)}}
	c.DNS.Servers = []config.Resolver{{AddrPort: netip.MustParseAddrPort("127.0.0.1:53")}}
	c.Alignment.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	recorder := audit.NewRecorder(w, audit.RecorderOptions{Logger: slog.New(slog.DiscardHandler)})
	registry := prometheus.NewRegistry()
	watch, err := Open(Options{Config: c, Node: node, Store: w, Recorder: recorder, Now: time.Now, Registry: registry, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	watch.judge.Asker = w
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); watch.Run(ctx) }()
	return watch, func() {
		t.Helper()
		cancel()
		<-done
		watch.Close()
		if err := recorder.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{asked: map[string]int{}, domains: []account.Domain{
			{Name: "a.example", State: account.Active}, {Name: "suspended.example", State: account.Suspended}, {Name: "off.example", State: account.Active},
			{Name: "own-off.example", State: account.Active, Alignment: account.AlignmentOff},
		}}
		watch, end := watching(t, w, time.Hour)

		expect := func(when, want string) {
			t.Helper()
			time.Sleep(time.Hour) // of the bubble: each domain has its turn
			synctest.Wait()
			if got := w.kinds(); got != want {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
		const others = "domain.unaligned domain off.example, domain.unaligned domain own-off.example"
		expect("at the start", "domain.unaligned domain a.example, "+others)
		if l, _ := w.LookAt(t.Context(), "off.example"); l.Verdict != "will-fail" || l.Policy != "reject" ||
			l.Reason != "DKIM: nothing is published at a._domainkey.off.example; SPF: off.example: there is no SPF record" {
			t.Errorf("kept is %+v", l)
		}
		expect("an hour later", "")
		w.set(func() { w.away = true })
		expect("while DNS is away", "")
		if l, _ := w.LookAt(t.Context(), "off.example"); l.Verdict != "unknown" || l.Policy != "reject" {
			t.Errorf("kept while DNS is away is %+v", l)
		}
		w.set(func() { w.away, w.good = false, true })
		expect("when the key is published", strings.ReplaceAll("domain.unaligned domain a.example, "+others, "unaligned", "aligned"))
		if l, _ := w.LookAt(t.Context(), "off.example"); l.Verdict != "pass" || l.Reason != "" {
			t.Errorf("kept is %+v", l)
		}
		w.set(func() { w.good = false; w.err = errors.New("the store is away") })
		expect("while the store is away", "")
		w.set(func() { w.err = nil })
		expect("when it is back", "domain.unaligned domain a.example, "+others)
		w.set(func() { w.domains[0].State = account.Suspended })
		expect("when it is suspended", "")
		expect("an hour later", "")
		w.set(func() { w.domains[0].State = account.Active })
		expect("when it is resumed", "domain.unaligned domain a.example")
		unsigned := *watch.current.Load()
		unsigned.DKIM.Sign = false
		watch.Configure(&unsigned)
		w.set(func() { w.asked = map[string]int{} })
		expect("when nothing is signed here", "")
		w.mu.Lock()
		if w.asked["a._domainkey.a.example"] > 0 || w.asked["_dmarc.a.example"] == 0 {
			t.Errorf("asked %v, want no key", w.asked)
		}
		for name := range w.asked {
			if strings.Contains(name, "suspended") {
				t.Errorf("%s is asked for", name)
			}
		}
		w.mu.Unlock()
		end()
	})
}

// TestRenewal: what somebody finds who looks out of turn is kept, where the regular look would have found it.
func TestRenewal(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	before := rounds.Look{Domain: "a.example", Node: "one", At: now.Add(-time.Hour), Verdict: "will-fail", Policy: "reject", Reason: "DKIM", Failing: true}
	held := before
	held.Taken = now.Add(-time.Minute)
	began := now.Add(-30 * time.Second)
	during, just := before, before
	during.At, just.At = began, began.Add(-time.Microsecond)
	question := Question("a.example", nil)
	other := question
	other.MailFrom = "other.example"
	active := account.Domain{Name: "a.example", State: account.Active}
	for name, c := range map[string]struct {
		before rounds.Look
		domain account.Domain
		every  time.Duration
		a      alignment.Assessment
		kept   string
		events int
	}{
		"mended":                {before, active, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.Pass}, "pass", 1},
		"the first":             {rounds.Look{Domain: "a.example"}, active, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.WillFail}, "will-fail", 1},
		"as before":             {before, active, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.WillFail}, "will-fail", 0},
		"DNS does not answer":   {before, active, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.Unknown}, "", 0},
		"another MAIL FROM":     {before, active, time.Hour, alignment.Assessment{Question: other, Verdict: alignment.Pass}, "", 0},
		"no regular looks":      {before, active, 0, alignment.Assessment{Question: question, Verdict: alignment.Pass}, "", 0},
		"suspended":             {before, account.Domain{Name: "a.example", State: account.Suspended}, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.Pass}, "", 0},
		"in the hand of a gate": {held, active, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.Pass}, "", 0},
		"another ended before":  {just, active, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.Pass}, "pass", 1},
		"another ended since":   {during, active, time.Hour, alignment.Assessment{Question: question, Verdict: alignment.Pass}, "", 0},
	} {
		w := &world{looks: map[mail.Domain]rounds.Look{"a.example": c.before}}
		r := Renewal{Store: w, Every: c.every, Actor: "cli:root", Began: began, Now: func() time.Time { return now }}
		if err := r.Keep(t.Context(), c.domain, c.a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		l := w.looks["a.example"]
		if c.kept == "" && l != c.before || c.kept != "" && (l.Verdict != c.kept || !l.At.Equal(now) || !l.Taken.IsZero() || l.Failing != (c.kept == "will-fail")) {
			t.Errorf("%s: kept is %+v", name, l)
		}
		if len(w.events) != c.events || c.events > 0 && w.events[0].Actor != "cli:root" {
			t.Errorf("%s: recorded is %+v", name, w.events)
		}
	}
	w := &world{looks: map[mail.Domain]rounds.Look{"a.example": before}}
	partly := alignment.Assessment{Question: question, Verdict: alignment.Pass, PolicyUnknown: true}
	if err := (Renewal{Store: w, Every: time.Hour, Began: began, Now: func() time.Time { return now }}).Keep(t.Context(), active, partly); err != nil {
		t.Error(err)
	}
	if l := w.looks["a.example"]; l.Verdict != "pass" || l.Policy != "reject" {
		t.Errorf("kept, where DNS does not answer for the policy, is %+v", l)
	}
	w = &world{err: errors.New("the store is away")}
	r := Renewal{Store: w, Every: time.Hour, Now: time.Now}
	if err := r.Keep(t.Context(), active, alignment.Assessment{Question: question, Verdict: alignment.Pass}); err == nil {
		t.Error("nothing is said of a store that is away")
	}
}

// TestSlowDomainsKeepNobodyWaiting: of 200 domains half have DNS that never answers. The others
// are looked at within a minute, and from the second time on before those.
func TestSlowDomainsKeepNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{asked: map[string]int{}, never: "-slow.example"}
		for i := range 100 {
			for _, kind := range []string{"slow", "quick"} {
				w.domains = append(w.domains, account.Domain{Name: mail.Domain(fmt.Sprintf("d%03d-%s.example", i, kind)), State: account.Active})
			}
		}
		_, end := watching(t, w, time.Hour)
		defer end()
		quick := func() (n, slowBefore int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			slowOnes := 0
			seen := map[string]bool{}
			for _, d := range w.order {
				switch {
				case strings.HasSuffix(d, "-slow.example"):
					slowOnes++
				case strings.HasSuffix(d, "-quick.example") && !seen[d]:
					seen[d] = true
					n, slowBefore = n+1, slowOnes
				}
			}
			w.order = nil
			return n, slowBefore
		}
		time.Sleep(10 * time.Minute) // of the bubble
		synctest.Wait()
		if n, _ := quick(); n != 100 {
			t.Errorf("%d quick domains within 10 minutes, want all 100", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n, slowBefore := quick(); n != 100 || slowBefore != 0 {
			t.Errorf("%d quick domains in the second round, %d slow ones before the last; want 100 and none", n, slowBefore)
		}
	})
}

// TestRoundIsBounded: a round ends when the next is due, and what it left out comes first then.
func TestRoundIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{asked: map[string]int{}, never: ".example"}
		for i := range 100 {
			w.domains = append(w.domains, account.Domain{Name: mail.Domain(fmt.Sprintf("d%03d.example", i)), State: account.Active})
		}
		_, end := watching(t, w, time.Minute)
		defer end()
		looked := func() map[string]bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			seen := map[string]bool{}
			for _, d := range w.order {
				seen[d] = true
			}
			return seen
		}
		time.Sleep(90 * time.Second) // of the bubble
		synctest.Wait()
		first := len(looked())
		if first == 0 || first > 40 {
			t.Errorf("%d domains in a minute, want at most 40 and not none", first)
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if n := len(looked()); n < 100 {
			t.Errorf("%d domains in 10 rounds, want all 100", n)
		}
	})
}

// TestLooksAreSpread: of many domains each is looked at within a day, and no more of them in one
// round than it takes; where check_every is zero, or the gate has just begun, none is.
func TestLooksAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{asked: map[string]int{}}
		for i := range 9600 {
			w.domains = append(w.domains, account.Domain{Name: mail.Domain(fmt.Sprintf("d%04d.example", i)), State: account.Active})
		}
		_, end := watching(t, w, 24*time.Hour)
		time.Sleep(settle - time.Second) // of the bubble
		synctest.Wait()
		if n := len(w.lookedAt()); n != 0 {
			t.Errorf("%d domains at the start, want none", n)
		}
		all := 0
		for hour := range 12 {
			time.Sleep(time.Hour)
			synctest.Wait()
			n := len(w.lookedAt())
			if all += n; n > 800 {
				t.Errorf("%d domains in hour %d, want 800 at most", n, hour)
			}
		}
		time.Sleep(11 * time.Hour)
		synctest.Wait()
		if all += len(w.lookedAt()); all != 9600 {
			t.Errorf("%d looks in a day, want one at each of 9600", all)
		}
		end()
		_, end = watching(t, w, 0)
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if n := len(w.lookedAt()); n != 0 {
			t.Errorf("%d domains where none are to be looked at", n)
		}
		end()
	})
}

// lookedAt counts how often each domain was looked at, and forgets it.
func (w *world) lookedAt() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]int{}
	for _, d := range w.order {
		seen[d]++
	}
	w.order = nil
	return seen
}

// TestGatesTakeTurns: of three gates one looks at a domain each day, none again after a restart,
// and it is recorded once that its mail fails.
func TestGatesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{asked: map[string]int{}}
		for i := range 100 {
			w.domains = append(w.domains, account.Domain{Name: mail.Domain(fmt.Sprintf("d%03d.example", i)), State: account.Active})
		}
		var ends []func()
		for i := range 3 {
			_, end := watchingAs(t, w, fmt.Sprint("gate-", i), 24*time.Hour)
			ends = append(ends, end)
		}
		once := func(when string, domains int) {
			t.Helper()
			seen := w.lookedAt()
			for d, n := range seen {
				if n != 1 {
					t.Errorf("%s: %s was looked at %d times", when, d, n)
				}
			}
			if len(seen) != domains {
				t.Errorf("%s: %d domains were looked at, want %d", when, len(seen), domains)
			}
		}
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // of the bubble
		pass(settle + time.Minute)
		once("at first", 100)
		if n := strings.Count(w.kinds(), string(audit.DomainUnaligned)); n != 100 {
			t.Errorf("the record says %d times that mail of 100 domains fails", n)
		}
		pass(20 * time.Hour)
		once("within a day", 0)
		for i, end := range ends { // each is started anew
			end()
			_, ends[i] = watchingAs(t, w, fmt.Sprint("gate-", i), 24*time.Hour)
		}
		pass(time.Hour)
		once("after a restart", 0)
		pass(4 * time.Hour)
		once("a day later", 100)
		if said := w.kinds(); said != "" {
			t.Errorf("the record says once more: %s", said)
		}
		ends[0]()
		ends[1]()
		pass(24 * time.Hour)
		once("by one that is left", 100)
		ends[2]()
	})
}

// TestAnotherGoesOn: what a gate had in hand that is gone is looked at by another one.
func TestAnotherGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{asked: map[string]int{}, never: ".example", domains: []account.Domain{{Name: "a.example", State: account.Active}}}
		_, kill := watchingAs(t, w, "gate-0", 24*time.Hour)
		time.Sleep(settle + time.Second) // of the bubble
		synctest.Wait()
		_, end := watchingAs(t, w, "gate-1", 24*time.Hour)
		defer end()
		kill()
		w.set(func() { w.never = "" })
		time.Sleep(settle + time.Minute)
		synctest.Wait()
		if seen := w.lookedAt()["a.example"]; seen != 1 {
			t.Errorf("it was looked at %d times while one had it in hand", seen)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if seen, said := w.lookedAt()["a.example"], w.kinds(); seen != 1 || said != "domain.unaligned domain a.example" {
			t.Errorf("looked at %d times, and recorded %q", seen, said)
		}
	})
}
