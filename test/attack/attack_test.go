package attack

import (
	"crypto/tls"
	"debug/buildinfo"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/loadgen"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// The goals.
const (
	maxKnown   = 500 * time.Millisecond // 99th percentile
	maxUnknown = 2 * time.Second
	maxPeakMiB = 300
)

// guessers is how many guess in parallel, for guessFor.
const (
	guessers = 200
	guessFor = 20 * time.Second
)

// crowd is where the guessers come from, and at what they guess.
type crowd struct {
	name string
	// from is the address of the i-th.
	from func(i int) string
	// login is at whose password the i-th guesses.
	login func(i int) string
	// goal says that the goals are for it: one that comes from as many networks as it
	// has clients looks like as many honest clients.
	goal bool
}

func crowds() []crowd {
	one := func(int) string { return "127.1.1.1" }
	spread := func(n int) func(i int) string {
		return func(i int) string { return fmt.Sprintf("127.1.%d.%d", 1+i%n, 1+i/n) }
	}
	anybody := func(i int) string {
		if i%2 == 0 {
			return account(i)
		}
		return fmt.Sprintf("nobody%d@example.org", i)
	}
	owner := func(int) string { return harness.Login }
	return []crowd{
		{"one address, any login", one, anybody, true},
		{"one address, the owner's login", one, owner, true},
		{"ten networks, any login", spread(10), anybody, true},
		{"ten networks, the owner's login", spread(10), owner, true},
		{"200 networks, any login", spread(guessers), anybody, false},
	}
}

// account is the login of one of the strangers that are let in.
func account(i int) string { return fmt.Sprintf("user%d@example.org", i%strangers) }

// strangers is how many accounts there are besides that of the harness.
const strangers = 4

// BenchmarkAttack measures logins while others guess. No password is remembered, so that
// each login costs the gate its hash.
func BenchmarkAttack(b *testing.B) {
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	withoutDetector(b)
	gate := harness.Serve(b, "127.0.0.1:9", "[auth]\nremember = \"0s\"\n[session]\nmax_connections_per_prefix = 5000\n")
	for i := range strangers {
		gate.Admin(harness.Password+"\n", "account", "add", account(i))
	}
	m := &measurement{b: b, gate: gate, tls: talk.Trust(b, gate)}
	m.connect = func(from string, config *tls.Config) (*talk.Client, error) {
		return talk.Connect(from, gate.Submissions, config)
	}
	for _, c := range crowds() {
		m.run(c)
	}
	m.memory()
	b.ReportMetric(0, "ns/op") // means nothing here
}

// withoutDetector wants the binary not to be one for tests.
func withoutDetector(b *testing.B) {
	b.Helper()
	info, err := buildinfo.ReadFile(harness.Binary(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			b.Fatal("the binary has the race detector in it: run scripts/bench.sh")
		}
	}
}

// measurement is one run.
type measurement struct {
	b    *testing.B
	gate *harness.Gate
	tls  *tls.Config
	// connect is how clients connect from an address.
	connect func(from string, config *tls.Config) (*talk.Client, error)
	// network is the last network that a stranger came from.
	network int
}

// run measures beside one crowd.
func (m *measurement) run(c crowd) {
	const known = "127.2.0.1"
	if took, err := m.login(known, harness.Login); err != nil {
		m.b.Fatalf("a login beside nobody: %v after %v", err, took)
	}
	var guesses, refused atomic.Int64
	stop := m.guess(c, &guesses, &refused)
	began := time.Now()
	friends, newcomers := m.clients(known, began.Add(guessFor), func(n int) (from, login string) {
		return fmt.Sprintf("127.3.%d.1", n), account(n)
	})
	took := time.Since(began).Seconds()
	stop()
	m.say("%s: %d guess, %.0f/s answered, %.0f/s told to come again", c.name, guessers, float64(guesses.Load())/took, float64(refused.Load())/took)
	m.verdict(c, "known", friends, maxKnown)
	m.verdict(c, "unknown", newcomers, maxUnknown)
}

// clients has the owner log in again and again from a network that is known, and others from networks that are
// new: whence and as whom the nth says.
func (m *measurement) clients(known string, until time.Time, nth func(n int) (from, login string)) (friends, newcomers []time.Duration) {
	var all sync.WaitGroup
	all.Go(func() { friends = m.logins(until, func() (string, string) { return known, harness.Login }) })
	all.Go(func() {
		newcomers = m.logins(until, func() (string, string) {
			m.network++
			return nth(m.network)
		})
	})
	all.Wait()
	return friends, newcomers
}

// guess starts a crowd and waits until all of it is there; stop ends it.
func (m *measurement) guess(c crowd, guesses, refused *atomic.Int64) (stop func()) {
	var over atomic.Bool
	var all, there sync.WaitGroup
	there.Add(guessers)
	for i := range guessers {
		all.Go(func() {
			arrived := sync.OnceFunc(there.Done)
			defer arrived()
			for !over.Load() {
				s, err := talk.Connect(c.from(i), m.gate.Submissions, m.tls)
				if err != nil {
					continue
				}
				arrived()
				for code := ""; err == nil && code != "421" && !over.Load(); {
					code, err = login(s, c.login(i), "a guess of "+fmt.Sprint(i))
					switch code {
					case "535":
						guesses.Add(1)
					case "454":
						refused.Add(1)
					}
				}
				s.Raw.Close()
			}
		})
	}
	there.Wait()
	return func() { over.Store(true); all.Wait() }
}

// logins logs in again and again, from where and as whom who says, and returns how long
// each login took, from AUTH to its answer.
func (m *measurement) logins(until time.Time, who func() (from, login string)) (took []time.Duration) {
	for time.Now().Before(until) {
		t, err := m.login(who())
		if err != nil {
			m.b.Errorf("after %v: %v", t, err)
			return took
		}
		took = append(took, t)
	}
	return took
}

// login logs in over a connection of its own.
func (m *measurement) login(from, who string) (time.Duration, error) {
	s, err := m.connect(from, m.tls)
	if err != nil {
		return 0, err
	}
	defer s.Raw.Close()
	began := time.Now()
	code, err := login(s, who, harness.Password)
	if err == nil && code != "235" {
		err = fmt.Errorf("%s from %s is answered with %s", who, from, code)
	}
	return time.Since(began), err
}

// login says AUTH PLAIN and returns the code of the answer.
func login(s *talk.Client, who, password string) (code string, err error) {
	reply, err := s.Ask(talk.Plain(who, password))
	code, _, _ = strings.Cut(reply, " ")
	return code, err
}

func (m *measurement) say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// verdict prints what logins took, beside the goal.
func (m *measurement) verdict(c crowd, who string, took []time.Duration, most time.Duration) {
	if len(took) == 0 {
		m.b.Fatalf("nobody %s has logged in beside %s", who, c.name)
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	word := "met"
	switch {
	case !c.goal:
		word = "not for this"
	case p99 >= most:
		word = "MISSED"
	}
	m.say("  %-8s %4d logins: p50 %6.0f ms, p99 %6.0f ms, longest %6.0f ms; goal for p99 < %.0f ms: %s", who, len(took),
		ms(took[len(took)/2]), ms(p99), ms(took[len(took)-1]), ms(most), word)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// memory prints what the gate had at most.
func (m *measurement) memory() {
	u, err := loadgen.ReadUsage(m.gate.Process())
	if err != nil {
		m.b.Fatal(err)
	}
	word := "met"
	if u.PeakKiB>>10 >= maxPeakMiB {
		word = "MISSED"
	}
	m.say("memory of the gate: %d MiB now, %d MiB at most; goal < %d MiB: %s", u.ResidentKiB>>10, u.PeakKiB>>10, maxPeakMiB, word)
	m.b.ReportMetric(float64(u.PeakKiB>>10), "peak-MiB")
}
