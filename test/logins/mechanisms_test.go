package logins

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"countersign/test/harness"
)

// key is what somebody logs in with.
type key struct{ login, password, token string }

// honest returns what an honest client says by each mechanism that needs no certificate.
func (c *client) honest(k key) []*dialogue {
	all := []*dialogue{
		{mechanism: "PLAIN", initial: []byte("\x00" + k.login + "\x00" + k.password)},
		{mechanism: "LOGIN", answers: []func([]byte) []byte{constant(k.login), constant(k.password)}},
		{mechanism: "CRAM-MD5", answers: []func([]byte) []byte{cram(k)}},
		{mechanism: "DIGEST-MD5", answers: []func([]byte) []byte{digest(k), constant("")}},
		{mechanism: "OAUTHBEARER", initial: []byte("n,a=" + k.login + ",\x01auth=Bearer " + k.token + "\x01\x01"), answers: []func([]byte) []byte{constant("\x01")}},
		{mechanism: "XOAUTH2", initial: []byte("user=" + k.login + "\x01auth=Bearer " + k.token + "\x01\x01"), answers: []func([]byte) []byte{constant("")}},
	}
	for _, m := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256"} {
		s := scram{mechanism: m, header: "n,,", key: k}
		bound := scram{mechanism: m + "-PLUS", header: "p=tls-exporter,,", data: c.exporter(), key: k}
		all = append(all, s.dialogue(), bound.dialogue())
	}
	return all
}

// exporter is what the connection can be bound to by tls-exporter (RFC 9266 section 2).
func (c *client) exporter() []byte {
	c.t.Helper()
	state := c.state()
	data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

// endPoint is that by tls-server-end-point (RFC 5929 section 4), for certificates signed with
// SHA-256.
func (c *client) endPoint() []byte {
	sum := sha256.Sum256(c.state().PeerCertificates[0].Raw)
	return sum[:]
}

// cram answers a challenge of CRAM-MD5 (RFC 2195 section 2).
func cram(k key) func([]byte) []byte {
	return func(challenge []byte) []byte {
		m := hmac.New(md5.New, []byte(k.password))
		m.Write(challenge)
		return []byte(k.login + " " + hex.EncodeToString(m.Sum(nil)))
	}
}

// digest answers a challenge of DIGEST-MD5 (RFC 2831 section 2.1.2).
func digest(k key) func([]byte) []byte {
	return func(challenge []byte) []byte {
		realm, nonce, uri := field(challenge, "realm"), field(challenge, "nonce"), "smtp/"+harness.Host
		const cnonce, count = "the client's own", "00000001"
		h := func(text string) string {
			sum := md5.Sum([]byte(text))
			return hex.EncodeToString(sum[:])
		}
		first := md5.Sum([]byte(k.login + ":" + realm + ":" + k.password))
		a1, a2 := string(first[:])+":"+nonce+":"+cnonce, "AUTHENTICATE:"+uri
		response := h(h(a1) + ":" + nonce + ":" + count + ":" + cnonce + ":auth:" + h(a2))
		return fmt.Appendf(nil, `charset=utf-8,username="%s",realm="%s",nonce="%s",nc=%s,cnonce="%s",digest-uri="%s",response=%s,qop=auth`,
			k.login, realm, nonce, count, cnonce, uri, response)
	}
}

// scram is a client of SCRAM (RFC 5802) that can be told to misbehave.
type scram struct {
	key
	mechanism string
	// header is the gs2-header, data what c= holds behind it.
	header string
	data   []byte
	// claimed is the header that c= holds; "" for the one that was sent.
	claimed string
	// nonce is the client's own; "" for a fixed one.
	nonce string
}

func (s *scram) dialogue() *dialogue {
	if s.nonce == "" {
		s.nonce = "fyko+d2lbbFgONRv9qkxdawL"
	}
	if s.claimed == "" {
		s.claimed = s.header
	}
	bare := "n=" + s.login + ",r=" + s.nonce
	final := func(challenge []byte) []byte { return s.final(bare, challenge) }
	return &dialogue{mechanism: s.mechanism, initial: []byte(s.header + bare), answers: []func([]byte) []byte{final, constant("")}}
}

// final is the client's final message (RFC 5802 section 5.1).
func (s *scram) final(bare string, challenge []byte) []byte {
	digest := sha256.New
	if strings.TrimSuffix(s.mechanism, "-PLUS") == "SCRAM-SHA-1" {
		digest = sha1.New
	}
	salt, err := base64.StdEncoding.DecodeString(field(challenge, "s"))
	if err != nil {
		panic(err)
	}
	iterations, err := strconv.Atoi(field(challenge, "i"))
	if err != nil {
		panic(err)
	}
	salted, err := pbkdf2.Key(digest, s.password, salt, iterations, digest().Size())
	if err != nil {
		panic(err)
	}
	clientKey := mac(digest, salted, "Client Key")
	stored := digest()
	stored.Write(clientKey)
	without := "c=" + encode(append([]byte(s.claimed), s.data...)) + ",r=" + field(challenge, "r")
	proof := mac(digest, stored.Sum(nil), bare+","+string(challenge)+","+without)
	subtle.XORBytes(proof, proof, clientKey)
	return []byte(without + ",p=" + encode(proof))
}

func mac(digest func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(digest, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
