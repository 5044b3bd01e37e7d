package dkim

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"countersign/internal/fault"
)

// Signer signs messages with all keys of one domain. It is immutable and safe
// for concurrent use.
type Signer struct {
	keys []Key
	now  func() time.Time
}

// NewSigner returns a signer that makes one signature per key, in their order;
// now is the clock of the t= tag. There must be a key, and all must be
// of one domain and under different selectors.
func NewSigner(keys []Key, now func() time.Time) (*Signer, error) {
	const op = "dkim.signer"
	if len(keys) == 0 {
		return nil, fault.New(op, fault.Invalid, "there is no key to sign with")
	}
	seen := make(map[string]bool)
	for _, k := range keys {
		if k.signer == nil || k.Domain != keys[0].Domain {
			return nil, fault.New(op, fault.Invalid, "the keys of a signer are not of one domain")
		}
		if seen[k.Selector] {
			return nil, fault.New(op, fault.Invalid, "two keys have the selector %s", k.Selector)
		}
		seen[k.Selector] = true
	}
	return &Signer{keys: append([]Key(nil), keys...), now: now}, nil
}

// Sign returns one DKIM-Signature field per key, each with its CRLF, to stand
// above head as they are. head is the finished header block, with or without its
// blank line; body is the hash of the whole body, which cannot be written to
// afterwards. An RSA signature takes about a millisecond of processor time. The error is
// Internal; the message must not go out then.
func (s *Signer) Sign(head []byte, body *BodyHash) (string, error) {
	fields, err := splitHeader(head)
	if err != nil {
		return "", err
	}
	names, canonical := chooseFields(fields)
	// RFC 6376 section 5.4: From must be signed, so it must be there.
	if len(names) < 2 || names[1] != "From" {
		return "", fault.New("dkim.sign", fault.Internal, "the header has no From field")
	}
	bodyHash := base64.StdEncoding.EncodeToString(body.sum())
	at := s.now()
	var out strings.Builder
	for _, k := range s.keys {
		sig, err := k.signField(unsignedField(k, at, names, bodyHash), canonical)
		if err != nil {
			return "", err
		}
		out.WriteString(sig)
	}
	return out.String(), nil
}

// unsignedField returns a DKIM-Signature field with an empty b= tag at its end
// and no CRLF (RFC 6376 section 3.5). There is no l=, so nothing can be appended
// to the body, and no x=.
func unsignedField(k Key, at time.Time, names []string, bodyHash string) string {
	var b strings.Builder
	b.WriteString("DKIM-Signature: v=1; a=" + string(k.Algorithm) + "-sha256; c=relaxed/relaxed;\r\n\td=" +
		k.Domain.String() + "; s=" + k.Selector + "; t=" + strconv.FormatInt(at.Unix(), 10) + ";\r\n\th=")
	column := 10
	for i, name := range names {
		if i > 0 {
			b.WriteByte(':')
			column++
			if column+len(name) > maxLine {
				b.WriteString("\r\n\t ")
				column = 9
			}
		}
		b.WriteString(name)
		column += len(name)
	}
	b.WriteString(";\r\n\tbh=" + bodyHash + ";\r\n\tb=")
	return b.String()
}

// maxLine is where the lines of a signature are folded.
const maxLine = 76

// signField completes an unsigned field: the signature covers the canonical
// fields and the field itself with its empty b= tag (RFC 6376 section 3.7).
func (k Key) signField(unsigned string, canonical []byte) (string, error) {
	h := sha256.New()
	h.Write(canonical)
	h.Write(appendRelaxed(nil, []byte(unsigned)))
	digest := h.Sum(nil)
	// RFC 8463 section 3: Ed25519 signs the SHA-256 hash as its message.
	hash := crypto.Hash(0)
	if k.Algorithm == RSA {
		hash = crypto.SHA256
	}
	// Neither RSA with PKCS #1 v1.5 padding nor Ed25519 needs randomness.
	sig, err := k.signer.Sign(nil, digest, hash)
	if err != nil {
		return "", fault.Wrap("dkim.sign", fault.Internal, err)
	}
	return unsigned + fold(base64.StdEncoding.EncodeToString(sig)) + "\r\n", nil
}

// fold breaks base 64 into lines.
func fold(s string) string {
	const first, other = 64, 72
	if len(s) <= first {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:first])
	s = s[first:]
	for len(s) > 0 {
		n := min(other, len(s))
		b.WriteString("\r\n\t" + s[:n])
		s = s[n:]
	}
	return b.String()
}
