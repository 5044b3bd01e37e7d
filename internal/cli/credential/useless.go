package credential

import (
	"fmt"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/account/credentials"
	"countersign/internal/config"
)

// useless says why a credential cannot be used as long as the configuration is as it is,
// nothing where it can. Each is a sentence.
func useless(cfg *config.Config, n *credentials.New) (why []string) {
	listener := func(has func(l config.Listener) bool) bool { return slices.ContainsFunc(cfg.Listeners, has) }
	switch n.Kind {
	case account.OAuth:
		name, _, _ := strings.Cut(strings.TrimSpace(n.Subject), " ")
		if !slices.ContainsFunc(cfg.Issuers, func(i config.Issuer) bool { return i.Name == name }) {
			why = append(why, fmt.Sprintf("there is no [[issuer]] %q; %s", name, issuers(cfg)))
		}
	case account.Certificate:
		form, _, _ := strings.Cut(n.Subject, ":")
		if form == "sha256" {
			form = "fingerprint"
		}
		switch {
		case !listener(func(l config.Listener) bool { return l.ClientCAFile != "" }):
			why = append(why, "no listener has client_ca_file, so that no client is asked for its certificate")
		case !listener(func(l config.Listener) bool { return l.ClientCAFile != "" && slices.Contains(l.ClientNames, form) }):
			why = append(why, "no listener that asks for certificates has "+form+" among its client_names")
		}
	case account.Network:
		if !listener(func(l config.Listener) bool { return l.Networks == "on" }) {
			why = append(why, `no listener has networks = "on"`)
		}
	}
	wanted := n.Envelope.Mechanisms
	if len(wanted) > 0 && !slices.ContainsFunc(cfg.Auth.Mechanisms, func(m string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, m) })
	}) {
		why = append(why, "auth.mechanisms has none of "+strings.ToUpper(strings.Join(wanted, ", ")))
	}
	return why
}

// issuers says which there are.
func issuers(cfg *config.Config) string {
	if len(cfg.Issuers) == 0 {
		return "the configuration has none"
	}
	names := make([]string, len(cfg.Issuers))
	for i := range cfg.Issuers {
		names[i] = cfg.Issuers[i].Name
	}
	return "the configuration has " + strings.Join(names, ", ")
}
