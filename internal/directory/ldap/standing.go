package ldap

import (
	"context"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

var _ directory.Witness = (*LDAP)(nil)

// Witnesses implements directory.Witness: with a DN of the user nobody can be looked up
// but by binding.
func (d *LDAP) Witnesses() bool { return d.opt.UserDN == "" }

// Standing implements directory.Witness: the user is searched, and asked about.
func (d *LDAP) Standing(ctx context.Context, q directory.Question) (s directory.Standing, err error) {
	const op = "ldap.standing"
	switch {
	case !utf8.ValidString(q.Login) || q.Login == "": // RFC 4511 section 4.1.2
		return s, fault.New(op, fault.NotFound, "")
	case !d.Witnesses():
		return s, fault.New(op, fault.Invalid, "directory %s looks nobody up", d.opt.Name)
	}
	n := namesOf(q.Login)
	err = d.searches.do(ctx, func(c *goldap.Conn) error {
		entry, err := d.find(ctx, c, n)
		if err != nil {
			return err
		}
		if entry == nil {
			return fault.New(op, fault.NotFound, "")
		}
		n.dn = entry.DN
		if s.Disabled, err = d.isDisabled(ctx, c, n); err != nil {
			return err
		}
		if s.Networks, err = d.networks(entry); err != nil {
			return err
		}
		s.Login, err = d.single(values(entry, d.opt.Attributes.Login), "addresses in "+d.opt.Attributes.Login)
		return err
	})
	return s, d.failed(ctx, err)
}
