package cli

import (
	"fmt"
	"strconv"
	"strings"

	"countersign/internal/account"
	"countersign/internal/mail"
)

// addressArg is an argument that is a mail address.
type addressArg struct{ mail.Address }

// UnmarshalText reads an address.
func (a *addressArg) UnmarshalText(text []byte) (err error) {
	a.Address, err = mail.ParseAddress(string(text))
	return err
}

// domainArg is an argument that is a domain.
type domainArg struct{ mail.Domain }

// UnmarshalText reads a domain name.
func (d *domainArg) UnmarshalText(text []byte) (err error) {
	d.Domain, err = mail.ParseDomain(string(text))
	return err
}

// grantArg is an argument that is an address or "@domain".
type grantArg struct{ account.Grant }

// UnmarshalText reads a grant.
func (g *grantArg) UnmarshalText(text []byte) (err error) {
	g.Grant, err = account.ParseGrant(string(text))
	return err
}

// idArg is an argument that is an id, in either case of letters.
type idArg struct{ mail.ID }

// UnmarshalText reads an id.
func (i *idArg) UnmarshalText(text []byte) error {
	s := strings.ToUpper(string(text))
	if !mail.ValidID(s) {
		return fmt.Errorf("%q is not an id: 26 digits and letters are expected, as the answer to DATA and the log show it", text)
	}
	i.ID = mail.ID(s)
	return nil
}

// deliveryArg is an argument that names a submission, or with "/2" its second
// recipient alone.
type deliveryArg struct {
	id mail.ID
	n  int
}

// UnmarshalText reads "ID" or "ID/N".
func (d *deliveryArg) UnmarshalText(text []byte) error {
	id, number, one := strings.Cut(string(text), "/")
	var arg idArg
	if err := arg.UnmarshalText([]byte(id)); err != nil {
		return err
	}
	d.id = arg.ID
	if !one {
		return nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return fmt.Errorf("%q does not name a recipient: write ID/1 for the first one", text)
	}
	d.n = n
	return nil
}

// addresses takes the addresses out of arguments.
func addresses(args []addressArg) []mail.Address {
	var out []mail.Address
	for _, a := range args {
		out = append(out, a.Address)
	}
	return out
}

// grants takes the grants out of arguments.
func grants(args []grantArg) []account.Grant {
	var out []account.Grant
	for _, g := range args {
		out = append(out, g.Grant)
	}
	return out
}
