// Package argument reads what stands on a command line: addresses, domains, ids,
// networks, times. Each type says what is wrong with a text that it cannot
// read.
//
// It does not look anything up; what a name stands for is for the commands.
//
// Main types: Address, Domain, ID, Delivery, Time, State, Size.
package argument

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"countersign/internal/account"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// Plain leaves of an error what is for people.
func Plain(err error) error {
	if detail := fault.DetailOf(err, fault.Invalid); detail != "" {
		return errors.New(detail)
	}
	return err
}

// Address is an argument that is a mail address.
type Address struct{ mail.Address }

// UnmarshalText reads an address.
func (a *Address) UnmarshalText(text []byte) (err error) {
	a.Address, err = mail.ParseAddress(string(text))
	return err
}

// Domain is an argument that is a domain.
type Domain struct{ mail.Domain }

// UnmarshalText reads a domain name, also with the dot at its end that zone files and
// programs that ask DNS write (RFC 1035 section 5.1).
func (d *Domain) UnmarshalText(text []byte) (err error) {
	name := string(text)
	if short, dotted := strings.CutSuffix(name, "."); dotted && !strings.HasSuffix(short, "]") {
		name = short
	}
	d.Domain, err = mail.ParseDomain(name)
	return err
}

// Grant is an argument that is an address or "@domain".
type Grant struct{ account.Grant }

// UnmarshalText reads a grant.
func (g *Grant) UnmarshalText(text []byte) (err error) {
	g.Grant, err = account.ParseGrant(string(text))
	return err
}

// ID is an argument that is an id, in either case of letters.
type ID struct{ mail.ID }

// ofLink returns what stands behind "?id=" in the link of a refusal, and any other text as it is.
func ofLink(text string) string {
	if _, id, found := strings.Cut(text, "?id="); found {
		return id
	}
	return text
}

// UnmarshalText reads an id, or the link of a refusal, which holds one.
func (i *ID) UnmarshalText(text []byte) error {
	s := strings.ToUpper(ofLink(string(text)))
	if !mail.ValidID(s) {
		return fmt.Errorf("%q is not an id: 26 digits and letters are expected, as the answer to DATA and the log show it", text)
	}
	i.ID = mail.ID(s)
	return nil
}

// Delivery is an argument that names a submission, or with "/2" its second
// recipient alone.
type Delivery struct {
	// ID is the submission.
	ID mail.ID
	// N is the recipient, from 1; 0 for all.
	N int
}

// UnmarshalText reads "ID" or "ID/N".
func (d *Delivery) UnmarshalText(text []byte) error {
	id, number, one := strings.Cut(ofLink(string(text)), "/")
	var arg ID
	if err := arg.UnmarshalText([]byte(id)); err != nil {
		return err
	}
	d.ID = arg.ID
	if !one {
		return nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return fmt.Errorf("%q does not name a recipient: write ID/1 for the first one", text)
	}
	d.N = n
	return nil
}

// Credential is an argument that is the id of a credential, or its name, of which one is set.
type Credential struct {
	ID   mail.ID
	Name string
}

// UnmarshalText reads an id, in capitals as they are shown, which no name is, or a name.
func (c *Credential) UnmarshalText(text []byte) error {
	if s := string(text); mail.ValidID(s) {
		c.ID = mail.ID(s)
		return nil
	}
	c.Name = string(text)
	return account.CheckName("credential", c.Name)
}

// State is an argument that is the state of a waiting delivery.
type State struct{ queue.State }

// UnmarshalText reads a state in either case of letters.
func (s *State) UnmarshalText(text []byte) error {
	s.State = queue.State(strings.ToLower(string(text)))
	switch s.State {
	case queue.Queued, queue.Deferred, queue.Held:
		return nil
	}
	return fmt.Errorf("%q is not a state: write queued, deferred or held", text)
}

// Size is an argument that is a number of octets.
type Size struct{ config.Size }

// UnmarshalText reads a number with or without a unit.
func (s *Size) UnmarshalText(text []byte) error {
	if err := s.Size.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w: write 25MB or 64KiB", err)
	}
	return nil
}

// Addresses takes the addresses out of arguments.
func Addresses(args []Address) []mail.Address {
	var out []mail.Address
	for _, a := range args {
		out = append(out, a.Address)
	}
	return out
}

// SendAs makes of arguments grants to send as what they name.
func SendAs(args []Grant) []account.Granted {
	var out []account.Granted
	for _, g := range args {
		out = append(out, account.Granted{Grant: g.Grant, Manner: account.SendAs})
	}
	return out
}

// SenderMode is an argument that is a mode of senders; "-" is none.
type SenderMode struct{ account.SenderMode }

// UnmarshalText reads the name of a mode.
func (m *SenderMode) UnmarshalText(text []byte) (err error) {
	if string(text) == "-" {
		m.SenderMode = ""
		return nil
	}
	if m.SenderMode, err = account.ParseSenderMode(string(text)); err == nil && m.SenderMode == "" {
		err = errors.New("no mode was given: name one, or - for none")
	}
	return Plain(err)
}

// Alignment is an argument that says what is done about mail that will fail DMARC.
type Alignment struct{ account.Alignment }

// UnmarshalText reads the name of a setting.
func (a *Alignment) UnmarshalText(text []byte) (err error) {
	a.Alignment, err = account.ParseAlignment(string(text))
	return Plain(err)
}

// Mode is the mode of an argument that may be missing, nil then.
func Mode(m *SenderMode) *account.SenderMode {
	if m == nil {
		return nil
	}
	return &m.SenderMode
}

// Grants takes the grants out of arguments.
func Grants(args []Grant) []account.Grant {
	var out []account.Grant
	for _, g := range args {
		out = append(out, g.Grant)
	}
	return out
}
