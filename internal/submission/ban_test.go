package submission

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access"
	"countersign/internal/access/book"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/figures"
	"countersign/internal/submission/ration"
)

// banning gives a gate a book.
func (f *fixture) banning() *book.Book {
	b := book.New(nil)
	f.figures = prometheus.NewRegistry()
	f.gate.opt.Bans, f.gate.opt.Metrics = b, figures.New(f.figures)
	return b
}

// banOf makes a ban that goes on.
func banOf(id mail.ID, prefix, login string) access.Ban {
	return access.Ban{ID: id, Prefix: netip.MustParsePrefix(prefix), Login: login, Reason: "guessing passwords"}
}

// lifted is a ban that has ended.
func lifted(b access.Ban) access.Ban {
	b.End = time.Unix(1, 0)
	return b
}

// counted wants what the metric has of bans.
func (f *fixture) counted(connections, sessions float64) {
	f.t.Helper()
	want := map[string]float64{figures.BannedConnection: connections, figures.BannedSession: sessions, figures.BannedLogin: 0}
	families, err := f.figures.Gather()
	f.must(err)
	for _, family := range families {
		if family.GetName() != "countersign_submission_banned_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			what := m.GetLabel()[0].GetValue()
			if got := m.GetCounter().GetValue(); got != want[what] {
				f.t.Errorf("%s: counted %v, want %v", what, got, want[what])
			}
			delete(want, what)
		}
	}
	if len(want) > 0 {
		f.t.Errorf("not counted: %v", want)
	}
}

// refusedText wants a refusal with the reason of the ban in it.
func refusedText(t *testing.T, err error, code int, reason smtp.Reason) {
	t.Helper()
	wantReason(t, err, reason)
	if r := smtp.ReplyFor(err); r.Code != code || !strings.Contains(r.Text, "(guessing passwords)") {
		t.Errorf("answered %d %s", r.Code, r.Text)
	}
}

func TestBannedNetworkIsNotAdmitted(t *testing.T) {
	f := newFixture(t)
	b := f.banning()
	network := banOf("NETWORK", "192.0.2.0/24", "")
	b.Apply([]access.Ban{network, banOf("PAIR", "198.51.100.0/24", testLogin)})
	peer := func(client string) smtpserver.Peer {
		return smtpserver.Peer{ID: f.ids.New(), Listener: "test", Client: netip.AddrPortFrom(netip.MustParseAddr(client), 4711)}
	}
	for _, client := range []string{"192.0.2.7", "::ffff:192.0.2.7"} {
		p := peer(client)
		refusedText(t, f.gate.Admit(p), 554, smtp.EBanned)
		f.must(f.recorder.Flush(t.Context()))
		events, err := f.store.Search(t.Context(), audit.Query{Session: p.ID})
		f.must(err)
		if len(events) != 1 || events[0].Kind != audit.ConnectionRefused || events[0].Reason != "banned" || events[0].Client != "192.0.2.7" ||
			events[0].Data["ban"] != "NETWORK" || events[0].Code != 554 {
			t.Errorf("recorded %+v", events)
		}
	}
	f.must(f.gate.Admit(peer("192.0.3.7")))
	f.must(f.gate.Admit(peer("198.51.100.7"))) // only the login is banned there
	f.must(f.gate.Admit(smtpserver.Peer{}))
	f.counted(2, 0)
	b.Apply([]access.Ban{lifted(network)})
	f.must(f.gate.Admit(peer("192.0.2.7")))
}

// TestRefusedConnectionsAreRationed: who comes again and again fills no record.
func TestRefusedConnectionsAreRationed(t *testing.T) {
	f := newFixture(t)
	f.banning().Apply([]access.Ban{banOf("NETWORK", "192.0.2.0/24", "")})
	for range 3 * ration.NetworkEvents {
		if f.gate.Admit(smtpserver.Peer{ID: f.ids.New(), Client: netip.MustParseAddrPort("192.0.2.7:1")}) == nil {
			t.Fatal("admitted")
		}
	}
	f.must(f.recorder.Flush(t.Context()))
	events, err := f.store.Search(t.Context(), audit.Query{Kind: audit.ConnectionRefused})
	f.must(err)
	if len(events) < ration.NetworkEvents/2 || len(events) > 2*ration.NetworkEvents {
		t.Errorf("%d of %d are recorded", len(events), 3*ration.NetworkEvents)
	}
	f.counted(3*ration.NetworkEvents, 0)
}

func TestBanEndsOpenSessions(t *testing.T) {
	network, pair := banOf("NETWORK", "192.0.2.0/24", ""), banOf("PAIR", "192.0.2.7/32", testLogin)
	other, elsewhere := banOf("OTHER", "192.0.2.0/24", "other@example.org"), banOf("ELSEWHERE", "192.0.3.0/24", testLogin)
	for _, tt := range []struct {
		name          string
		ban           access.Ban
		before, after bool // whether it ends a session before and after its login
	}{
		{"network", network, true, true}, {"login", pair, false, true}, {"another login", other, false, false}, {"elsewhere", elsewhere, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			b := f.banning()
			fresh, proved := f.open(), f.login()
			for _, s := range []smtpserver.Session{fresh, proved} {
				f.must(s.Standing(t.Context()))
			}
			b.Apply([]access.Ban{tt.ban})
			ends := 0.0
			for s, want := range map[smtpserver.Session]bool{fresh: tt.before, proved: tt.after} {
				err := s.Standing(t.Context())
				if !want {
					f.must(err)
					continue
				}
				ends++
				refusedText(t, err, 421, smtp.EBannedNow)
				r := smtp.ReplyFor(err)
				s.Observe(t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedRefusal, Verb: "NOOP", Code: r.Code, Reason: string(r.Reason)})
				f.must(f.recorder.Flush(t.Context()))
				events, err := f.store.Search(t.Context(), audit.Query{Session: s.(*session).peer.ID, Kind: audit.CommandRefused})
				f.must(err)
				if len(events) != 1 || events[0].Data["ban"] != string(tt.ban.ID) || events[0].Data["verb"] != "NOOP" {
					t.Errorf("recorded %+v", events)
				}
			}
			f.counted(0, ends)
			if tt.after {
				_, err := f.submit(proved, testLogin, strings.NewReader(plainMail), "b@example.com")
				wantReason(t, err, smtp.EBannedNow)
			}
		})
	}
}

// TestBanDuringTheBody: what counts is what holds at the end of a message.
func TestBanDuringTheBody(t *testing.T) {
	for _, ban := range []access.Ban{banOf("NETWORK", "192.0.2.0/24", ""), banOf("PAIR", "192.0.2.0/24", testLogin)} {
		f := newFixture(t)
		b := f.banning()
		body := io.Reader(&during{Reader: strings.NewReader(plainMail), act: func() { b.Apply([]access.Ban{ban}) }})
		_, err := f.submit(f.login(), testLogin, body, "b@example.com")
		wantReason(t, err, smtp.EBannedNow)
		if stats, err := f.store.Stats(t.Context()); err != nil || stats.Queued != 0 || len(f.offered) != 0 {
			t.Errorf("%d are queued (%v)", stats.Queued, err)
		}
	}
}
