package ldap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// LDAP is a directory.Source. It is safe for concurrent use. directory.Guard bounds
// its time.
type LDAP struct {
	opt Options
	// searches is bound as the account that searches, binds as the users of before;
	// with a DN of the user there is the latter alone.
	searches, binds *pool
}

var _ directory.Source = (*LDAP)(nil)

// New returns an LDAP that has not connected yet. Errors: fault.Invalid for options
// that will not do.
func New(opt Options) (*LDAP, error) {
	p, all := opt.read()
	if err := all.First(); err != nil {
		return nil, fault.New("ldap.new", fault.Invalid, "directory %s: %v", opt.Name, err)
	}
	if opt.Filter == "" {
		opt.Filter = anyEntry
	}
	d := &LDAP{opt: opt}
	d.searches = newPool(p, opt.Connections, d.login)
	d.binds = newPool(p, opt.Connections, func(*goldap.Conn) error { return nil })
	return d, nil
}

// login binds as the account that searches.
func (d *LDAP) login(c *goldap.Conn) error {
	if d.opt.BindDN == "" {
		return nil
	}
	password, err := readPassword(d.opt.PasswordFile)
	if err != nil {
		return err
	}
	if err := c.Bind(d.opt.BindDN, password); err != nil {
		return fmt.Errorf("the account that searches cannot log in: %w", described(err))
	}
	return nil
}

// Name implements directory.Source.
func (d *LDAP) Name() string { return d.opt.Name }

// Close implements directory.Source.
func (d *LDAP) Close() error {
	d.searches.close()
	d.binds.close()
	return nil
}

// failed gives an error its kind.
func (d *LDAP) failed(ctx context.Context, err error) error {
	if err == nil || errors.As(err, new(*fault.Error)) {
		return err
	}
	return directory.Failed(ctx, "ldap.ask", fmt.Errorf("the directory %s: %w", d.opt.Name, err))
}

// Check finds out whether the server answers, lets the account that searches log in,
// and has the bases of the searches. Errors: fault.Unavailable, fault.Canceled.
func (d *LDAP) Check(ctx context.Context) error {
	if d.opt.UserDN != "" {
		return d.failed(ctx, d.binds.do(ctx, func(*goldap.Conn) error { return nil }))
	}
	return d.failed(ctx, d.searches.do(ctx, func(c *goldap.Conn) error {
		for _, base := range []string{d.opt.Base, d.opt.GroupBase} {
			if base == "" {
				continue
			}
			if _, err := d.search(ctx, c, wanted{base: base, filter: anyEntry, most: 1}); err != nil {
				return fmt.Errorf("the base %.200q: %w", base, err)
			}
		}
		return nil
	}))
}

// Ask implements directory.Source. Without a password nothing can be asked, unless it
// is the hash that is read.
func (d *LDAP) Ask(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	const op = "ldap.ask"
	switch {
	case !utf8.ValidString(q.Login) || q.Login == "": // RFC 4511 section 4.1.2
		return nil, fault.New(op, fault.NotFound, "")
	case d.opt.Attributes.Hash != "":
		a, err := d.hash(ctx, namesOf(q.Login))
		return a, d.failed(ctx, err)
	case q.Password == "": // RFC 4513 section 5.1.2: such a bind succeeds, and proves nothing
		return nil, fault.New(op, fault.Invalid, "directory %s verifies passwords and looks nobody up", d.opt.Name)
	case d.opt.UserDN != "":
		a, err := d.bindAsUser(ctx, namesOf(q.Login), q.Password)
		return a, d.failed(ctx, err)
	}
	a, err := d.searchAndBind(ctx, namesOf(q.Login), q.Password)
	return a, d.failed(ctx, err)
}

// bindAsUser binds as the DN that the login makes, and reads that very entry: by a
// search it might be another's.
func (d *LDAP) bindAsUser(ctx context.Context, n names, password string) (*directory.Answer, error) {
	n.dn = n.inDN(d.opt.UserDN)
	var a *directory.Answer
	err := d.binds.do(ctx, func(c *goldap.Conn) error {
		if err := bindResult(c.Bind(n.dn, password)); err != nil {
			return err
		}
		e, err := d.search(ctx, c, wanted{base: n.dn, filter: n.inFilter(d.opt.Filter), attributes: d.opt.Attributes.list(), most: 1})
		if err == nil && len(e) == 0 {
			return fault.New("ldap.ask", fault.NotFound, "")
		}
		if err != nil {
			return fmt.Errorf("reading the user's own entry: %w", err)
		}
		a, err = d.known(ctx, c, n, e[0])
		return err
	})
	return a, err
}

// searchAndBind searches the user and binds as what it has found, or as the decoy.
func (d *LDAP) searchAndBind(ctx context.Context, n names, password string) (*directory.Answer, error) {
	var entry *goldap.Entry
	err := d.searches.do(ctx, func(c *goldap.Conn) (err error) {
		entry, err = d.find(ctx, c, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	n.dn = d.decoy()
	if entry != nil {
		n.dn = entry.DN
	}
	err = d.binds.do(ctx, func(c *goldap.Conn) error { return c.Bind(n.dn, password) })
	if entry == nil && (err == nil || bindIsNo(err)) {
		return nil, fault.New("ldap.ask", fault.NotFound, "")
	}
	if err = bindResult(err); err != nil {
		return nil, err
	}
	if d.opt.Disabled == "" && d.opt.GroupBase == "" { // there is nothing more to ask
		return d.known(ctx, nil, n, entry)
	}
	var a *directory.Answer
	err = d.searches.do(ctx, func(c *goldap.Conn) (err error) {
		a, err = d.known(ctx, c, n, entry)
		return err
	})
	return a, err
}

// bindIsNo reports whether a bind had a result that is about the account.
func bindIsNo(err error) bool {
	return fault.Is(bindResult(err), fault.Unauthenticated) || fault.Is(bindResult(err), fault.NotFound)
}

// hash searches the user and reads the hash. For an unknown one the same is asked of
// the decoy.
func (d *LDAP) hash(ctx context.Context, n names) (*directory.Answer, error) {
	var a *directory.Answer
	err := d.searches.do(ctx, func(c *goldap.Conn) error {
		entry, err := d.find(ctx, c, n)
		if err != nil {
			return err
		}
		unknown := entry == nil
		if unknown {
			entry = &goldap.Entry{DN: d.decoy()}
		}
		n.dn = entry.DN
		a, err = d.known(ctx, c, n, entry)
		if unknown {
			a = nil
			if err == nil || fault.Is(err, fault.Corrupt) {
				err = fault.New("ldap.ask", fault.NotFound, "")
			}
		}
		return err
	})
	return a, err
}

// decoy is the DN that stands for users that are not there.
func (d *LDAP) decoy() string {
	if d.opt.Decoy != "" {
		return d.opt.Decoy
	}
	return "cn=countersign-decoy," + d.opt.Base
}

// find finds the entry of a user, nil where there is none.
func (d *LDAP) find(ctx context.Context, c *goldap.Conn, n names) (*goldap.Entry, error) {
	found, err := d.search(ctx, c, wanted{
		base: d.opt.Base, below: true, filter: n.inFilter(d.opt.Filter), attributes: d.opt.Attributes.list(), most: 1,
	})
	switch {
	case errors.Is(err, errMany):
		return nil, fault.New("ldap.ask", fault.Corrupt, "directory %s has several entries for one login", d.opt.Name)
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, nil
	}
	return found[0], nil
}

// wanted is a search.
type wanted struct {
	base, filter string
	below        bool     // the whole subtree, not the entry alone
	attributes   []string // none for nothing but the DN
	most         int      // how many entries there may be
}

// search runs a search. Errors: errMany where there is more than there may be, and
// the server's. That base is not there is an error for a subtree alone.
func (d *LDAP) search(ctx context.Context, c *goldap.Conn, w wanted) ([]*goldap.Entry, error) {
	scope, attributes := goldap.ScopeBaseObject, w.attributes
	if w.below {
		scope = goldap.ScopeWholeSubtree
	}
	if len(attributes) == 0 {
		attributes = []string{"1.1"} // RFC 4511 section 4.5.1.8: none
	}
	found, err := c.Search(goldap.NewSearchRequest(w.base, scope, goldap.NeverDerefAliases, w.most+1, seconds(ctx), false, w.filter, attributes, nil))
	switch {
	case goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded), err == nil && len(found.Entries) > w.most:
		return nil, errMany
	case err != nil:
		return nil, resultError{err}
	}
	return found.Entries, nil // referrals among them are not followed
}

// seconds is the time that a server may take for a search, 1 at least: 0 would be no
// bound (RFC 4511 section 4.5.1.5).
func seconds(ctx context.Context) int {
	until, ok := ctx.Deadline()
	if !ok {
		return int(longest / time.Second)
	}
	return max(1, int(math.Ceil(time.Until(until).Seconds())))
}

// resultError is a server's error with a text of bounded length.
type resultError struct{ err error }

// Error returns the result in one line.
func (e resultError) Error() string { return described(e.err).Error() }

// Unwrap returns the library's error.
func (e resultError) Unwrap() error { return e.err }
