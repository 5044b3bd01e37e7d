package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/mail"
	"countersign/internal/oauth"
	"countersign/internal/obs"
	"countersign/internal/sasl"
)

// issuers turns the tables [[issuer]] into what package oauth takes.
func issuers(c *config.Config) []oauth.Issuer {
	var list []oauth.Issuer
	for _, i := range c.Issuers {
		o := oauth.Issuer{
			Name: i.Name, URL: i.URL, JWKSURI: i.JWKSURL, JWKSFile: i.JWKSFile, Algorithms: i.Algorithms,
			Audiences: i.Audiences, Scopes: i.Scopes, Claim: i.Claim, RequireVerified: i.RequireVerified,
			AccessTokensOnly: i.AccessTokensOnly, Leeway: i.Leeway.Std(), Domains: i.Domains, CAFile: i.CAFile,
		}
		if i.ClientID != "" {
			o.Introspection = &oauth.Introspection{
				Endpoint: i.IntrospectionURL, ClientID: i.ClientID, SecretFile: i.ClientSecretFile,
				All: i.IntrospectAll, Keep: i.IntrospectionKeep.Std(),
			}
		}
		list = append(list, o)
	}
	return list
}

// judgeIssuers says what NewTokens would refuse, all at once and without asking anybody. It
// implements loading.Judge. What the configuration itself requires of an issuer, and is not
// there, is not said again.
func judgeIssuers(c *config.Config) (all []loading.Finding) {
	for _, m := range oauth.Check(issuers(c), normalise) {
		i := &c.Issuers[m.Issuer]
		if m.Option == "audiences" && len(i.Audiences) == 0 || m.Option == "client_secret_file" && i.ClientSecretFile == "" {
			continue
		}
		why, suggestion, _ := strings.Cut(m.Err.Error(), "; ")
		all = append(all, loading.Finding{Path: fmt.Sprintf("issuer[%d].%s", m.Issuer, m.Option), Text: why, Suggestion: suggestion})
	}
	return all
}

// normalise returns a domain in lower-case A-labels.
func normalise(domain string) (string, error) {
	d, err := mail.ParseDomain(domain)
	return string(d), err
}

// Offered lists the mechanisms of the configuration, without those that nothing stands
// behind: tokens without an issuer, and without a Dovecot that may verify some, and SCRAM where it is vain; and without those that bind,
// where a Dovecot runs exchanges, which cannot: a client that could would take them for an
// account that it has.
func Offered(c *config.Config) []string {
	passes := slices.ContainsFunc(c.Directories, func(d config.Directory) bool { return d.KnowsKeys() })
	tokens := len(c.Issuers) > 0 || slices.ContainsFunc(c.Directories, func(d config.Directory) bool { return d.KnowsTokens() })
	return slices.DeleteFunc(slices.Clone(c.Auth.Mechanisms), func(name string) bool {
		m, _ := sasl.Lookup(name)
		return m.Token && !tokens || m.Binds && passes || strings.HasPrefix(name, "SCRAM-") && c.ScramIsVain()
	})
}

// NewTokens makes what verifies tokens; nil where there are no issuers.
func NewTokens(cfg *config.Config, now func() time.Time) (*oauth.Verifier, error) {
	list := issuers(cfg)
	if len(list) == 0 {
		return nil, nil
	}
	return oauth.New(list, oauth.Options{Now: now, Normalise: normalise})
}

// openTokens makes what verifies tokens; nil where there are no issuers.
func (a *App) openTokens() (*oauth.Verifier, error) {
	v, err := NewTokens(a.cfg, a.opt.Now)
	if v == nil || err != nil {
		return nil, err
	}
	a.undo("tokens", func(context.Context) error { v.Close(); return nil })
	for i, h := range v.Health() {
		a.health.Add("issuer "+h.Issuer, func(context.Context) error { return issuerHealth(v.Health()[i]) })
	}
	return v, nil
}

// issuerHealth is a warning while an issuer cannot be reached: others log in all the
// same.
func issuerHealth(h oauth.Health) error {
	if h.State != "unreachable" {
		return nil
	}
	return obs.Warning(fmt.Sprintf("cannot be reached since %s: %s", h.Since.UTC().Format("2006-01-02 15:04:05Z"), h.Reason))
}
