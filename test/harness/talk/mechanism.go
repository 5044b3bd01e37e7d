package talk

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"countersign/test/harness"
)

// Key is what somebody logs in with; Token is a bearer token.
type Key struct{ Login, Password, Token string }

// Mechanisms are those that By knows: all that need no certificate.
func Mechanisms() []string {
	return []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
}

// Honest returns what an honest client says by each of them on this connection, in their
// order.
func (c *Client) Honest(k Key) []*Dialogue {
	var all []*Dialogue
	for _, mechanism := range Mechanisms() {
		all = append(all, c.By(mechanism, k))
	}
	return all
}

// By returns what an honest client says by one of them. Those with -PLUS bind by
// tls-exporter, so they need TLS.
func (c *Client) By(mechanism string, k Key) *Dialogue {
	d := &Dialogue{Mechanism: mechanism}
	says := func(answers ...func([]byte) []byte) *Dialogue {
		d.Answers = answers
		return d
	}
	switch mechanism {
	case "PLAIN":
		d.Initial = []byte("\x00" + k.Login + "\x00" + k.Password)
		return d
	case "LOGIN":
		return says(Constant(k.Login), Constant(k.Password))
	case "CRAM-MD5":
		return says(k.cram)
	case "DIGEST-MD5":
		return says(k.digest, Constant(""))
	case "OAUTHBEARER":
		d.Initial = []byte("n,a=" + k.Login + ",\x01auth=Bearer " + k.Token + "\x01\x01")
		return says(Constant("\x01")) // RFC 7628 section 3.2.3
	case "XOAUTH2":
		d.Initial = []byte("user=" + k.Login + "\x01auth=Bearer " + k.Token + "\x01\x01")
		return says(Constant(""))
	}
	if c.salted == nil {
		c.salted = map[string][]byte{}
	}
	s := Scram{Mechanism: mechanism, Header: "n,,", Key: k, salted: c.salted}
	if strings.HasSuffix(mechanism, "-PLUS") {
		s.Header, s.Data = "p=tls-exporter,,", c.Exporter()
	}
	return s.Dialogue()
}

// Exporter is what the connection can be bound to by tls-exporter (RFC 9266 section 2).
func (c *Client) Exporter() []byte {
	state := c.State()
	data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	if err != nil {
		panic(err) // TLS 1.2 without the extended master secret: not of this package
	}
	return data
}

// EndPoint is that by tls-server-end-point (RFC 5929 section 4), for certificates signed with
// SHA-256.
func (c *Client) EndPoint() []byte {
	sum := sha256.Sum256(c.State().PeerCertificates[0].Raw)
	return sum[:]
}

// Constant answers with that, whatever the challenge.
func Constant(text string) func([]byte) []byte {
	return func([]byte) []byte { return slices.Clone([]byte(text)) }
}

// field takes a value out of a challenge of SCRAM or DIGEST-MD5.
func field(challenge []byte, name string) string {
	for part := range strings.SplitSeq(string(challenge), ",") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			if bare, quoted := strings.CutPrefix(value, `"`); quoted { // a nonce of SCRAM may end in one
				return strings.TrimSuffix(bare, `"`)
			}
			return value
		}
	}
	panic(fmt.Sprintf("the challenge %q has no %s", challenge, name))
}

// cram answers a challenge of CRAM-MD5 (RFC 2195 section 2).
func (k Key) cram(challenge []byte) []byte {
	m := hmac.New(md5.New, []byte(k.Password))
	m.Write(challenge)
	return []byte(k.Login + " " + hex.EncodeToString(m.Sum(nil)))
}

// digest answers a challenge of DIGEST-MD5 (RFC 2831 section 2.1.2).
func (k Key) digest(challenge []byte) []byte {
	realm, nonce, uri := field(challenge, "realm"), field(challenge, "nonce"), "smtp/"+harness.Host
	const cnonce, count = "the client's own", "00000001"
	h := func(text string) string {
		sum := md5.Sum([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	first := md5.Sum([]byte(k.Login + ":" + realm + ":" + k.Password))
	a1, a2 := string(first[:])+":"+nonce+":"+cnonce, "AUTHENTICATE:"+uri
	response := h(h(a1) + ":" + nonce + ":" + count + ":" + cnonce + ":auth:" + h(a2))
	return fmt.Appendf(nil, `charset=utf-8,username="%s",realm="%s",nonce="%s",nc=%s,cnonce="%s",digest-uri="%s",response=%s,qop=auth`,
		k.Login, realm, nonce, count, cnonce, uri, response)
}
