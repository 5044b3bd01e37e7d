package keyset

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"countersign/internal/oauth/document"
)

// member returns a public key as a provider writes it, with changes; nil takes one away.
func member(t testing.TB, key any, changes map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "k", Use: "sig"})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// set returns a key set.
func set(t testing.TB, members ...any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": members})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rsaOf(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return key
	})
}

var rsa2048 = rsaOf(2048)

func ecOn(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestKeysThatFit: each key is for its own algorithms and no others.
func TestKeysThatFit(t *testing.T) {
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "none", ""}
	for _, c := range []struct {
		name    string
		key     any
		changes map[string]any
		fits    string
	}{
		{"RSA", rsa2048().Public(), nil, "RS256 RS384 RS512 PS256 PS384 PS512"},
		{"RSA for one algorithm", rsa2048().Public(), map[string]any{"alg": "PS256"}, "PS256"},
		{"RSA with another's algorithm", rsa2048().Public(), map[string]any{"alg": "ES256"}, ""},
		{"RSA with HMAC", rsa2048().Public(), map[string]any{"alg": "HS256"}, ""},
		{"P-256", ecOn(t, elliptic.P256()).Public(), nil, "ES256"},
		{"P-384", ecOn(t, elliptic.P384()).Public(), nil, "ES384"},
		{"P-521", ecOn(t, elliptic.P521()).Public(), nil, "ES512"},
		{"Ed25519", ed, nil, "EdDSA"},
		{"no use", ed, map[string]any{"use": nil}, "EdDSA"},
		{"operations", ed, map[string]any{"use": nil, "key_ops": []string{"verify"}}, "EdDSA"},
		{"certificates that are none", rsa2048().Public(), map[string]any{"x5c": []string{"x"}, "x5t": 5, "x5u": "::"}, "RS256 RS384 RS512 PS256 PS384 PS512"},
	} {
		keys, err := Parse(set(t, member(t, c.key, c.changes)))
		if err != nil || len(keys) != 1 || keys[0].ID != "k" {
			t.Errorf("%s: %v, %v", c.name, keys, err)
			continue
		}
		var fits []string
		for _, algorithm := range all {
			if keys[0].Fits(algorithm) {
				fits = append(fits, algorithm)
			}
		}
		if strings.Join(fits, " ") != c.fits {
			t.Errorf("%s fits %q, want %q", c.name, fits, c.fits)
		}
	}
}

// TestKeysThatAreLeftOut stand beside a good one, which is found.
func TestKeysThatAreLeftOut(t *testing.T) {
	good := member(t, rsa2048().Public(), map[string]any{"kid": "good"})
	off := member(t, ecOn(t, elliptic.P256()).Public(), nil)
	off["x"] = off["y"]
	small := new(big.Int).Rsh(rsa2048().N, 1024) // 1024 bits
	rsa2048Again := rsaOf(2048)()
	huge := base64.RawURLEncoding.EncodeToString(append([]byte{1}, make([]byte, 1024)...))
	for name, bad := range map[string]any{
		"unknown kind": map[string]any{"kty": "new", "kid": "k"}, "no kind": map[string]any{"kid": "k"}, "symmetric": map[string]any{"kty": "oct", "k": "AAAA"},
		"private RSA": jose.JSONWebKey{Key: rsa2048Again}, "private EC": jose.JSONWebKey{Key: ecOn(t, elliptic.P256())},
		"for encryption": member(t, rsa2048Again.Public(), map[string]any{"use": "enc"}), "use is a list": member(t, rsa2048Again.Public(), map[string]any{"use": []string{"sig"}}),
		"for signing":    member(t, rsa2048Again.Public(), map[string]any{"key_ops": []string{"sign"}}),
		"small RSA":      map[string]any{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(small.Bytes()), "e": "AQAB"},
		"large RSA":      map[string]any{"kty": "RSA", "n": huge, "e": "AQAB"},
		"larger RSA":     member(t, rsa2048Again.Public(), map[string]any{"n": strings.Repeat("A", 10_000)}),
		"exponent 1":     member(t, rsa2048Again.Public(), map[string]any{"e": "AQ"}),
		"exponent 2":     member(t, rsa2048Again.Public(), map[string]any{"e": "Ag"}),
		"no exponent":    member(t, rsa2048Again.Public(), map[string]any{"e": nil}),
		"not base64":     member(t, rsa2048Again.Public(), map[string]any{"n": "!!"}),
		"off its curve":  off,
		"another curve":  map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
		"short Ed25519":  map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
		"X25519":         map[string]any{"kty": "OKP", "crv": "X25519", "x": strings.Repeat("A", 43)},
		"long name":      member(t, rsa2048Again.Public(), map[string]any{"kid": strings.Repeat("k", MaxKeyID+1)}),
		"name is number": member(t, rsa2048Again.Public(), map[string]any{"kid": 5}),
	} {
		keys, err := Parse(set(t, bad, good))
		if err != nil || len(keys) != 1 || keys[0].ID != "good" {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
		if _, err := Parse(set(t, bad)); err == nil {
			t.Errorf("%s: alone it is a set", name)
		}
	}
}

func TestSetsThatAreRefused(t *testing.T) {
	good := string(set(t, member(t, rsa2048().Public(), nil)))
	full := make([]any, MaxKeys)
	for i := range full {
		full[i] = map[string]any{"kty": "new"}
	}
	full[0] = member(t, rsa2048().Public(), nil)
	if keys, err := Parse(set(t, full...)); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
	for name, text := range map[string]string{
		"empty": "", "null": "null", "list": "[]", "no keys": "{}", "keys is an object": `{"keys":{}}`, "keys is null": `{"keys":null}`, "no key": `{"keys":[]}`, "key is a text": `{"keys":["x"]}`, "key is null": `{"keys":[null]}`,
		"twice": `{"keys":[],` + good[1:], "twice within": strings.Replace(good, `"kid":"k"`, `"kid":"k","kid":"l"`, 1), "more": good + "x",
		"one too many": string(set(t, append(full, "x")...)), "too long": good + strings.Repeat(" ", MaxSize),
	} {
		if keys, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
}

// FuzzParse: no key set ends the process, and every key that comes out of one is sound.
func FuzzParse(f *testing.F) {
	f.Add(set(f, member(f, rsa2048().Public(), nil), member(f, ecOn(f, elliptic.P256()).Public(), map[string]any{"x5c": []string{"x"}})))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB"},{"kty":"EC"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := Parse(text)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for _, key := range keys {
			if !sound(key.Public) || len(key.ID) > MaxKeyID || key.Fits("HS256") || key.Fits("none") {
				t.Errorf("%+v", key)
			}
		}
		if o, err := document.Read(text); err == nil {
			parseKey(o)
		}
	})
}
