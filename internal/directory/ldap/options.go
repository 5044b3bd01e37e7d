package ldap

import (
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/directory"
)

// Options say where a server is, how it is asked and what its attributes mean.
//
// Templates hold {login}, {local} and {domain}: the whole login with its letters small
// and the domain in A-labels, what stands before its "@" (all of it where there is
// none), and what stands behind. In GroupFilter {dn} is the user's DN too.
type Options struct {
	// Name is what the configuration calls the directory.
	Name string
	// URL is ldaps://host, ldap://host or ldapi://%2Fpath%2Fof%2Fsocket, with a port
	// where it is another than 636 or 389.
	URL string
	// StartTLS encrypts an ldap:// connection (RFC 4511 section 4.14), which must be
	// so unless the host is an address of loopback.
	StartTLS bool
	// Authority is a file with the certificates to trust, in PEM; "" for those of
	// the system.
	Authority string
	// BindDN and PasswordFile are the account that searches, and the file whose first
	// line is its password, read anew for each connection. Both "" search without an
	// account.
	BindDN, PasswordFile string
	// UserDN is a template of the DN to bind as. "" is for users that are searched.
	UserDN string
	// Base and Filter find the user, below the one and by the other, a template. For
	// the way with UserDN, Base is "", and Filter may be: what the entry must
	// match.
	Base, Filter string
	// Attributes name what is read.
	Attributes Attributes
	// Plans tell the plan by the user's groups: the first that the user is in
	// counts. Without them the value of Attributes.Plan is its name.
	Plans []Plan
	// GroupBase and GroupFilter, a template, find the groups that a user is in, by
	// their DN; both "" where Attributes.Plan tells them, or nobody.
	GroupBase, GroupFilter string
	// Disabled is a filter that the entry of a disabled account matches; "" for none.
	Disabled string
	// Decoy is the DN that is bound as where a login is unknown: an entry with a hash
	// like everybody's, and a password that nobody knows, which no rule may lock. ""
	// for one that is not there, which most servers refuse sooner than a wrong
	// password.
	Decoy string
	// Connections is how many may be open at once, at least 1; twice as many where
	// users are searched and then bound as.
	Connections int
}

// Attributes are names of attributes, "" for what is not read.
type Attributes struct {
	// Login is the account's own address and must be there, with one value: with two
	// it would be two accounts.
	Login string
	// Hash is the hash with its scheme, mostly userPassword (RFC 4519 section 2.41).
	// With it nobody is bound as.
	Hash string
	// Plan is the plan or the groups, Customer the customer's name.
	Plan, Customer string
	// Aliases are further addresses, one a value, with "smtp:" before it or
	// not; what has another word and a colon before it is left out.
	Aliases string
	// Networks are those from which the account may log in, one a value.
	Networks string
}

// list returns the names that are there.
func (a Attributes) list() []string {
	var all []string
	for _, name := range []string{a.Login, a.Hash, a.Plan, a.Customer, a.Aliases, a.Networks} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// Plan is the plan of a group.
type Plan struct {
	// Group is the group's DN, or a value of Attributes.Plan.
	Group string
	// Plan is the plan's name.
	Plan string
}

// anyEntry matches every entry (RFC 4511 section 4.5.1.7).
const anyEntry = "(objectClass=*)"

// Check says what is wrong with the options, all at once.
func Check(opt Options) directory.OptionErrors {
	_, all := opt.read()
	if opt.PasswordFile != "" {
		_, err := readPassword(opt.PasswordFile)
		all.Add("password_file", err)
	}
	return all
}

// read finds what will not do, and where the server is.
func (o *Options) read() (p place, all directory.OptionErrors) {
	for _, try := range []func() error{o.checkWay, o.checkTexts, o.checkGroups} {
		all.Add("url", try())
	}
	p, err := placeOf(o)
	all.Add("url", err)
	return p, all
}

// wrong is an error about an option.
func wrong(option, format string, args ...any) error {
	return &directory.OptionError{Option: option, Err: fmt.Errorf(format, args...)}
}

// checkWay wants one of the three ways.
func (o *Options) checkWay() error {
	switch {
	case o.Attributes.Login == "":
		return wrong("login_attribute", "the attribute with the account's address is missing")
	case o.Connections < 1:
		return wrong("connections", "it needs one connection at least")
	case (o.BindDN == "") != (o.PasswordFile == ""):
		return wrong("bind_dn", "an account that searches needs a DN and the file of its password")
	case o.UserDN == "" && (o.Base == "" || o.Filter == ""):
		return wrong("search_base", "it needs a DN of the user, or a base and a filter to search")
	case o.UserDN != "" && (o.Base != "" || o.BindDN != "" || o.Attributes.Hash != "" || o.Decoy != ""):
		return wrong("user_dn", "with a DN of the user nothing is searched: no base, account that searches, hash or decoy")
	case o.UserDN != "" && !namesUser(o.UserDN):
		return wrong("user_dn", "the DN of the user must hold {login} or {local}, or everybody would be the same")
	case o.UserDN == "" && !namesUser(o.Filter):
		return wrong("search_filter", "the filter must hold {login} or {local}, or everybody would be the same")
	}
	return nil
}

// checkTexts wants DNs and filters that are some.
func (o *Options) checkTexts() error {
	sample := namesOf("a@example.org")
	for _, dn := range []struct{ option, what, text string }{
		{"bind_dn", "the account that searches", o.BindDN}, {"user_dn", "the DN of the user", sample.inDN(o.UserDN)}, {"search_base", "the base", o.Base},
		{"group_base", "the base of the groups", o.GroupBase}, {"decoy_dn", "the decoy", o.Decoy},
	} {
		if _, err := goldap.ParseDN(dn.text); err != nil || strings.ContainsAny(dn.text, "{}") {
			return wrong(dn.option, "%s is no DN: %.200q", dn.what, dn.text)
		}
	}
	for _, filter := range []struct{ option, what, text string }{
		{"search_filter", "the filter", o.Filter}, {"group_filter", "the filter of the groups", strings.ReplaceAll(o.GroupFilter, "{dn}", "x")},
		{"disabled_filter", "the filter of disabled accounts", o.Disabled},
	} {
		text := sample.inFilter(filter.text)
		if text == "" {
			continue
		}
		if _, err := goldap.CompileFilter(text); err != nil || strings.ContainsAny(text, "{}") {
			return wrong(filter.option, "%s is none, or holds something unknown in braces: %.200q", filter.what, text)
		}
	}
	return nil
}

func (o *Options) checkGroups() error {
	switch {
	case (o.GroupBase == "") != (o.GroupFilter == ""):
		return wrong("group_base", "groups are searched by a base and a filter")
	case o.GroupFilter != "" && !namesUser(o.GroupFilter) && !strings.Contains(o.GroupFilter, "{dn}"):
		return wrong("group_filter", "the filter of the groups must hold {dn}, {login} or {local}, or everybody would be in them")
	case len(o.Plans) > 0 && o.Attributes.Plan == "" && o.GroupBase == "":
		return wrong("group_plans", "plans by group need the attribute with the groups, or a search for them")
	case len(o.Plans) == 0 && o.GroupBase != "":
		return wrong("group_base", "groups are searched, and none has a plan")
	}
	return nil
}

// namesUser reports whether a template is another text for each user.
func namesUser(template string) bool {
	return strings.Contains(template, "{login}") || strings.Contains(template, "{local}")
}
