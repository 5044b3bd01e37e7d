package sasl

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"time"
)

// Conn is what an exchange may know of its connection. It is not changed by
// exchanges, and may serve several of them, one after the other.
type Conn struct {
	// Verifier judges.
	Verifier Verifier
	// Host is this server's name, as in challenges.
	Host string
	// Realm is that of DIGEST-MD5, which keys are made for: the same for all servers
	// that know the same accounts. "" is Host.
	Realm string
	// Binding returns the channel binding data of a type (RFC 5056:
	// "tls-exporter", "tls-server-end-point", "tls-unique"), false where the
	// connection has none of it. nil: there is none of any type.
	Binding func(kind string) ([]byte, bool)
	// Plus says that a -PLUS mechanism was offered on this connection, so that
	// a client that says it could bind but thinks we cannot was deceived (RFC
	// 5802 section 6).
	Plus bool
	// Rand makes nonces and challenges; nil is crypto/rand.
	Rand io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// realm is the one of DIGEST-MD5.
func (c *Conn) realm() string {
	if c.Realm == "" {
		return c.Host
	}
	return c.Realm
}

// binding returns the data of a type of channel binding. "" is none.
func (c *Conn) binding(kind string) ([]byte, bool) {
	if c.Binding == nil || kind == "" {
		return nil, false
	}
	data, ok := c.Binding(kind)
	return data, ok && len(data) > 0
}

// nonceOctets is the randomness of a nonce: 144 bits.
const nonceOctets = 18

// nonce makes a text that no exchange has had before, 24 letters of base64.
func (c *Conn) nonce() (string, error) {
	source := c.Rand
	if source == nil {
		source = rand.Reader
	}
	var raw [nonceOctets]byte
	if _, err := io.ReadFull(source, raw[:]); err != nil {
		return "", trouble("the source of randomness fails")
	}
	return base64.StdEncoding.EncodeToString(raw[:]), nil
}

func (c *Conn) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// keys asks for the keys of login. Each part of each must have its size in octets;
// server is 0 where a mechanism has no second part.
func (c *Conn) keys(ctx context.Context, mechanism, login string, stored, server int) (*Keys, error) {
	k, err := c.Verifier.Keys(ctx, mechanism, login)
	if err != nil {
		return nil, err
	}
	if k == nil || len(k.List) == 0 || len(k.List) > MaxKeys {
		return nil, trouble("an account has no keys, or too many")
	}
	for _, key := range k.List {
		if len(key.Stored) != stored || len(key.Server) != server {
			return nil, trouble("a key is not of its mechanism's size")
		}
	}
	return k, nil
}

// prove tells the Verifier what the client has proved. Nothing proved is never
// a success.
func (c *Conn) prove(ctx context.Context, authzid string, k *Keys, which int) error {
	err := c.Verifier.Proved(ctx, authzid, k, which)
	if err == nil && which < 0 {
		return trouble("nothing was proved, and the answer was yes")
	}
	return err
}
