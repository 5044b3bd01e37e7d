package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
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

const (
	// checkEvery is how often certificates that autocert has renewed are taken over.
	checkEvery = time.Hour
	// retryMin and retryMax bound the wait after a failure. Authorities
	// allow few failures (Let's Encrypt five an hour for a host and account).
	retryMin = 2 * time.Minute
	retryMax = 6 * time.Hour
	// closeWait is how long Close waits for an order under way.
	closeWait = 5 * time.Second
	// requestTimeout bounds one request to the authority.
	requestTimeout = 30 * time.Second
	// renewMax is the earliest that autocert renews before the end; for
	// short-lived certificates it is a third of their life.
	renewMax = 30 * 24 * time.Hour
)

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
	// Cache keeps what is obtained.
	Cache Cache
	// CacheFailed is told that something obtained could not be kept.
	CacheFailed func(key string, err error)
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
// It comes again, unchanged, whenever the Issuer looks.
type Outcome struct {
	Slot Slot
	// Cert has its Leaf set.
	Cert *tls.Certificate
	Err  error
}

// Issuer obtains and renews the certificates of one Config.
type Issuer struct {
	c     Config
	cache *authorityCache
	// manager does the protocol and renews by timers of its own. These cannot be
	// stopped; after Close, transport lets nothing through any more.
	manager   *autocert.Manager
	transport *transport
	// answer serves HTTP-01; nil for the other challenge.
	answer http.Handler

	cancel  context.CancelFunc
	stopped <-chan struct{}
	// done is closed when the loop has ended; nil until Start.
	done chan struct{}
}

// New makes an Issuer that does nothing yet.
func New(c Config) *Issuer {
	life, cancel := context.WithCancel(context.Background())
	i := &Issuer{
		c:         c,
		cache:     newAuthorityCache(c.Cache, c.DirectoryURL, c.CacheFailed),
		transport: newTransport(life, c.Roots, c.Challenge),
		cancel:    cancel,
		stopped:   life.Done(),
	}
	i.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS, // DirectoryURL's terms are agreed to, see Config
		Cache:      i.cache,
		Email:      c.Email,
		HostPolicy: autocert.HostWhitelist(c.Hosts...),
		Client: &acme.Client{
			DirectoryURL: c.DirectoryURL,
			HTTPClient:   &http.Client{Transport: i.transport, Timeout: requestTimeout},
			UserAgent:    "countersign",
		},
	}
	if c.Challenge == ChallengeHTTP {
		i.answer = i.manager.HTTPHandler(http.NotFoundHandler())
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

// Restore delivers what the cache has, so that a restart serves at once. What
// is damaged there is left for autocert to replace. Call it before Start; it
// fails if the cache cannot be read.
func (i *Issuer) Restore(ctx context.Context) error {
	for _, s := range i.Slots() {
		key := s.Host
		if s.RSA {
			key += "+rsa" // the name that autocert gives it
		}
		text, err := i.cache.Get(ctx, key)
		if errors.Is(err, autocert.ErrCacheMiss) {
			continue
		}
		if err != nil {
			return err
		}
		if c, err := tls.X509KeyPair(text, text); err == nil {
			i.c.Deliver(Outcome{Slot: s, Cert: &c})
		}
	}
	return nil
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
	i.transport.closeIdle()
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

// run obtains, then looks again for what autocert has renewed.
func (i *Issuer) run() {
	defer close(i.done)
	failures := 0
	for {
		if i.obtainAll() {
			failures = 0
		} else {
			failures++
		}
		t := time.NewTimer(wait(failures))
		select {
		case <-i.stopped:
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// wait returns how long to wait after so many failures in a row.
func wait(failures int) time.Duration {
	if failures == 0 {
		return checkEvery
	}
	d := retryMin
	for n := 1; n < failures && d < retryMax; n++ {
		d *= 2
	}
	return min(d, retryMax)
}

// obtainAll tries every slot and tells whether all went well.
func (i *Issuer) obtainAll() bool {
	ok := true
	for _, s := range i.Slots() {
		c, err := i.obtain(s)
		select {
		case <-i.stopped:
			return false // a failure now says nothing
		default:
		}
		i.c.Deliver(Outcome{Slot: s, Cert: c, Err: err})
		ok = ok && err == nil
	}
	return ok
}

// obtain asks autocert, which answers from memory, from the cache, or by an
// order that can take minutes.
func (i *Issuer) obtain(s Slot) (*tls.Certificate, error) {
	hello := &tls.ClientHelloInfo{ServerName: s.Host}
	if !s.RSA {
		// autocert makes an ECDSA certificate for clients that offer such a suite.
		hello.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	}
	c, err := i.manager.GetCertificate(hello)
	if err != nil {
		return nil, i.transport.explain(err)
	}
	return c, nil
}

// Overdue tells whether a certificate should have been renewed by now, and
// what the authority last said about it; nil if not.
func (i *Issuer) Overdue(leaf *x509.Certificate, now time.Time) error {
	early := min(leaf.NotAfter.Sub(leaf.NotBefore)/3, renewMax)
	if now.Before(leaf.NotAfter.Add(-early * 2 / 3)) {
		return nil
	}
	return i.transport.explain(errors.New("the renewal is overdue"))
}

// challenge returns the certificate that answers TLS-ALPN-01 for a host of ours.
func (i *Issuer) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if !slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return nil, errors.New("not an ACME challenge")
	}
	return i.manager.GetCertificate(hello)
}
