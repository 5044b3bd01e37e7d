package rehearsal

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/access"
	"countersign/internal/access/book"
	"countersign/internal/access/familiar"
	"countersign/internal/access/guard"
	"countersign/internal/access/guard/tried"
	"countersign/internal/access/list"
	entries "countersign/internal/access/list/book"
	"countersign/internal/account"
	"countersign/internal/account/credentials"
	"countersign/internal/app"
	"countersign/internal/app/examine"
	"countersign/internal/app/panel"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
	"countersign/internal/feed"
	"countersign/internal/limit"
	"countersign/internal/limit/admin"
	limitbook "countersign/internal/limit/book"
	"countersign/internal/loadgen"
	"countersign/internal/mail"
	"countersign/internal/node"
	"countersign/internal/policy/turnover"
	"countersign/internal/queue"
	"countersign/internal/sink"
	"countersign/internal/testkit"
	"countersign/internal/web/api/resource"
)

// world is a running gate, beside which messages are rehearsed as commands do, with a connection
// to the store of their own.
type world struct {
	t        *testing.T
	dir      string
	cfg      *config.Config
	gate     *app.App
	beside   app.Store
	arrived  atomic.Int64
	dns      *testkit.DNS
	everyone []limit.Subject
}

// newWorld starts the gate; extra stands at the end of its configuration.
func newWorld(t *testing.T, extra string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), dns: testkit.NewDNS(t)}
	hop, err := sink.Listen("127.0.0.1:0", func(sink.Message) error { w.arrived.Add(1); return nil })
	must(t, err)
	t.Cleanup(func() { hop.Close() })
	path := filepath.Join(w.dir, "countersign.toml")
	text := testkit.GateConfig{NextHop: hop.Addr(), Extra: fmt.Sprintf("[dns]\nservers = [%q]\n", w.dns.Addr()) + extra}.String()
	must(t, os.WriteFile(path, []byte(text), 0o600))
	w.cfg, _, err = loading.Load(path)
	must(t, err)
	w.gate, err = app.New(w.cfg, app.Options{Version: "test", Stderr: io.Discard, Now: time.Now})
	must(t, err)
	must(t, w.gate.Start(t.Context()))
	t.Cleanup(func() { w.gate.Stop(context.Background()) })
	keys, err := turnover.Maker{Sealer: w.gate.Sealer()}.Make(testkit.Domain, nil, time.Now())
	must(t, err)
	must(t, testkit.AddAccount(t.Context(), w.gate.Admin("test"), keys))
	w.beside, err = app.OpenStore(t.Context(), w.cfg, false)
	must(t, err)
	t.Cleanup(func() { w.beside.Close() })
	for _, s := range []limit.Subject{{Kind: limit.Account, Name: testkit.Login}, {Kind: limit.Network, Name: "203.0.113.7"}, {Kind: limit.Everything}} {
		w.everyone = append(w.everyone, s, limit.ApartOf(s))
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send sends a message through the gate, and waits until it has arrived and that is recorded.
func (w *world) send() {
	w.t.Helper()
	before := w.arrived.Load()
	_, err := loadgen.SendOne(w.t.Context(), loadgen.Options{
		Address: w.gate.Addresses()["submissions"], ImplicitTLS: true,
		TLS:   &tls.Config{RootCAs: testkit.Roots(w.t, filepath.Join(w.dir, "data", testkit.CAFile)), ServerName: "localhost"},
		Login: testkit.Login, Password: testkit.Password, From: testkit.Login, To: []string{"b@example.com"}, Connections: 1, Messages: 1,
	}, []byte("From: <"+testkit.Login+">\r\n\r\nHello\r\n"))
	must(w.t, err)
	w.until("a message to arrive", func() bool { return w.arrived.Load() > before })
	w.until("a delivery to be recorded", func() bool {
		list, err := w.beside.List(w.t.Context(), queue.Filter{})
		return err == nil && len(list) == 0
	})
}

// until waits until a condition holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	testkit.Until(w.t, what, holds)
}

// limit sets a limit, and returns what lifts it.
func (w *world) limit(of limit.Subject, text string, action limit.Action) (lift func()) {
	w.t.Helper()
	l, err := limit.Parse(text)
	must(w.t, err)
	l.Action = action
	by := admin.New(admin.Options{Store: w.beside, IDs: &mail.IDSource{}, Actor: "test", Now: time.Now})
	set, err := by.Set(w.t.Context(), admin.Wanted{For: of, Limits: []limit.Limit{l}, Force: true})
	must(w.t, err)
	return func() {
		_, err := by.Lift(w.t.Context(), set[0].ID)
		must(w.t, err)
	}
}

// closed has the guard close something, as it keeps that.
func (w *world) closed(r guard.Record) (until time.Time) {
	w.t.Helper()
	r.ClosedFrom, r.ClosedUntil = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	must(w.t, w.beside.KeepRecords(w.t.Context(), []guard.Kept{{Record: r, End: r.ClosedUntil}}, nil))
	return r.ClosedUntil
}

// ask rehearses a message.
func (w *world) ask(change func(*Question)) *Story {
	w.t.Helper()
	from, to := mail.Address{Local: "a", Domain: testkit.Domain}, []mail.Address{{Local: "b", Domain: "example.com"}}
	q := Question{Login: testkit.Login, Client: netip.MustParseAddr("203.0.113.7"), From: from, To: to, Message: Plain(from, to, time.Now())}
	if change != nil {
		change(&q)
	}
	s, err := Message(w.t.Context(), w.cfg, w.beside, q)
	must(w.t, err)
	return s
}

// want compares what came of a rehearsal.
func (w *world) want(what string, s *Story, verdict, reason string) {
	w.t.Helper()
	if s.Verdict != verdict || s.Reason != reason {
		w.t.Errorf("%s: %s (%s), want %s (%s): %+v", what, s.Verdict, s.Reason, verdict, reason, s.Steps)
	}
}

// ends compares until when it is so; the store has times to the second.
func (w *world) ends(s *Story, want time.Time) {
	w.t.Helper()
	if s.Until.IsZero() != want.IsZero() || s.Until.Sub(want).Abs() > time.Second {
		w.t.Errorf("%s (%s) until %v, want %v", s.Verdict, s.Reason, s.Until, want)
	}
}

// decided are the metrics of what a gate decides, stores and sends.
var decided = regexp.MustCompile(`(?m)^countersign_(submission|smtp|login|access|limit|guard|alignment|delivery|queue|filter)[a-z_]*(\{[^}]*\})? .*$`)

// state is all that is in the store and in the figures of the running gate, and in its folder of bodies.
func (w *world) state() string {
	w.t.Helper()
	ctx := w.t.Context()
	var b strings.Builder
	say := func(what string, v any, err error) {
		w.t.Helper()
		must(w.t, err)
		fmt.Fprintf(&b, "%s: %+v\n", what, v)
	}
	events, err := w.beside.Search(ctx, audit.Query{Limit: 1000})
	say("record", events, err)
	items, err := w.beside.List(ctx, queue.Filter{})
	say("queue", items, err)
	counters, _, err := w.beside.Counted(ctx, w.everyone)
	must(w.t, err)
	for i, c := range counters {
		say("counter of "+w.everyone[i].String(), c.AppendBinary(nil), nil)
	}
	days, err := w.beside.Met(ctx, []limit.Contact{{Login: testkit.Login, Recipient: limit.DigestOf("b@example.com")}})
	say("met", days, err)
	records, err := w.beside.Records(ctx, guard.Query{}, 1000)
	say("guard", records, err)
	uses, err := w.beside.Uses(ctx, "", 1000)
	say("uses", uses, err)
	generation, err := w.beside.Generation(ctx)
	say("generation", generation, err)
	acc, err := w.beside.Account(ctx, testkit.Login)
	say("account", acc, err)
	var files []string
	err = filepath.WalkDir(filepath.Join(w.dir, "data"), func(path string, _ os.DirEntry, err error) error {
		if !strings.HasSuffix(path, "-shm") && !strings.HasSuffix(path, "-wal") {
			files = append(files, path)
		}
		return err
	})
	say("files", files, err)
	lines := decided.FindAllString(get(w.t, "http://"+w.gate.Addresses()["metrics"]+"/metrics"), -1)
	if len(lines) < 20 {
		w.t.Fatalf("the gate has the figures %q", lines)
	}
	say("figures", strings.Join(lines, "\n"), nil)
	say("arrived", w.arrived.Load(), nil)
	return b.String()
}

// TestNothingIsLeftBehind: whatever is rehearsed, and however it ends, store, record, counters, guard,
// figures and the folder of the running gate are as before, and nobody gets mail.
func TestNothingIsLeftBehind(t *testing.T) {
	w := newWorld(t, "")
	acc, all := limit.Subject{Kind: limit.Account, Name: testkit.Login}, limit.Subject{Kind: limit.Everything}
	w.limit(acc, "messages/hour=1000", limit.Hold)
	w.limit(acc, "new-recipients/day=10", limit.Defer)
	w.limit(acc, "connections/at-once=5", limit.Defer)
	w.limit(all, "connections/hour=1000", limit.Defer)
	w.until("a message to be counted", func() bool {
		w.send()
		counters, at, err := w.beside.Counted(t.Context(), []limit.Subject{acc, limit.ApartOf(all)})
		must(t, err)
		return counters[0].Used(limit.Hour, limit.Messages, at) > 0 && counters[1].Used(limit.Hour, limit.Connections, at) > 0
	})
	w.closed(guard.Record{Login: "else@example.net"})
	w.settled()
	counters, at, err := w.beside.Counted(t.Context(), []limit.Subject{acc})
	must(t, err)
	w.limit(acc, fmt.Sprint("messages/hour=", counters[0].Used(limit.Hour, limit.Messages, at)+1), limit.Hold) // there is room for one
	w.settled()
	before := w.state()
	large := "From: <" + testkit.Login + ">\r\n\r\n" + strings.Repeat("0123456789\r\n", 20_000)
	for range 3 { // no more is used up by the third than by the first
		w.want("a message", w.ask(nil), "accept", "")
		w.want("a large message", w.ask(func(q *Question) { q.Message = strings.NewReader(large) }), "accept", "")
	}
	w.want("a foreign sender", w.ask(func(q *Question) { q.From = mail.Address{Local: "x", Domain: "example.net"} }), "refuse", "sender-not-owned")
	w.want("a null sender", w.ask(func(q *Question) { q.From = mail.Address{} }), "refuse", "null-sender-not-allowed")
	_, err = Message(t.Context(), w.cfg, w.beside, Question{Login: "nobody@example.org"})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("of an account that there is not: %v", err)
	}
	if after := w.state(); after != before {
		t.Errorf("before it was\n%s\nafterwards\n%s", before, after)
	}
}

// settled waits until a gate that nobody uses has written all that it writes behind its answers.
func (w *world) settled() {
	w.t.Helper()
	w.until("a use of the password to be noted", func() bool {
		uses, err := w.beside.Uses(w.t.Context(), testkit.Login, 1)
		return err == nil && len(uses) > 0
	})
	last, alike := "", 0
	w.until("the gate to have nothing more to say", func() bool {
		now := w.state()
		if alike++; now != last {
			last, alike = now, 0
		}
		return alike >= 20
	})
}

// TestLimitsAreLookedAt: a rehearsal is answered as the next message would be, and is not counted.
func TestLimitsAreLookedAt(t *testing.T) {
	w := newWorld(t, "")
	for _, tt := range []struct {
		of              limit.Subject
		text            string
		action          limit.Action
		verdict, reason string
		says            string
	}{
		{limit.Subject{Kind: limit.Account, Name: testkit.Login}, "messages/hour=0", limit.Refuse, "refuse", "limit-refused", "550 5.7.1"},
		{limit.Subject{Kind: limit.Everything}, "messages/hour=0", limit.Hold, "hold", "over-limit", "250 2.0.0"},
		{limit.Subject{Kind: limit.Network, Name: "203.0.113.7"}, "connections/hour=0", limit.Defer, "defer", "connection-limit", "421 4.7.0 A limit of connections is reached"},
		{limit.Subject{Kind: limit.Account, Name: testkit.Login}, "connections/hour=0", limit.Defer, "defer", "connection-limit-login", "454 4.7.0 A limit of connections of this login is reached: 0 connections in an hour for account " + testkit.Login},
		{limit.Subject{Kind: limit.Network, Name: "203.0.113.8"}, "connections/hour=0", limit.Defer, "accept", "", "250 2.0.0"},
		{limit.Subject{Kind: limit.Node, Name: node.Only}, "messages/hour=0", limit.Refuse, "refuse", "limit-refused", "550 5.7.1"},
		{limit.Subject{Kind: limit.Node, Name: node.Only}, "connections/hour=0", limit.Defer, "defer", "connection-limit", "421 4.7.0 A limit of connections is reached"},
		{limit.Subject{Kind: limit.Everything}, "recipients/message=0", limit.Refuse, "refuse", "limit-recipients-refused", "550 5.5.3"},
		{limit.Subject{Kind: limit.Network, Name: "203.0.113.7"}, "bytes/message=1", limit.Defer, "refuse", "limit-size", "552 5.3.4"},
		{limit.Subject{Kind: limit.Network, Name: "203.0.113.7"}, "messages/hour=0", limit.Slow, "refuse", "limit-refused", "550 5.7.1"},
	} {
		t.Run(tt.of.String()+" "+tt.text, func(t *testing.T) {
			w.t = t
			defer w.limit(tt.of, tt.text, tt.action)()
			for range 2 {
				s := w.ask(nil)
				w.want(tt.text, s, tt.verdict, tt.reason)
				last := s.Steps[len(s.Steps)-1]
				if said := fmt.Sprint(last.Code, " ", last.Answer); !strings.HasPrefix(said, tt.says) {
					t.Errorf("it is answered %q, want %q", said, tt.says)
				}
				if whose := slices.ContainsFunc(s.Events, func(e audit.Event) bool { return e.Data[limit.DataSubject] == tt.of.String() }); whose != (tt.verdict != "accept") {
					t.Errorf("whose limit it is: %+v", s.Events)
				}
			}
		})
	}
}

// TestConnectionsOfThoseWhoAreGone: what a process holds is counted while it is there.
func TestConnectionsOfThoseWhoAreGone(t *testing.T) {
	w := newWorld(t, "")
	acc := limit.Subject{Kind: limit.Account, Name: testkit.Login}
	w.limit(acc, "connections/at-once=1", limit.Defer)
	w.want("nobody is there", w.ask(nil), "accept", "")
	must(t, w.gate.Store().Occupy(t.Context(), map[limit.Subject]int64{limit.ApartOf(acc): 1}))
	w.want("the gate has one", w.ask(nil), "defer", "connection-limit-login")
	must(t, w.gate.Stop(t.Context()))
	w.want("the gate is gone", w.ask(nil), "accept", "")
}

// TestTheGuardIsLookedAt: who could not log in from there would not get in, however right the secret is.
func TestTheGuardIsLookedAt(t *testing.T) {
	w := newWorld(t, "")
	until := w.closed(guard.Record{Login: testkit.Login})
	s := w.ask(nil)
	w.want("a login that is closed", s, "defer", "auth-too-many")
	w.ends(s, until)
	w = newWorld(t, "")
	until = w.closed(guard.Record{Network: netip.MustParsePrefix("203.0.113.7/32")})
	s = w.ask(nil)
	w.want("a network that is closed", s, "refuse", "auth-failed")
	w.ends(s, until)
	if !slices.ContainsFunc(s.Events, func(e audit.Event) bool {
		return e.Kind == audit.AuthFailed && strings.Contains(fmt.Sprint(e), "guard")
	}) {
		t.Errorf("the record would not say why: %+v", s.Events)
	}
	s = w.ask(func(q *Question) { q.Client = netip.MustParseAddr("203.0.113.8") })
	w.want("from elsewhere", s, "accept", "")
	w.ends(s, time.Time{})
}

// TestTurnsAreLookedAt: who comes too soon after others have guessed there is told so, but not by a device of the
// login's own; what a network or a certificate proves nobody guesses.
func TestTurnsAreLookedAt(t *testing.T) {
	w := newWorld(t, "[guard]\ndelay = \"30s\"\nmax_delay = \"30s\"\n")
	device, err := examine.Device(t.Context(), w.cfg, w.beside)
	must(t, err)
	guessed := func(change func(*guard.Record)) (turn time.Time) {
		now := time.Now().UTC().Truncate(time.Second)
		r := guard.Record{Network: netip.MustParsePrefix("203.0.113.7/32"), Login: testkit.Login}
		for n := range 6 { // the last three of which wait
			r.Secrets = append(r.Secrets, tried.Secret{Digest: uint16(n), First: now.Unix(), Last: now.Unix()})
		}
		change(&r)
		must(t, w.beside.KeepRecords(t.Context(), []guard.Kept{{Record: r, End: now.Add(time.Hour)}}, nil))
		return now.Add(30 * time.Second)
	}
	by := func(hello string) *Story { return w.ask(func(q *Question) { q.Hello = hello }) }
	turn := guessed(func(*guard.Record) {})
	s := by("")
	w.want("a stranger", s, "defer", "auth-too-many")
	w.ends(s, turn)
	if !slices.ContainsFunc(s.Events, func(e audit.Event) bool { return e.Data["cause"] == "guard: too-soon" }) {
		t.Errorf("the record would not say why: %+v", s.Events)
	}
	w.want("from elsewhere", w.ask(func(q *Question) { q.Client = netip.MustParseAddr("203.0.113.8") }), "accept", "")
	guessed(func(r *guard.Record) {
		r.Known = time.Now().UTC().Truncate(time.Second)
		r.Devices = []familiar.Use{familiar.UseAt(familiar.Device(device(testkit.Login, "laptop.example")), r.Known)}
	})
	w.want("an unknown device where the login is known", by("tablet.example"), "defer", "auth-too-many")
	w.want("one of the login's own", by("Laptop.example"), "accept", "")
	w.credential(credentials.New{Kind: account.Certificate, Name: "card", Subject: "sha256:" + strings.Repeat("ab", 32)})
	w.want("a certificate", w.ask(func(q *Question) { q.Credential = "card" }), "accept", "")
}

// TestTheGuardOfARunningGate: where a gate asks, its guard says whether a login is turned away, of the client and by
// the name that a session has.
func TestTheGuardOfARunningGate(t *testing.T) {
	w := newWorld(t, "")
	w.closed(guard.Record{Login: testkit.Login}) // which the guard of the gate has not heard of
	own, err := mail.ParseAddress(testkit.Login)
	must(t, err)
	q := resource.Question{
		Login: testkit.Login, Client: netip.MustParseAddr("203.0.113.7"), From: own, To: []mail.Address{{Local: "b", Domain: "example.com"}},
		Place: func(client netip.Addr) list.Place { return list.Place{Client: client} },
	}
	for _, tt := range []struct {
		hello, asked    string
		says            error
		verdict, reason string
		until           time.Time
	}{
		{"", "rehearsal.invalid", nil, "accept", "", time.Time{}},
		{"[192.0.2.9]", "[192.0.2.9]", guard.ErrTooSoon, "defer", "auth-too-many", time.Now().Add(time.Hour)},
		{"Laptop.example", "Laptop.example", guard.ErrCrowded, "defer", "auth-too-many", time.Time{}},
		{"x", "x", guard.ErrBarred, "defer", "auth-too-many", time.Time{}},
		{"x", "x", guard.ErrNetworkClosed, "refuse", "auth-failed", time.Now().Add(time.Hour)},
	} {
		books, asked := w.books(), 0
		books.Foresee = func(client netip.Addr, login, device string) (time.Time, error) {
			if asked++; client != q.Client || login != testkit.Login || device != tt.asked {
				t.Errorf("the guard is asked for %s from %s by %q, want %q", login, client, device, tt.asked)
			}
			return tt.until, tt.says
		}
		q.Hello = tt.hello
		v, err := Explain(t.Context(), w.cfg, w.beside, books, q)
		must(t, err)
		if v.Verdict != tt.verdict || v.Reason != tt.reason || asked != 1 {
			t.Errorf("%v: %+v, asked %d times", tt.says, v, asked)
		}
		if tt.until.IsZero() != (v.Until == nil) || v.Until != nil && (!v.Until.Equal(tt.until) || v.Until.Location() != time.UTC) {
			t.Errorf("%v: until %v, want %v in UTC", tt.says, v.Until, tt.until)
		}
		if tt.says != nil && !slices.ContainsFunc(v.Events, func(e resource.Event) bool { return e.Data["cause"] == "guard: "+tt.says.Error() }) {
			t.Errorf("%v: the record would not say why: %+v", tt.says, v.Events)
		}
	}
}

// TestBansInShadow: one refuses nobody in a rehearsal either, which tells of it.
func TestBansInShadow(t *testing.T) {
	w := newWorld(t, "")
	by := access.NewAdmin(access.AdminOptions{Store: w.beside, IDs: &mail.IDSource{}, Actor: "test", Now: time.Now})
	_, err := by.Add(t.Context(), access.Wanted{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Reason: "a test", Shadow: true})
	must(t, err)
	s := w.ask(nil)
	w.want("a client of the network", s, "accept", "")
	if !slices.ContainsFunc(s.Events, func(e audit.Event) bool { return e.Kind == audit.BanShadow }) {
		t.Errorf("nothing is told of the ban: %+v", s.Events)
	}
}

// TestDNSListsAtLogin: lists that are asked before a login are asked in a rehearsal too.
func TestDNSListsAtLogin(t *testing.T) {
	w := newWorld(t, "[access]\ndnsbl_action = \"refuse\"\ndnsbl_at = \"login\"\n[[dnsbl]]\nzone = \"list.example\"\nwhen_away = \"open\"\ntest = \"off\"\n")
	w.dns.Add("7.113.0.203.list.example. 60 IN A 127.0.0.2")
	s := w.ask(nil)
	w.want("a client on a list", s, "refuse", "listed")
	if last := s.Steps[len(s.Steps)-1]; last.Command != "AUTH PLAIN" {
		t.Errorf("it is refused at %s", last.Command)
	}
	w.want("another", w.ask(func(q *Question) { q.Client = netip.MustParseAddr("203.0.113.8") }), "accept", "")
}

// TestAlignmentOfTheDomain: what is set for a domain counts in a rehearsal.
func TestAlignmentOfTheDomain(t *testing.T) {
	w := newWorld(t, "[alignment]\naddresses = [\"192.0.2.1\"]\nwait = \"10s\"\n")
	w.dns.Add(`_dmarc.example.org. 60 IN TXT "v=DMARC1\; p=reject"`)
	w.want("as the configuration says", w.ask(nil), "accept", "")
	for _, tt := range []struct {
		set             account.Alignment
		verdict, reason string
	}{{account.AlignmentRefuse, "refuse", "dmarc-will-fail"}, {account.AlignmentHold, "hold", "dmarc-will-fail"}, {account.AlignmentOff, "accept", ""}} {
		must(t, w.gate.Admin("test").SetDomainAlignment(t.Context(), testkit.Domain, tt.set))
		w.want(tt.set.String(), w.ask(nil), tt.verdict, tt.reason)
	}
}

// TestPlacesOfARunningGate: who knows where clients are has no file read and verified for each
// question, which could be a gigabyte.
func TestPlacesOfARunningGate(t *testing.T) {
	w := newWorld(t, "")
	what, err := list.ParseWhat("DE")
	must(t, err)
	_, _, err = list.NewAdmin(list.AdminOptions{Store: w.beside, IDs: new(mail.IDSource), Actor: "test", Now: time.Now}).Add(t.Context(), list.Wanted{
		Effect: list.Deny, What: what, For: list.Subject{Kind: list.Account, Name: testkit.Login}, Reason: "not from there",
	})
	must(t, err)
	own, err := mail.ParseAddress(testkit.Login)
	must(t, err)
	w.cfg.Access.Countries = filepath.Join(w.dir, "none.mmdb")
	q := resource.Question{Login: testkit.Login, Client: netip.MustParseAddr("203.0.113.7"), From: own, To: []mail.Address{{Local: "b", Domain: "example.com"}}}
	for country, verdict := range map[string]string{"DE": "refuse", "FR": "accept"} {
		q.Place = func(client netip.Addr) list.Place { return list.Place{Client: client, Country: country} }
		v, err := Explain(t.Context(), w.cfg, w.beside, w.books(), q)
		must(t, err)
		if v.Verdict != verdict {
			t.Errorf("from %s: %+v", country, v)
		}
	}
	if _, err := Message(t.Context(), w.cfg, w.beside, Question{Login: q.Login, Client: q.Client, From: own, To: q.To, Message: Plain(own, q.To, time.Now())}); err == nil {
		t.Error("where nobody knows where clients are, a file that there is not is not missed")
	}
}

// books are those of a gate that has read what is in the store now.
func (w *world) books() panel.Books {
	w.t.Helper()
	b := panel.Books{Bans: book.New(time.Now), Entries: entries.New(time.Now), Foresee: func(netip.Addr, string, string) (until time.Time, why error) { return }}
	limits := limitbook.New(time.Now)
	b.Limits = limits.Levels
	quiet := feed.Options{Logger: slog.New(slog.DiscardHandler)}
	must(w.t, book.Follow(w.beside, b.Bans, quiet).Load(w.t.Context()))
	must(w.t, entries.Follow(w.beside, b.Entries, quiet).Load(w.t.Context()))
	must(w.t, limitbook.Follow(w.beside, limits, quiet).Load(w.t.Context()))
	return b
}

// deaf is a store of which nobody may read all bans, entries and rules.
type deaf struct{ app.Store }

func (deaf) BansSince(context.Context, uint64) ([]access.Ban, uint64, error) {
	return nil, 0, fault.New("test", fault.Internal, "all bans are read")
}

func (deaf) EntriesSince(context.Context, uint64) ([]list.Entry, uint64, error) {
	return nil, 0, fault.New("test", fault.Internal, "all entries are read")
}

func (deaf) RulesSince(context.Context, uint64) ([]limit.Rule, uint64, error) {
	return nil, 0, fault.New("test", fault.Internal, "all rules are read")
}

// TestBooksOfARunningGate: the API has a message decided by what the gate has in memory, and reads none
// of it from the store; the command reads it.
func TestBooksOfARunningGate(t *testing.T) {
	w := newWorld(t, "[[filter]]\nname = \"away\"\naddress = \"tcp:127.0.0.1:1\"\n")
	own, err := mail.ParseAddress(testkit.Login)
	must(t, err)
	q := resource.Question{
		Login: testkit.Login, Client: netip.MustParseAddr("203.0.113.7"), From: own, To: []mail.Address{{Local: "b", Domain: "example.com"}},
		Place: func(client netip.Addr) list.Place { return list.Place{Client: client} },
	}
	want := func(verdict, reason string) {
		t.Helper()
		v, err := Explain(t.Context(), w.cfg, deaf{w.beside}, w.books(), q)
		must(t, err)
		if v.Verdict != verdict || v.Reason != reason || v.Client != "203.0.113.7" || !slices.Equal(v.Unasked, []string{"away"}) {
			t.Errorf("%+v, want %s (%s)", v, verdict, reason)
		}
	}
	want("accept", "")
	if _, err := Message(t.Context(), w.cfg, deaf{w.beside}, Question{Login: q.Login, Client: q.Client, From: own, To: q.To, Message: Plain(own, q.To, time.Now())}); !fault.Is(err, fault.Internal) {
		t.Errorf("without books it is decided by %v", err)
	}
	lift := w.limit(limit.Subject{Kind: limit.Account, Name: testkit.Login}, "messages/hour=0", limit.Refuse)
	want("refuse", "limit-refused")
	lift()
	what, err := list.ParseWhat("203.0.113.0/24")
	must(t, err)
	by := list.NewAdmin(list.AdminOptions{Store: w.beside, IDs: new(mail.IDSource), Actor: "test", Now: time.Now})
	entry, _, err := by.Add(t.Context(), list.Wanted{Effect: list.Deny, What: what, Reason: "not from there"})
	must(t, err)
	want("refuse", "network-denied")
	_, _, err = by.Remove(t.Context(), entry.ID)
	must(t, err)
	_, err = access.NewAdmin(access.AdminOptions{Store: w.beside, IDs: &mail.IDSource{}, Actor: "test", Now: time.Now}).Add(t.Context(), access.Wanted{Prefix: what.Prefix, Reason: "x"})
	must(t, err)
	want("refuse", "banned")
}

// TestQuestionsThatCannotBeAsked: of what there is not nothing is said.
func TestQuestionsThatCannotBeAsked(t *testing.T) {
	w := newWorld(t, "")
	for what, q := range map[string]Question{
		"an account": {Login: "nobody@example.org"}, "a credential": {Login: testkit.Login, Credential: "printer"}, "a listener": {Login: testkit.Login, Listener: "none"},
	} {
		if _, err := Message(t.Context(), w.cfg, w.beside, q); !fault.Is(err, fault.NotFound) {
			t.Errorf("of %s that there is not: %v", what, err)
		}
	}
}
