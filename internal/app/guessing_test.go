package app

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/access/guard/tried"
	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/login/pool"
	"countersign/internal/sink"
)

// tries logs in from a client, behind the proxy, and returns the code of the answer.
func (w *world) tries(client, login, password string) int {
	w.t.Helper()
	c, _ := w.dial("known", from(client), with(tls.VersionTLS13))
	defer c.conn.Close() // or those who try often have too many connections
	return c.code("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+password)))
}

// restart stops the gate and starts another one on the same store.
func (w *world) restart(extra string) {
	w.t.Helper()
	if err := w.app.Stop(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	again, err := New(w.configure(extra), Options{Version: "test", Stderr: io.Discard, Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.app = again
	if err := again.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { again.Stop(w.t.Context()) })
}

const behindProxy = "[[listener]]\nname = \"known\"\nkind = \"submission\"\naddress = [\"127.0.0.1:0\"]\nproxies = [\"127.0.0.0/8\"]\n"

// newGuarded is a world with a listener behind a proxy.
func newGuarded(t *testing.T, options string) *world {
	t.Helper()
	w := newWorld(t, behindProxy+options, func(sink.Message) error { return nil })
	w.account(otherLogin)
	return w
}

// spray tries names that nobody has until the guard has the network banned, and returns how
// many that were.
func (w *world) spray(client string) int {
	w.t.Helper()
	for n := range 20 {
		if code := w.tries(client, fmt.Sprintf("user%d@example.org", n), "Summer2026"); code != 535 {
			w.t.Fatalf("name %d: %d", n, code)
		}
		address := netip.MustParseAddr(client)
		if errors.Is(w.app.guard.Guard.Enter(address, testLogin, ""), guard.ErrBarred) {
			return n + 1
		}
		w.app.guard.Leave(address, testLogin, "")
	}
	w.t.Fatal("twenty names were tried")
	return 0
}

// TestSprayersAreBanned: who tries many names is refused before the greeting, by a ban as
// any other, and the record says why. One from whose network others log in is closed to
// strangers alone, also after a restart.
func TestSprayersAreBanned(t *testing.T) {
	w := newGuarded(t, "")
	tried := w.spray("203.0.113.9")
	if tried < 11 { // by what is drawn, and no more than twenty; some are judged before others count
		t.Errorf("%d names that nobody has were tried", tried)
	}
	w.greets("203.0.113.9", "554")
	bans, err := w.app.Store().Bans(t.Context(), access.Query{})
	if err != nil || len(bans) != 1 || bans[0].By != "guard" || bans[0].Prefix != netip.MustParsePrefix("203.0.113.9/32") || bans[0].Login != "" || bans[0].End.Sub(bans[0].Start) != time.Hour {
		t.Fatalf("the bans are %+v, %v", bans, err)
	}
	if e := w.last(audit.BanAdded); e.Actor != "guard" || e.Data["rule"] != "names" || e.Data["count"] < "16" || e.Data["count"] > "40" || e.Data["ban"] != string(bans[0].ID) {
		t.Errorf("the event is %+v", e)
	}
	if code := w.tries("198.51.100.1", testLogin, testPassword); code != 235 {
		t.Fatalf("who logs in in the office: %d", code)
	}
	for n := range 22 { // one more, as one is known there
		if code := w.tries("198.51.100.1", fmt.Sprintf("user%d@example.org", n), "Summer2026"); code != 535 {
			t.Fatalf("name %d from the office: %d", n, code)
		}
	}
	if e := w.last(audit.GuardClosed); e.Object != "198.51.100.1/32" || e.Data["rule"] != "names" || e.Actor != "guard" {
		t.Errorf("the event is %+v", e)
	}
	for _, when := range []string{"before", "after"} {
		if code := w.tries("198.51.100.1", otherLogin, testPassword); code != 535 {
			t.Errorf("%s a restart, a stranger in the office: %d", when, code)
		}
		if code := w.tries("198.51.100.1", testLogin, testPassword); code != 235 {
			t.Errorf("%s a restart, who is known there: %d", when, code)
		}
		if e := w.last(audit.AuthFailed); e.Data["cause"] != "guard: network-closed" || e.Login != otherLogin {
			t.Errorf("the event is %+v", e)
		}
		if when == "before" {
			w.restart(behindProxy)
		}
	}
}

// TestSecretsAreNotStored: of what was tried, the store has two octets, and of the same
// secret the same two after a restart.
func TestSecretsAreNotStored(t *testing.T) {
	w := newGuarded(t, "")
	var before tried.Secrets
	for range 2 {
		if code := w.tries("203.0.113.9", testLogin, "hunter2-hunter2"); code != 535 {
			t.Fatal(code)
		}
		w.restart(behindProxy)
		list, err := w.app.Store().Records(t.Context(), guard.Query{Login: testLogin}, 10)
		if err != nil || len(list) != 1 || len(list[0].Secrets) != 1 || list[0].Network != netip.MustParsePrefix("203.0.113.9/32") {
			t.Fatalf("the store has %+v, %v", list, err)
		}
		if before != nil && before[0].Digest != list[0].Secrets[0].Digest {
			t.Errorf("the same secret is %v, then %v", before, list[0].Secrets)
		}
		before = list[0].Secrets
	}
}

// TestGuardFollowsItsOptions: a mode that only watches, one that does nothing, and a network
// that is allowed.
func TestGuardFollowsItsOptions(t *testing.T) {
	w := newGuarded(t, "[guard]\nmode = \"shadow\"\n")
	spray := func(client string, want int) {
		t.Helper()
		for n := range 22 {
			if code := w.tries(client, fmt.Sprintf("user%d@example.org", n), "Summer2026"); code != want {
				t.Fatalf("name %d from %s: %d", n, client, code)
			}
		}
	}
	spray("203.0.113.1", 535)
	if e := w.last(audit.GuardShadow); e.Object != "ban 203.0.113.1/32" || e.Data["do"] != "ban" {
		t.Errorf("the event is %+v", e)
	}
	w.reload(behindProxy + "[guard]\nmode = \"off\"\n")
	spray("203.0.113.2", 535)
	w.reload(behindProxy + "[guard]\nallow = [\"203.0.113.3\"]\n")
	spray("203.0.113.3", 535)
	if bans, err := w.app.Store().Bans(t.Context(), access.Query{}); err != nil || len(bans) > 0 {
		t.Fatalf("the bans are %+v, %v", bans, err)
	}
	w.spray("203.0.113.4")
	w.greets("203.0.113.4", "554")
}

// TestRightPasswordsOfTheGuessedAt: while many networks guess at a login, its owner goes on,
// and a stranger with the right password is not told that it is.
func TestRightPasswordsOfTheGuessedAt(t *testing.T) {
	w := newGuarded(t, "[guard]\nlogin_secrets = 6\nlogin_networks = 3\n")
	if code := w.tries("198.51.100.1", testLogin, testPassword); code != 235 {
		t.Fatal(code)
	}
	for n := range 6 {
		if code := w.tries(fmt.Sprintf("203.0.113.%d", n), testLogin, fmt.Sprint("guess-", n)); code != 535 {
			t.Fatalf("guess %d: %d", n, code)
		}
	}
	if code := w.tries("203.0.113.77", testLogin, testPassword); code != 454 {
		t.Errorf("the right one from a stranger's network: %d", code)
	}
	if code := w.tries("198.51.100.1", testLogin, testPassword); code != 235 {
		t.Errorf("the owner: %d", code)
	}
	if e := w.last(audit.GuardClosed); e.Object != testLogin || e.Data["rule"] != "sources" || !strings.Contains(e.Text, "networks") {
		t.Errorf("the event is %+v", e)
	}
}

// TestGatesCountTogether: what a guesser tries at one gate counts at the other, and who is known
// at one is known at the other.
func TestGatesCountTogether(t *testing.T) {
	url := shared.Cluster(t).Database(t)
	accept := func(sink.Message) error { return nil }
	one := newWorld(t, behindProxy+onPostgres(url, "gate-1"), accept)
	key := fmt.Sprintf("[dkim]\nkey_file = %q\n", filepath.Join(one.dir, "data", "seal.key"))
	two := startWorld(t, time.Now, "[auth]\nhash_workers = 1\nhash_queue = 1\n"+behindProxy+key+onPostgres(url, "gate-2"), accept)
	gates := []*world{one, two}
	both := func(what string, holds func(marks, known int) bool) {
		t.Helper()
		for _, w := range gates {
			w.until(what, func() bool { return holds(w.app.guard.Size()) })
		}
	}
	if code := one.tries("198.51.100.1", testLogin, testPassword); code != 235 {
		t.Fatal(code)
	}
	both("the login to be known", func(_, known int) bool { return known == 1 })
	two.goesFirst("198.51.100.1")
	for n := range 15 {
		if code := gates[n%2].tries("198.51.100.1", fmt.Sprintf("user%d@example.org", n), "Summer2026"); code != 535 {
			t.Fatalf("name %d: %d", n, code)
		}
	}
	both("all names to be counted", func(marks, _ int) bool { return marks >= 15 })
	for n := 15; n < 24; n++ { // which closes it at 21, or before
		if code := two.tries("198.51.100.1", fmt.Sprintf("user%d@example.org", n), "Summer2026"); code != 535 {
			t.Fatal(code)
		}
	}
	if e := two.last(audit.GuardClosed); e.Object != "198.51.100.1/32" || !strings.HasPrefix(e.Data["node"], "gate-") {
		t.Errorf("the event is %+v", e)
	}
	one.until("the network to be closed at the first gate too", func() bool {
		one.tries("198.51.100.1", "user11@example.org", "x")
		return one.last(audit.AuthFailed).Data["cause"] == "guard: network-closed"
	})
	for g, w := range gates {
		if code := w.tries("198.51.100.1", testLogin, testPassword); code != 235 {
			t.Errorf("who is known, at gate %d: %d", g+1, code)
		}
	}
	one.spray("203.0.113.9")
	two.until("the ban at the other gate", func() bool {
		said, _ := two.first("known", "203.0.113.9")
		return strings.HasPrefix(said, "554")
	})
}

// goesFirst wants the account that comes from a network to have the place of a stranger who waits already for
// the one worker of a gate, with room for one to wait, at which it has never been.
func (w *world) goesFirst(network string) {
	w.t.Helper()
	release, busy, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- w.app.hasher.Run(w.t.Context(), pool.Ticket{First: true}, func() { close(busy); <-release })
	}()
	<-busy
	comes := func(client, login, password string) chan int {
		c, _ := w.dial("known", from(client), with(tls.VersionTLS13))
		w.t.Cleanup(func() { c.conn.Close() })
		answer := make(chan int, 1)
		go func() {
			answer <- c.code("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+login+"\x00"+password)))
		}()
		return answer
	}
	stranger := comes("192.0.2.77", "stranger@example.org", "Summer2026")
	w.until("the stranger to wait", func() bool { _, waiting := w.app.hasher.Running(); return waiting == 1 })
	known := comes(network, testLogin, testPassword)
	select {
	case code := <-stranger:
		if code != 454 {
			w.t.Errorf("the stranger: %d", code)
		}
	case code := <-known:
		w.t.Errorf("who is known at the other gate is answered before there is a worker, with %d", code)
		known <- code
	}
	close(release)
	if err := <-ended; err != nil {
		w.t.Error(err)
	}
	if code := <-known; code != 235 {
		w.t.Errorf("who is known at the other gate: %d", code)
	}
}

// TestNetworksAreKnown: whose network is enough is known there, so that guessing from it does
// not end what the account sends.
func TestNetworksAreKnown(t *testing.T) {
	w := newNetworks(t)
	w.credential(testLogin, account.Network, "203.0.113.0/24")
	s, _ := w.dial("known", from("203.0.113.5"), with(tls.VersionTLS13))
	s.say(250, "MAIL FROM:<"+testLogin+">")
	for n := range 22 {
		strict, _ := w.dial("strict", from("203.0.113.5"), with(tls.VersionTLS13))
		strict.code("AUTH PLAIN " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "\x00user%d@example.org\x00Summer2026", n)))
	}
	if e := w.last(audit.GuardClosed); e.Object != "203.0.113.5/32" {
		t.Errorf("the event is %+v", e)
	}
	s.say(250, "RSET")
	s.say(250, "MAIL FROM:<"+testLogin+">")
}
