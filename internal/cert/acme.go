package cert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"countersign/internal/cert/issuer"
)

// Cache keeps what ACME obtained; a store engine is one.
type Cache = issuer.Cache

// Challenge names a way to prove control of a host name to an ACME authority.
type Challenge = issuer.Challenge

// The challenges: on a TLS port (RFC 8737), on an HTTP port (RFC 8555 section 8.3).
const (
	ChallengeTLSALPN = issuer.ChallengeTLSALPN
	ChallengeHTTP    = issuer.ChallengeHTTP
)

// StartAnew says what to do where the key that sealed what ACME obtained is lost.
const StartAnew = issuer.StartAnew

// acmeSource holds what an Issuer delivers. Handshakes take what is there and
// never wait for an authority, nor can they make it be asked.
type acmeSource struct {
	spec   Spec
	o      Options
	hosts  []string
	issuer *issuer.Issuer

	// mu guards results.
	mu      sync.Mutex
	results map[issuer.Slot]result
}

// result is what a slot has so far; both may be nil.
type result struct {
	pair *pair
	err  error
}

func newACMESource(ctx context.Context, s Spec, o Options) (*acmeSource, error) {
	hosts, err := normalHosts(s.Hosts)
	if err != nil {
		return nil, s.wrap(err)
	}
	roots, err := s.ACME.roots()
	if err != nil {
		return nil, s.wrap(err)
	}
	a := &acmeSource{spec: s, o: o, hosts: hosts, results: make(map[issuer.Slot]result)}
	a.issuer = issuer.New(issuer.Config{
		Hosts:        hosts,
		DirectoryURL: s.ACME.DirectoryURL,
		Email:        s.ACME.Email,
		Challenge:    s.ACME.Challenge,
		RSA:          s.ACME.RSA,
		Roots:        roots,
		Cache:        o.Cache,
		Sealer:       o.Sealer,
		Account:      o.account,
		Now:          o.Now,
		Every:        o.PollEvery,
		Unkept:       a.unkept,
		Dropped:      a.dropped,
		Deliver:      a.deliver,
	})
	if err := a.issuer.Restore(ctx); err != nil {
		a.issuer.Close()
		return nil, s.unavailable("what ACME obtained earlier cannot be read", err)
	}
	return a, nil
}

// roots returns what the directory's TLS is verified with, nil for the
// system's own.
func (o ACMEOptions) roots() (*x509.CertPool, error) {
	if o.RootCAsFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(o.RootCAsFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", o.RootCAsFile)
	}
	return pool, nil
}

func (a *acmeSource) unkept(key string, err error) {
	a.o.Logger.Error("what ACME obtained cannot be kept", "certificate", a.spec.Name, "entry", key, "err", err)
}

func (a *acmeSource) dropped(key string, err error) {
	a.o.Logger.Error("what is kept of ACME is of no use and is made anew", "certificate", a.spec.Name, "entry", key, "err", err)
}

// deliver takes an outcome and logs what is new. A failure leaves the
// certificate that there was.
func (a *acmeSource) deliver(got issuer.Outcome) {
	p, err := a.accept(got.Cert, got.Err)
	a.mu.Lock()
	old := a.results[got.Slot]
	next := result{pair: old.pair, err: err}
	if err == nil {
		next.pair = p
	}
	a.results[got.Slot] = next
	a.mu.Unlock()

	switch {
	case err != nil && old.pair == nil:
		a.o.Logger.Error("certificate cannot be obtained", "certificate", a.spec.Name, "host", got.Slot.Host, "err", err)
	case err != nil:
		a.o.Logger.Error("certificate cannot be renewed; the one in force stays",
			slog.String("host", got.Slot.Host), logPair(a.spec, old.pair), slog.Any("err", err))
	case old.pair == nil || !old.pair.cert.Leaf.Equal(p.cert.Leaf):
		a.o.Logger.Info("certificate in force", slog.String("host", got.Slot.Host), logPair(a.spec, p))
	}
}

// accept checks what was delivered.
func (a *acmeSource) accept(c *tls.Certificate, err error) (*pair, error) {
	if err != nil {
		return nil, err
	}
	p, err := pairOf(c)
	if err != nil {
		return nil, err
	}
	return p, p.validAt(a.o.Now())
}

func (a *acmeSource) pairs() []*pair {
	slots := a.issuer.Slots()
	all := make([]*pair, 0, len(slots))
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slots {
		if p := a.results[s].pair; p != nil {
			all = append(all, p)
		}
	}
	return all
}

func (a *acmeSource) status() []Status {
	now := a.o.Now()
	var all []Status
	for _, s := range a.issuer.Slots() {
		a.mu.Lock()
		r := a.results[s]
		a.mu.Unlock()
		st := statusOf(a.spec, r.pair, now, r.err)
		st.Hosts = []string{s.Host}
		if st.Algorithm = algorithmECDSA; s.RSA {
			st.Algorithm = algorithmRSA
		}
		all = append(all, st)
	}
	return all
}

func (a *acmeSource) poll()  {}
func (a *acmeSource) start() { a.issuer.Start() }
func (a *acmeSource) close() { a.issuer.Close() }
