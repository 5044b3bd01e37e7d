package talk

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"
)

// Scram is a client of SCRAM (RFC 5802) that can be told to misbehave.
type Scram struct {
	Key
	Mechanism string
	// Header is the gs2-header, Data what c= holds behind it.
	Header string
	Data   []byte
	// Claimed is the header that c= holds; "" for the one that was sent.
	Claimed string
	// Nonce is the client's own; "" for a fixed one.
	Nonce string
}

// Dialogue is what it says.
func (s Scram) Dialogue() *Dialogue {
	if s.Nonce == "" {
		s.Nonce = "fyko+d2lbbFgONRv9qkxdawL"
	}
	if s.Claimed == "" {
		s.Claimed = s.Header
	}
	bare := "n=" + s.Login + ",r=" + s.Nonce
	final := func(challenge []byte) []byte { return s.final(bare, challenge) }
	return &Dialogue{Mechanism: s.Mechanism, Initial: []byte(s.Header + bare), Answers: []func([]byte) []byte{final, Constant("")}}
}

// final is the client's final message (RFC 5802 section 5.1).
func (s Scram) final(bare string, challenge []byte) []byte {
	digest := sha256.New
	if strings.TrimSuffix(s.Mechanism, "-PLUS") == "SCRAM-SHA-1" {
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
	salted, err := pbkdf2.Key(digest, s.Password, salt, iterations, digest().Size())
	if err != nil {
		panic(err)
	}
	clientKey := mac(digest, salted, "Client Key")
	stored := digest()
	stored.Write(clientKey)
	without := "c=" + Encode(append([]byte(s.Claimed), s.Data...)) + ",r=" + field(challenge, "r")
	proof := mac(digest, stored.Sum(nil), bare+","+string(challenge)+","+without)
	subtle.XORBytes(proof, proof, clientKey)
	return []byte(without + ",p=" + Encode(proof))
}

func mac(digest func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(digest, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
