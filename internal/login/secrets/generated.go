package secrets

import (
	"strings"

	"countersign/internal/account/hash"
)

// Generated brings a generated password as somebody has typed it into its one form: small
// letters in groups of five. Any other text stays.
func Generated(password string) string {
	bare := strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(password))
	if len(bare) != 20 {
		return password
	}
	return bare[:5] + "-" + bare[5:10] + "-" + bare[10:15] + "-" + bare[15:]
}

// Cheaply tries a password against the text of a hash that costs next to nothing, as that of
// a generated password does. Nothing matches any other, nor what cannot be read.
func Cheaply(text, password string) bool {
	h, err := hash.Parse(text)
	return err == nil && h.Cost().Cheap() && h.Matches(password)
}
