package account

import (
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"countersign/internal/fault"
)

// Bounds of a new password.
const (
	// MinPasswordRunes is the fewest characters.
	MinPasswordRunes = 12
	// MaxPasswordBytes is the most octets.
	MaxPasswordBytes = 512
)

// PreparePassword brings a password into the form that is hashed and compared:
// the OpaqueString profile (RFC 8265 section 4.2), which turns every Unicode
// space into the ASCII one and composes characters (NFC), so that one password
// is the same from every keyboard. Errors are fault.Invalid and do not repeat
// the password.
func PreparePassword(password string) (string, error) {
	const op = "account.password"
	if !utf8.ValidString(password) {
		return "", fault.New(op, fault.Invalid, "the password is not valid UTF-8")
	}
	prepared, err := precis.OpaqueString.String(password)
	if err != nil {
		return "", fault.New(op, fault.Invalid, "the password is empty or holds a character that cannot be typed everywhere (a control or an unassigned one)")
	}
	return prepared, nil
}
