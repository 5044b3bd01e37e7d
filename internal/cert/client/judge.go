package client

import (
	"crypto/x509"
	"errors"
	"time"

	"countersign/internal/fault"
)

// Bounds of what a client presents. A chain is the leaf, what lies between, and
// sometimes the root; ten are more than any authority needs.
const (
	maxPresented      = 10
	maxPresentedBytes = 32 << 10
)

// reasonFailed is the reason of the catalogue in package smtp for whoever has not
// proved to be anybody.
const reasonFailed = "auth-failed"

// Why a certificate does not hold: for the record alone.
var (
	errAbsent   = errors.New("absent")
	errTooLarge = errors.New("too-large")
	errExpired  = errors.New("expired")
	errNotYet   = errors.New("not-yet")
	errForeign  = errors.New("foreign")
	errUsage    = errors.New("usage")
	errRevoked  = errors.New("revoked")
	errStale    = errors.New("crl-stale")
	errNoList   = errors.New("crl-missing")
	errNameless = errors.New("nameless")
)

// causes are all of them.
func causes() []error {
	return []error{
		errAbsent, errTooLarge, errExpired, errNotYet, errForeign, errUsage, errRevoked, errStale, errNoList, errNameless,
	}
}

// Cause says in one stable word why Judge has refused a certificate, "" for any other
// error: "absent" for none at all, "too-large" for a chain beyond all bounds, "expired"
// and "not-yet", "foreign" where no path leads to an authority of the file, "usage" for
// one that is not for clients, "revoked", "crl-stale" where the list of revocations is
// past its next update, "crl-missing" where there is none of that authority, "nameless"
// where it says nothing of its owner that counts. It must never reach a client.
func Cause(err error) string {
	for _, cause := range causes() {
		if errors.Is(err, cause) {
			return cause.Error()
		}
	}
	return ""
}

// unfit makes the one refusal; detail may be nil.
func unfit(cause, detail error) error {
	return &fault.Error{Op: "client.judge", Kind: fault.Unauthenticated, Reason: reasonFailed, Err: errors.Join(cause, detail)}
}

// Identity is what a certificate that holds says of its owner. It does not change.
type Identity struct {
	// Subjects are in the forms of account.Credential.Subject, the most exact first: at
	// least one, at most 32.
	Subjects []string

	// presented is what was judged, by trust, for any time from from until until.
	presented   []*x509.Certificate
	trust       *trust
	from, until time.Time
	// path is what Path returns.
	path string
}

// Path names the certificate, and each authority between it and a root on the way by which it
// was found to hold, as a list of revocations would: for Verifier.Revokes, also of later runs
// of the program. It has at most 1,000 octets, and no secret.
func (id *Identity) Path() string { return id.path }

// Judge returns what a client's certificate says of its owner, presented as crypto/tls
// has it in ConnectionState.PeerCertificates: the client's own first, whose key the
// handshake has shown to be the client's. Errors are fault.Unauthenticated; Cause says
// why. It takes a few verifications of signatures. It is safe for concurrent use.
func (v *Verifier) Judge(presented []*x509.Certificate) (*Identity, error) {
	switch {
	case len(presented) == 0:
		return nil, unfit(errAbsent, nil)
	case tooLarge(presented):
		return nil, unfit(errTooLarge, nil)
	}
	t, now := v.trust.Load(), v.opt.Now()
	id := &Identity{presented: presented, trust: t}
	if err := id.verify(now); err != nil {
		return nil, err
	}
	id.Subjects = subjects(presented[0], v.opt.Names)
	if len(id.Subjects) == 0 {
		return nil, unfit(errNameless, nil)
	}
	return id, nil
}

// Recheck says whether an identity that Judge has returned still holds: nil, or what
// Judge would say now. It costs nothing as long as neither the files have changed nor an
// end has come.
func (v *Verifier) Recheck(id *Identity) error {
	now := v.opt.Now()
	if id.trust == v.trust.Load() && !now.Before(id.from) && now.Before(id.until) {
		return nil
	}
	_, err := v.Judge(id.presented)
	return err
}

// tooLarge reports whether a chain is beyond what is looked at.
func tooLarge(presented []*x509.Certificate) bool {
	octets := 0
	for _, c := range presented {
		octets += len(c.Raw)
	}
	return len(presented) > maxPresented || octets > maxPresentedBytes
}

// verify finds a path that holds now, and how long it will.
func (id *Identity) verify(now time.Time) error {
	leaf := id.presented[0]
	paths, err := id.trust.paths(id.presented, now)
	if err != nil {
		return unfit(pathCause(leaf, err, now), err)
	}
	// RFC 5280 section 4.2.1.3: a key that is restricted signs handshakes only with
	// digitalSignature among its uses.
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return unfit(errUsage, nil)
	}
	var refused error
	for _, path := range paths {
		until, err := id.trust.revocation(path, now)
		if err == nil {
			id.limit(path, until)
			return nil
		}
		if refused == nil || errors.Is(err, errRevoked) {
			refused = err
		}
	}
	return unfit(refused, nil)
}

// limit keeps for which times the path was judged. until is the end of the lists that
// were asked, zero for none.
func (id *Identity) limit(path []*x509.Certificate, until time.Time) {
	id.from, id.until, id.path = path[0].NotBefore, until, pathOf(path)
	for _, c := range path {
		if c.NotBefore.After(id.from) {
			id.from = c.NotBefore
		}
		if id.until.IsZero() || c.NotAfter.Before(id.until) {
			id.until = c.NotAfter
		}
	}
}

// pathCause says in which of the words crypto/x509 has found no path.
func pathCause(leaf *x509.Certificate, err error, now time.Time) error {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return errForeign
	}
	switch invalid.Reason {
	case x509.Expired:
		at := invalid.Cert
		if at == nil {
			at = leaf
		}
		if now.Before(at.NotBefore) {
			return errNotYet
		}
		return errExpired
	case x509.IncompatibleUsage:
		return errUsage
	}
	return errForeign
}
