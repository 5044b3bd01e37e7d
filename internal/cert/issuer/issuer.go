package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"countersign/internal/fault"
	"countersign/internal/seal"
)

// Challenge names a way to prove control of a host name to an ACME authority.
type Challenge string

// The challenges. DNS-01 is not among them, so wildcards are not either.
const (
	// ChallengeTLSALPN answers on a TLS port, 443 for public authorities (RFC 8737).
	ChallengeTLSALPN Challenge = "tls-alpn-01"
	// ChallengeHTTP answers on an HTTP port, 80 for public authorities (RFC 8555 section 8.3).
	ChallengeHTTP Challenge = "http-01"
)

// closeWait is how long Close waits for an order under way.
const closeWait = 5 * time.Second

// Config is what an Issuer is made of. All fields but Email, RSA and Roots are needed.
type Config struct {
	// Hosts are domain names in lower-case A-labels. Each gets a certificate of its own.
	Hosts []string
	// DirectoryURL is the authority's directory, whose terms the operator
	// has agreed to; Email the contact given to it.
	DirectoryURL, Email string
	// Challenge is how control of the hosts is proved. A Responder of that kind
	// must route all hosts to this Issuer before Start.
	Challenge Challenge
	// RSA asks for an RSA certificate beside the ECDSA one.
	RSA bool
	// Roots verify the directory's own TLS; nil means those of the system.
	Roots *x509.CertPool
	// Cache keeps what is obtained, sealed by Sealer.
	Cache  Cache
	Sealer *seal.Sealer
	// Account is held while an account is looked for and registered. Issuers
	// of one Cache share it, so that they make one account between them.
	Account *sync.Mutex
	// Now is the clock, Every how often it is looked at.
	Now   func() time.Time
	Every time.Duration
	// Unkept is told that something obtained could not be kept, Dropped that
	// something kept is of no use and is made anew.
	Unkept, Dropped func(key string, err error)
	// Deliver is told each outcome, from one goroutine at a time.
	Deliver func(Outcome)
}

// Slot is one certificate that an Issuer is to have.
type Slot struct {
	Host string
	// RSA is false for an ECDSA key.
	RSA bool
}

// Outcome is what came of trying to have a certificate: either it or an error.
type Outcome struct {
	Slot Slot
	// Cert has its Leaf set.
	Cert *tls.Certificate
	Err  error
}

// Issuer obtains and renews the certificates of one Config.
type Issuer struct {
	c     Config
	vault *vault
	base  *http.Transport
	// states are those of the slots. They belong to Restore, and from Start
	// on to the loop.
	states []state
	// client has the account's key and is registered; nil before. It belongs
	// to the loop.
	client *acme.Client

	// life ends with Close, by cancel.
	life   context.Context
	cancel context.CancelFunc
	// done is closed when the loop has ended; nil until Start.
	done chan struct{}
}

// state is how a slot stands.
type state struct {
	slot Slot
	// cert is the newest that there is, nil if none.
	cert *tls.Certificate
	// failures counts those since the last success.
	failures int
	// next is when to try again after a failure; zero after a success.
	next time.Time
}

// due tells whether a certificate is to be obtained.
func (s *state) due(now time.Time) bool {
	if now.Before(s.next) {
		return false
	}
	return s.cert == nil || !now.Before(renewAt(s.cert.Leaf))
}

// New makes an Issuer that does nothing yet.
func New(c Config) *Issuer {
	i := &Issuer{c: c, vault: newVault(c), base: newTransport(c.Roots)}
	i.life, i.cancel = context.WithCancel(context.Background())
	for _, s := range i.Slots() {
		i.states = append(i.states, state{slot: s})
	}
	return i
}

// Slots lists the certificates that there are to be, in the order of the hosts.
func (i *Issuer) Slots() []Slot {
	var all []Slot
	for _, h := range i.c.Hosts {
		all = append(all, Slot{Host: h})
		if i.c.RSA {
			all = append(all, Slot{Host: h, RSA: true})
		}
	}
	return all
}

// Restore delivers what is kept, so that a restart serves at once. What is of
// no use there will be obtained anew. Call it before Start. It fails if the
// cache cannot be read, or is sealed with another key file: Unavailable.
func (i *Issuer) Restore(ctx context.Context) error {
	// The account's key too, so that a wrong key file is found here and not
	// when a certificate is due.
	_, err := i.vault.get(ctx, accountKey)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	for n := range i.states {
		s := &i.states[n]
		c, err := i.kept(ctx, s.slot)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		s.cert = c
		i.c.Deliver(Outcome{Slot: s.slot, Cert: c})
	}
	return nil
}

// kept returns the certificate that is kept for a slot, NotFound where there
// is none that can be used.
func (i *Issuer) kept(ctx context.Context, s Slot) (*tls.Certificate, error) {
	text, err := i.vault.get(ctx, slotKey(s))
	if err != nil {
		return nil, err
	}
	c, err := decodePair(text)
	if err != nil {
		i.vault.dropped(slotKey(s), err)
		return nil, fault.New("acme.kept", fault.NotFound, "what is kept for %s is no certificate with its key", s.Host)
	}
	return c, nil
}

// Start begins to obtain in the background.
func (i *Issuer) Start() {
	i.done = make(chan struct{})
	go i.run()
}

// Close ends the work. An order under way sees its next request fail; Close
// waits a few seconds for that.
func (i *Issuer) Close() {
	i.cancel()
	defer i.base.CloseIdleConnections()
	if i.done == nil {
		return
	}
	t := time.NewTimer(closeWait)
	defer t.Stop()
	select {
	case <-i.done:
	case <-t.C:
	}
}

// run looks at the clock again and again rather than setting a timer for
// weeks: a machine that was asleep, or whose clock was set, is not late.
func (i *Issuer) run() {
	defer close(i.done)
	t := time.NewTicker(i.c.Every)
	defer t.Stop()
	for {
		for n := range i.states {
			i.look(&i.states[n])
		}
		select {
		case <-i.life.Done():
			return
		case <-t.C:
		}
	}
}

// look obtains what is due for one slot.
func (i *Issuer) look(s *state) {
	if i.life.Err() != nil || !s.due(i.c.Now()) {
		return
	}
	c, err := i.obtain(i.life, s.slot)
	if i.life.Err() != nil {
		return // a failure now says nothing
	}
	now := i.c.Now()
	// A certificate that is due at once, as under a clock that is months ahead,
	// serves, but counts as a failure: it must not be ordered over and over.
	if err == nil {
		s.cert = c
	}
	if err == nil && now.Before(renewAt(c.Leaf)) {
		s.failures, s.next = 0, time.Time{}
	} else {
		s.failures++
		s.next = now.Add(retryAfter(s.failures, err))
	}
	i.c.Deliver(Outcome{Slot: s.slot, Cert: c, Err: err})
}

// obtain takes what another node has put into the cache meanwhile, else
// orders.
func (i *Issuer) obtain(ctx context.Context, s Slot) (*tls.Certificate, error) {
	c, err := i.kept(ctx, s)
	if err == nil && i.c.Now().Before(renewAt(c.Leaf)) {
		return c, nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err // with a store that is away, nothing new must be ordered
	}
	return i.order(ctx, s)
}
