package oauth

import (
	"testing"
	"time"
)

// BenchmarkVerify is a login by a JWT whose issuer's keys are there.
func BenchmarkVerify(b *testing.B) {
	v, _ := verifier(b)
	for _, c := range []struct {
		name string
		key  signer
		alg  string
	}{{"RSA-2048", rsaKey(), "RS256"}, {"P-256", ecKey(), "ES256"}, {"Ed25519", edKey(), "EdDSA"}} {
		token := c.key.sign(b, c.alg, claims(time.Now(), nil), nil)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("forged", func(b *testing.B) {
		token := signer{newKey().key, "rsa"}.sign(b, "RS256", claims(time.Now(), nil), nil)
		for b.Loop() {
			if _, err := v.Verify(b.Context(), token); err == nil {
				b.Fatal("passed")
			}
		}
	})
}
