package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Bounds of questions and answers, in octets and numbers.
const (
	// MaxLogin is the longest login: an address (RFC 5321 section 4.5.3.1) with
	// room for quoting.
	MaxLogin = 400
	// MaxPassword is the longest password.
	MaxPassword = 512
	// MaxHash is the longest hash with its scheme.
	MaxHash = 1024
	// MaxName is the longest name of a plan or customer.
	MaxName = 200
	// MaxAliases and MaxNetworks are how many of them an account may have.
	MaxAliases, MaxNetworks = 1000, 200
)

// Check refuses a question that no account can be the answer to, which no directory is asked.
// Whether there is an account plays no part in it. Errors: fault.NotFound, fault.Unauthenticated.
func (q Question) Check() error {
	const op = "directory.ask"
	if q.Login == "" || len(q.Login) > MaxLogin || !isText(q.Login) {
		return fault.New(op, fault.NotFound, "")
	}
	if len(q.Password) > MaxPassword || !utf8.ValidString(q.Password) || strings.ContainsRune(q.Password, 0) {
		return fault.New(op, fault.Unauthenticated, "")
	}
	return nil
}

// check brings addresses into their normal form and refuses an answer that is
// none: who is verified without a password, or has neither hash nor was verified,
// would be let in by a mistake of somebody else's.
func (a *Answer) check(q Question) error {
	switch {
	case a.Verified && q.Password == "":
		return nonsense("it has verified a password that it was not given")
	case a.Verified && a.Hash != "":
		return nonsense("it has verified the password, and yet there is a hash to verify")
	case !a.Verified && !isHash(a.Hash):
		return nonsense("the hash does not begin with a scheme in braces, or is too long")
	case len(a.Plan) > MaxName || !isText(a.Plan):
		return nonsense("the name of the plan is too long, or no text")
	case len(a.Customer) > MaxName || !isText(a.Customer):
		return nonsense("the name of the customer is too long, or no text")
	case len(a.Aliases) > MaxAliases:
		return nonsense("there are too many aliases")
	case len(a.Networks) > MaxNetworks:
		return nonsense("there are too many networks")
	}
	for _, n := range a.Networks {
		if !n.IsValid() {
			return nonsense("a network is none")
		}
	}
	return a.normalise()
}

// normalise writes the addresses as the gate keeps them.
func (a *Answer) normalise() error {
	login, err := Normal(a.Login)
	if err != nil {
		return nonsense("the login is no address")
	}
	a.Login = login.String()
	for i, alias := range a.Aliases {
		normal, err := Normal(alias)
		if err != nil {
			return nonsense("an alias is no address")
		}
		a.Aliases[i] = normal.String()
	}
	return nil
}

// Normal reads an address and brings its local part into lower case, as addresses
// of ours are compared (mail.Address.Key). Errors wrap mail.ErrAddress.
func Normal(text string) (mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil {
		return a, err
	}
	a.Local = strings.TrimSuffix(a.Key(), "@"+string(a.Domain))
	return a, nil
}

// isHash reports whether a text is a hash with its scheme.
func isHash(text string) bool {
	scheme, rest, found := strings.Cut(text, "}")
	return found && rest != "" && len(text) <= MaxHash && isText(text) && len(scheme) > 1 && scheme[0] == '{'
}

// isText reports whether a text is UTF-8 without control characters.
func isText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// nonsense says that an answer makes no sense. It does not repeat the answer.
func nonsense(why string) error {
	return fault.New("directory.answer", fault.Corrupt, "the directory's answer makes no sense: %s", why)
}
