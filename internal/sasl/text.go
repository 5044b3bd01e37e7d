package sasl

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
	"golang.org/x/text/secure/precis"
)

// Length limits in octets. RFC 4422 and its mechanisms set none that are
// useful; a login is a mail address or less.
const (
	maxLogin = 255
	// MaxPassword is the longest password, the same as where passwords are stored and asked
	// for elsewhere.
	MaxPassword = 512
)

// isIdentity reports whether s can name somebody: 1 to maxLogin octets of
// UTF-8 without control characters.
func isIdentity(s string) bool {
	return s != "" && isAuthzid(s)
}

// isAuthzid reports whether s is an identity or empty, which is none.
func isAuthzid(s string) bool {
	return len(s) <= maxLogin && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// isPassword reports whether s is 1 to MaxPassword octets of UTF-8 without NUL
// (RFC 4616 section 2). What else a password may hold is the Verifier's to know.
func isPassword(s string) bool {
	return s != "" && len(s) <= MaxPassword && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// ScramPassword returns what a client of SCRAM makes its keys of: the password, prepared by SASLprep
// (RFC 5802 section 2.2, RFC 4013), which has fewer characters than the form in which passwords are
// compared as they are: "´" is a space and an accent in it, "²" is "2". A password that SASLprep
// refuses is returned as it is.
func ScramPassword(password string) string {
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil || prepared == "" {
		return password
	}
	return prepared
}

// prepareLogin prepares a user name as SCRAM wants it (RFC 5802 section 5.1):
// by SASLprep (RFC 4013), which knows the characters of Unicode 3.2. A name with
// a later one is prepared by what has replaced it, UsernameCasePreserved (RFC
// 8265 section 3.4). ok is false for a name that may not be.
func prepareLogin(name string) (prepared string, ok bool) {
	if !isIdentity(name) {
		return "", false
	}
	prepare := stringprep.SASLprep.Prepare
	if strings.ContainsFunc(name, stringprep.TableA1.Contains) {
		prepare = precis.UsernameCasePreserved.String
	}
	prepared, err := prepare(name)
	return prepared, err == nil && isIdentity(prepared)
}
