package account

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Grant is an address that is not an account's own, or all of a domain when Address is
// null.
type Grant struct {
	Address mail.Address
	Domain  mail.Domain
}

// Manner says how an account may use what it was granted.
type Manner string

// The manners.
const (
	// SendAs lets it be used as if it were the account's own, wherever a sender is named.
	SendAs Manner = "send-as"
	// SendOnBehalf lets it be named in From alone, as who has written the message, where
	// Sender says that the account has sent it (RFC 5322 section 3.6.2).
	SendOnBehalf Manner = "send-on-behalf"
)

// Manners lists the manners.
func Manners() []Manner { return []Manner{SendAs, SendOnBehalf} }

// Granted is a grant that an account has.
type Granted struct {
	Grant
	Manner Manner
	// Across says that whoever gave it allows it to reach a domain of another customer.
	Across bool
	// Until is when it ends; zero for never. It stays, without effect, until it is removed.
	Until time.Time
	// Given is when it was given, zero where that is not known.
	Given time.Time
	// By is who gave it, as the record names them, and Because why; at most MaxBecause octets
	// on one line.
	By, Because string
}

const (
	// MaxGrants is how many grants an account has at most.
	MaxGrants = 500
	// MaxBecause is how long a reason is at most, in octets.
	MaxBecause = 500
)

// String names it: "send-as @example.org".
func (g *Granted) String() string { return string(g.Manner) + " " + g.Grant.String() }

// Ended reports whether it has ended by then.
func (g *Granted) Ended(now time.Time) bool { return !g.Until.IsZero() && !now.Before(g.Until) }

// Check refuses what no store can keep as it is: fault.Invalid.
func (g *Granted) Check() error {
	wrong := ""
	switch {
	case g.Grant == (Grant{}) || !g.Address.IsNull() && g.Domain != "":
		wrong = "it is for one address or for one domain"
	case !slices.Contains(Manners(), g.Manner):
		wrong = "it is either " + string(SendAs) + " or " + string(SendOnBehalf)
	case len(g.Because) > MaxBecause || strings.ContainsAny(g.Because+g.By, "\r\n"):
		wrong = "its reason is one line of at most 500 octets"
	default:
		return nil
	}
	return fault.New("account.grant", fault.Invalid, "this cannot be a grant: %s", wrong)
}

// ParseGrant reads "a@example.org", one address, or "@example.org", all of a
// domain.
func ParseGrant(s string) (Grant, error) {
	const op = "account.grant"
	if name, ok := strings.CutPrefix(s, "@"); ok {
		domain, err := mail.ParseDomain(name)
		if err != nil {
			return Grant{}, fault.New(op, fault.Invalid, "%q is not a grant: %v", s, err)
		}
		return Grant{Domain: domain}, nil
	}
	address, err := mail.ParseAddress(s)
	if err != nil {
		return Grant{}, fault.New(op, fault.Invalid, "%q is not a grant: %v; write an address, or @example.org for a whole domain", s, err)
	}
	return Grant{Address: address}, nil
}

// ParseManner reads the name of a manner.
func ParseManner(s string) (Manner, error) {
	if m := Manner(s); slices.Contains(Manners(), m) {
		return m, nil
	}
	return "", fault.New("account.grant", fault.Invalid, "%q is neither %s nor %s", s, SendAs, SendOnBehalf)
}

// String returns the form that ParseGrant reads.
func (g Grant) String() string {
	if g.Address.IsNull() {
		return "@" + g.Domain.String()
	}
	return g.Address.String()
}

// Equal reports whether two grants allow the same.
func (g Grant) Equal(other Grant) bool {
	return g.Address.Key() == other.Address.Key() && g.Domain == other.Domain
}

// Under returns the domain that a grant is for.
func (g Grant) Under() mail.Domain {
	if g.Address.IsNull() {
		return g.Domain
	}
	return g.Address.Domain
}

// Covers reports whether a is the address, or in the domain.
func (g Grant) Covers(a mail.Address) bool {
	if g.Address.IsNull() {
		return g.Domain == a.Domain
	}
	return a.Same(g.Address)
}

// AddGrant gives an account a grant, in the place of one that has ended by then: fault.Conflict
// where it has it already, or has MaxGrants.
func (a *Account) AddGrant(g Granted, now time.Time) error {
	const op = "account.grant"
	kept := slices.DeleteFunc(slices.Clone(a.Grants), func(have Granted) bool {
		return have.Manner == g.Manner && have.Equal(g.Grant) && have.Ended(now)
	})
	switch {
	case indexOfGrant(kept, g.Grant, g.Manner) >= 0:
		return fault.New(op, fault.Conflict, "account %s has the grant %s already; remove that first", a.Address, &g)
	case len(kept) >= MaxGrants:
		return fault.New(op, fault.Conflict, "account %s has %d grants, which is the most; remove some first", a.Address, len(kept))
	}
	a.Grants = append(kept, g)
	return nil
}

// RemoveGrant takes a grant away: fault.NotFound where the account has no such one.
func (a *Account) RemoveGrant(g Grant, m Manner) error {
	i := indexOfGrant(a.Grants, g, m)
	if i < 0 {
		return fault.New("account.grant", fault.NotFound, "account %s has no grant %s %s", a.Address, m, g)
	}
	a.Grants = slices.Delete(slices.Clone(a.Grants), i, i+1)
	return nil
}

func indexOfGrant(list []Granted, g Grant, m Manner) int {
	return slices.IndexFunc(list, func(have Granted) bool { return have.Manner == m && have.Equal(g) })
}

// MayUse reports whether the account may be bounded to a grant, or send under it:
// one of its own addresses or grants, or an address that a grant of it covers. The
// states of domains and the ends of grants do not matter.
func (a *Account) MayUse(g Grant) bool { return a.mayUse(g, Manners()...) }

// mayUse is MayUse with the grants of some manners alone.
func (a *Account) mayUse(g Grant, manners ...Manner) bool {
	if !g.Address.IsNull() && (g.Address.Key() == a.Login() || indexOf(a.Aliases, g.Address) >= 0) {
		return true
	}
	return slices.ContainsFunc(a.Grants, func(have Granted) bool {
		return slices.Contains(manners, have.Manner) && (have.Equal(g) || !g.Address.IsNull() && have.Covers(g.Address))
	})
}

// RecallGrant lets no mail go that was accepted before the account has that revision under
// a credential which covers g, a grant that the account has no more; but for what was sent
// under one alone of the addresses that it may still send as.
func (a *Account) RecallGrant(g Grant, revision int64) {
	touches := func(s Grant) bool { return s.Equal(g) || s.Covers(g.Address) || g.Covers(s.Address) }
	a.Credentials = slices.Clone(a.Credentials)
	for i := range a.Credentials {
		c := &a.Credentials[i]
		bound := c.Envelope.Senders
		if len(bound) > 0 && !slices.ContainsFunc(bound, touches) {
			continue
		}
		if len(bound) == 0 {
			bound = a.all()
		}
		c.RecallBut(revision, slices.DeleteFunc(slices.Clone(bound), func(s Grant) bool { return !a.mayUse(s, SendAs) }))
	}
}

// all lists the account's addresses and grants.
func (a *Account) all() []Grant {
	list := []Grant{{Address: a.Address}}
	for _, alias := range a.Aliases {
		list = append(list, Grant{Address: alias})
	}
	for i := range a.Grants {
		list = append(list, a.Grants[i].Grant)
	}
	return list
}
