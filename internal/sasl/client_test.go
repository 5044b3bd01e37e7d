package sasl

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// The clients of each mechanism, written anew from the RFCs for the tests.

// salted remembers what PBKDF2 has made.
var salted sync.Map

// clientOf returns a client that says "user", and knows a password or token.
func clientOf(mechanism, secret, authzid string) client {
	switch mechanism {
	case "PLAIN":
		return says(authzid + "\x00user\x00" + secret)
	case "LOGIN":
		return says("user", secret)
	case "EXTERNAL":
		return says(authzid)
	case "OAUTHBEARER":
		if authzid != "" {
			authzid = "a=" + authzid
		}
		return says("n,"+authzid+",\x01auth=Bearer "+secret+"\x01\x01", "\x01")
	case "XOAUTH2":
		return says("user=user\x01auth=Bearer "+secret+"\x01\x01", "")
	case "CRAM-MD5":
		return cramClient("user", secret)
	case "DIGEST-MD5":
		return digestClient("user", secret, authzid)
	}
	c := &scramClient{login: "user", password: secret, header: "n,", authzid: authzid, hash: sha256.New}
	if strings.Contains(mechanism, "SHA-1") {
		c.hash = sha1.New
	}
	if strings.HasSuffix(mechanism, "-PLUS") {
		c.header, c.binding = "p=tls-exporter,", "data of tls-exporter"
	}
	return c.answer
}

// says answers whatever comes with these.
func says(responses ...string) client {
	n := 0
	return func([]byte) []byte {
		if n == len(responses) {
			return []byte{}
		}
		n++
		return []byte(responses[n-1])
	}
}

func cramClient(login, password string) client {
	return func(challenge []byte) []byte {
		if challenge == nil {
			return nil
		}
		m := hmac.New(md5.New, []byte(password))
		m.Write(challenge)
		return []byte(login + " " + hex.EncodeToString(m.Sum(nil)))
	}
}

func digestClient(login, password, authzid string) client {
	return func(challenge []byte) []byte {
		switch {
		case challenge == nil:
			return nil
		case strings.HasPrefix(string(challenge), "rspauth="):
			return []byte{}
		}
		_, nonce, _ := strings.Cut(string(challenge), `nonce="`)
		nonce, _, _ = strings.Cut(nonce, `"`)
		const cnonce, uri = "OA6MHXh6VqTrRk", "smtp/" + testHost
		h := func(s string) string {
			sum := md5.Sum([]byte(s))
			return hex.EncodeToString(sum[:])
		}
		secret := md5.Sum([]byte(login + ":" + testHost + ":" + password))
		a1 := string(secret[:]) + ":" + nonce + ":" + cnonce
		extra := ""
		if authzid != "" {
			a1 += ":" + authzid
			extra = `,authzid="` + authzid + `"`
		}
		response := h(h(a1) + ":" + nonce + ":00000001:" + cnonce + ":auth:" + h("AUTHENTICATE:"+uri))
		return []byte(`charset=utf-8,username="` + login + `",realm="` + testHost + `",nonce="` + nonce +
			`",nc=00000001,cnonce="` + cnonce + `",digest-uri="` + uri + `",response=` + response + `,qop=auth` + extra)
	}
}

// scramClient is RFC 5802 as it stands in section 3.
type scramClient struct {
	login, password, authzid string
	// header is the flag of the gs2-header with its comma.
	header, binding string
	hash            func() hash.Hash
	// extra stands behind the nonce of the two messages.
	extra string

	bare, verify string
}

const clientNonce = "fyko+d2lbbFgONRv9qkxdawL"

func (c *scramClient) answer(challenge []byte) []byte {
	text := string(challenge)
	gs2 := c.header
	if c.authzid != "" {
		gs2 += "a=" + c.authzid
	}
	gs2 += ","
	switch {
	case challenge == nil:
		c.bare = "n=" + c.login + ",r=" + clientNonce + c.extra
		return []byte(gs2 + c.bare)
	case strings.HasPrefix(text, "v="):
		if text != c.verify {
			return []byte("the server is false")
		}
		return []byte{}
	}
	var nonce, salt string
	var iterations int
	parts := strings.Split(text, ",")
	if len(parts) == 3 {
		nonce, salt = strings.TrimPrefix(parts[0], "r="), strings.TrimPrefix(parts[1], "s=")
		fmt.Sscanf(parts[2], "i=%d", &iterations)
	}
	without := "c=" + base64.StdEncoding.EncodeToString([]byte(gs2+c.binding)) + ",r=" + nonce + c.extra
	mac := func(key []byte, text string) []byte {
		m := hmac.New(c.hash, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	key := c.saltedPassword(salt, iterations)
	message := c.bare + "," + text + "," + without
	clientKey := mac(key, "Client Key")
	stored := c.hash()
	stored.Write(clientKey)
	for i, s := range mac(stored.Sum(nil), message) {
		clientKey[i] ^= s
	}
	c.verify = "v=" + base64.StdEncoding.EncodeToString(mac(mac(key, "Server Key"), message))
	return []byte(without + ",p=" + base64.StdEncoding.EncodeToString(clientKey))
}

func (c *scramClient) saltedPassword(salt string, iterations int) []byte {
	name := fmt.Sprint(c.hash().Size(), c.password, salt, iterations)
	if key, known := salted.Load(name); known {
		return key.([]byte)
	}
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil || iterations < MinIterations {
		panic("a challenge that is none: " + salt)
	}
	key, err := pbkdf2.Key(c.hash, c.password, raw, iterations, c.hash().Size())
	if err != nil {
		panic(err)
	}
	salted.Store(name, key)
	return key
}
