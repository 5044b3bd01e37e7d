package issuer

import (
	"crypto/x509"
	"errors"
	"time"

	"golang.org/x/crypto/acme"
)

const (
	// renewMax is the earliest that a certificate is renewed before its end;
	// for short-lived ones it is a third of their life.
	renewMax = 30 * 24 * time.Hour
	// retryMin and retryMax bound the wait after a failure. Authorities
	// allow few failures (Let's Encrypt five an hour for a host and account).
	retryMin = 2 * time.Minute
	retryMax = 6 * time.Hour
)

// renewAt returns when a certificate is to be renewed.
func renewAt(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-min(leaf.NotAfter.Sub(leaf.NotBefore)/3, renewMax))
}

// retryAfter returns how long to wait after so many failures in a row, at
// least one, the last of which was err: twice as long each time, and never
// less than the authority asks for (RFC 8555 section 6.6).
func retryAfter(failures int, err error) time.Duration {
	d := retryMin
	for n := 1; n < failures && d < retryMax; n++ {
		d *= 2
	}
	d = min(d, retryMax)
	var problem *acme.Error
	if errors.As(err, &problem) {
		asked, _ := acme.RateLimit(problem)
		d = max(d, asked)
	}
	return d
}
