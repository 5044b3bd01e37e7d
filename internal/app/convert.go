package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/delivery"
	"countersign/internal/delivery/route"
	"countersign/internal/login"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/smtpclient"
	"countersign/internal/smtpserver"
	"countersign/internal/submission"
)

func hasherOptions(c *config.Config) secrets.HasherOptions {
	return secrets.HasherOptions{
		Params: hash.Params{
			MemoryKiB:   uint32(c.Auth.HashMemory.Bytes() >> 10),
			Iterations:  uint32(c.Auth.HashIterations),
			Parallelism: uint8(c.Auth.HashParallelism),
		},
		Workers: c.Auth.HashWorkers,
		Queue:   c.Auth.HashQueue,
	}
}

// byClaim names the issuers whose claim is enough; nil where there is none.
func byClaim(c *config.Config) map[string]bool {
	var names map[string]bool
	for _, i := range c.Issuers {
		if i.Accounts == "claim" {
			if names == nil {
				names = map[string]bool{}
			}
			names[i.Name] = true
		}
	}
	return names
}

// realm is the one of DIGEST-MD5.
func realm(c *config.Config) string {
	if c.Auth.Realm == "" {
		return c.Hostname
	}
	return c.Auth.Realm
}

func makerOptions(c *config.Config) secrets.MakerOptions {
	return secrets.MakerOptions{Iterations: c.Auth.ScramIterations, FormerIterations: c.Auth.ScramIterationsFormer, Realm: realm(c)}
}

// VerifierOptions are what the configuration says of verifying; what they need is for the
// caller to add.
func VerifierOptions(c *config.Config) login.Options {
	return login.Options{Remember: c.Auth.Remember.Std(), ByClaim: byClaim(c)}
}

func certSpecs(c *config.Config) []cert.Spec {
	var specs []cert.Spec
	for _, k := range c.Certificates {
		specs = append(specs, cert.Spec{
			Name: k.Name, Source: cert.Source(k.Source), Hosts: k.Hosts,
			CertFile: k.CertFile, KeyFile: k.KeyFile,
			ACME: cert.ACMEOptions{
				DirectoryURL: k.Directory, Email: k.Email, AgreeTerms: k.TermsAgreed,
				Challenge: cert.Challenge(k.Challenge), HTTPListen: k.HTTPListen, ALPNListen: k.TLSListen,
				RSA: k.RSA, RootCAsFile: k.CAFile,
			},
		})
	}
	return specs
}

func policy(c *config.Config) submission.Policy {
	return submission.Policy{
		Mechanisms:     Offered(c),
		EncodeHeaders:  c.Message.EightBitHeaders == "encode",
		CheckNames:     c.Message.AddressesInNames == "check",
		MaxHeaderBytes: int(c.Message.MaxHeaderSize.Bytes()),
		MaxReceived:    c.Message.MaxReceived,
		Lifetime:       c.Queue.Lifetime.Std(),
		Sign:           c.DKIM.Sign,
	}
}

func schedule(c *config.Config) queue.Schedule {
	s := queue.Schedule{Lifetime: c.Queue.Lifetime.Std()}
	for _, d := range c.Queue.Retry {
		s.Retry = append(s.Retry, d.Std())
	}
	return s
}

// roots reads a file of certificates; nil for none.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// listenerConfig says what one listener is to the SMTP server.
func (a *App) listenerConfig(l config.Listener) (smtpserver.ListenerConfig, error) {
	minimum := uint16(tls.VersionTLS12)
	if l.MinTLS == "1.3" {
		minimum = tls.VersionTLS13
	}
	tlsConfig, err := a.certs.TLSConfig(l.Certificates, minimum)
	if err != nil {
		return smtpserver.ListenerConfig{}, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	if v := a.clients.Of(l.Name); v != nil {
		tlsConfig = v.Request(tlsConfig)
	}
	lc := smtpserver.ListenerConfig{Name: l.Name, Kind: smtpserver.Submission, TLS: func() *tls.Config { return tlsConfig }}
	if l.Kind == "submissions" {
		lc.Kind = smtpserver.Submissions
	}
	for _, p := range l.Proxies {
		lc.Proxies = append(lc.Proxies, p.Prefix)
	}
	return lc, nil
}

func limits(c *config.Config) smtpserver.Limits {
	s := c.Session
	return smtpserver.Limits{
		Timeouts: smtpserver.Timeouts{
			Greeting: s.GreetingTimeout.Std(), Handshake: s.HandshakeTimeout.Std(), Command: s.CommandTimeout.Std(),
			Login:        s.LoginTimeout.Std(),
			DataProgress: s.DataProgressTimeout.Std(), DataTotal: s.DataTimeout.Std(),
		},
		MaxConnections: s.MaxConnections, MaxPerPrefix: s.MaxConnectionsPerPrefix,
		MaxPerWide: s.MaxConnectionsPerWideNetwork,
		PrefixV4:   s.PrefixIPv4, PrefixV6: s.PrefixIPv6,
		MaxErrors: s.MaxSyntaxErrors, MaxAuthFailures: s.MaxAuthFailures, MaxRefusedRecipients: s.MaxRefusedRecipients,
		MaxRecipients: s.MaxRecipients, MaxMessages: s.MaxMessages, MaxMessageBytes: s.MaxMessageSize.Bytes(),
		LongLines: s.LongLines == "allow",
	}
}

// greetingAtMost is how long a server may keep us waiting for its greeting: less
// than the 5 minutes of RFC 5321 section 4.5.3.2.1, as one that says nothing
// holds a worker for that long, at each of its addresses.
const greetingAtMost = time.Minute

// deliveryOptions leaves the parts that App has to its caller.
func deliveryOptions(c *config.Config) (delivery.Options, error) {
	list, err := routes(c)
	if err != nil {
		return delivery.Options{}, err
	}
	resolver, err := mx.NewClient(resolverOptions(c))
	if err != nil {
		return delivery.Options{}, err
	}
	d := c.Delivery
	idle := d.IdleTimeout.Std()
	if idle == 0 {
		idle = -1 // close at once
	}
	return delivery.Options{
		Resolver: resolver, Hostname: mail.Domain(c.Hostname), Hello: d.Hello,
		Routes: list, Schedule: schedule(c),
		Limits: delivery.Limits{
			Workers: d.Workers, PerDestination: d.PerDestination, PerAddress: d.PerAddress,
			MessagesPerConnection: d.MaxMessagesPerConnection, IdleTimeout: idle,
		},
		Timeouts: smtpclient.Timeouts{
			Greeting: min(d.CommandTimeout.Std(), greetingAtMost), Handshake: d.ConnectTimeout.Std(), Command: d.CommandTimeout.Std(),
			DataStart: d.CommandTimeout.Std(), DataEnd: d.DataTimeout.Std(),
		},
		ConnectTimeout: d.ConnectTimeout.Std(), AttemptTimeout: d.AttemptTimeout.Std(), IPv6: d.IPv6,
		SourceIPv4: d.SourceIPv4, SourceIPv6: d.SourceIPv6,
	}, nil
}

func resolverOptions(c *config.Config) mx.ClientOptions {
	o := mx.ClientOptions{Timeout: c.DNS.Timeout.Std()}
	for _, s := range c.DNS.Servers {
		o.Servers = append(o.Servers, s.AddrPort)
	}
	return o
}

// tlsMode reads the words of the configuration.
func tlsMode(word string) smtpclient.TLSMode {
	switch word {
	case "required":
		return smtpclient.TLSRequired
	case "none":
		return smtpclient.TLSNone
	default:
		return smtpclient.TLSOpportunistic
	}
}

// routes reads the files that routes name.
func routes(c *config.Config) ([]route.Route, error) {
	var list []route.Route
	for _, r := range c.Routes {
		pool, err := roots(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", r.Domain, err)
		}
		list = append(list, route.Route{
			Domain: r.Domain, Host: r.NextHop.Host, Port: r.NextHop.Port,
			ImplicitTLS: r.NextHop.Scheme == "smtps", TLS: tlsMode(r.TLS),
			Username: r.Username, Password: r.Password.Reveal(), RootCAs: pool,
		})
	}
	return list, nil
}
