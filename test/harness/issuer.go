package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"countersign/internal/testkit"
)

// Issuer issues bearer tokens; the gate has its keys from a file.
type Issuer struct {
	t testing.TB
	// KeyID names its key, KeysFile holds the public half as a JWK set (RFC 7517 section 5).
	KeyID, KeysFile string
	// Accounts says which accounts its tokens open, as issuer.accounts does.
	Accounts string
	key      *ecdsa.PrivateKey
}

// What the gate knows of the issuer.
const (
	// IssuerURL is never asked.
	IssuerURL = "https://issuer.example.net"
	// Audience is what its tokens are made for.
	Audience = "mail.example.net"
)

// NewIssuer makes an issuer with a key of its own, and writes the file.
func NewIssuer(t testing.TB, file string) *Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{t: t, KeyID: rand.Text(), KeysFile: file, Accounts: "claim", key: key}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: i.KeyID, Use: "sig", Algorithm: string(jose.ES256)}}}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// Table is what the gate's configuration says of it.
func (i *Issuer) Table() string {
	return fmt.Sprintf("[[issuer]]\nname = \"example\"\naccounts = %q\nurl = %q\naudiences = [%q]\ndomains = [%q]\njwks_file = %q\n",
		i.Accounts, IssuerURL, Audience, testkit.Domain, i.KeysFile)
}

// Claims are those of a good token for a user, good for an hour.
func (i *Issuer) Claims(user string) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": IssuerURL, "aud": Audience, "sub": "subject of " + user, "email": user, "email_verified": true,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// Token signs claims.
func (i *Issuer) Token(claims map[string]any) string {
	i.t.Helper()
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: i.KeyID}}
	signer, err := jose.NewSigner(key, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return token
}
