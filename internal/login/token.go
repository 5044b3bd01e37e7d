package login

import (
	"context"
	"errors"
	"strings"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/pool"
	"countersign/internal/login/recent"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/oauth"
	"countersign/internal/sasl"
)

// Tokens verifies bearer tokens; oauth.Verifier does, and says what its methods mean.
type Tokens interface {
	VerifyFor(ctx context.Context, token, domain string, whose pool.Ticket) (oauth.Identity, error)
	Advise(domain string) oauth.Advice
	SpeaksFor(domain string) bool
}

// TakesTokens reports whether there is anybody who verifies tokens.
func (v *Verifier) TakesTokens() bool {
	return v.opt.Tokens != nil || v.opt.Directories != nil && v.opt.Directories.TakesTokens()
}

// Token returns whom a bearer token is for. user is whom the client named, "" for
// nobody: the token decides, and another name is refused.
//
// A token is for the account that has its subject as a credential; or else, where
// Options.ByClaim allows its issuer that and what it calls the user is the login of an
// account, for that.
//
// Where no issuer speaks for the domain of the user, and a directory that serves it verifies
// tokens, that decides: for the accounts that it has, and where it names the same user.
//
// Errors are those of Password, in a *sasl.TokenError where the token is refused;
// fault.Unavailable with reason "auth-unavailable" also where the issuer, or the directory,
// cannot be asked.
func (v *Verifier) Token(ctx context.Context, a Attempt, user, token string) (*account.Principal, error) {
	domain := string(mail.DomainOf(user))
	key, _ := mail.KeyOf(user)
	e := v.showing(&a, key, outside.ByToken(token))
	switch {
	case v.tokensElsewhere(domain, e):
		p, err := v.bearerElsewhere(ctx, e, token)
		if fault.Is(err, fault.Unauthenticated) {
			return nil, v.refused(domain, err)
		}
		return p, err
	case v.opt.Tokens == nil:
		return nil, v.refused(domain, why.Failure(why.ErrNone))
	}
	identity, err := v.opt.Tokens.VerifyFor(ctx, token, domain, pool.Ticket{Keys: a.keys(key)})
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return nil, v.refused(domain, why.Failure(errors.Join(why.ErrToken, err)))
	case fault.Is(err, fault.Busy):
		return nil, fault.Refuse("login.token", fault.Busy, why.ReasonBusy)
	case err != nil:
		return nil, why.Unavailable(ctx, err)
	}
	p, err := v.bearer(ctx, &a, user, identity)
	if fault.Is(err, fault.Unauthenticated) {
		return nil, v.refused(domain, err)
	}
	return p, err
}

// tokensElsewhere reports whether directories judge the tokens of a domain, "" for that of
// nobody: an issuer that speaks for it comes first.
func (v *Verifier) tokensElsewhere(domain string, e *effort) bool {
	if domain == "" || v.opt.Tokens != nil && v.opt.Tokens.SpeaksFor(domain) {
		return false
	}
	return len(e.round.Taking(v.outside.Around(e.login))) > 0
}

// bearerElsewhere asks directories about a token.
func (v *Verifier) bearerElsewhere(ctx context.Context, e *effort, token string) (*account.Principal, error) {
	if token == "" { // the client only asks what is wanted (RFC 7628 section 4.3)
		return nil, why.Failure(why.ErrNone)
	}
	return v.shown(ctx, e, "")
}

// refused adds what the client is told: the same, whatever was wrong, and whoever has found
// it (RFC 7628 section 3.2.2).
func (v *Verifier) refused(domain string, err error) error {
	var advice oauth.Advice
	if v.opt.Tokens != nil {
		advice = v.opt.Tokens.Advise(domain)
	}
	return &sasl.TokenError{Status: "invalid_token", Scope: advice.Scope, Configuration: advice.Configuration, Err: err}
}

// bearer finds the account of an identity.
func (v *Verifier) bearer(ctx context.Context, a *Attempt, user string, who oauth.Identity) (*account.Principal, error) {
	login, id, err := v.holder(ctx, who)
	if err != nil {
		return nil, err
	}
	l, err := v.look(ctx, login)
	l.heed(v, a)
	switch {
	case err != nil:
		return nil, err
	case l.cause != nil:
		return nil, why.Failure(l.cause)
	}
	c := &account.Credential{Kind: account.OAuth, Name: who.Issuer, Subject: who.Issuer + " " + who.User}
	for i := range l.proofs.Credentials {
		if stored := &l.proofs.Credentials[i]; id != "" && stored.ID == id {
			c = stored
		}
	}
	if !speaksFor(who, l.login) || user != "" && !sameLogin(user, l.login) {
		return nil, why.Failure(why.ErrForeign)
	}
	if cause := v.usable(a, &l.proofs, c); cause != nil {
		return nil, why.Failure(cause)
	}
	p, err := v.admit(ctx, a, &l, "", c)
	if err == nil {
		until := who.Expires
		if until.IsZero() { // its issuer alone knows: it is asked again
			until = v.opt.Now().Add(askAgain)
		}
		p.Until = recent.Sooner(p.Until, until)
	}
	return p, err
}

// holder returns the login of an identity, and its credential where it has one.
func (v *Verifier) holder(ctx context.Context, who oauth.Identity) (login string, id mail.ID, err error) {
	if strings.HasPrefix(who.User, subPrefix) {
		return "", "", why.Failure(why.ErrForeign) // it would be taken for a subject, which users cannot choose
	}
	subjects := []string{who.Issuer + " " + who.User}
	if who.Subject != "" {
		subjects = append(subjects, who.Issuer+" "+subPrefix+who.Subject)
	}
	found, err := v.opt.Store.Holders(ctx, account.OAuth, subjects)
	if err != nil {
		return "", "", why.Unavailable(ctx, err)
	}
	for _, h := range found {
		if login != "" && h.Login != login {
			return "", "", why.Failure(why.ErrForeign) // one token, two accounts
		}
		login, id = h.Login, h.Credential
	}
	if login == "" && v.opt.ByClaim[who.Issuer] {
		login = who.User
	}
	return login, id, nil
}

// subPrefix stands in the subject of a credential before an issuer's own, lasting name
// of a user ("sub"), which is apart from what the configured claim says.
const subPrefix = "sub:"

// speaksFor reports whether the issuer may name accounts of the login's domain.
func speaksFor(who oauth.Identity, login string) bool {
	domain := string(mail.DomainOf(login))
	return domain != "" && who.SpeaksFor(domain)
}

// sameLogin reports whether a name that a client gave is that login.
func sameLogin(given, login string) bool {
	key, ok := mail.KeyOf(given)
	return ok && key == login
}
