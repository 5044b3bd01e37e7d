package attack

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// again is how long a guesser waits that was not let in, before the next try.
const again = time.Second

// horde is who guesses, from addresses of which the guard counts what fails.
type horde struct {
	name string
	// addresses is how many they have together.
	addresses int
	// login is at whose password the i-th guesses, in its n-th try.
	login func(i, n int) string
	// moves says that one that is banned gives way to one that nobody had before.
	moves bool
}

func hordes() []horde {
	anybody := func(i, n int) string {
		if i%2 == 0 {
			return victim(i + n)
		}
		return fmt.Sprintf("nobody%d-%d@example.org", i, n)
	}
	owner := func(int, int) string { return harness.Login }
	return []horde{
		{"one address, any login", 1, anybody, false},
		{"ten addresses, each left once it is banned, any login", 10, anybody, true},
		{"200 addresses, any login", guessers, anybody, true},
		{"200 addresses, the owner's login", guessers, owner, true},
	}
}

// victim is the login of one of the accounts that are guessed at and do not log in.
func victim(i int) string { return fmt.Sprintf("victim%d@example.org", i%strangers) }

// BenchmarkGuessersThatCount measures what BenchmarkAttack does where the guard counts what fails: the guessers
// and the clients come by a proxy, which tells of addresses of 10.0.0.0/8.
func BenchmarkGuessersThatCount(b *testing.B) {
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	withoutDetector(b)
	address := harness.FreePort(b)
	gate := harness.Serve(b, "127.0.0.1:9", fmt.Sprintf(
		"[auth]\nremember = \"0s\"\n[session]\nmax_connections_per_prefix = 5000\n[[listener]]\nname = \"proxied\"\nkind = \"submissions\"\naddress = [%q]\nproxies = [\"127.0.0.0/8\"]\n", address))
	for i := range strangers {
		gate.Admin(harness.Password+"\n", "account", "add", account(i))
		gate.Admin(harness.Password+"\n", "account", "add", victim(i))
	}
	m := &counted{measurement: &measurement{b: b, gate: gate, tls: talk.Trust(b, gate)}, address: address}
	m.measurement.connect = func(from string, config *tls.Config) (*talk.Client, error) {
		return talk.ConnectFor(from, address, config)
	}
	for _, h := range hordes() {
		m.run(h)
	}
	m.memory()
	b.ReportMetric(0, "ns/op") // means nothing here
}

// counted is one run.
type counted struct {
	*measurement
	address string
	// addresses is the last one that a guesser has taken.
	addresses atomic.Int64
	// wrong, busy and barred count the guesses that were answered with 535, those that were told to come
	// again, and the connections that were not let in.
	wrong, busy, barred atomic.Int64
}

// run measures beside one horde.
func (m *counted) run(h horde) {
	const known = "10.2.0.1"
	if took, err := m.login(known, harness.Login); err != nil {
		m.b.Fatalf("a login beside nobody: %v after %v", err, took)
	}
	for _, count := range []*atomic.Int64{&m.wrong, &m.busy, &m.barred} {
		count.Store(0)
	}
	stop := m.guess(h)
	began := time.Now()
	friends, newcomers := m.clients(known, began.Add(guessFor), func(n int) (from, login string) {
		return fmt.Sprintf("10.3.%d.%d", n/250, 1+n%250), account(n)
	})
	took := time.Since(began).Seconds()
	stop()
	m.say("%s: %d guess; %d guesses answered (%.0f/s), %d told to come again, %d connections not let in, %d bans by now",
		h.name, guessers, m.wrong.Load(), float64(m.wrong.Load())/took, m.busy.Load(), m.barred.Load(), m.bans())
	m.verdict(crowd{name: h.name, goal: true}, "known", friends, maxKnown)
	m.verdict(crowd{name: h.name, goal: true}, "unknown", newcomers, maxUnknown)
}

// guess starts a horde; stop ends it, and returns when the last guess is answered.
func (m *counted) guess(h horde) (stop func()) {
	over := make(chan struct{})
	places := make([]place, h.addresses)
	var all sync.WaitGroup
	for i := range guessers {
		all.Go(func() {
			at := &places[i%h.addresses]
			for n := 0; ; {
				from := at.address(m)
				s, err := talk.ConnectFor(from, m.address, m.tls)
				if err == nil {
					n = m.tries(s, h, i, n, over)
					s.Raw.Close()
				} else {
					m.barred.Add(1)
					at.leave(from, h.moves)
				}
				pause := time.NewTimer(again)
				select {
				case <-over:
					pause.Stop()
					return
				case <-pause.C:
				}
			}
		})
	}
	return func() { close(over); all.Wait() }
}

// place is where some guessers are at a time.
type place struct {
	mu   sync.Mutex // guards from
	from string
}

// address returns that of the place, which is new where nobody was there yet or all have left.
func (p *place) address(m *counted) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from == "" {
		n := m.addresses.Add(1)
		p.from = fmt.Sprintf("10.1.%d.%d", n/250, 1+n%250)
	}
	return p.from
}

// leave gives up an address, where they move and others have not done so already.
func (p *place) leave(from string, moves bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if moves && p.from == from {
		p.from = ""
	}
}

// tries guesses by one connection until that ends, and returns the number of the next guess.
func (m *counted) tries(s *talk.Client, h horde, i, n int, over chan struct{}) int {
	for {
		select {
		case <-over:
			return n
		default:
		}
		code, err := login(s, h.login(i, n), fmt.Sprintf("guess %d of %d", n, i))
		n++
		switch {
		case err != nil:
			return n
		case code == "535":
			m.wrong.Add(1)
		case code == "454":
			m.busy.Add(1)
		default: // it is told to go
			return n
		}
	}
}

// bans counts the bans that are in force.
func (m *counted) bans() int {
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(m.gate.Admin("", "ban", "list", "--json")), &list); err != nil {
		m.b.Fatal(err)
	}
	return len(list)
}
