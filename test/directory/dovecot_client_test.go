package directory

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/xdg-go/scram"

	"countersign/internal/directory"
	"countersign/internal/directory/dovecot"
)

// client is the client's side of an exchange: it takes a challenge, nil at first,
// and answers nil where it has nothing to say yet.
type client func(challenge []byte) ([]byte, error)

// clients make clients by the name of their mechanism.
var clients = map[string]func(login, password string) (client, error){
	"PLAIN": func(login, password string) (client, error) {
		return func([]byte) ([]byte, error) { return []byte("\x00" + login + "\x00" + password), nil }, nil
	},
	"LOGIN": func(login, password string) (client, error) {
		says := []string{"", login, password}
		return func([]byte) ([]byte, error) {
			now := says[0]
			says = says[1:]
			if now == "" {
				return nil, nil
			}
			return []byte(now), nil
		}, nil
	},
	"CRAM-MD5": func(login, password string) (client, error) { // RFC 2195
		return func(challenge []byte) ([]byte, error) {
			if challenge == nil {
				return nil, nil
			}
			mac := hmac.New(md5.New, []byte(password))
			mac.Write(challenge)
			return fmt.Appendf(nil, "%s %x", login, mac.Sum(nil)), nil
		}, nil
	},
	"DIGEST-MD5":    func(login, password string) (client, error) { return newDigest(login, password), nil },
	"SCRAM-SHA-1":   func(login, password string) (client, error) { return newScram(scram.SHA1, login, password) },
	"SCRAM-SHA-256": func(login, password string) (client, error) { return newScram(scram.SHA256, login, password) },
}

// newDigest is a client of DIGEST-MD5 (RFC 2831 section 2.1.2) that wants the server
// to prove itself too.
func newDigest(login, password string) client {
	var want string
	return func(challenge []byte) ([]byte, error) {
		switch {
		case challenge == nil:
			return nil, nil
		case want != "":
			if string(challenge) != want {
				return nil, errors.New("the server has not proved that it knows the password")
			}
			return []byte{}, nil
		}
		nonce := regexp.MustCompile(`nonce="([^"]*)"`).FindSubmatch(challenge)
		if nonce == nil {
			return nil, errors.New("no nonce")
		}
		h := func(text string) string { sum := md5.Sum([]byte(text)); return hex.EncodeToString(sum[:]) }
		const realm, cnonce, uri = "example.org", "OA6MHXh6VqTrRk", "smtp/example.org"
		secret := md5.Sum([]byte(login + ":" + realm + ":" + password))
		a1 := h(string(secret[:]) + ":" + string(nonce[1]) + ":" + cnonce)
		proof := func(method string) string {
			return h(a1 + ":" + string(nonce[1]) + ":00000001:" + cnonce + ":auth:" + h(method+":"+uri))
		}
		want = "rspauth=" + proof("")
		return fmt.Appendf(nil, `username="%s",realm="%s",nonce="%s",cnonce="%s",nc=00000001,qop=auth,digest-uri="%s",response=%s,charset=utf-8`,
			login, realm, nonce[1], cnonce, uri, proof("AUTHENTICATE")), nil
	}
}

// newScram is a client of SCRAM (RFC 5802), which checks the server's proof.
func newScram(hash scram.HashGeneratorFcn, login, password string) (client, error) {
	c, err := hash.NewClient(login, password, "")
	if err != nil {
		return nil, err
	}
	conversation := c.NewConversation()
	return func(challenge []byte) ([]byte, error) {
		text, err := conversation.Step(string(challenge))
		return []byte(text), err
	}, nil
}

// errClient is what a client makes of a server.
var errClient = errors.New("the client gives up")

// talks lets a client log in through an exchange.
func talks(t testing.TB, d *dovecot.Dovecot, mechanism, login, password string) (*directory.Answer, error) {
	t.Helper()
	say, err := clients[mechanism](login, password)
	if err != nil {
		t.Fatal(err)
	}
	x, err := d.Begin(t.Context(), mechanism, dovecot.Info{Session: "01J9"})
	if err != nil {
		return nil, err
	}
	defer x.Cancel()
	var challenge []byte
	for range 5 {
		response, err := say(challenge)
		if err != nil {
			return nil, errors.Join(errClient, err)
		}
		var done bool
		challenge, done, err = x.Next(t.Context(), response)
		if done || err != nil {
			return x.Account(), err
		}
	}
	return nil, errors.New("the exchange has no end")
}
