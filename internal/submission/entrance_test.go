package submission

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access/dnsbl"
	"countersign/internal/access/entrance"
	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/access/place"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/figures"
	"countersign/internal/testkit"
)

// watched is a gate with access lists and one DNS list, which asks a name server on loopback.
type watched struct {
	*fixture
	book  *book.Book
	names *dnsbl.Checker
	dns   *testkit.DNS
	n     int
}

func watching(t *testing.T, rules entrance.Rules) *watched {
	t.Helper()
	w := &watched{fixture: newFixture(t), book: book.New(nil), dns: testkit.NewDNS(t)}
	client, err := mx.NewClient(mx.ClientOptions{Servers: []netip.AddrPort{w.dns.Addr()}, CacheSize: -1, Rounds: 1})
	w.must(err)
	w.names = dnsbl.New(dnsbl.Options{Asker: client})
	w.figures = prometheus.NewRegistry()
	w.gate.opt.Metrics = figures.New(w.figures)
	w.gate.opt.Entrance = entrance.New(entrance.Options{Lists: w.book, Place: new(place.Finder).Place, Names: w.names, Rules: rules})
	return w
}

// set adds an entry.
func (w *watched) set(kind list.Kind, name string, effect list.Effect, what string) *list.Entry {
	w.t.Helper()
	parsed, err := list.ParseWhat(what)
	w.must(err)
	w.n++
	e := list.Entry{ID: mail.ID(strings.Repeat("E", w.n)), For: list.Subject{Kind: kind, Name: name}, Effect: effect, What: parsed, Reason: "guessing passwords"}
	w.book.Apply([]list.Entry{e})
	return &e
}

func (w *watched) remove(e *list.Entry) {
	e.Lifted = "me"
	w.book.Apply([]list.Entry{*e})
}

// figure is a figure of what was denied.
func (w *watched) figure(what string) float64 {
	w.t.Helper()
	families, err := w.figures.Gather()
	w.must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "countersign_submission_denied_total" && m.GetLabel()[0].GetValue() == what {
				return m.GetCounter().GetValue()
			}
		}
	}
	w.t.Fatalf("nothing counts %s", what)
	return 0
}

// told sends what the server saw of a refusal, as it does.
func told(t *testing.T, s smtpserver.Session, verb string, err error) {
	t.Helper()
	r := smtp.ReplyFor(err)
	s.Observe(t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedRefusal, Verb: verb, Code: r.Code, Reason: string(r.Reason), Err: err})
}

func (w *watched) recorded(kind audit.Kind) []audit.Event {
	w.t.Helper()
	w.must(w.recorder.Flush(w.t.Context()))
	return w.events(kind)
}

func TestDeniedIsNotAdmitted(t *testing.T) {
	w := watching(t, entrance.Rules{})
	peer := func(listener, client string) smtpserver.Peer {
		return smtpserver.Peer{ID: w.ids.New(), Listener: listener, Client: netip.AddrPortFrom(netip.MustParseAddr(client), 4711)}
	}
	w.must(w.gate.Admit(peer("test", "192.0.2.7")))
	entry := w.set(list.Listener, "test", list.Deny, "192.0.2.0/24")
	p := peer("test", "::ffff:192.0.2.7")
	refusedText(t, w.gate.Admit(p), 554, smtp.ENetworkDenied)
	events := w.recorded(audit.ConnectionRefused)
	if len(events) != 1 || events[0].Session != p.ID || events[0].Reason != "network-denied" || events[0].Client != "192.0.2.7" ||
		events[0].Data["entry"] != string(entry.ID) || events[0].Data["rule"] != "deny 192.0.2.0/24 for listener test" {
		t.Errorf("recorded %+v", events)
	}
	w.must(w.gate.Admit(peer("other", "192.0.2.7")))
	w.must(w.gate.Admit(peer("test", "192.0.3.7")))
	w.must(w.gate.Admit(smtpserver.Peer{Listener: "test"}))
	// Who might be somebody that may come from there is let in, until that is known.
	special := w.set(list.Account, testLogin, list.Except, "192.0.2.7")
	w.must(w.gate.Admit(peer("test", "192.0.2.7")))
	refusedText(t, w.gate.Admit(peer("test", "192.0.2.8")), 554, smtp.ENetworkDenied)
	w.remove(special)
	refusedText(t, w.gate.Admit(peer("test", "192.0.2.7")), 554, smtp.ENetworkDenied)
	if n := w.figure(figures.BannedConnection); n != 3 {
		t.Errorf("counted %v", n)
	}
}

// TestDeniedEndsOpenSessions: what changes is felt by the next command, and by a message on its
// way; of a login's own list only once it is known.
func TestDeniedEndsOpenSessions(t *testing.T) {
	for name, tt := range map[string]struct {
		kind          list.Kind
		subject, what string
		effect        list.Effect
		before, after bool // whether it ends a session before and after its login
	}{
		"everywhere":             {list.Everywhere, "", "192.0.2.0/24", list.Deny, true, true},
		"everywhere but there":   {list.Everywhere, "", "10.0.0.0/8", list.Allow, true, true},
		"the listener":           {list.Listener, "test", "192.0.2.0/24", list.Deny, true, true},
		"another listener":       {list.Listener, "other", "192.0.2.0/24", list.Deny, false, false},
		"the customer":           {list.Customer, "acme", "192.0.2.7", list.Deny, false, true},
		"the domain":             {list.Domain, "example.org", "10.0.0.0/8", list.Allow, false, true},
		"the account":            {list.Account, testLogin, "192.0.2.7", list.Deny, false, true},
		"another account":        {list.Account, "other@example.org", "192.0.2.7", list.Deny, false, false},
		"of an exception nobody": {list.Account, testLogin, "10.0.0.0/8", list.Except, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := watching(t, entrance.Rules{})
			fresh, proved := w.open(), w.login()
			for _, s := range []smtpserver.Session{fresh, proved} {
				w.must(s.Standing(t.Context()))
			}
			e := w.set(tt.kind, tt.subject, tt.effect, tt.what)
			ends := 0.0
			for s, want := range map[smtpserver.Session]bool{fresh: tt.before, proved: tt.after} {
				err := s.Standing(t.Context())
				if !want {
					w.must(err)
					continue
				}
				ends++
				wantReason(t, err, smtp.ENetworkDeniedNow)
				if code := smtp.ReplyFor(err).Code; code != 421 {
					t.Errorf("answered %d", code)
				}
				told(t, s, "NOOP", err)
			}
			events := w.recorded(audit.CommandRefused)
			if len(events) != int(ends) || ends > 0 && (events[0].Data["rule"] == "" || events[0].Data["verb"] != "NOOP") || ends > 0 && tt.effect == list.Deny && events[0].Data["entry"] != string(e.ID) {
				t.Errorf("recorded %+v", events)
			}
			if n := w.figure(figures.BannedSession); n != ends {
				t.Errorf("counted %v, want %v", n, ends)
			}
			if tt.after {
				_, err := w.submit(proved, testLogin, strings.NewReader(plainMail), "b@example.com")
				wantReason(t, err, smtp.ENetworkDeniedNow)
			}
		})
	}
}

// TestDeniedByCredential: the list of a credential is for who has come by it, not for others of
// the account.
func TestDeniedByCredential(t *testing.T) {
	w := watching(t, entrance.Rules{})
	sender, err := w.store.Sender(t.Context(), testLogin)
	w.must(err)
	id := string(sender.Account.Credentials[0].ID)
	s := w.login()
	w.set(list.Credential, id, list.Deny, "192.0.2.7")
	wantReason(t, s.Standing(t.Context()), smtp.ENetworkDeniedNow)
	w.set(list.Account, testLogin, list.Allow, "192.0.2.7") // which is broader
	wantReason(t, s.Standing(t.Context()), smtp.ENetworkDeniedNow)
}

// TestDeniedDuringTheBody: what counts is what holds at the end of a message.
func TestDeniedDuringTheBody(t *testing.T) {
	w := watching(t, entrance.Rules{})
	body := io.Reader(&during{Reader: strings.NewReader(plainMail), act: func() { w.set(list.Domain, "example.org", list.Deny, "192.0.2.0/24") }})
	_, err := w.submit(w.login(), testLogin, body, "b@example.com")
	wantReason(t, err, smtp.ENetworkDeniedNow)
	if stats, err := w.store.Stats(t.Context()); err != nil || stats.Queued != 0 || len(w.offered) != 0 {
		t.Errorf("%d are queued (%v)", stats.Queued, err)
	}
}

// TestDeniedInShadow: what is in shadow mode is noted, once for each rule, and lets pass.
func TestDeniedInShadow(t *testing.T) {
	w := watching(t, entrance.Rules{})
	for _, of := range []list.Subject{{}, {Kind: list.Account, Name: testLogin}} {
		e := w.set(of.Kind, of.Name, list.Deny, "192.0.2.0/24")
		e.Shadow = true
		w.book.Apply([]list.Entry{*e})
	}
	s := w.login()
	w.must(s.Standing(t.Context()))
	if _, err := w.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com"); err != nil {
		t.Fatal(err)
	}
	events := w.recorded(audit.AccessShadow)
	if len(events) != 2 || events[0].Object != "access deny 192.0.2.0/24 everywhere" || events[0].Login != "" || events[0].Data["entry"] != "E" ||
		events[1].Object != "access deny 192.0.2.0/24 for account "+testLogin || events[1].Login != testLogin || events[1].Data["entry"] != "EE" {
		t.Errorf("recorded %+v", events)
	}
	w.set(list.Everywhere, "", list.Deny, "192.0.2.7") // what is denied indeed is no note
	if len(w.recorded(audit.AccessShadow)) != 2 {
		t.Error("a session is noted again")
	}
}

const blocked = "7.2.0.192.bl.example."

// blocklist gives the gate a DNS list.
func (w *watched) blocklist(change func(*dnsbl.List)) {
	l := dnsbl.List{Name: "Example BL", Zone: "bl.example", Score: 5, Timeout: 300 * time.Millisecond}
	if change != nil {
		change(&l)
	}
	w.names.Configure([]dnsbl.List{l})
}

func TestListedAtMail(t *testing.T) {
	for name, c := range map[string]struct {
		rules  entrance.Rules
		answer string
		reason smtp.Reason // "" where the message passes
		shadow bool
	}{
		"enough":             {entrance.Rules{RefuseAt: 5}, "127.0.0.2", smtp.EListed, false},
		"not enough":         {entrance.Rules{RefuseAt: 6}, "127.0.0.2", "", false},
		"not listed":         {entrance.Rules{RefuseAt: 1}, "", "", false},
		"in shadow":          {entrance.Rules{RefuseAt: 5, Shadow: true}, "127.0.0.2", "", true},
		"in shadow, clear":   {entrance.Rules{RefuseAt: 5, Shadow: true}, "", "", false},
		"not at this moment": {entrance.Rules{RefuseAt: 5, At: entrance.AtLogin, Shadow: true}, "127.0.0.2", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := watching(t, c.rules)
			w.blocklist(nil)
			if c.answer != "" {
				w.dns.Add(blocked + " 60 IN A " + c.answer)
			}
			s := w.login()
			for range 2 {
				_, err := w.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com")
				if c.reason == "" {
					w.must(err)
					continue
				}
				wantReason(t, err, c.reason)
				if r := smtp.ReplyFor(err); r.Code != 554 || !strings.Contains(r.Text, "(Example BL)") {
					t.Errorf("answered %d %s", r.Code, r.Text)
				}
				told(t, s, "MAIL", err)
			}
			if n := w.figure("listed"); c.reason != "" && n != 2 || c.reason == "" && n != 0 {
				t.Errorf("counted %v", n)
			}
			events := w.recorded(audit.BlocklistShadow)
			if c.shadow != (len(events) == 1) || c.shadow && (events[0].Text != "Example BL 5" || events[0].Data["score"] != "5") {
				t.Errorf("recorded %+v", events)
			}
		})
	}
}

// TestListAway: while a list is away, the operator has said what a client is.
func TestListAway(t *testing.T) {
	w := watching(t, entrance.Rules{RefuseAt: 5})
	w.dns.Break(blocked, testkit.ServFail)
	w.blocklist(nil)
	s := w.login()
	if _, err := w.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com"); err != nil {
		t.Fatalf("open: %v", err)
	}
	w.blocklist(func(l *dnsbl.List) { l.Closed = true })
	_, err := w.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EListAway)
	if r := smtp.ReplyFor(err); r.Code != 451 || strings.Contains(r.Text, "bl.example") {
		t.Errorf("answered %d %s", r.Code, r.Text)
	}
	told(t, s, "MAIL", err)
	if n := w.figure("list-away"); n != 1 {
		t.Errorf("counted %v", n)
	}
}

// TestListedAtLogin: the answer comes before anything is verified, whatever the password, and is
// no failure that the guard counts.
func TestListedAtLogin(t *testing.T) {
	w := watching(t, entrance.Rules{RefuseAt: 5, At: entrance.AtLogin, PassAllowed: true})
	w.dns.Add(blocked + " 60 IN A 127.0.0.2")
	w.blocklist(nil)
	for _, password := range []string{testPassword, "wrong"} {
		s := w.open()
		err := authenticate(t.Context(), s, "", testLogin, password)
		wantReason(t, err, smtp.EListed)
		s.Observe(t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedAuthFailed, Verb: "AUTH", Text: "PLAIN", Code: 554, Reason: "listed", Err: err})
	}
	if n := w.figure("listed"); n != 2 {
		t.Errorf("counted %v", n)
	}
	events := w.recorded(audit.AuthFailed)
	if len(events) != 2 || events[0].Reason != "listed" || events[0].Login != "" {
		t.Errorf("recorded %+v", events)
	}
	pass := w.set(list.Listener, "test", list.Except, "192.0.2.0/24")
	w.must(authenticate(t.Context(), w.open(), "", testLogin, testPassword))
	w.remove(pass)
	w.set(list.Account, testLogin, list.Allow, "192.0.2.0/24") // which is not known yet
	wantReason(t, authenticate(t.Context(), w.open(), "", testLogin, testPassword), smtp.EListed)
}

// TestAllowedAreNotAsked: whom an access list lets in by an entry is asked of no DNS list, if
// the operator wants it so.
func TestAllowedAreNotAsked(t *testing.T) {
	for _, pass := range []bool{true, false} {
		w := watching(t, entrance.Rules{RefuseAt: 5, PassAllowed: pass})
		w.dns.Add(blocked + " 60 IN A 127.0.0.2")
		w.blocklist(nil)
		w.set(list.Account, testLogin, list.Allow, "192.0.2.0/24")
		_, err := w.submit(w.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
		if pass {
			w.must(err)
		} else {
			wantReason(t, err, smtp.EListed)
		}
		if asked := w.dns.Queries(blocked); (asked == 0) != pass {
			t.Errorf("asked %d times", asked)
		}
	}
}
