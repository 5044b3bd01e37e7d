package ldap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// maxGroups is how many groups a user may be in.
const maxGroups = 1000

// known makes an answer of an entry, with what else must be asked.
func (d *LDAP) known(ctx context.Context, c *goldap.Conn, n names, e *goldap.Entry) (*directory.Answer, error) {
	disabled, err := d.isDisabled(ctx, c, n)
	if err != nil {
		return nil, err
	}
	groups, err := d.groups(ctx, c, n)
	if err != nil {
		return nil, err
	}
	a, err := d.answer(e)
	if err != nil {
		return nil, err
	}
	a.Disabled = disabled
	a.Plan, err = d.plan(append(values(e, d.opt.Attributes.Plan), groups...))
	return a, err
}

// isDisabled asks whether the entry matches the filter of those that are.
func (d *LDAP) isDisabled(ctx context.Context, c *goldap.Conn, n names) (bool, error) {
	if d.opt.Disabled == "" {
		return false, nil
	}
	found, err := d.search(ctx, c, wanted{base: n.dn, filter: n.inFilter(d.opt.Disabled), most: 1})
	if goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) { // the decoy; or it has gone this moment
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("whether it is disabled: %w", err)
	}
	return len(found) > 0, nil
}

// groups searches the groups that a user is in.
func (d *LDAP) groups(ctx context.Context, c *goldap.Conn, n names) ([]string, error) {
	if d.opt.GroupBase == "" {
		return nil, nil
	}
	found, err := d.search(ctx, c, wanted{base: d.opt.GroupBase, below: true, filter: n.inFilter(d.opt.GroupFilter), most: maxGroups})
	switch {
	case errors.Is(err, errMany):
		return nil, d.nonsense("the account is in too many groups")
	case err != nil:
		return nil, fmt.Errorf("searching groups: %w", err)
	}
	var all []string
	for _, g := range found {
		all = append(all, g.DN)
	}
	return all, nil
}

// plan tells the plan of who is in these groups.
func (d *LDAP) plan(groups []string) (string, error) {
	if len(d.opt.Plans) == 0 {
		return d.single(groups, "plans")
	}
	for _, p := range d.opt.Plans {
		if slices.ContainsFunc(groups, func(g string) bool { return isSame(p.Group, g) }) {
			return p.Plan, nil
		}
	}
	return "", nil
}

// isSame reports whether two texts name the same group: as DNs, whose spaces and case
// mean nothing, or as words.
func isSame(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	one, err := goldap.ParseDN(a)
	if err != nil {
		return false
	}
	other, err := goldap.ParseDN(b)
	return err == nil && len(one.RDNs) > 0 && one.EqualFold(other)
}

// answer reads the attributes of an entry.
func (d *LDAP) answer(e *goldap.Entry) (*directory.Answer, error) {
	names := d.opt.Attributes
	a := &directory.Answer{Verified: names.Hash == ""}
	var err error
	if a.Login, err = d.single(values(e, names.Login), "addresses in "+names.Login); err != nil {
		return nil, err
	}
	if a.Login == "" {
		return nil, d.nonsense("the account has no " + names.Login)
	}
	if a.Customer, err = d.single(values(e, names.Customer), "customers"); err != nil {
		return nil, err
	}
	if a.Hash, err = d.single(values(e, names.Hash), "passwords"); err != nil {
		return nil, err
	}
	if names.Hash != "" && a.Hash == "" { // who has none cannot prove anything
		return nil, fault.New("ldap.ask", fault.NotFound, "")
	}
	a.Aliases = aliases(values(e, names.Aliases))
	if a.Networks, err = d.networks(e); err != nil {
		return nil, err
	}
	return a, nil
}

// networks are those that an entry is bound to, none for all.
func (d *LDAP) networks(e *goldap.Entry) (list []netip.Prefix, err error) {
	texts := values(e, d.opt.Attributes.Networks)
	if len(texts) > directory.MaxNetworks {
		return nil, d.nonsense("there are too many networks")
	}
	for _, text := range texts {
		network, err := directory.ParseNetwork(text)
		if err != nil {
			return nil, d.nonsense("a network of the account is none")
		}
		list = append(list, network)
	}
	return list, nil
}

// single is the value of what has one, "" where it has none.
func (d *LDAP) single(list []string, what string) (string, error) {
	switch len(list) {
	case 0:
		return "", nil
	case 1:
		return list[0], nil
	}
	return "", d.nonsense("the account has several " + what)
}

// values are those of an attribute, whose name may be written in any case (RFC 4512
// section 2.5).
func values(e *goldap.Entry, name string) []string {
	if name == "" {
		return nil
	}
	return slices.Clone(e.GetEqualFoldAttributeValues(name))
}

// aliases reads addresses as they stand in mail, mailAlternateAddress and their
// like, and in Active Directory's proxyAddresses.
func aliases(list []string) []string {
	var all []string
	for _, text := range list {
		kind, rest, found := strings.Cut(text, ":")
		switch {
		case !found:
			all = append(all, text)
		case strings.EqualFold(kind, "smtp"):
			all = append(all, rest)
		}
	}
	return all
}

// nonsense says that an entry makes no sense. It does not repeat it.
func (d *LDAP) nonsense(why string) error {
	return fault.New("ldap.ask", fault.Corrupt, "directory %s: %s", d.opt.Name, why)
}
