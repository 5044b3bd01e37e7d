// Package subject has the forms in which certificates, tokens and networks name the
// account that they prove: one form for each, so that the same is found under the
// same text whoever writes it down.
//
// It looks nothing up and trusts nothing: that a certificate or a token is genuine
// is for its caller to know.
//
// Main functions: Certificate, OAuth, Network make what an administrator gives
// canonical; Fingerprint, Email, CommonName, User, Containing make the subjects of
// what a client shows.
package subject

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

const op = "account.subject"

// The forms of subjects of certificates.
const (
	fingerprint = "sha256:"
	email       = "email:"
	commonName  = "cn:"
)

const (
	// maxCommonName is the upper bound of a common name in characters (RFC 5280
	// appendix A.1, ub-common-name).
	maxCommonName = 64
	// maxIssuer and maxUser bound the two parts of an OAuth subject in octets. A
	// "sub" has at most 255 characters of ASCII (OpenID Connect Core section 2).
	maxIssuer, maxUser = 255, 255
)

// Certificate brings the subject of a certificate into its one form: "sha256:" and
// the fingerprint in hexadecimal, lower case, also with colons between its octets;
// "email:" and an address; or "cn:" and a common name. Errors: fault.Invalid, which
// says how it is written.
func Certificate(text string) (string, error) {
	if rest, ok := strings.CutPrefix(text, fingerprint); ok {
		sum, err := hex.DecodeString(strings.ReplaceAll(rest, ":", ""))
		if err != nil || len(sum) != sha256.Size {
			return "", fault.New(op, fault.Invalid, "%q is no fingerprint: write sha256: and its 64 hexadecimal digits, as openssl x509 -fingerprint -sha256 prints them", text)
		}
		return fingerprint + hex.EncodeToString(sum), nil
	}
	if rest, ok := strings.CutPrefix(text, email); ok {
		address, err := mail.ParseAddress(rest)
		if err != nil {
			return "", fault.New(op, fault.Invalid, "%q does not end in an address: %v", text, err)
		}
		return Email(address), nil
	}
	if rest, ok := strings.CutPrefix(text, commonName); ok {
		if subject := CommonName(rest); subject != "" {
			return subject, nil
		}
		return "", fault.New(op, fault.Invalid, "%q is no common name: it has 1 to %d characters, none of them a control character, and no space at its ends", text, maxCommonName)
	}
	return "", fault.New(op, fault.Invalid, "%q is no subject of a certificate: write sha256:FINGERPRINT, email:ADDRESS or cn:NAME", text)
}

// Fingerprint is the subject of the certificate with that DER encoding.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return fingerprint + hex.EncodeToString(sum[:])
}

// Email is the subject of a certificate for an address, in which the case of
// letters does not matter.
func Email(a mail.Address) string {
	key := a.Key()
	a.Local = key[:max(0, strings.LastIndexByte(key, '@'))]
	return email + a.String()
}

// CommonName is the subject of a certificate with that common name, "" for one that
// names nobody. The case of letters matters.
func CommonName(name string) string {
	if utf8.RuneCountInString(name) > maxCommonName || !plain(name) {
		return ""
	}
	return commonName + name
}

// Address returns the address that a subject of a certificate is: that of "email:", and a common
// name that is one.
func Address(subject string) (mail.Address, bool) {
	for _, form := range []string{email, commonName} {
		if text, ok := strings.CutPrefix(subject, form); ok {
			a, err := mail.ParseAddress(text)
			return a, err == nil
		}
	}
	return mail.Address{}, false
}

// plain reports whether a text has something in it, begins and ends with no space,
// and can be shown on one line.
func plain(text string) bool {
	if text == "" || strings.TrimSpace(text) != text || !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
	})
}

// OAuth checks the subject of a user of an issuer: the issuer's name, a space, and
// what the issuer calls the user. Errors: fault.Invalid, which says how it is
// written.
func OAuth(text string) (string, error) {
	issuer, user, _ := strings.Cut(text, " ")
	if subject := User(issuer, user); subject != "" {
		return subject, nil
	}
	return "", fault.New(op, fault.Invalid, "%q is no OAuth user: write the issuer's name, a space, and what it calls the user, each of at most %d octets", text, maxUser)
}

// User is the subject of a user of an issuer, "" for one that names nobody. The
// case of letters matters, as of a subject claim.
func User(issuer, user string) string {
	if len(issuer) > maxIssuer || len(user) > maxUser || !plain(issuer) || !plain(user) || strings.ContainsFunc(issuer, unicode.IsSpace) {
		return ""
	}
	return issuer + " " + user
}

// Network brings a network into its one form: no bits behind the prefix, and IPv4
// written as such. wide allows one that has every address of its family. Errors:
// fault.Invalid.
func Network(p netip.Prefix, wide bool) (netip.Prefix, error) {
	if addr := p.Addr(); p.IsValid() && addr.Is4In6() {
		// An IPv4-mapped address (RFC 4291 section 2.5.5.2) begins with 96 bits that
		// are no part of the IPv4 one.
		const mapped = 96
		if p.Bits() < mapped {
			return p, fault.New(op, fault.Invalid, "network %s is neither one of IPv4 nor one of IPv6; write it as 192.0.2.0/24", p)
		}
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-mapped)
	}
	if !p.IsValid() {
		return p, fault.New(op, fault.Invalid, "no network was given; write it as 192.0.2.0/24 or 2001:db8::/32")
	}
	if p.Bits() == 0 && !wide {
		return p, fault.New(op, fault.Invalid, "network %s is every address there is; name a smaller one, or say by --any-address that it is meant", p)
	}
	return p.Masked(), nil
}

// Containing lists the subjects of all networks that an address is in, the smallest
// first: 33 for IPv4, 129 for IPv6, none for the zero address.
func Containing(a netip.Addr) []string {
	a = a.Unmap().WithZone("")
	list := make([]string, 0, a.BitLen()+1)
	for bits := a.BitLen(); bits >= 0 && a.IsValid(); bits-- {
		list = append(list, netip.PrefixFrom(a, bits).Masked().String())
	}
	return list
}
