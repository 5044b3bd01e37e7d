package loading

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/config"
	"countersign/internal/config/option"
	"countersign/internal/fault"
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
		v.hashes(at, d)
		v.secretFileMode(at+"password_file", d.PasswordFile)
		if len(d.Domains) > 0 && d.PlanAttribute != "" && len(d.MayGive()) == 0 {
			v.Fail(at+"plans", "name the plans that it may give, or leave plan_attribute out", "is required with domains and plan_attribute")
		}
		if d.CertificatesByName() && !d.External {
			v.Fail(at+"certificates", "set external, once its Dovecot is made ready for it", "is of no use without external: nobody could say whether the account stands")
		}
		if d.External && !d.AskStanding && !d.CertificatesByName() {
			v.Warn(at+"external", `set ask_standing, or certificates = "name"`, "is of no use: nothing is asked by it")
		}
		if d.CertificatesByName() && !slices.ContainsFunc(v.c.Listeners, func(l config.Listener) bool { return l.ClientCAFile != "" }) {
			v.Warn(at+"certificates", "set client_ca_file of a listener", "is of no use: no listener asks for certificates")
		}
		if d.CreateDomains && d.Customer == "" {
			v.Fail(at+"customer", "name whose the domains become", "is required with create_domains")
		}
	}
}

// mostHashes is how many kinds of hashes may be named of a directory, longHashes how long a login that fails
// may keep a core for them without a warning.
const (
	mostHashes = 8
	longHashes = 500 * time.Millisecond
)

// hashes checks what is said of the hashes of a directory, whose options begin with at.
func (v *validator) hashes(at string, d *config.Directory) {
	var kinds []hash.Cost
	takes := time.Duration(0)
	for j, text := range d.Hashes {
		c, err := hash.ParseKind(text)
		if err != nil {
			v.Fail(option.Element(at+"hashes", j), "", "%q cannot be used: %s", text, fault.DetailOf(err, fault.Invalid))
			continue
		}
		if !slices.Contains(kinds, c) { // all digests are the same
			kinds = append(kinds, c)
			takes += c.Estimate()
		}
	}
	has := d.Kind == "sql" || d.Kind == "ldap" && d.PasswordAttribute != "" || d.Kind == "http" && !d.SendPassword
	switch {
	case len(kinds) > mostHashes:
		v.Fail(at+"hashes", "renew those of which there are few", "has %d kinds that cost differently, and %d are possible", len(kinds), mostHashes)
	case takes > longHashes:
		v.Warn(at+"hashes", "renew the hashes that cost most", "each login that fails keeps a core for about %s", takes.Round(10*time.Millisecond))
	case d.Kind == "ldap" && !has && len(d.Hashes) > 0:
		v.Fail(at+"hashes", "remove it, or set password_attribute", "is of no use: the gate sees no hashes, as users are bound")
	case has && len(d.Hashes) == 0:
		v.Warn(at+"hashes", `name all kinds that it has, as hashes = ["bcrypt:10", "SHA512-CRYPT"]`,
			"is not set: who has a kind of hash that nobody has logged in with yet can be told by time from names that directory %q does not have", d.Name)
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
