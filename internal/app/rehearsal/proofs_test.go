package rehearsal

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/access/guard"
	"countersign/internal/account"
	"countersign/internal/account/credentials"
	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/testkit"
)

// other has messages rehearsed by a configuration of its own, beside that of the gate.
func (w *world) other() *config.Config {
	c := *w.cfg
	c.Listeners = slices.Clone(c.Listeners)
	w.cfg = &c
	return w.cfg
}

// linked refuses a message where there are help pages: the answer has the link that a client gets, without an id.
func (w *world) linked() {
	w.t.Helper()
	kept := w.cfg
	defer func() { w.cfg = kept }()
	w.other().Help.URL = "https://mail.example.net/help"
	s := w.ask(func(q *Question) { q.Mechanism = "CRAM-MD5" })
	const page = " https://mail.example.net/help/auth-mechanism-unknown"
	if last := s.Steps[len(s.Steps)-1]; !strings.HasSuffix(last.Answer, page) {
		w.t.Errorf("the refusal has no link: %+v", last)
	}
}

// TestOffered: who logs in by what is not offered is refused, and who says nothing of it takes what is.
func TestOffered(t *testing.T) {
	w := newWorld(t, "")
	by := func(name string) *Story { return w.ask(func(q *Question) { q.Mechanism = name }) }
	w.want("a mechanism that is not offered", by("CRAM-MD5"), "refuse", "auth-mechanism-unknown")
	w.want("one that is", by("SCRAM-SHA-256"), "accept", "")
	w.linked()
	other := w.other()
	other.Auth.Mechanisms = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "LOGIN"}
	s := w.ask(nil)
	w.want("the usual one", s, "accept", "")
	if !slices.ContainsFunc(s.Steps, func(at Step) bool { return at.Command == "AUTH SCRAM-SHA-256" }) {
		t.Errorf("the client does not take what is offered: %+v", s.Steps)
	}
	other.Listeners[0].Mechanisms = []string{"LOGIN"}
	w.want("one that the listener does not offer", by("SCRAM-SHA-256"), "refuse", "auth-mechanism-unknown")
}

// credential gives the account one.
func (w *world) credential(c credentials.New) {
	w.t.Helper()
	login, err := mail.ParseAddress(testkit.Login)
	must(w.t, err)
	_, err = credentials.NewAdmin(credentials.Options{Store: w.beside, IDs: &mail.IDSource{}, Now: time.Now, Actor: "test"}).Add(w.t.Context(), login, c)
	must(w.t, err)
}

// TestCertificatesAreNotGuessed: a credential is proved by what proves such a one, so that the guard, who
// has closed the login to passwords, is not in its way.
func TestCertificatesAreNotGuessed(t *testing.T) {
	w := newWorld(t, "")
	w.credential(credentials.New{Kind: account.Certificate, Name: "card", Subject: "sha256:" + strings.Repeat("ab", 32)})
	w.closed(guard.Record{Login: testkit.Login})
	w.want("a password", w.ask(nil), "defer", "auth-too-many")
	w.want("a certificate", w.ask(func(q *Question) { q.Credential = "card" }), "accept", "")
}

// TestNetworks: a network is good for the clients in it, at a listener that knows networks.
func TestNetworks(t *testing.T) {
	w := newWorld(t, "")
	w.credential(credentials.New{Kind: account.Network, Name: "office", Subject: "203.0.113.0/28"})
	from := func(client string) *Story {
		return w.ask(func(q *Question) { q.Credential, q.Client = "office", netip.MustParseAddr(client) })
	}
	w.want("a listener that knows none", from("203.0.113.7"), "refuse", "auth-required")
	w.other().Listeners[0].Networks = "on"
	w.want("from within", from("203.0.113.7"), "accept", "")
	w.want("from elsewhere", from("203.0.113.77"), "refuse", "auth-required")
}
