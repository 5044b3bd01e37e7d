package cert

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/seal"
)

// Source says where a certificate comes from.
type Source string

// The sources. If you add one, teach Spec.check and newSource about it.
const (
	// SourceFiles: a PEM chain and its key, written by somebody else.
	SourceFiles Source = "files"
	// SourceACME: obtained and renewed by RFC 8555.
	SourceACME Source = "acme"
	// SourceSelfSigned: made once in the data directory and kept.
	SourceSelfSigned Source = "self-signed"
)

// Spec describes one named certificate.
type Spec struct {
	// Name is unique among the Specs and names the certificate to listeners:
	// lower-case letters, digits, '.', '_' and '-', at most 64.
	Name string
	// Source says which of the fields below count.
	Source Source
	// Hosts are the names to be certified: domain names in ASCII or Unicode,
	// and for a self-signed certificate also IP addresses and "*.domain".
	// Ignored for files, whose certificate says itself what it is for.
	Hosts []string
	// CertFile holds the chain in PEM, the server's own certificate first;
	// KeyFile its key, unencrypted and not accessible to others. Files only.
	CertFile, KeyFile string
	// ACME is for SourceACME.
	ACME ACMEOptions
}

// ACMEOptions say how to obtain certificates from an ACME authority. Each host
// gets a certificate of its own.
type ACMEOptions struct {
	// DirectoryURL is the authority's directory, https.
	DirectoryURL string
	// Email is the contact given to the authority; may be "".
	Email string
	// AgreeTerms says that the operator accepts the authority's terms of
	// service (RFC 8555 section 7.3.3); must be true.
	AgreeTerms bool
	// Challenge is how control of the hosts is proved.
	Challenge Challenge
	// HTTPListen is the address that answers HTTP-01, normally ":80".
	HTTPListen string
	// ALPNListen is the address that answers TLS-ALPN-01, normally ":443".
	ALPNListen string
	// RSA asks for an RSA certificate beside the ECDSA one, for old clients.
	RSA bool
	// RootCAsFile holds the PEM certificates that the directory's own TLS is
	// verified with; "" for those of the system.
	RootCAsFile string
}

// listen returns the address that the chosen challenge is answered on.
func (o ACMEOptions) listen() string {
	if o.Challenge == ChallengeHTTP {
		return o.HTTPListen
	}
	return o.ALPNListen
}

// Options are what a Manager needs besides its Specs.
type Options struct {
	// DataDir is where self-signed certificates are kept; it must exist.
	DataDir string
	// Cache keeps what ACME obtained, sealed by Sealer; both are needed with
	// SourceACME only.
	Cache  Cache
	Sealer *seal.Sealer
	// Logger gets one line for each change and each failure; nil for none.
	Logger *slog.Logger
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// PollEvery is how often Watch looks at files, and ACME at the clock; 0
	// means 2 seconds.
	PollEvery time.Duration

	// account makes ACME sources register one after the other.
	account *sync.Mutex
}

// defaultPoll is how often files are looked at.
const defaultPoll = 2 * time.Second

// withDefaults fills what may be left out.
func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.account == nil {
		o.account = new(sync.Mutex)
	}
	if o.PollEvery <= 0 {
		o.PollEvery = defaultPoll
	}
	return o
}

// Problem is one thing that is wrong with a Spec.
type Problem struct {
	// Certificate is the Spec's Name, as given.
	Certificate string
	// Err is a *fault.Error of kind Invalid.
	Err error
}

// Check reports everything that is wrong with specs without changing anything:
// it reads files, but makes no certificate, listens nowhere and asks no
// authority. An empty answer does not promise that Open succeeds.
func Check(specs []Spec, o Options) []Problem {
	o = o.withDefaults()
	var found []Problem
	seen := make(map[string]bool, len(specs))
	hosts := make(map[string]string)
	for _, s := range specs {
		err := s.check(o)
		switch {
		case err == nil && seen[s.Name]:
			err = s.invalid("the name is given twice")
		case err == nil:
			err = s.claimHosts(hosts)
		}
		seen[s.Name] = true
		if err != nil {
			found = append(found, Problem{Certificate: s.Name, Err: err})
		}
	}
	return found
}

// claimHosts notes which Spec answers the challenge for a host at an address:
// two could not.
func (s Spec) claimHosts(taken map[string]string) error {
	if s.Source != SourceACME {
		return nil
	}
	names, err := normalHosts(s.Hosts)
	if err != nil {
		return s.invalid("%v", err)
	}
	for _, h := range names {
		if other, ok := taken[h]; ok {
			return s.invalid("host %q is already obtained by certificate %q", h, other)
		}
		taken[h] = s.Name
	}
	return nil
}

// nameForm is what a certificate may be called: it becomes a file name.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// check tells what is wrong with one Spec, looking at its files too.
func (s Spec) check(o Options) error {
	if !nameForm.MatchString(s.Name) {
		return s.invalid("the name must be 1 to 64 lower-case letters, digits, '.', '_' or '-', and begin with a letter or digit")
	}
	switch s.Source {
	case SourceFiles:
		if s.CertFile == "" || s.KeyFile == "" {
			return s.invalid("a certificate file and a key file are both needed")
		}
		_, err := loadPair(s.CertFile, s.KeyFile, o.Now())
		return s.wrap(err)
	case SourceSelfSigned:
		return s.checkSelfSigned(o)
	case SourceACME:
		return s.checkACME(o)
	}
	return s.invalid("source %q is not one of %q, %q, %q", s.Source, SourceFiles, SourceACME, SourceSelfSigned)
}

func (s Spec) checkSelfSigned(o Options) error {
	if _, err := normalHosts(s.Hosts); err != nil {
		return s.invalid("%v", err)
	}
	if o.DataDir == "" {
		return s.invalid("a data directory is needed to keep a self-signed certificate in")
	}
	return nil
}

func (s Spec) checkACME(o Options) error {
	hosts, err := normalHosts(s.Hosts)
	if err != nil {
		return s.invalid("%v", err)
	}
	for _, h := range hosts {
		if err := acmeHost(h); err != nil {
			return s.invalid("%v", err)
		}
	}
	a := s.ACME
	// RFC 8555 section 6.1: ACME is spoken over HTTPS only.
	u, err := url.Parse(a.DirectoryURL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return s.invalid("the ACME directory %q is not an https URL", a.DirectoryURL)
	}
	if a.Challenge != ChallengeHTTP && a.Challenge != ChallengeTLSALPN {
		return s.invalid("challenge %q is not %q or %q", a.Challenge, ChallengeTLSALPN, ChallengeHTTP)
	}
	if _, _, err := net.SplitHostPort(a.listen()); err != nil {
		return s.invalid("%s needs an address to listen on, as host:port; %q is none", a.Challenge, a.listen())
	}
	if !a.AgreeTerms {
		return s.invalid("the terms of service of %s must be agreed to", u.Host)
	}
	if o.Cache == nil || o.Sealer == nil {
		return s.invalid("ACME needs a store to keep its certificates in, and a key that seals them there")
	}
	if _, err := a.roots(); err != nil {
		return s.invalid("%v", err)
	}
	return nil
}

// acmeHost refuses names that no challenge of ours can prove.
func acmeHost(h string) error {
	if strings.HasPrefix(h, "*.") {
		return errors.New("host " + h + ": a wildcard needs the challenge DNS-01, which is not offered; use files")
	}
	if _, err := netip.ParseAddr(h); err == nil {
		return errors.New("host " + h + ": an IP address cannot be certified by ACME here; give a domain name")
	}
	if !strings.Contains(h, ".") {
		return errors.New("host " + h + ": a public authority certifies full domain names only")
	}
	return nil
}

// normalHosts returns hosts in the form they have in a certificate and in a
// handshake: lower-case A-labels, or IP addresses in their shortest form.
func normalHosts(hosts []string) ([]string, error) {
	if len(hosts) == 0 {
		return nil, errors.New("at least one host is needed")
	}
	out := make([]string, 0, len(hosts))
	for _, h := range hosts {
		if ip, err := netip.ParseAddr(strings.Trim(h, "[]")); err == nil && ip.Zone() == "" {
			out = append(out, ip.Unmap().String())
			continue
		}
		rest, wild := strings.CutPrefix(h, "*.")
		d, err := mail.ParseDomain(rest)
		if err != nil {
			return nil, err
		}
		name := string(d)
		if wild {
			name = "*." + name
		}
		out = append(out, name)
	}
	return out, nil
}

// invalid makes the error of a Spec that cannot be used.
func (s Spec) invalid(format string, args ...any) error {
	return fault.New("certificate "+s.Name, fault.Invalid, format, args...)
}

// wrap names the certificate in front of an error; nil stays nil.
func (s Spec) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Op: "certificate " + s.Name, Kind: fault.Invalid, Detail: "cannot be used", Err: err}
}

// unavailable makes the error of something that may work later.
func (s Spec) unavailable(what string, err error) error {
	detail := what
	if errors.Is(err, os.ErrPermission) {
		detail += " (ports below 1024 need the right to bind them: CAP_NET_BIND_SERVICE)"
	}
	return &fault.Error{Op: "certificate " + s.Name, Kind: fault.Unavailable, Detail: detail, Err: err}
}
