package sasl

import (
	"bytes"
	"context"
	"unicode/utf8"
)

// Length limits in octets. RFC 4616 sets none that is useful; a login is a
// mail address or less.
const (
	maxLogin    = 255
	maxPassword = 1024
)

// plain is the mechanism PLAIN (RFC 4616): one response holds it all.
type plain struct {
	verifier Verifier
	over     bool
}

func newPlain(v Verifier) Exchange { return &plain{verifier: v} }

func (p *plain) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if p.over {
		return nil, false, ErrSyntax
	}
	if response == nil { // no initial response: RFC 4954 section 4 asks for an empty challenge
		return []byte{}, false, nil
	}
	p.over = true
	authzid, login, password, err := parsePlain(response)
	if err != nil {
		return nil, false, err
	}
	if err := p.verifier.VerifyPassword(ctx, authzid, login, password); err != nil {
		return nil, false, err
	}
	return nil, true, nil
}

// parsePlain reads "[authzid] NUL authcid NUL passwd" (RFC 4616 section 2).
func parsePlain(response []byte) (authzid, login, password string, err error) {
	if len(response) > 2*maxLogin+maxPassword+2 || !utf8.Valid(response) {
		return "", "", "", ErrSyntax
	}
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return "", "", "", ErrSyntax
	}
	if len(parts[0]) > maxLogin || !fits(parts[1], maxLogin) || !fits(parts[2], maxPassword) {
		return "", "", "", ErrSyntax
	}
	return string(parts[0]), string(parts[1]), string(parts[2]), nil
}

// fits reports whether b has 1 to limit octets.
func fits(b []byte, limit int) bool { return len(b) > 0 && len(b) <= limit }
