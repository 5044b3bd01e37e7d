package hash

import (
	"bytes"
	"crypto"
	_ "crypto/md5"    // crypto.MD5
	_ "crypto/sha1"   // crypto.SHA1
	_ "crypto/sha256" // crypto.SHA256
	_ "crypto/sha512" // crypto.SHA512
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// maxDigestSalt is the most octets of salt behind a digest.
const maxDigestSalt = 64

// digestKind is a scheme of one digest.
type digestKind struct {
	name   string
	digest crypto.Hash
	salted bool
	// hex says that it is written in hex where nothing else is said.
	hex bool
	// plain says that it is refused unless the caller wants it (Reader.Plain).
	plain bool
}

// kindSSHA512 is named by the decoy of all digests.
var kindSSHA512 = digestKind{name: "SSHA512", digest: crypto.SHA512, salted: true}

// digestKinds are the schemes of one digest by Dovecot's names. {SHA} and
// {SSHA} come from LDAP (RFC 2307 section 5.3).
var digestKinds = map[string]digestKind{
	"SHA":       {name: "SHA", digest: crypto.SHA1},
	"SHA1":      {name: "SHA", digest: crypto.SHA1},
	"SHA256":    {name: "SHA256", digest: crypto.SHA256},
	"SHA512":    {name: "SHA512", digest: crypto.SHA512},
	"SMD5":      {name: "SMD5", digest: crypto.MD5, salted: true},
	"SSHA":      {name: "SSHA", digest: crypto.SHA1, salted: true},
	"SSHA256":   {name: "SSHA256", digest: crypto.SHA256, salted: true},
	"SSHA512":   kindSSHA512,
	"PLAIN-MD5": {name: "PLAIN-MD5", digest: crypto.MD5, hex: true, plain: true},
	"LDAP-MD5":  {name: "LDAP-MD5", digest: crypto.MD5, plain: true},
}

// digestHash is a digest of the password and the salt that follows it.
type digestHash struct {
	kind      digestKind
	key, salt []byte
}

// parseDigest reads the digest and the salt behind it, in hex or base64 as
// named, or as Dovecot guesses: a digest without salt is in hex where its
// length says so.
func parseDigest(kind digestKind, enc encoding, body string) (stored, error) {
	size := kind.digest.Size()
	if enc == encodingUnnamed {
		enc = encodingBase64
		if !kind.salted && len(body) == hex.EncodedLen(size) || kind.hex && len(body) != base64.StdEncoding.EncodedLen(size) {
			enc = encodingHex
		}
	}
	raw, err := enc.decode(body)
	if err != nil {
		return nil, err
	}
	least, most := size, size
	if kind.salted {
		least, most = size+1, size+maxDigestSalt
	}
	if len(raw) < least || len(raw) > most {
		return nil, fmt.Errorf("it has %d octets, %d to %d are allowed", len(raw), least, most)
	}
	return digestHash{kind: kind, key: raw[:size], salt: raw[size:]}, nil
}

func (h digestHash) matches(password string) bool {
	d := h.kind.digest.New()
	d.Write([]byte(password))
	d.Write(h.salt)
	return subtle.ConstantTimeCompare(d.Sum(nil), h.key) == 1
}

func (h digestHash) cost() Cost     { return Cost{work: workDigest} }
func (h digestHash) scheme() string { return h.kind.name }

func (h digestHash) text() string {
	raw := append(bytes.Clone(h.key), h.salt...)
	if h.kind.hex {
		return "{" + h.kind.name + "}" + hex.EncodeToString(raw)
	}
	return "{" + h.kind.name + "}" + base64.StdEncoding.EncodeToString(raw)
}

// plainHash is a password that is stored as it is.
type plainHash struct{ password string }

func parsePlain(body string) (stored, error) {
	if !usable(body) {
		return nil, fmt.Errorf("the stored password is empty, holds a NUL or has more than %d octets", MaxPassword)
	}
	return plainHash{body}, nil
}

// matches compares digests, which have one length.
func (h plainHash) matches(password string) bool {
	stored, given := digestHash{kind: kindSSHA512}, crypto.SHA512.New()
	given.Write([]byte(password))
	stored.key = given.Sum(nil)
	return stored.matches(h.password)
}

func (h plainHash) cost() Cost     { return Cost{work: workDigest} }
func (h plainHash) scheme() string { return "PLAIN" }
func (h plainHash) text() string   { return "{PLAIN}" + h.password }
