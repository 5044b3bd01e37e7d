package sasl

import (
	"crypto/sha1"
	"crypto/sha256"
	"slices"
	"strings"
)

// Mechanism is one row of the table.
type Mechanism struct {
	// Name is the registered name, in upper case (RFC 4422 section 3.1).
	Name string
	// ClearSecret says that the client sends the secret itself, so that the
	// mechanism may be offered over an encrypted connection only.
	ClearSecret bool
	// Binds says that it is for connections with channel binding data only (-PLUS).
	Binds bool
	// Certificate says that it is for clients only that have presented a
	// certificate.
	Certificate bool
	// Legacy says that it needs a secret at rest that is as good as the password.
	Legacy bool
	// Token says that the secret is a bearer token.
	Token bool
	// New starts an exchange on c, whose Verifier must be set.
	New func(c *Conn) Exchange
}

// Mechanisms returns all mechanisms, the strongest first, which is the order to
// offer them in: many clients take the first that they know. The slice is the
// caller's own.
//
// The order: EXTERNAL proves a key that never leaves the client, in the
// handshake itself, and is there for those alone that brought a certificate. A
// bound SCRAM is better than any unbound one, as nobody between can pass it on,
// whatever its hash. SCRAM shows the server nothing that it could use elsewhere. A token is
// sent as it is, but ends soon and opens little. PLAIN and LOGIN come before DIGEST-MD5
// and CRAM-MD5 because all of this is within TLS: what is left to lose is the
// store, and for these two it holds secrets that are as good as passwords.
// DIGEST-MD5 names the server that it is meant for, and makes that one prove itself too;
// CRAM-MD5 does neither.
func Mechanisms() []Mechanism {
	return slices.Clone(table)
}

// table has all mechanisms.
var table = []Mechanism{
	{Name: "EXTERNAL", Certificate: true, New: newExternal},
	{Name: "SCRAM-SHA-256-PLUS", Binds: true, New: newScram(scramHash{ScramSHA256, sha256.New, sha256.Size}, true)},
	{Name: "SCRAM-SHA-1-PLUS", Binds: true, New: newScram(scramHash{ScramSHA1, sha1.New, sha1.Size}, true)},
	{Name: "SCRAM-SHA-256", New: newScram(scramHash{ScramSHA256, sha256.New, sha256.Size}, false)},
	{Name: "SCRAM-SHA-1", New: newScram(scramHash{ScramSHA1, sha1.New, sha1.Size}, false)},
	{Name: "OAUTHBEARER", ClearSecret: true, Token: true, New: newOAuthBearer},
	{Name: "XOAUTH2", ClearSecret: true, Token: true, New: newXOAuth2},
	{Name: "PLAIN", ClearSecret: true, New: newPlain},
	{Name: "LOGIN", ClearSecret: true, New: newLogin},
	{Name: "DIGEST-MD5", Legacy: true, New: newDigest},
	{Name: "CRAM-MD5", Legacy: true, New: newCram},
}

// Lookup finds a mechanism by name, in any case.
func Lookup(name string) (Mechanism, bool) {
	for i := range table {
		if strings.EqualFold(table[i].Name, name) {
			return table[i], true
		}
	}
	return Mechanism{}, false
}
