package walk

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/policy/sender"
)

// Step is one thing that was met, in words.
type Step struct {
	// Name is what it is about: "name", "account", "directory", "credential printer",
	// "sender", "outcome".
	Name string `json:"step"`
	// Good is false for what stands in the way of the login.
	Good bool   `json:"good"`
	Text string `json:"text"`
}

// Tried is what was tried, for the words.
type Tried struct {
	// Name is the login as it was given.
	Name string
	// Place is where the client is, in words: "192.0.2.7", or "an unknown place".
	Place string
	// Mechanism is the SASL mechanism, "" for none.
	Mechanism string
	// Sender is what would be sent under; the null address for nothing.
	Sender mail.Address
	// At is when.
	At time.Time
	// Withheld is in words why no client gets as far as to try this, "" where one does.
	Withheld string
}

// by says how the client would log in.
func (t *Tried) by() string {
	if t.Mechanism == "" {
		return "without a login"
	}
	return "with " + t.Mechanism
}

// Steps says in words what was met, in the order in which the gate looks.
func (x *Explanation) Steps(t Tried) []Step {
	steps := []Step{x.name(t)}
	if x.Ban != "" {
		steps = append(steps, Step{"ban", false, x.Ban})
	}
	if x.Access != "" {
		steps = append(steps, Step{"access list", false, x.Access})
	}
	steps = append(steps, x.account())
	if x.Sender != nil || len(x.Asked) > 0 {
		steps = append(steps, x.directory())
	}
	for _, text := range x.Learns {
		steps = append(steps, Step{"learns", true, text})
	}
	if x.Sender != nil {
		steps = append(steps, x.legacy(t)...)
		for i := range x.Credentials {
			steps = append(steps, x.Credentials[i].step(t))
		}
		steps = append(steps, x.lacking()...)
	}
	if x.Sender != nil && !t.Sender.IsNull() {
		steps = append(steps, x.sender(t.Sender, t.At))
	}
	last := x.outcome(t)
	if t.Withheld != "" && x.Trouble == nil {
		last = Step{"outcome", false, "REFUSED: " + t.Withheld + "; but for that: " + last.Text}
	}
	return append(steps, last)
}

// lacking says what credential the account should have and has not.
func (x *Explanation) lacking() []Step {
	of := x.Sender.Account.Directory
	switch {
	case of != "" && !slices.ContainsFunc(x.Credentials, func(s Standing) bool { return s.Kind == account.Password }):
		return []Step{{"credential " + account.PasswordName, false, "REVOKED, so that no password that directory " + of +
			" knows is taken here; to have it again, remove the account with \"countersign account remove --force " + x.Login + "\": its next login makes it anew, without its other credentials"}}
	case len(x.Credentials) == 0:
		return []Step{{"credentials", false, "the account has none"}}
	}
	return nil
}

func (x *Explanation) name(t Tried) Step {
	switch x.Login {
	case "":
		return Step{"name", false, fmt.Sprintf("%q is not a mail address, and no login has another form", t.Name)}
	case t.Name:
		return Step{"name", true, x.Login}
	}
	if t.Mechanism == "DIGEST-MD5" { // RFC 2831 section 2.1.2.1
		return Step{"name", false, fmt.Sprintf("%q is looked up as %s, but a client of DIGEST-MD5 mixes the name with the password: it has to write it so", t.Name, x.Login)}
	}
	return Step{"name", true, fmt.Sprintf("%q is looked up as %s", t.Name, x.Login)}
}

func (x *Explanation) account() Step {
	s := x.Sender
	if s == nil {
		return Step{"account", false, "there is none of that login in the store"}
	}
	parts := []string{
		"account " + string(s.Account.State), "domain " + s.Domain.Name.String() + " " + string(s.Domain.State),
		"customer " + s.Customer.Name + " " + string(s.Customer.State),
	}
	if s.Customer.Plan != "" {
		parts = append(parts, "plan "+s.CustomerPlan.Name+" "+string(s.CustomerPlan.State))
	}
	if s.Account.Plan != "" {
		parts = append(parts, "own plan "+s.Plan.Name+" "+string(s.Plan.State))
	}
	return Step{"account", s.Active(), strings.Join(parts, ", ")}
}

func (x *Explanation) directory() Step {
	asked := strings.Join(x.Asked, ", then ")
	switch {
	case x.Sender == nil:
		return Step{"directory", true, "asked whether it knows the login: " + asked}
	case x.Sender.Account.Directory == "":
		return Step{"directory", true, "built in: the password is stored here"}
	case asked == "":
		return Step{"directory", false, "the password is known to directory " + x.Sender.Account.Directory + ", which the configuration does not have for this domain"}
	}
	return Step{"directory", true, "the " + x.shown() + " is asked of directory " + asked}
}

// shown is what directories are asked for.
func (x *Explanation) shown() string { return cmp.Or(x.AskedFor, "password") }

// legacy says whether a mechanism that needs it is allowed.
func (x *Explanation) legacy(t Tried) []Step {
	wanted := slices.Contains(account.LegacyMechanisms(), t.Mechanism)
	switch {
	case x.Legacy:
		return []Step{{"legacy", true, "ALLOWED by account or plan: keys as good as the password may be stored"}}
	case wanted:
		return []Step{{"legacy", false, t.Mechanism + " is allowed neither by the account nor by its plan; see \"countersign account set --legacy\""}}
	}
	return nil
}

// step says how a credential stands.
func (s *Standing) step(t Tried) Step {
	head := string(s.Kind)
	if s.Subject != "" {
		head += " " + s.Subject
	}
	parts := append([]string{head}, s.stored()...)
	good := s.Serves && s.Cause == ""
	switch {
	case s.Damaged:
		good = false
		parts = append(parts, "its hash is DAMAGED; set a new password")
	case !s.Serves:
		parts = append(parts, s.unserved(t))
	}
	if s.Cause != "" {
		parts = append(parts, s.why(t))
	} else if good {
		parts = append(parts, "may be used now from "+t.Place+" "+t.by())
	}
	return Step{"credential " + s.Name, good, strings.Join(parts, "; ")}
}

// stored says what is stored of it.
func (s *Standing) stored() (parts []string) {
	if s.Hash != "" {
		parts = append(parts, "hash of "+s.Hash+" ("+s.Cost+")")
	}
	for _, mechanism := range slices.Sorted(maps.Keys(s.Scram)) {
		parts = append(parts, fmt.Sprintf("key of %s (%d iterations)", mechanism, s.Scram[mechanism]))
	}
	if s.Hash != "" && len(s.Scram) == 0 {
		parts = append(parts, "no keys of SCRAM")
	}
	if len(s.Legacy) > 0 {
		parts = append(parts, "keys AS GOOD AS THE PASSWORD for "+strings.Join(s.Legacy, " and "))
	}
	switch {
	case s.StaleHash && s.StaleKeys:
		parts = append(parts, "the next login that shows it makes hash and keys anew")
	case s.StaleHash:
		parts = append(parts, "the next login that shows it makes the hash anew")
	case s.StaleKeys:
		parts = append(parts, "the next login that shows it makes the keys anew")
	}
	return parts
}

// unserved says why the mechanism does not prove it.
func (s *Standing) unserved(t Tried) string {
	switch {
	case t.Mechanism == "":
		return "needs a login"
	case s.Elsewhere != "" && ProvesKey(t.Mechanism):
		return "is known to directory " + s.Elsewhere + " alone, which takes no part in " + t.Mechanism + ": it can be shown with PLAIN and LOGIN, and a mail program that chooses otherwise fails"
	case s.Kind == account.Network:
		return "is for clients that do not log in"
	case s.Kind.Secret() && ProvesKey(t.Mechanism):
		return "has no key that " + t.Mechanism + " can prove beside the others; a login with PLAIN, or setting it anew, makes one where it may"
	case s.Kind.Secret() && s.Hash == "":
		return "has no hash"
	}
	return "is not proved " + t.by()
}

// ProvesKey reports whether a mechanism proves a stored key: those of SCRAM do, and the
// legacy ones.
func ProvesKey(mechanism string) bool {
	return strings.HasPrefix(mechanism, "SCRAM-") || slices.Contains(account.LegacyMechanisms(), mechanism)
}

// why says why it may not be used.
func (s *Standing) why(t Tried) string {
	e := &s.Envelope
	switch s.Cause {
	case "expired":
		return "EXPIRED " + e.Expires.UTC().Format(time.RFC3339)
	case "network":
		list := make([]string, len(e.Networks))
		for i, p := range e.Networks {
			list[i] = p.String()
		}
		return "not from " + t.Place + ", only from " + strings.Join(list, ", ")
	case "mechanism":
		return "not " + t.by() + ", only with " + strings.Join(e.Mechanisms, ", ")
	case "suspended":
		return "not while something is suspended"
	}
	return "not usable: " + s.Cause
}

// sender says by which rule an address may be sent under, or why it may not.
func (x *Explanation) sender(a mail.Address, now time.Time) Step {
	rule, grant := sender.Of(x.Sender, a, now)
	if !rule.Theirs() {
		return Step{"sender", false, a.String() + " may not be sent under: " + rule.String()}
	}
	why := rule.String()
	if grant != nil && !grant.Until.IsZero() {
		why += ", until " + grant.Until.UTC().Format(time.RFC3339)
	}
	var covers []string
	for i := range x.Credentials {
		if x.Credentials[i].Envelope.Covers(a) {
			covers = append(covers, x.Credentials[i].Name)
		}
	}
	if p := x.Principal; p != nil {
		if p.Credential.Envelope.Covers(a) {
			return Step{"sender", true, a.String() + " may be sent under: " + why}
		}
		return Step{"sender", false, a.String() + " may not be sent under with credential " + p.Credential.Name}
	}
	if len(covers) == 0 {
		return Step{"sender", false, a.String() + " is the account's, but no credential may send under it"}
	}
	return Step{"sender", true, a.String() + " may be sent under with " + strings.Join(covers, ", ") + ": " + why}
}

// outcome says what it came to.
func (x *Explanation) outcome(t Tried) Step {
	switch {
	case x.Away != "":
		return Step{"outcome", false, x.away()}
	case x.Trouble != nil:
		return Step{"outcome", false, "could not be decided; a client would get a temporary refusal (454)"}
	case x.Unmade != "":
		return Step{"outcome", true, "PASSED: directory " + x.Unmade + " takes the " + x.shown() + "; the account would be made here now, and then decided again"}
	case x.Principal != nil:
		return x.passed(t)
	case x.Decided:
		return Step{"outcome", false, "REFUSED: " + x.reason() + " (" + x.Recorded() + " in the record)"}
	}
	if x.Sender == nil && len(x.Asked) > 0 {
		return Step{"outcome", true, "undecided: the directory decides"}
	}
	if names := x.usable(); len(names) > 0 {
		return Step{"outcome", true, "undecided: the login passes where the client proves " + strings.Join(names, " or ")}
	}
	return Step{"outcome", false, "REFUSED, whatever the client proves"}
}

// reason puts the cause into words.
func (x *Explanation) reason() string {
	if x.Cause == "unknown" && x.Sender != nil {
		return "no account has as a credential what was shown"
	}
	return reasons[x.Cause]
}

// away says why a directory has no answer, and what that means for clients.
func (x *Explanation) away() string {
	if x.Odd {
		return fmt.Sprintf("could not be decided: what directory %s answers about this login cannot be used (%v); whatever the password, a client gets 454 until that is put right there", x.Away, x.Why)
	}
	return fmt.Sprintf("could not be decided: directory %s has no answer (%v); until it has, whoever fails in its domains gets 454, and its own accounts too", x.Away, x.Why)
}

// What a login comes to.
const (
	Passed    = "passed"
	Refused   = "refused"
	Undecided = "undecided"
)

// Outcome says what the login comes to: Passed, Refused or Undecided. A client that is
// known by its network or its certificate as another account is refused as this one.
func (x *Explanation) Outcome(t Tried) string {
	switch {
	case x.Trouble != nil:
		return Undecided
	case t.Withheld != "":
		return Refused
	case !x.Decided && x.mayPass():
		return Undecided
	case x.Unmade != "", x.Principal != nil && x.Principal.Sender.Account.Login() == x.Login:
		return Passed
	}
	return Refused
}

// Recorded is the cause as the record of a session has it, "" where there is none.
func (x *Explanation) Recorded() string {
	if x.Detail != "" {
		return x.Cause + ": " + x.Detail
	}
	return x.Cause
}

// usable lists the credentials that the client may prove.
func (x *Explanation) usable() (names []string) {
	for i := range x.Credentials {
		if s := &x.Credentials[i]; s.Serves && s.Cause == "" && !s.Damaged {
			names = append(names, s.Name)
		}
	}
	return names
}

// mayPass reports whether there is something that a client could prove, or somebody
// else is to be asked.
func (x *Explanation) mayPass() bool {
	return len(x.usable()) > 0 || x.Sender == nil && len(x.Asked) > 0
}

// passed says as whom the client goes on.
func (x *Explanation) passed(t Tried) Step {
	p := x.Principal
	text := "PASSED by credential " + p.Credential.Name
	if p.Credential.ID == "" {
		text = "PASSED by what issuer " + p.Credential.Name + " says"
	}
	if login := p.Sender.Account.Login(); login != x.Login {
		return Step{"outcome", x.Outcome(t) == Passed, text + ", as " + login + ", not as " + x.Login}
	}
	if x.Renewed {
		text += "; the secret of the password would be stored anew"
	}
	return Step{"outcome", true, text}
}

// reasons puts causes into words.
var reasons = map[string]string{
	"unknown":                "there is no such account",
	"no-credential":          "the account has no credential of the kind that this proves",
	"damaged-credential":     "what is stored of the password is damaged",
	"wrong-password":         "it is another password",
	"suspended":              "account, domain, customer or plan is suspended",
	"expired":                "the credential has expired",
	"network":                "the credential may not be used from there",
	"mechanism":              "the credential may not be used with this mechanism",
	"token":                  "the token is not good",
	"token-of-another":       "the token, or what the directory answers with, is of another account",
	"not-a-password":         "it holds characters that no password has",
	"access-list":            "an access list denies the login where the client is",
	"banned":                 "a ban holds for this login, or for everybody, where the client is",
	"unknown-domain":         "a directory knows the account, but its domain is nobody's here",
	"alias-of-another":       "a directory knows the account, but its address is an alias that another account was given here",
	"authorization-identity": "it asks to act as somebody else",
	"login-spelling":         "before a directory that runs the exchange a login is written as its account is (small letters, no quotes), and names nobody else to act as",
	"refused":                "it does not match",
}
