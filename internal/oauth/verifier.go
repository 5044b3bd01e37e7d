package oauth

import (
	"context"
	"slices"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/oauth/fetch"
)

// opNew is where errors of the configuration come from.
const opNew = "oauth.new"

// Verifier verifies the tokens of its issuers. Its methods are safe for concurrent use.
type Verifier struct {
	// issuers are all, in the order of the configuration.
	issuers []*issuer
	// byURL finds them by the "iss" of a JWT.
	byURL map[string]*issuer
	// asking are those that are asked about opaque tokens.
	asking []*issuer
}

// New makes a Verifier. It reads the files that the issuers name, and asks nobody
// anything, so that the gate starts while a provider is away. Errors: Invalid, with what
// is wrong and for which issuer. Close it at the end.
func New(issuers []Issuer, opt Options) (*Verifier, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(issuers) > MaxIssuers {
		return nil, fault.New(opNew, fault.Invalid, "there are more than %d issuers", MaxIssuers)
	}
	opt.Remembered = share(opt.Remembered, issuers)
	v := &Verifier{byURL: make(map[string]*issuer)}
	for _, c := range issuers {
		err = v.add(c, opt)
		if err != nil {
			break
		}
	}
	if err == nil {
		err = first(issuers, judgeTogether(issuers))
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// share returns how many answers each issuer that is asked may keep.
func share(all int, issuers []Issuer) int {
	asked := 0
	for _, i := range issuers {
		if i.Introspection != nil {
			asked++
		}
	}
	return max(all/max(asked, 1), 16)
}

// add puts an issuer beside those that are there.
func (v *Verifier) add(c Issuer, opt Options) error {
	i, err := newIssuer(c, opt)
	if err != nil {
		return err
	}
	same := func(other *issuer) bool { return other.Name == i.Name }
	if v.byURL[i.URL] != nil || slices.ContainsFunc(v.issuers, same) {
		return fault.New(opNew, fault.Invalid, "issuer %s: there is another with the same Name or URL", i.Name)
	}
	v.byURL[i.URL] = i
	v.issuers = append(v.issuers, i)
	if i.asker != nil {
		v.asking = append(v.asking, i)
	}
	return nil
}

// Verify finds out whom a token names. It is VerifyFor without a domain: an opaque token
// is refused where several issuers could be asked about it.
func (v *Verifier) Verify(ctx context.Context, text string) (Identity, error) {
	return v.VerifyFor(ctx, text, "", pool.Ticket{})
}

// VerifyFor finds out whom a token names that came with a login of a domain, in any
// form, or "" where it came without; an issuer that may not speak for the domain is not
// asked. Whether the token names that login the caller has yet to see. Where its issuer is
// asked, that happens in the turn of whose, whose keys are the wide and the narrow network of
// who brings the token, and the login: questions are shared out fairly.
//
// Errors: Unauthenticated with a Cause for a token that is not good; Unavailable where
// its issuer cannot be asked; Busy when too many tokens are asked about at once;
// Canceled when ctx ends first. A token is refused that has more than MaxToken octets.
// It takes at most two requests' time, and that of its turn.
func (v *Verifier) VerifyFor(ctx context.Context, text, domain string, whose pool.Ticket) (Identity, error) {
	t, cause := read(text)
	if cause != "" {
		return Identity{}, refuse(cause)
	}
	i, cause := v.issuerOf(t, domain)
	if cause != "" {
		return Identity{}, refuse(cause)
	}
	return i.verify(ctx, t, whose)
}

// issuerOf finds the one issuer that may be believed about a token.
func (v *Verifier) issuerOf(t *token, domain string) (*issuer, string) {
	if t.opaque() {
		return v.askedAbout(domain)
	}
	// RFC 9068 section 4: to the letter.
	name, _ := t.claims.Text("iss")
	i := v.byURL[name]
	if i == nil {
		return nil, CauseWrongIssuer
	}
	if domain != "" && !i.speaksFor(domain) {
		return nil, CauseForeignDomain
	}
	return i, ""
}

// askedAbout finds the issuer that is asked about an opaque token.
func (v *Verifier) askedAbout(domain string) (*issuer, string) {
	switch {
	case len(v.asking) == 0:
		return nil, CauseMalformed
	case domain == "" && len(v.asking) == 1:
		return v.asking[0], ""
	case domain == "":
		return nil, CauseWrongIssuer
	}
	at := slices.IndexFunc(v.asking, func(i *issuer) bool { return i.speaksFor(domain) })
	if at < 0 {
		return nil, CauseForeignDomain
	}
	return v.asking[at], ""
}

// Close ends the requests under way and waits for their end. Tokens that need one are
// answered with Unavailable from then on.
func (v *Verifier) Close() {
	for _, i := range v.issuers {
		i.close()
	}
}

// Health is how one issuer stands.
type Health struct {
	// Issuer is its configured name.
	Issuer string
	// State is "untried", "reachable" or "unreachable"; the last if either keys or
	// answers about tokens could not be got.
	State string
	// Since is when that began, LastAnswer when an answer could last be used; zero if
	// never.
	Since, LastAnswer time.Time
	// Reason says why it is unreachable, for the operator. It holds no secret and no token.
	Reason string
	// Keys is how many usable keys it has.
	Keys int
}

// Health tells how the issuers stand, in the order of the configuration. It asks nobody.
func (v *Verifier) Health() []Health {
	all := make([]Health, 0, len(v.issuers))
	for _, i := range v.issuers {
		all = append(all, i.health())
	}
	return all
}

func (i *issuer) health() Health {
	h := Health{Issuer: i.Name, State: string(fetch.Untried)}
	var reports []fetch.Report
	if i.ring != nil {
		report, keys := i.ring.Standing()
		h.Keys, reports = keys, append(reports, report)
	}
	if i.asker != nil {
		reports = append(reports, i.asker.Standing())
	}
	rank := []fetch.State{fetch.Untried, fetch.Reachable, fetch.Unreachable}
	for _, report := range reports {
		if report.LastAnswer.After(h.LastAnswer) {
			h.LastAnswer = report.LastAnswer
		}
		if slices.Index(rank, report.State) > slices.Index(rank, fetch.State(h.State)) {
			h.State, h.Since, h.Reason = string(report.State), report.Since, report.Reason
		}
	}
	return h
}
