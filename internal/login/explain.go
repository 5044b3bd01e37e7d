package login

import (
	"context"
	"errors"
	"slices"
	"strings"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/login/walk"
	"countersign/internal/login/why"
	"countersign/internal/mail"
	"countersign/internal/oauth"
	"countersign/internal/sasl"
)

// Question is a login that is to be explained.
type Question struct {
	// Attempt is where and how it would be tried; no Mechanism is a client that does
	// not log in.
	Attempt Attempt
	// Login is the name as a client would give it, Authzid whom it asks to act as, "" for
	// nobody else.
	Login, Authzid string
	// Password is what it would prove, a bearer token where the mechanism takes one;
	// nil where it is not known: then nothing is decided.
	Password *string
	// Subjects are those of Client, where the mechanism takes a certificate; nil for none.
	Subjects []string
}

// Explain goes through a login as the Verifier does, and says what it met. It changes
// nothing: no secret is renewed, no account made, no use noted. It costs what the login
// costs. Errors: fault.Unavailable where the store cannot be asked, fault.Canceled.
func (v *Verifier) Explain(ctx context.Context, q Question) (*walk.Explanation, error) {
	dry, r := v.rehearsal()
	l, err := dry.look(ctx, q.Login)
	if err != nil {
		return nil, err
	}
	x := &walk.Explanation{Login: l.login, Legacy: l.proofs.Legacy, NoTokens: !dry.TakesTokens()}
	var sources []directory.Source
	sources, x.AskedFor = dry.askedFor(&q, &l)
	for _, s := range sources {
		x.Asked = append(x.Asked, s.Name())
	}
	if l.cause == nil {
		if x.Sender, err = v.opt.Store.Sender(ctx, l.login); err != nil {
			return nil, why.Unavailable(ctx, err)
		}
		if x.Credentials, err = dry.standings(ctx, &q, &l); err != nil {
			return nil, err
		}
	}
	if q.Password == nil && q.Subjects == nil && q.Attempt.Mechanism != "" {
		return x, nil
	}
	x.Principal, err = dry.decide(ctx, &q)
	x.Decided, x.Renewed, x.Unmade, x.Learns = true, r.renewed, r.unmade, r.learns
	switch x.Cause, x.Detail = why.Word(err), oauth.Cause(err); {
	case r.unmade != "" || err == nil:
	case fault.Is(err, fault.Unauthenticated):
		if x.Cause == "" {
			x.Cause = "refused"
		}
	default:
		x.Trouble = err
		if of := (*directory.AskError)(nil); errors.As(err, &of) {
			x.Away, x.Odd, x.Why = of.Name, of.Own(), of.Err
		}
	}
	return x, nil
}

// askedFor returns the directories that are asked, and for what; "" is the password.
func (v *Verifier) askedFor(q *Question, l *look) (list []directory.Source, what string) {
	list = v.sources(l)
	switch m, _ := sasl.Lookup(q.Attempt.Mechanism); {
	case m.Token:
		if e := v.showing(&q.Attempt, l.login, outside.ByToken("")); v.tokensElsewhere(string(mail.DomainOf(l.login)), e) {
			return e.round.Taking(list), "token"
		}
	case m.Certificate:
		if e := v.named(&q.Attempt, q.Subjects); e != nil && e.login == l.login {
			return e.round.Taking(list), "certificate's owner"
		}
	}
	return list, ""
}

// standings says of each credential how it stands.
func (v *Verifier) standings(ctx context.Context, q *Question, l *look) ([]walk.Standing, error) {
	serving, err := v.serving(ctx, q, l)
	if err != nil {
		return nil, err
	}
	var list []walk.Standing
	for i := range l.proofs.Credentials {
		c := &l.proofs.Credentials[i]
		s := v.standing(l, c)
		s.Serves = slices.Contains(serving, c.ID)
		s.Cause = why.Word(v.usable(&q.Attempt, &l.proofs, c))
		list = append(list, s)
	}
	return list, nil
}

// standing says what is stored of a credential, and what would be made anew.
func (v *Verifier) standing(l *look, c *account.Credential) walk.Standing {
	s := walk.Standing{Credential: *c, Scram: map[string]int{}}
	s.Secret = account.Secret{}
	if c.Kind == account.Password {
		s.Elsewhere = l.proofs.Directory
	}
	for _, k := range c.Secret.Keys {
		if slices.Contains(account.LegacyMechanisms(), k.Mechanism) {
			s.Legacy = append(s.Legacy, k.Mechanism)
		} else if key, err := v.opt.Maker.Open(k.Mechanism, l.login, k.Value); err == nil {
			s.Scram[k.Mechanism] = key.Iterations
		}
	}
	if c.Secret.Hash == "" {
		return s
	}
	h, err := v.opt.Maker.Hash(l.login, &c.Secret)
	if err != nil {
		s.Damaged = true
		return s
	}
	s.Hash, s.Cost = h.Scheme(), h.Cost().String()
	if c.Kind == account.Password {
		s.StaleHash, s.StaleKeys = !v.opt.Hasher.Current(h), v.opt.Maker.Lacks(&c.Secret, l.login, l.proofs.Legacy)
	}
	return s
}

// serving lists the credentials that the mechanism can prove.
func (v *Verifier) serving(ctx context.Context, q *Question, l *look) (ids []mail.ID, err error) {
	m, _ := sasl.Lookup(q.Attempt.Mechanism)
	var derivedFrom []*account.Credential
	if walk.ProvesKey(m.Name) {
		k, err := v.Keys(ctx, base(m.Name), q.Login)
		if err != nil {
			return nil, err
		}
		derivedFrom = k.Handle.(*derived).of
	}
	for i := range l.proofs.Credentials {
		c := &l.proofs.Credentials[i]
		var serves bool
		switch {
		case walk.ProvesKey(m.Name):
			serves = slices.ContainsFunc(derivedFrom, func(of *account.Credential) bool { return of.ID == c.ID }) ||
				c.Kind == account.Password && v.passes(l, m.Name) != nil
		case m.Token:
			serves = c.Kind == account.OAuth || c.Kind == account.Password && v.takes(q, l)
		case m.Certificate:
			serves = c.Kind == account.Certificate || c.Kind == account.Password && v.takes(q, l)
		case m.Name == "":
			serves = c.Kind == account.Network
		default:
			serves = c.Kind.Secret() && (c.Secret.Hash != "" || l.proofs.Directory != "" && c.Kind == account.Password)
		}
		if serves {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// takes reports whether the directory of an account takes what a login shows in place of the
// password.
func (v *Verifier) takes(q *Question, l *look) bool {
	list, what := v.askedFor(q, l)
	return what != "" && len(list) > 0
}

// base is a mechanism's name as keys have it.
func base(name string) string { return strings.TrimSuffix(name, "-PLUS") }

// decide goes through the login.
func (v *Verifier) decide(ctx context.Context, q *Question) (*account.Principal, error) {
	m, _ := sasl.Lookup(q.Attempt.Mechanism)
	switch {
	case q.Attempt.Mechanism == "":
		p, err := v.Network(ctx, q.Attempt)
		if err == nil && p == nil {
			err = why.Failure(why.ErrNone)
		}
		return p, err
	case m.Certificate:
		return v.Certificate(ctx, q.Attempt, q.Authzid, q.Subjects)
	case m.Token:
		return v.Token(ctx, q.Attempt, q.Login, *q.Password)
	case !walk.ProvesKey(m.Name):
		return v.Password(ctx, q.Attempt, q.Authzid, q.Login, *q.Password)
	}
	l, err := v.look(ctx, q.Login)
	if err != nil {
		return nil, err
	}
	if outside.Passing(v.outside.Around(l.login), q.Attempt.Mechanism) != nil && q.Login != l.login {
		return nil, why.Failure(why.ErrSpelling)
	}
	if v.passes(&l, q.Attempt.Mechanism) != nil { // the directory, which runs the exchange, knows the password too
		return v.Password(ctx, q.Attempt, q.Authzid, q.Login, *q.Password)
	}
	k, err := v.Keys(ctx, base(m.Name), q.Login)
	if err != nil {
		return nil, err
	}
	return v.Proved(ctx, q.Attempt, q.Authzid, k, v.opt.Maker.Which(k, *q.Password))
}

// rehearsed is a store, and directories, that take no change.
type rehearsed struct {
	account.CredentialStore
	Directories
	renewed bool
	unmade  string
	learns  []string
}

// errUnmade ends a rehearsal where an account would be made.
var errUnmade = errors.New("the account would be made now")

// RenewSecret notes that a secret would be stored anew.
func (r *rehearsed) RenewSecret(context.Context, string, mail.ID, string, account.Secret, audit.Event) error {
	r.renewed = true
	return nil
}

// Ensure notes what would become of an account, and that it would be made, where there
// is none.
func (r *rehearsed) Ensure(ctx context.Context, name string, a *directory.Answer) error {
	notes, made, err := r.Rehearse(ctx, name, a)
	r.learns = notes
	if err == nil && made {
		r.unmade, err = name, errUnmade
	}
	return err
}

// rehearsal returns a Verifier that decides as v does, and changes nothing. It remembers
// nothing either, so that each login is gone through.
func (v *Verifier) rehearsal() (*Verifier, *rehearsed) {
	r := &rehearsed{CredentialStore: v.opt.Store, Directories: v.opt.Directories}
	opt := v.opt
	opt.Store, opt.Remember = r, 0
	if v.opt.Directories != nil {
		opt.Directories = r
	}
	dry := New(opt)
	dry.dry = true
	return dry, r
}
