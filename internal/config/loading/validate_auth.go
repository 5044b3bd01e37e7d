package loading

import (
	"slices"
	"strings"

	"countersign/internal/config/option"
	"countersign/internal/sasl"
)

// auth checks how clients prove who they are. It brings the names of mechanisms into
// capitals.
func (v *validator) auth() {
	a := &v.c.Auth
	v.issuers()
	v.directories()
	a.Mechanisms = v.mechanisms("auth.mechanisms", a.Mechanisms)
	v.scram()
	for i, n := range a.ScramIterationsFormer {
		if n < sasl.MinIterations || n > sasl.MaxIterations {
			v.Fail(option.Element("auth.scram_iterations_former", i), "", "%d is not between %d and %d", n, sasl.MinIterations, sasl.MaxIterations)
		}
	}
}

// scram warns where it is offered to accounts that cannot use it, or left out although it is
// asked for.
func (v *validator) scram() {
	isScram := func(name string) bool { return strings.HasPrefix(name, "SCRAM-") }
	if !slices.ContainsFunc(v.c.Auth.Mechanisms, isScram) {
		return
	}
	if v.c.ScramIsVain() {
		if v.IsSet("auth.mechanisms") {
			v.Warn("auth.mechanisms", "leave SCRAM out, or give each [[directory]] its domains", "SCRAM is not offered: a directory knows accounts of every domain, and they could not use it")
		}
		return
	}
	for i := range v.c.Directories {
		if d := &v.c.Directories[i]; !d.KnowsKeys() {
			v.Warn(option.Element("directory", i)+".kind", "leave SCRAM out of auth.mechanisms",
				"SCRAM is offered, and accounts of directory %q cannot use it: mail programs that choose it fail", d.Name)
		}
	}
}

// issuers checks what can be seen without asking anybody; domains come into their
// normal form.
func (v *validator) issuers() {
	names, urls := map[string]int{}, map[string]bool{}
	for i := range v.c.Issuers {
		s := &v.c.Issuers[i]
		at := option.Element("issuer", i) + "."
		v.unique(names, at+"name", s.Name)
		if urls[s.URL] && s.URL != "" {
			v.Fail(at+"url", "", "%q is that of another issuer", s.URL)
		}
		urls[s.URL] = true
		for j, d := range s.Domains {
			s.Domains[j] = v.domain(option.Element(at+"domains", j), d)
		}
		asked := s.ClientID != ""
		switch {
		case asked != (s.ClientSecretFile != ""):
			v.Fail(at+"client_id", "set client_id and client_secret_file, or neither", "is of no use alone")
		case !asked && s.IntrospectAll:
			v.Fail(at+"introspect_all", "set client_id and client_secret_file", "needs somebody to ask as")
		case len(s.Audiences) == 0 && !s.IntrospectAll:
			v.Fail(at+"audiences", "name what its tokens are made for, or set introspect_all", "must not be empty: any token of this issuer, made for whatever service, would open accounts here")
		}
		if len(s.Domains) == 0 {
			v.Warn(at+"domains", "", "is not set: issuer %q may name every account", s.Name)
		}
	}
}

// directories checks what can be seen without asking anybody; domains come into their
// normal form.
func (v *validator) directories() {
	names := map[string]int{}
	for i := range v.c.Directories {
		d := &v.c.Directories[i]
		at := option.Element("directory", i) + "."
		v.unique(names, at+"name", d.Name)
		for j, name := range d.Domains {
			d.Domains[j] = v.domain(option.Element(at+"domains", j), name)
		}
		switch {
		case d.Kind == "sql" && d.Query == "":
			v.Fail(at+"query", "docs/ops/directories.md has some", "is required for kind sql")
		case d.Kind == "ldap" && d.LoginAttribute == "":
			v.Fail(at+"login_attribute", "for example mail", "is required for kind ldap: it says whose account it is")
		case d.Kind == "http" && d.KeyFile == "":
			v.Fail(at+"key_file", "", "is required for kind http: requests are signed")
		}
		for j, text := range d.GroupPlans {
			if plan, group, ok := strings.Cut(text, "="); !ok || plan == "" || group == "" {
				v.Fail(option.Element(at+"group_plans", j), `write "PLAN=GROUP"`, "%q names no group", text)
			}
		}
		v.secretFileMode(at+"password_file", d.PasswordFile)
		if len(d.Domains) > 0 && d.PlanAttribute != "" && len(d.MayGive()) == 0 {
			v.Fail(at+"plans", "name the plans that it may give, or leave plan_attribute out", "is required with domains and plan_attribute")
		}
		if d.CertificatesByName() && !d.External {
			v.Fail(at+"certificates", "set external, once its Dovecot is made ready for it", "is of no use without external: nobody could say whether the account stands")
		}
		if d.CreateDomains && d.Customer == "" {
			v.Fail(at+"customer", "name whose the domains become", "is required with create_domains")
		}
	}
}

// mechanisms checks the names of mechanisms, and returns them in capitals.
func (v *validator) mechanisms(path string, names []string) []string {
	var known []string
	for _, m := range sasl.Mechanisms() {
		known = append(known, m.Name)
	}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.ToUpper(name)
		if _, ok := sasl.Lookup(name); !ok {
			v.Fail(option.Element(path, i), option.Choice(out[i], known), "%q is not a mechanism that this version knows", name)
		}
	}
	return out
}
