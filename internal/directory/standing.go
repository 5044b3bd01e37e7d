package directory

import (
	"context"
	"net/netip"

	"countersign/internal/fault"
)

// Standing is how an account stands at its directory, whoever shows what.
type Standing struct {
	// Login is the canonical address.
	Login string
	// Disabled says that the account may not log in.
	Disabled bool
	// Networks are those from which it may log in, empty for all.
	Networks []netip.Prefix
	// Here says that the answer holds for where the client is, and nowhere else: the
	// directory has judged that itself.
	Here bool
}

// Witness is a Source that may know how an account stands without its password: what the
// gate keeps of it, such as an app password, is good for as long as the account is.
type Witness interface {
	Source
	// Witnesses reports whether it does know: some look nobody up.
	Witnesses() bool
	// Standing answers how an account stands. The question's password plays no part.
	// Errors are those of Ask; fault.NotFound is an account that is not there any more,
	// and fault.Invalid one of which it does not know.
	Standing(ctx context.Context, q Question) (Standing, error)
}

var _ Witness = (*Guard)(nil)

// Witnesses implements Witness for what the guard stands before.
func (g *Guard) Witnesses() bool {
	w, ok := g.source.(Witness)
	return ok && w.Witnesses()
}

// Standing implements Witness, within the bounds of Ask.
func (g *Guard) Standing(ctx context.Context, q Question) (s Standing, err error) {
	w, ok := g.source.(Witness)
	if !ok || !w.Witnesses() {
		return s, fault.New("directory.standing", fault.Invalid, "directory %s looks nobody up without a password", g.Name())
	}
	q.Password = ""
	if err := q.Check(); err != nil {
		return s, err
	}
	err = g.Do(ctx, func(asked context.Context) error {
		var err error
		if s, err = w.Standing(asked, q); err == nil {
			err = s.check()
		}
		return err
	})
	if err != nil {
		return Standing{}, err
	}
	return s, nil
}

// check brings the address into its normal form, and refuses what is none.
func (s *Standing) check() error {
	login, err := Normal(s.Login)
	if err != nil {
		return nonsense("the login is no address")
	}
	s.Login = login.String()
	return nil
}
