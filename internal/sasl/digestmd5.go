package sasl

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// digestName is the name under which the keys of DIGEST-MD5 are asked for.
const digestName = "DIGEST-MD5"

// digest is an exchange of DIGEST-MD5 (RFC 2831): initial authentication with
// the quality of protection "auth". A nonce belongs to one exchange, so that no response
// is good for another one, here or at another gate.
type digest struct {
	conn  *Conn
	nonce string
}

func newDigest(c *Conn) Exchange {
	d := &digest{conn: c}
	return serverFirst(d.challenge)
}

// challenge makes the digest-challenge (RFC 2831 section 2.1.1).
func (d *digest) challenge() ([]byte, step, error) {
	var err error
	if d.nonce, err = d.conn.nonce(); err != nil {
		return nil, nil, err
	}
	text := `realm=` + quote(d.conn.realm()) + `,nonce=` + quote(d.nonce) + `,qop="auth",charset=utf-8,algorithm=md5-sess`
	return []byte(text), d.take, nil
}

// quote makes a quoted-string (RFC 2831 section 7.2).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// take judges the digest-response, and proves ourselves by the response-auth
// (RFC 2831 section 2.1.3), after the Verifier has had its say.
func (d *digest) take(ctx context.Context, response []byte) ([]byte, step, error) {
	r, err := parseDigest(response)
	if err != nil {
		return nil, nil, err
	}
	if err := d.isMeant(r); err != nil {
		return nil, nil, err
	}
	keys, err := d.conn.keys(ctx, digestName, r.login, md5.Size, 0)
	if err != nil {
		return nil, nil, err
	}
	which := -1
	for i, key := range keys.List {
		want := r.compute(key.Stored, "AUTHENTICATE")
		which = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare([]byte(want), []byte(r.response)), i, which)
	}
	if err := d.conn.prove(ctx, r.authzid, keys, which); err != nil {
		return nil, nil, err
	}
	return []byte("rspauth=" + r.compute(keys.List[which].Stored, "")), expectEmpty, nil
}

// isMeant tells whether a response answers this challenge, for this realm and
// service (RFC 2831 section 2.1.2). The count of a nonce that is used once is 1.
func (d *digest) isMeant(r digestResponse) error {
	service, host, found := strings.Cut(r.uri, "/")
	host, _, _ = strings.Cut(host, "/") // the name of a service of several hosts is not ours to know
	switch {
	case subtle.ConstantTimeCompare([]byte(r.nonce), []byte(d.nonce)) == 0, r.count != "00000001":
		return ErrReplay
	case !found, !strings.EqualFold(service, "smtp"), !strings.EqualFold(host, d.conn.Host) && !strings.EqualFold(host, d.conn.realm()), r.realm != d.conn.realm():
		return ErrElsewhere
	}
	return nil
}

// digestResponse is a digest-response. Its texts are as they are between the quotes, in
// the encoding of the client; login is in UTF-8.
type digestResponse struct {
	login, realm, nonce, cnonce, count, uri, response, authzid string
}

// compute is the response-value of RFC 2831 section 2.1.2.1: the client's with
// the method AUTHENTICATE, ours with none (section 2.1.3). stored is H(user:realm:password).
func (r *digestResponse) compute(stored []byte, method string) string {
	a1 := string(stored) + ":" + r.nonce + ":" + r.cnonce
	if r.authzid != "" {
		a1 += ":" + r.authzid
	}
	return hexMD5(hexMD5(a1) + ":" + r.nonce + ":" + r.count + ":" + r.cnonce + ":auth:" + hexMD5(method+":"+r.uri))
}

func hexMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// DigestKey turns a password into its key for DIGEST-MD5, which is as good as
// the password itself in that realm. login is as the client will name it, and
// the password is prepared by the caller. Each of the three goes in as ISO 8859-1 if it
// can be written so, else as UTF-8 (RFC 2831 section 2.1.2.1).
func DigestKey(login, realm, password string) Key {
	sum := md5.Sum([]byte(toLatin1(login) + ":" + toLatin1(realm) + ":" + toLatin1(password)))
	return Key{Stored: sum[:]}
}

// toLatin1 turns UTF-8 into ISO 8859-1 where all of it can be (RFC 2831 section 8).
func toLatin1(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r > 0xff { // what is not UTF-8 among it
			return s
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}

// fromLatin1 turns ISO 8859-1 into UTF-8.
func fromLatin1(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
