package app

import (
	"crypto/tls"
	"fmt"

	"countersign/internal/account/hash"
	"countersign/internal/app/aligning"
	"countersign/internal/app/directories"
	"countersign/internal/cert"
	"countersign/internal/config"
	"countersign/internal/login"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
	"countersign/internal/smtpserver"
	"countersign/internal/smtpserver/bounds"
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
	o := login.Options{Remember: c.Auth.Remember.Std(), ByClaim: byClaim(c)}
	o.Hashes.Said = directories.Hashes(c.Directories)
	return o
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

// Policy is what the configuration says of messages.
func Policy(c *config.Config) submission.Policy {
	return submission.Policy{
		Mechanisms:     Offered(c),
		EncodeHeaders:  c.Message.EightBitHeaders == "encode",
		CheckNames:     c.Message.AddressesInNames == "check",
		MaxHeaderBytes: int(c.Message.MaxHeaderSize.Bytes()),
		MaxReceived:    c.Message.MaxReceived,
		Lifetime:       c.Queue.Lifetime.Std(),
		Sign:           c.DKIM.Sign,
		Alignment:      aligning.Rules(c),
		WarnAt:         c.Limits.WarnAt,
		WarnTo:         warnTo(c),
	}
}

// warnTo is who gets a mail where most of a limit is used; the null address for nobody.
func warnTo(c *config.Config) mail.Address {
	a, err := mail.ParseAddress(c.Limits.Notify)
	if c.Limits.Notify == "" || err != nil { // which the loading has refused
		return mail.Address{}
	}
	return a
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

// SessionLimits are what it says of sessions.
func SessionLimits(c *config.Config) bounds.Limits {
	s := c.Session
	return bounds.Limits{
		Timeouts: bounds.Timeouts{
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
