package oauth

import (
	"encoding/base64"
	"slices"
	"strings"

	"countersign/internal/oauth/document"
	"countersign/internal/oauth/keyset"
)

// MaxToken is the most octets that a token may have.
const MaxToken = 16 << 10

// token is a token as it was read, nothing of it proved.
type token struct {
	text string
	// header and claims are those of a JWT; nil for an opaque token.
	header, claims document.Object
}

// opaque reports whether only its issuer can read the token.
func (t *token) opaque() bool { return t.header == nil }

// read takes a token apart. The cause is "" for one that can be looked at further.
func read(text string) (t *token, cause string) {
	if text == "" || len(text) > MaxToken || !isBearer(text) {
		return nil, CauseMalformed
	}
	first, rest, _ := strings.Cut(text, ".")
	header, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil || len(header) == 0 || header[0] != '{' {
		return &token{text: text}, ""
	}
	parts := strings.SplitN(rest, ".", 5)
	switch {
	case len(parts) == 4:
		// RFC 7516 section 3.1: a JWE, which its issuer made for itself to read; we have no
		// key, and the library never sees it.
		return &token{text: text}, ""
	case len(parts) != 2: // RFC 7515 section 3.1
		return nil, CauseMalformed
	}
	t = &token{text: text}
	t.header, err = document.Read(header)
	if err != nil {
		return nil, CauseMalformed
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	if err != nil {
		return nil, CauseMalformed
	}
	_, err = base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return nil, CauseMalformed
	}
	t.claims, err = document.Read(payload)
	if err != nil {
		return nil, CauseMalformed
	}
	return t, ""
}

// isBearer reports whether a text has the form of RFC 6750 section 2.1.
func isBearer(text string) bool {
	bare := strings.TrimRight(text, "=")
	for i := range len(bare) {
		c := bare[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return bare != ""
}

// judgeHeader judges the header of a JWT of the issuer; the cause is "" for a good one.
func (i *Issuer) judgeHeader(header document.Object) (wanted keyset.Wanted, cause string) {
	algorithm, _ := header.Text("alg")
	if !slices.Contains(i.Algorithms, algorithm) {
		return wanted, CauseWrongAlgorithm // RFC 8725 section 3.1
	}
	for _, name := range []string{
		"crit",       // RFC 7515 section 4.1.11: we understand no extension
		"b64",        // RFC 7797 section 6: must be in crit
		"enc", "zip", // RFC 7516 section 4.1
		"jwk", "jku", "x5c", "x5u", // a key that the token brings along (RFC 8725 section 3.10)
	} {
		if header.Has(name) {
			return wanted, CauseMalformed
		}
	}
	if header.Has("cty") {
		return wanted, CauseMalformed // RFC 7519 section 5.2: another token within
	}
	typ, isText := header.Text("typ")
	if header.Has("typ") && !isText || !i.rightType(typ) {
		return wanted, CauseMalformed
	}
	kid, isText := header.Text("kid")
	if header.Has("kid") && (!isText || kid == "" || len(kid) > keyset.MaxKeyID) {
		return wanted, CauseMalformed
	}
	return keyset.Wanted{Algorithm: algorithm, ID: kid}, ""
}

// rightType judges the media type of a JWT. RFC 8725 section 3.11: a token of another
// kind, such as logout+jwt, must not pass for one that logs in.
func (i *Issuer) rightType(typ string) bool {
	// RFC 7515 section 4.1.9: "application/" may be left out, case does not matter.
	switch strings.TrimPrefix(lowerASCII(typ), "application/") {
	case "at+jwt":
		return true
	case "", "jwt":
		return !i.AccessTokensOnly
	}
	return false
}
