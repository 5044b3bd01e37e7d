package oauth

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"countersign/internal/oauth/document"
)

// Bounds of what a token says, in octets.
const (
	// maxUser is that of an address: RFC 5321 section 4.5.3.1.
	maxUser = 64 + 1 + 255
	// maxSubject is that of OpenID Connect Core 1.0 section 2.
	maxSubject = 255
)

// lastSecond is the last one of the year 9999; no token lives longer.
const lastSecond = 253402300799

// Identity is whom a good token names.
type Identity struct {
	// Issuer is the issuer's configured name.
	Issuer string
	// Subject is the issuer's own, lasting name for the user ("sub"), "" if the token has
	// none.
	Subject string
	// User is the value of the claim that names the user, as it stands there: 1 to 320
	// octets of printable text without spaces, an address where the claim is "email". The
	// caller must find the account by it, and see that SpeaksFor holds for the account's
	// domain.
	User string
	// Domains are those that the issuer may speak for; none means all. Not to be changed.
	Domains []string
	// Expires is when the token's time is over; zero where only its issuer knows.
	Expires time.Time
}

// SpeaksFor reports whether the issuer may name accounts of a domain, which is in
// lower-case A-labels.
func (i Identity) SpeaksFor(domain string) bool {
	return len(i.Domains) == 0 || slices.Contains(i.Domains, domain)
}

// judge reads whom the claims name. told says that they are the issuer's answer
// (RFC 7662 section 2.2), where less is required than in a JWT. The cause is "" for
// good ones.
func (i *issuer) judge(claims document.Object, told bool) (id Identity, cause string) {
	id = Identity{Issuer: i.Name, Domains: i.Domains}
	if id.Expires, cause = i.judgeTimes(claims, told); cause != "" {
		return Identity{}, cause
	}
	if !i.rightAudience(claims, told) {
		return Identity{}, CauseWrongAudience
	}
	// RFC 7800 section 3.1, RFC 8705 section 3, RFC 9449 section 6: the token is of use
	// with a proof of possession alone. Whoever stole it would pass here without one.
	kind, _ := claims.Text("token_type")
	if claims.Has("cnf") && string(claims["cnf"]) != "null" || told && lowerASCII(kind) == "dpop" {
		return Identity{}, CauseKeyBound
	}
	if !i.rightScope(claims) {
		return Identity{}, CauseScope
	}
	if claims.Has("sub") {
		subject, isText := claims.Text("sub")
		if !isText || len(subject) > maxSubject || !printable(subject) {
			return Identity{}, CauseMalformed
		}
		id.Subject = subject
	}
	id.User, cause = i.user(claims)
	if cause != "" {
		return Identity{}, cause
	}
	return id, ""
}

// judgeTimes judges exp, nbf and iat, and returns the first.
func (i *issuer) judgeTimes(claims document.Object, told bool) (expires time.Time, cause string) {
	now := i.now()
	for _, name := range []string{"exp", "nbf", "iat"} {
		if !claims.Has(name) {
			// RFC 9068 section 2.2 requires it; RFC 7662 section 2.2 does not.
			if name == "exp" && !told {
				return time.Time{}, CauseMalformed
			}
			continue
		}
		seconds, isNumber := claims.Number(name)
		if !isNumber || seconds < 0 || seconds > lastSecond {
			return time.Time{}, CauseMalformed
		}
		at := time.Unix(int64(seconds), 0)
		switch {
		case name == "exp":
			expires = at
			// RFC 7519 section 4.1.4: "on or after which" it is not accepted.
			if !now.Before(at.Add(i.Leeway)) {
				return time.Time{}, CauseExpired
			}
		case now.Add(i.Leeway).Before(at): // RFC 7519 section 4.1.5; iat: what is yet to be made is not there
			return time.Time{}, CauseNotYet
		}
	}
	return expires, ""
}

// rightAudience reports whether the token was made for us (RFC 9068 section 4).
func (i *issuer) rightAudience(claims document.Object, told bool) bool {
	if len(i.Audiences) == 0 {
		return told // the issuer has judged it: RFC 7662 section 4
	}
	named, ok := claims.Texts("aud")
	if told && !claims.Has("aud") {
		// RFC 7662 section 2.2: "aud" is optional. Then the application that got the token
		// must be one of those that are configured.
		named, ok = claims.Texts("client_id")
	}
	return ok && slices.ContainsFunc(named, func(one string) bool { return slices.Contains(i.Audiences, one) })
}

// rightScope reports whether the token has every scope that is configured. It is a list
// with spaces (RFC 8693 section 4.2); some providers write "scp", and some an array.
func (i *issuer) rightScope(claims document.Object) bool {
	var granted []string
	for _, name := range []string{"scope", "scp"} {
		texts, _ := claims.Texts(name)
		for _, text := range texts {
			granted = append(granted, strings.Split(text, " ")...)
		}
	}
	return !slices.ContainsFunc(i.Scopes, func(wanted string) bool { return !slices.Contains(granted, wanted) })
}

// user returns whom the claims name.
func (i *issuer) user(claims document.Object) (user, cause string) {
	user, _ = claims.Text(i.Claim)
	if user == "" || len(user) > maxUser || !printable(user) || strings.Contains(user, " ") {
		return "", CauseNoUser
	}
	if i.Claim == "email" {
		// OpenID Connect Core 1.0 section 5.1. Where it is not true, whoever made the
		// account at the provider has written there what they liked.
		verified := claims.True("email_verified")
		if !verified && (i.RequireVerified || claims.Has("email_verified")) {
			return "", CauseNoUser
		}
	}
	at := strings.LastIndexByte(user, '@')
	if i.Claim == "email" && (at <= 0 || at == len(user)-1) {
		return "", CauseNoUser
	}
	if at < 0 {
		return user, "" // the caller finds the account, and asks SpeaksFor
	}
	if !i.speaksFor(user[at+1:]) {
		return "", CauseForeignDomain
	}
	return user, ""
}

// speaksFor reports whether the issuer may name accounts of a domain, in any form.
func (i *issuer) speaksFor(domain string) bool {
	if len(i.domains) == 0 {
		return true
	}
	normal, err := i.normalise(domain)
	return err == nil && i.domains[normal]
}

// printable reports whether a text is UTF-8 without control characters, without those
// that are invisible or turn the direction, and without U+FFFD, which stands where
// something could not be read.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsPrint(r) || r == utf8.RuneError
	})
}
