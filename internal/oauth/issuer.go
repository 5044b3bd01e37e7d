package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/oauth/document"
	"countersign/internal/oauth/fetch"
	"countersign/internal/oauth/introspect"
	"countersign/internal/oauth/keyset"
)

// issuer is an Issuer at work. It is safe for concurrent use.
type issuer struct {
	Issuer
	now       func() time.Time
	normalise func(string) (string, error)
	// domains has Domains to look in.
	domains   map[string]bool
	client    *fetch.Client
	discovery *discovery
	// ring has its keys, nil where every token is asked about; asker asks, nil where
	// none is.
	ring  *keyset.Ring
	asker *introspect.Asker[outcome]
}

// outcome is what an issuer's answer about a token comes to.
type outcome struct {
	identity Identity
	// cause is "" for a good token.
	cause string
}

// newIssuer puts an issuer together. Nobody is asked anything yet.
func newIssuer(c Issuer, o Options) (*issuer, error) {
	// Lists are copied: nobody can change them any more.
	c.Algorithms, c.Audiences = slices.Clone(c.Algorithms), slices.Clone(c.Audiences)
	c.Scopes, c.Domains = slices.Clone(c.Scopes), slices.Clone(c.Domains)
	base, wrong := c.judge(o.Normalise)
	if err := first([]Issuer{c}, wrong); err != nil {
		return nil, err
	}
	i := &issuer{Issuer: c, now: o.Now, normalise: o.Normalise, domains: make(map[string]bool)}
	for _, domain := range c.Domains {
		i.domains[domain] = true
	}
	var err error
	i.client, err = fetch.New(fetch.Config{Base: base, CAFile: c.CAFile, Transport: o.Transport, Timeout: o.Timeout})
	if err != nil {
		return nil, fault.Wrap("issuer "+c.Name, fault.Invalid, err)
	}
	i.discovery = newDiscovery(i.client, c.URL, base, o.Now)
	if c.Introspection != nil {
		i.asker, err = i.newAsker(o)
		if err != nil {
			return nil, err
		}
	}
	if c.Introspection == nil || !c.Introspection.All {
		i.ring = keyset.NewRing(i.source(), o.keyBounds(), o.Now)
	}
	if err := i.readKeyFile(); err != nil {
		return nil, first([]Issuer{c}, []Mistake{{Option: "jwks_file", Err: err}})
	}
	return i, nil
}

// source returns where the keys come from.
func (i *issuer) source() keyset.Source {
	switch {
	case i.JWKSFile != "":
		return func(context.Context) ([]byte, error) { return fetch.ReadFile(i.JWKSFile, keyset.MaxSize) }
	case i.JWKSURI != "":
		return func(ctx context.Context) ([]byte, error) { return i.client.Get(ctx, i.JWKSURI) }
	}
	return i.discovery.keys
}

// readKeyFile looks whether a file of keys, which needs no provider, can be used.
func (i *Issuer) readKeyFile() error {
	if i.JWKSFile == "" || i.Introspection != nil && i.Introspection.All {
		return nil
	}
	text, err := fetch.ReadFile(i.JWKSFile, keyset.MaxSize)
	if err == nil {
		_, err = keyset.Parse(text)
	}
	return err
}

// verify verifies a token of the issuer.
func (i *issuer) verify(ctx context.Context, t *token, whose pool.Ticket) (Identity, error) {
	if i.ring != nil && !t.opaque() {
		return i.verifyJWT(ctx, t)
	}
	if i.asker == nil {
		return Identity{}, refuse(CauseMalformed)
	}
	verdict, err := i.asker.Ask(ctx, t.text, whose)
	if err != nil {
		return Identity{}, err
	}
	if !verdict.Good {
		return Identity{}, refuse(verdict.Value.cause)
	}
	return verdict.Value.identity, nil
}

// newAsker makes what asks the issuer about tokens.
func (i *issuer) newAsker(o Options) (*introspect.Asker[outcome], error) {
	c := i.Introspection
	secret, err := readSecret(c.SecretFile)
	if err != nil {
		return nil, first([]Issuer{i.Issuer}, []Mistake{{Option: "client_secret_file", Err: err}})
	}
	endpoint := i.discovery.introspection
	if c.Endpoint != "" {
		endpoint = func(context.Context) (string, error) { return c.Endpoint, nil }
	}
	asker, err := introspect.New(introspect.Config[outcome]{
		Client: i.client, Endpoint: endpoint, Who: url.UserPassword(c.ClientID, secret), Judge: i.judgeAnswer,
		Now: o.Now, Random: o.Random, Timeout: 2 * o.Timeout, Keep: c.Keep, Remembered: o.Remembered,
	})
	if err != nil {
		return nil, fault.Wrap("issuer "+i.Name, fault.Internal, err)
	}
	return asker, nil
}

// maxSecret bounds the file of a client's secret, in octets.
const maxSecret = 4096

// readSecret reads a secret, one line, that the service's group may read and nobody else.
func readSecret(path string) (string, error) {
	text, err := fetch.ReadFile(path, maxSecret)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o027 != 0 {
		return "", fmt.Errorf("the secret in %s may be read or changed by others: its mode is %04o, make it 0600 or 0640", path, info.Mode().Perm())
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) == 0 || bytes.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("the file %s must hold the secret, on one line", path)
	}
	return string(text), nil
}

// judgeAnswer judges the issuer's answer about a token.
func (i *issuer) judgeAnswer(said document.Object) introspect.Verdict[outcome] {
	id, cause := Identity{}, CauseInactive
	if string(said["active"]) == "true" {
		// RFC 7662 section 2.2: "iss" may be left out.
		if name, _ := said.Text("iss"); said.Has("iss") && name != i.URL {
			cause = CauseWrongIssuer
		} else {
			id, cause = i.judge(said, true)
		}
	}
	return introspect.Verdict[outcome]{Good: cause == "", Until: id.Expires, Value: outcome{id, cause}}
}

// verifyJWT verifies a JWT by the issuer's keys. Nothing that it says is looked at before
// the signature, but for how that was made.
func (i *issuer) verifyJWT(ctx context.Context, t *token) (Identity, error) {
	wanted, cause := i.judgeHeader(t.header)
	if cause != "" {
		return Identity{}, refuse(cause)
	}
	signed, err := jose.ParseSignedCompact(t.text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(wanted.Algorithm)})
	if err != nil {
		return Identity{}, refuse(CauseMalformed)
	}
	err = i.verifySignature(ctx, signed, wanted)
	if err != nil {
		return Identity{}, err
	}
	id, cause := i.judge(t.claims, false)
	if cause != "" {
		return Identity{}, refuse(cause)
	}
	return id, nil
}

// verifySignature verifies the signature with the keys that may have made it.
func (i *issuer) verifySignature(ctx context.Context, signed *jose.JSONWebSignature, wanted keyset.Wanted) error {
	keys, err := i.keys(ctx, wanted)
	if err != nil {
		return err
	}
	if fits(signed, keys) {
		return nil
	}
	if wanted.ID == "" {
		// Nothing tells a forged signature from one by a key that is new.
		wanted.Other = true
		keys, err = i.keys(ctx, wanted)
		if err != nil {
			return err
		}
		if fits(signed, keys) {
			return nil
		}
	}
	return refuse(CauseBadSignature)
}

// keys returns the keys that are wanted.
func (i *issuer) keys(ctx context.Context, wanted keyset.Wanted) ([]keyset.Key, error) {
	keys, err := i.ring.Find(ctx, wanted)
	if errors.Is(err, keyset.ErrUnknown) {
		return nil, refuse(CauseUnknownKey)
	}
	return keys, err
}

// fits reports whether one of the keys made the signature.
func fits(signed *jose.JSONWebSignature, keys []keyset.Key) bool {
	for _, key := range keys {
		payload, err := signed.Verify(key.Public)
		if err == nil && bytes.Equal(payload, signed.UnsafePayloadWithoutVerification()) {
			return true
		}
	}
	return false
}

// close ends what is under way.
func (i *issuer) close() {
	if i.ring != nil {
		i.ring.Close()
	}
	if i.asker != nil {
		i.asker.Close()
	}
	i.client.Close()
}
