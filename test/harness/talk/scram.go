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
	// salted keeps what was derived, by what it was derived from; nil for nothing.
	salted map[string][]byte
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
	salted := s.saltedPassword(digest, field(challenge, "s"), field(challenge, "i"))
	clientKey := mac(digest, salted, "Client Key")
	stored := digest()
	stored.Write(clientKey)
	without := "c=" + Encode(append([]byte(s.Claimed), s.Data...)) + ",r=" + field(challenge, "r")
	proof := mac(digest, stored.Sum(nil), bare+","+string(challenge)+","+without)
	subtle.XORBytes(proof, proof, clientKey)
	return []byte(without + ",p=" + Encode(proof))
}

// saltedPassword is what takes a client its time (RFC 5802 section 3).
func (s Scram) saltedPassword(digest func() hash.Hash, salt, iterations string) []byte {
	from := strings.Join([]string{strconv.Itoa(digest().Size()), salt, iterations, s.Password}, " ")
	if salted, ok := s.salted[from]; ok {
		return salted
	}
	octets, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		panic(err)
	}
	n, err := strconv.Atoi(iterations)
	if err != nil {
		panic(err)
	}
	salted, err := pbkdf2.Key(digest, s.Password, octets, n, digest().Size())
	if err != nil {
		panic(err)
	}
	if s.salted != nil {
		s.salted[from] = salted
	}
	return salted
}

func mac(digest func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(digest, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
