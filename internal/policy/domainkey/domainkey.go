// Package domainkey tells whether the key that a signature of ours is made with is
// published, as a verifier looks it up (RFC 6376 section 3.6).
//
// Check asks for the record of a selector and compares it with ours. It signs nothing
// (package dkim) and does not judge messages.
package domainkey

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
)

// Key is one of the keys that we sign with.
type Key struct {
	Domain   mail.Domain
	Selector string
	// Record is the text that is to be published for it, as dkim.Key.Record makes it.
	Record string
}

// Name is where the record is to be published, without a trailing dot.
func (k Key) Name() string { return k.Selector + "._domainkey." + k.Domain.String() }

// State is how a key stands in DNS.
type State string

// The states.
const (
	// Published: verifiers find our key.
	Published State = "published"
	// Absent: there is no record.
	Absent State = "absent"
	// Revoked: the record says that the key is withdrawn (an empty p=).
	Revoked State = "revoked"
	// Different: the record has another key.
	Different State = "different"
	// Unusable: the record is not in order, or forbids what we use the key for.
	Unusable State = "unusable"
	// Several: there is more than one record, and what verifiers then do is undefined.
	Several State = "several"
	// Unknown: DNS does not answer.
	Unknown State = "unknown"
)

// Standing is what Check has found.
type Standing struct {
	State State
	// Reason says in words what is wrong, "" for Published.
	Reason string
	// Testing says that the record has the flag y: verifiers are asked to treat a
	// signature that fails as none (RFC 6376 section 3.6.1).
	Testing bool
}

// Check asks for the record of a key. An alias (CNAME) is followed by the resolver.
func Check(ctx context.Context, q *inquiry.Inquiry, key Key) Standing {
	answer, err := q.Ask(ctx, key.Name(), mx.TXT)
	switch {
	case fault.Is(err, fault.NotFound) || err == nil && len(answer.Texts) == 0:
		return Standing{State: Absent, Reason: "nothing is published at " + key.Name()}
	case err != nil:
		return Standing{State: Unknown, Reason: "DNS does not answer for " + key.Name()}
	case len(answer.Texts) > 1:
		// RFC 6376 section 3.6.2.2: several records have no defined result.
		return Standing{State: Several, Reason: fmt.Sprintf("there are %d TXT records at %s, and one is allowed", len(answer.Texts), key.Name())}
	}
	return compare(key, answer.Texts[0])
}

// compare holds the published text against ours.
func compare(key Key, text string) Standing {
	unusable := func(err error) Standing {
		return Standing{State: Unusable, Reason: "the record at " + key.Name() + " " + err.Error()}
	}
	ours, err := parse(key.Record)
	if err != nil {
		return Standing{State: Unknown, Reason: "our own record " + err.Error()}
	}
	theirs, err := parse(text)
	if err != nil {
		return unusable(err)
	}
	s := Standing{State: Published, Testing: slices.Contains(theirs.flags, "y")}
	switch {
	case theirs.public == nil:
		return Standing{State: Revoked, Reason: "the record at " + key.Name() + " says that the key is withdrawn"}
	case theirs.kind != ours.kind:
		return unusable(fmt.Errorf("is for a key of kind %.20s, not %s", theirs.kind, ours.kind))
	case !theirs.equal(ours):
		return Standing{State: Different, Reason: "the record at " + key.Name() + " has another key"}
	}
	return s
}

// published is a key record that was read.
type published struct {
	kind   string
	public crypto.PublicKey // nil where it is withdrawn
	flags  []string
}

func (p published) equal(other published) bool {
	k, ok := p.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(other.public)
}

// parse reads a key record as a verifier does (RFC 6376 section 3.6.1).
func parse(text string) (published, error) {
	tags, err := tagList(text)
	if err != nil {
		return published{}, err
	}
	p := published{kind: "rsa", flags: words(tags["t"])}
	if kind, ok := tags["k"]; ok {
		p.kind = kind
	}
	if hashes, ok := tags["h"]; ok && !slices.Contains(words(hashes), "sha256") {
		return p, errors.New("does not allow SHA-256 (h=)")
	}
	if services, ok := tags["s"]; ok && !slices.Contains(words(services), "*") && !slices.Contains(words(services), "email") {
		return p, errors.New("is not for mail (s=)")
	}
	data, ok := tags["p"]
	if !ok {
		return p, errors.New("has no key (p=)")
	}
	if data == "" {
		return p, nil
	}
	p.public, err = publicKey(p.kind, data)
	return p, err
}

// publicKey reads the value of p=.
func publicKey(kind, data string) (crypto.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(data), ""))
	if err != nil {
		return nil, errors.New("has a key that is not in base64, or is cut off")
	}
	switch kind {
	case "rsa":
		if key, err := x509.ParsePKIXPublicKey(der); err == nil {
			if key, ok := key.(*rsa.PublicKey); ok {
				return key, nil
			}
			return nil, errors.New("has a key that is not of its kind")
		}
		// The bare RSAPublicKey, which verifiers read too.
		if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
			return key, nil
		}
		return nil, errors.New("has an RSA key that cannot be read, or is cut off")
	case "ed25519":
		if len(der) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("has an Ed25519 key of %d octets, not %d", len(der), ed25519.PublicKeySize)
		}
		return ed25519.PublicKey(der), nil
	}
	return nil, fmt.Errorf("is for a key of an unknown kind %.20q", kind)
}

// tagList reads a tag-list (RFC 6376 section 3.2). Names are of one case, and stand once.
func tagList(text string) (map[string]string, error) {
	const space = " \t\r\n"
	tags := map[string]string{}
	for i, part := range strings.Split(strings.TrimSuffix(strings.TrimRight(text, space), ";"), ";") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.Trim(name, space), strings.Trim(value, space)
		if !ok || name == "" {
			return nil, fmt.Errorf("is no list of tags: %.40q", strings.Trim(part, space))
		}
		if _, twice := tags[name]; twice {
			return nil, fmt.Errorf("has the tag %.20s= twice", name)
		}
		// RFC 6376 section 3.6.1: the version stands first, if at all.
		if name == "v" && (i > 0 || value != "DKIM1") {
			return nil, errors.New("does not begin with v=DKIM1")
		}
		tags[name] = value
	}
	return tags, nil
}

// words splits a value at its colons.
func words(value string) []string {
	list := strings.Split(value, ":")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}
