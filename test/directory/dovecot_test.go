package directory

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/directory"
	"countersign/internal/directory/dovecot"
	"countersign/internal/fault"
)

// testDovecot runs every test on one Dovecot; the last one restarts it.
func testDovecot(t *testing.T, p *peers) {
	server := p.dovecot(t)
	for _, each := range []struct {
		name string
		test func(t *testing.T, s *dovecotServer)
	}{
		{"what it offers", testOffered},
		{"every mechanism", testMechanisms},
		{"what it knows of an account", testDovecotAsk},
		{"who may not log in", testNotLetIn},
		{"many at once", testExchangesAtOnce},
		{"cancelled", testCancelled},
		{"long responses", testLongResponses},
		{"other sockets", testOtherSockets},
		{"restart", testDovecotRestart},
	} {
		t.Run(each.name, func(t *testing.T) {
			server.lend(t)
			each.test(t, server)
		})
	}
	if log := server.told(); strings.Contains(log, "BUG") {
		t.Errorf("Dovecot finds fault with us:\n%s", log)
	}
}

func testOffered(t *testing.T, s *dovecotServer) {
	d := s.asking(nil)
	got, err := d.Mechanisms(t.Context())
	want := []dovecot.Mechanism{
		{Name: "PLAIN", ClearSecret: true}, {Name: "LOGIN", ClearSecret: true}, {Name: "CRAM-MD5"}, {Name: "DIGEST-MD5"}, {Name: "SCRAM-SHA-1"}, {Name: "SCRAM-SHA-256"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if len(want) != len(clients) {
		t.Errorf("there are %d clients", len(clients))
	}
}

// testMechanisms: in each the right password is right, and no other, of no other
// account.
func testMechanisms(t *testing.T, s *dovecotServer) {
	d := s.asking(nil)
	for mechanism := range clients {
		a, err := talks(t, d, mechanism, "shop@example.org", "pencil")
		if err != nil || a == nil || a.Login != "shop@example.org" || !a.Verified || a.Plan != "basic" {
			t.Errorf("%s: %+v, %v", mechanism, a, err)
		}
		for _, c := range [][2]string{{"shop@example.org", "pencil2"}, {"nobody@example.org", "pencil"}, {"shop@example.org", ""}} {
			a, err := talks(t, d, mechanism, c[0], c[1])
			if a != nil || !fault.Is(err, fault.Unauthenticated) || strings.Contains(err.Error(), "pencil") {
				t.Errorf("%s, %q: %+v, %v", mechanism, c, a, err)
			}
		}
	}
}

func testDovecotAsk(t *testing.T, s *dovecotServer) {
	d := s.asking(func(o *dovecot.Options) { o.Domain = "example.net" })
	g, err := directory.NewGuard(d, directory.GuardOptions{Timeout: 20 * time.Second, Concurrent: 8, Failures: 3, Pause: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Ask(t.Context(), directory.Question{Login: "shop@example.org", Password: "pencil"})
	want := &directory.Answer{
		Login: "shop@example.org", Verified: true, Plan: "basic", Customer: "Acme", Aliases: []string{"info@example.org", "sales@example.org"},
		Here: true, // Dovecot judges by the client's address
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if a, err := g.Ask(t.Context(), directory.Question{Login: "bare", Password: "pencil"}); err != nil || a.Login != "bare@example.net" {
		t.Errorf("without a domain: %+v, %v", a, err)
	}
	far := directory.Question{Login: "far@example.org", Password: "pencil", Client: netip.MustParseAddr("198.51.100.7")}
	if _, err := g.Ask(t.Context(), far); err != nil {
		t.Errorf("from its network: %v", err)
	}
	far.Client = netip.MustParseAddr("192.0.2.7")
	if _, err := g.Ask(t.Context(), far); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("from another network: %v", err)
	}
	if c := g.State().Counts; c != (directory.Counts{Answered: 3, Refused: 1}) {
		t.Errorf("%+v", c)
	}
}

// testNotLetIn: accounts that Dovecot does not want to log in, and its masters, who
// may be everybody.
func testNotLetIn(t *testing.T, s *dovecotServer) {
	d := s.asking(nil)
	for login, c := range map[string]struct {
		password string
		why      error
	}{"blocked@example.org": {"pencil", dovecot.ErrDisabled}, "proxied@example.org": {"pencil", dovecot.ErrElsewhere}, "shop@example.org*root": {"mastered", dovecot.ErrAuthorization}} {
		a, err := d.Ask(t.Context(), directory.Question{Login: login, Password: c.password})
		if a != nil || !fault.Is(err, fault.Unauthenticated) || !errors.Is(err, c.why) {
			t.Errorf("%s: %+v, %v", login, a, err)
		}
	}
}

// testExchangesAtOnce: all on one connection, and each gets its own account.
func testExchangesAtOnce(t *testing.T, s *dovecotServer) {
	d := s.asking(nil)
	var all sync.WaitGroup
	for mechanism := range clients {
		for _, login := range []string{"shop@example.org", "second@example.org"} {
			all.Go(func() {
				for range 10 {
					if a, err := talks(t, d, mechanism, login, "pencil"); err != nil || a.Login != login {
						t.Errorf("%s, %s: %+v, %v", mechanism, login, a, err)
					}
					if a, err := talks(t, d, mechanism, login, "wrong"); a != nil || !fault.Is(err, fault.Unauthenticated) {
						t.Errorf("%s, %s: %+v, %v", mechanism, login, a, err)
					}
				}
			})
		}
	}
	all.Wait()
}

// testCancelled: whoever gives up leaves nothing behind.
func testCancelled(t *testing.T, s *dovecotServer) {
	d := s.asking(func(o *dovecot.Options) { o.Exchanges = 1 })
	for mechanism := range clients {
		x, err := d.Begin(t.Context(), mechanism, dovecot.Info{})
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := x.Next(t.Context(), nil); done || err != nil {
			t.Errorf("%s: %v, %v", mechanism, done, err)
		}
		x.Cancel()
		if a, err := talks(t, d, mechanism, "shop@example.org", "pencil"); err != nil || a.Login != "shop@example.org" {
			t.Errorf("%s: %+v, %v", mechanism, a, err)
		}
	}
}

// testLongResponses do not end the connection, on which others are under way.
func testLongResponses(t *testing.T, s *dovecotServer) {
	d := s.asking(nil)
	other, err := d.Begin(t.Context(), "LOGIN", dovecot.Info{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Cancel()
	if _, _, err := other.Next(t.Context(), []byte("shop@example.org")); err != nil {
		t.Fatal(err)
	}
	// 12,288 octets of base64 are what RFC 4954 section 4 allows, 64 KB what somebody
	// may try.
	for size, kind := range map[int]fault.Kind{9216: fault.Unauthenticated, 12_000: fault.Unauthenticated, 12_288: fault.Invalid, 64 << 10: fault.Invalid} {
		for _, login := range []string{strings.Repeat("a", size-8), strings.Repeat("\n", size-8)} {
			a, err := talks(t, d, "PLAIN", login, "pencil")
			if a != nil || !fault.Is(err, kind) {
				t.Errorf("%d octets: %+v, %v", size, a, err)
			}
		}
	}
	if _, done, err := other.Next(t.Context(), []byte("pencil")); err != nil || !done {
		t.Errorf("the other one: %v, %v", done, err)
	}
}

// testOtherSockets: over TCP, and at a socket that is not for clients.
func testOtherSockets(t *testing.T, s *dovecotServer) {
	d := s.asking(func(o *dovecot.Options) { o.Address = s.tcp })
	if a, err := talks(t, d, "SCRAM-SHA-256", "shop@example.org", "pencil"); err != nil || a.Login != "shop@example.org" {
		t.Errorf("over TCP: %+v, %v", a, err)
	}
	d = s.asking(func(o *dovecot.Options) { o.Address = s.path("run/auth-master") })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := d.Ask(ctx, directory.Question{Login: "shop@example.org", Password: "pencil"})
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "auth-master") {
		t.Errorf("at the socket of masters: %v", err)
	}
}

// testDovecotRestart: what is under way is lost and says so; what comes later is
// asked of the new one.
func testDovecotRestart(t *testing.T, s *dovecotServer) {
	d := s.asking(nil)
	begun := map[string]*dovecot.Exchange{}
	for _, mechanism := range slices.Sorted(maps.Keys(clients)) {
		x, err := d.Begin(t.Context(), mechanism, dovecot.Info{})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Cancel()
		if _, _, err := x.Next(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		begun[mechanism] = x
	}
	s.stop()
	if _, err := d.Ask(t.Context(), directory.Question{Login: "shop@example.org", Password: "pencil"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("while it is down: %v", err)
	}
	s.start()
	for mechanism, x := range begun {
		if _, done, err := x.Next(t.Context(), []byte("pencil")); done || !fault.Is(err, fault.Unavailable) || x.Account() != nil {
			t.Errorf("%s, begun before: %v, %v", mechanism, done, err)
		}
		if a, err := talks(t, d, mechanism, "shop@example.org", "pencil"); err != nil || a.Login != "shop@example.org" {
			t.Errorf("%s, begun after: %+v, %v", mechanism, a, err)
		}
	}
}
