package cert

import (
	"crypto/tls"
	"testing"
	"time"
)

// TestTicketsSurviveReload: a client resumes its session after the certificate
// was replaced, by Reload and by a changed file.
func TestTicketsSurviveReload(t *testing.T) {
	dir := t.TempDir()
	kind := made{hosts: []string{"mx.example"}}
	spec := kind.files(t, dir, "mail")
	m := open(t, Options{}, spec)
	server := tlsConfig(t, m, "mail")
	client := &tls.Config{ServerName: "mx.example", InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	for i, change := range []func(){
		func() {},
		func() { kind.files(t, dir, "mail"); m.table.Load().order[0].poll() },
		func() {
			kind.files(t, dir, "mail")
			if err := m.Reload(t.Context(), []Spec{spec}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		before := leaf(t, server, "mx.example")
		change()
		if after := leaf(t, server, "mx.example"); (i > 0) == after.Equal(before) {
			t.Errorf("step %d: certificate replaced: %v", i, !after.Equal(before))
		}
		st, err := handshake(t, server, client)
		if err != nil {
			t.Fatal(err)
		}
		if st.DidResume != (i > 0) {
			t.Errorf("step %d: resumed: %v", i, st.DidResume)
		}
	}
}

// versions are those that are offered.
func versions() []uint16 { return []uint16{tls.VersionTLS12, tls.VersionTLS13} }

// ticketClient keeps its ticket and shows it whatever the server's name and
// address.
func ticketClient(version uint16, name string, kept *ticketShelf) *tls.Config {
	return &tls.Config{
		ServerName: name, InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, ClientSessionCache: kept,
	}
}

// ticketShelf is a tls.ClientSessionCache of one ticket.
type ticketShelf struct{ session *tls.ClientSessionState }

func (s *ticketShelf) Get(string) (*tls.ClientSessionState, bool) { return s.session, s.session != nil }

func (s *ticketShelf) Put(_ string, session *tls.ClientSessionState) { s.session = session }

// TestSessionEnds: a client that resumes again and again, each time by the
// newest ticket, sees the new certificate a day after it saw the old one.
func TestSessionEnds(t *testing.T) {
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			dir := t.TempDir()
			now := time.Now()
			kind := made{hosts: []string{"mx.example"}}
			spec := kind.files(t, dir, "mail")
			m := open(t, Options{Now: func() time.Time { return now }}, spec)
			server, client := tlsConfig(t, m), ticketClient(version, "mx.example", new(ticketShelf))
			shake := func() tls.ConnectionState {
				t.Helper()
				st, err := handshake(t, server, client)
				if err != nil {
					t.Fatal(err)
				}
				return st
			}
			withdrawn := shake().PeerCertificates[0]
			kind.files(t, dir, "mail")
			m.table.Load().order[0].poll()
			for passed := 5 * time.Hour; passed <= sessionLife; passed += 5 * time.Hour {
				now = now.Add(5 * time.Hour)
				if !shake().DidResume {
					t.Errorf("not resumed after %v", passed)
				}
			}
			now = now.Add(5 * time.Hour)
			st := shake()
			if st.DidResume || st.PeerCertificates[0].Equal(withdrawn) {
				t.Errorf("after a day: resumed %v", st.DidResume)
			}
			if !shake().DidResume {
				t.Error("the new session is not resumed")
			}
		})
	}
}

// TestTicketsStayWhereTheyAre: a ticket is good for the server name and for
// the listener that it was given by, and for what a restart made of neither.
func TestTicketsStayWhereTheyAre(t *testing.T) {
	dir := t.TempDir()
	one := made{hosts: []string{"one.example"}}.files(t, dir, "one")
	two := made{hosts: []string{"two.example"}}.files(t, dir, "two")
	m := open(t, Options{}, one, two)
	both, again := tlsConfig(t, m), tlsConfig(t, m)
	restarted := tlsConfig(t, open(t, Options{}, one, two))
	for _, version := range versions() {
		for name, c := range map[string]struct {
			then *tls.Config
			name string
			want bool
		}{
			"same":              {both, "one.example", true},
			"another name":      {both, "two.example", false},
			"no name":           {both, "", false},
			"another listener":  {again, "one.example", false},
			"after a restart":   {restarted, "one.example", false},
			"upper case, other": {both, "TWO.example", false},
		} {
			t.Run(tls.VersionName(version)+", "+name, func(t *testing.T) {
				kept := new(ticketShelf)
				if _, err := handshake(t, both, ticketClient(version, "one.example", kept)); err != nil || kept.session == nil {
					t.Fatalf("no ticket: %v", err)
				}
				st, err := handshake(t, c.then, ticketClient(version, c.name, kept))
				if err != nil {
					t.Fatal(err)
				}
				if st.DidResume != c.want {
					t.Errorf("resumed: %v", st.DidResume)
				}
			})
		}
	}
}
