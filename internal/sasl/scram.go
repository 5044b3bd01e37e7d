package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strconv"
)

// The names under which keys of SCRAM are asked for and made.
const (
	ScramSHA1   = "SCRAM-SHA-1"
	ScramSHA256 = "SCRAM-SHA-256"
)

// scramHash is the hash function of one SCRAM mechanism.
type scramHash struct {
	// name is the mechanism's, without -PLUS.
	name string
	new  func() hash.Hash
	size int
}

// scram is an exchange of SCRAM (RFC 5802; with SHA-256, RFC 7677).
type scram struct {
	conn *Conn
	hash scramHash
	// plus says that this is the -PLUS mechanism.
	plus  bool
	first scramFirst
	keys  *Keys
	// nonce is the client's and ours together.
	nonce string
	// challenge is the server's first message.
	challenge string
}

// newScram returns what starts an exchange.
func newScram(h scramHash, plus bool) func(c *Conn) Exchange {
	return func(c *Conn) Exchange {
		s := &scram{conn: c, hash: h, plus: plus}
		return clientFirst(s.takeFirst)
	}
}

// takeFirst takes the client's first message and answers with the server's.
func (s *scram) takeFirst(ctx context.Context, response []byte) ([]byte, step, error) {
	first, err := parseScramFirst(string(response))
	if err != nil {
		return nil, nil, err
	}
	if err := s.judgeBinding(first); err != nil {
		return nil, nil, err
	}
	keys, err := s.conn.keys(ctx, s.hash.name, first.login, s.hash.size, s.hash.size)
	if err != nil {
		return nil, nil, err
	}
	if len(keys.Salt) == 0 || len(keys.Salt) > MaxSalt || keys.Iterations < MinIterations || keys.Iterations > MaxIterations {
		return nil, nil, trouble("an account has keys with a salt or iterations out of bounds")
	}
	ours := keys.Nonce
	if ours == "" {
		if ours, err = s.conn.nonce(); err != nil {
			return nil, nil, err
		}
	}
	return []byte(s.open(first, keys, ours)), s.takeFinal, nil
}

// judgeBinding judges what the client says of channel binding (RFC 5802 section 6).
func (s *scram) judgeBinding(first scramFirst) error {
	_, bound := s.conn.binding(first.binding)
	switch {
	case s.plus && !bound, !s.plus && first.binding != "":
		return ErrBinding
	case first.flag == 'y' && s.conn.Plus:
		return ErrDowngrade
	}
	return nil
}

// open makes the server's first message, in which the nonce ends in ours (RFC
// 5802 section 5.1).
func (s *scram) open(first scramFirst, keys *Keys, ours string) string {
	s.first, s.keys, s.nonce = first, keys, first.nonce+ours
	s.challenge = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(keys.Salt) + ",i=" + strconv.Itoa(keys.Iterations)
	return s.challenge
}

// takeFinal takes the client's final message. The Verifier has its say before
// the server proves itself.
func (s *scram) takeFinal(ctx context.Context, response []byte) ([]byte, step, error) {
	final, err := parseScramFinal(string(response), s.hash.size)
	if err != nil {
		return nil, nil, err
	}
	if subtle.ConstantTimeCompare([]byte(final.nonce), []byte(s.nonce)) == 0 {
		return nil, nil, ErrReplay
	}
	if subtle.ConstantTimeCompare([]byte(final.binding), []byte(s.expectedBinding())) == 0 {
		return nil, nil, ErrBinding
	}
	message := []byte(s.first.bare + "," + s.challenge + "," + final.withoutProof)
	which := -1
	for i, key := range s.keys.List {
		which = subtle.ConstantTimeSelect(s.proves(key, message, final.proof), i, which)
	}
	if err := s.conn.prove(ctx, s.first.authzid, s.keys, which); err != nil {
		return nil, nil, err
	}
	signature := s.mac(s.keys.List[which].Server, message)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), expectEmpty, nil
}

// expectedBinding is what c= must hold: the header as the client has sent it,
// with the data of the channel behind it (RFC 5802 section 5.1).
func (s *scram) expectedBinding() string {
	input := []byte(s.first.header)
	if s.plus {
		data, _ := s.conn.binding(s.first.binding)
		input = append(input, data...)
	}
	return base64.StdEncoding.EncodeToString(input)
}

// proves returns 1 if proof is that of a key, else 0: H(ClientKey) must be
// StoredKey (RFC 5802 section 3).
func (s *scram) proves(key Key, message, proof []byte) int {
	signature := s.mac(key.Stored, message)
	clientKey := make([]byte, s.hash.size)
	subtle.XORBytes(clientKey, proof, signature)
	return subtle.ConstantTimeCompare(s.sum(clientKey), key.Stored)
}

func (s *scram) mac(key, text []byte) []byte { return macOf(s.hash.new, key, text) }

func (s *scram) sum(text []byte) []byte { return sumOf(s.hash.new, text) }

func macOf(h func() hash.Hash, key, text []byte) []byte {
	m := hmac.New(h, key)
	m.Write(text)
	return m.Sum(nil)
}

func sumOf(h func() hash.Hash, text []byte) []byte {
	d := h()
	d.Write(text)
	return d.Sum(nil)
}

// ScramKey turns a password into its key for ScramSHA1 or ScramSHA256 (RFC 5802
// section 3). The password is prepared by the caller; salt has 1 to MaxSalt
// octets and iterations are within MinIterations and MaxIterations. For
// anything else, another mechanism too, it returns the zero Key, which no exchange
// takes. It works for as long as a client does: up to a second.
func ScramKey(mechanism, password string, salt []byte, iterations int) Key {
	digest := sha256.New
	switch {
	case len(salt) == 0 || len(salt) > MaxSalt || iterations < MinIterations || iterations > MaxIterations:
		return Key{}
	case mechanism == ScramSHA1:
		digest = sha1.New
	case mechanism != ScramSHA256:
		return Key{}
	}
	salted, err := pbkdf2.Key(digest, password, salt, iterations, digest().Size())
	if err != nil { // a mode of crypto that forbids the hash or the salt
		return Key{}
	}
	return Key{
		Stored: sumOf(digest, macOf(digest, salted, []byte("Client Key"))),
		Server: macOf(digest, salted, []byte("Server Key")),
	}
}
