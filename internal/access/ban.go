package access

import (
	"net/netip"
	"strings"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// MaxReason is how long the reason of a ban may be, in octets: it stands in a reply.
const MaxReason = 150

// Ban refuses the clients of a network, or a login where it comes from there.
type Ban struct {
	ID mail.ID
	// Prefix is the network. IPv4 is never written as IPv6, and no bit behind its
	// length is set.
	Prefix netip.Prefix
	// Login is the one that is refused, in the form of accounts; "" for everybody. It
	// need not be an account's.
	Login string
	// Shadow says that it does nothing: what it would have refused is recorded.
	Shadow bool
	// Reason is what refused clients are told: one line of printable ASCII.
	Reason string
	// Start is when it was set. It holds from then on wherever it is known, whatever the
	// clock there says.
	Start time.Time
	// End is when it ends, or has been lifted; zero for never.
	End time.Time
	// By is who set it: "cli:root".
	By string
	// Lifted is who has lifted it; "" for nobody.
	Lifted string
}

// Holds reports whether the ban has not ended at that time.
func (b *Ban) Holds(at time.Time) bool { return b.End.IsZero() || at.Before(b.End) }

// Object names what is banned, for people and the record: "192.0.2.0/24", or
// "ann@example.org from 192.0.2.0/24".
func (b *Ban) Object() string {
	if b.Login == "" {
		return b.Prefix.String()
	}
	return b.Login + " from " + b.Prefix.String()
}

// Covers reports whether a client is in the banned network. An IPv4-mapped address is
// the IPv4 one; an invalid address is in none.
func (b *Ban) Covers(client netip.Addr) bool { return b.Prefix.Contains(Plain(client)) }

// Plain brings the address of a client into the form in which bans know it: IPv4 where
// it is mapped (RFC 4291 section 2.5.5.2), and without a zone.
func Plain(client netip.Addr) netip.Addr { return client.Unmap().WithZone("") }

// Check refuses, as fault.Invalid, a ban that is not of the form that the fields say, or
// that has ended before it began.
func (b *Ban) Check() error {
	const op = "ban.check"
	p := b.Prefix
	switch {
	case !mail.ValidID(string(b.ID)):
		return fault.New(op, fault.Invalid, "a ban needs an id")
	case !p.IsValid() || p != p.Masked() || p.Addr() != Plain(p.Addr()):
		return fault.New(op, fault.Invalid, "%s is no network in the form of bans", p)
	case b.By == "":
		return fault.New(op, fault.Invalid, "nobody sets this ban")
	case b.Start.IsZero():
		return fault.New(op, fault.Invalid, "the ban has no beginning")
	case !b.End.IsZero() && !b.End.After(b.Start):
		return fault.New(op, fault.Invalid, "the ban would have ended before it began")
	}
	login, err := parseLogin(b.Login)
	if err == nil && login != b.Login {
		err = fault.New(op, fault.Invalid, "%q is not in the form of logins", b.Login)
	}
	if err != nil {
		return err
	}
	return checkReason(b.Reason)
}

// parseLogin brings a login into the form of accounts; "" stays.
func parseLogin(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	a, err := mail.ParseAddress(text)
	if err != nil {
		return "", fault.New("ban.login", fault.Invalid, "%q is not a login: logins are mail addresses", text)
	}
	return a.Key(), nil
}

// checkReason refuses a reason that cannot stand in a reply (RFC 5321 section 4.2 has
// printable ASCII there).
func checkReason(text string) error {
	const op = "ban.reason"
	switch {
	case strings.TrimSpace(text) == "":
		return fault.New(op, fault.Invalid, "a ban needs a reason: who is refused reads it, and so does the helpdesk")
	case len(text) > MaxReason:
		return fault.New(op, fault.Invalid, "the reason has %d characters; at most %d are told to a client", len(text), MaxReason)
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }):
		return fault.New(op, fault.Invalid, "the reason is told to clients in an SMTP reply: write it in printable ASCII, on one line")
	}
	return nil
}
