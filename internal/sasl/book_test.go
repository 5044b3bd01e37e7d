package sasl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/fault"
)

var errWrong = fault.Refuse("book", fault.Unauthenticated, "auth-failed")

const testHost = "mx.test"

// book is a Verifier with a few accounts. It remembers what it was asked.
type book struct {
	// passwords of each login.
	passwords map[string][]string
	// tokens and whose they are.
	tokens map[string]string
	// subject is whom the certificate stands for, "" for nobody.
	subject string
	// trouble, if any, is the answer to everything; alter changes keys.
	trouble error
	alter   func(*Keys)
	// gullible makes it say yes where it must not.
	gullible bool

	asked []string
	// proved counts the answers that were a yes.
	proved int
}

// made remembers keys, as PBKDF2 takes its time.
var made sync.Map

func newBook() *book {
	return &book{
		passwords: map[string][]string{
			"user": {"first pass", "pencil", "last pass"}, "other": {"secret"}, "jürgen": {"pässwörd"}, "a=b,c": {"pencil"}, "ключ": {"пароль"},
		},
		tokens:  map[string]string{"dG9rZW4=": "user"},
		subject: "user",
	}
}

func (b *book) note(format string, args ...any) {
	b.asked = append(b.asked, fmt.Sprintf(format, args...))
}

// answer is nil for a yes.
func (b *book) answer(yes bool) error {
	if b.trouble != nil {
		return b.trouble
	}
	if !yes && !b.gullible {
		return errWrong
	}
	b.proved++
	return nil
}

func (b *book) VerifyPassword(_ context.Context, authzid, login, password string) error {
	b.note("password %s|%s|%s", authzid, login, password)
	right := false
	for _, p := range b.passwords[login] {
		right = right || p == password
	}
	return b.answer(right && (authzid == "" || authzid == login))
}

func (b *book) Keys(_ context.Context, mechanism, login string) (*Keys, error) {
	b.note("keys %s|%s", mechanism, login)
	if b.trouble != nil {
		return nil, b.trouble
	}
	k := &Keys{Mechanism: mechanism, Login: login, Handle: b}
	if strings.HasPrefix(mechanism, "SCRAM") {
		k.Salt, k.Iterations = []byte("salt of "+login), MinIterations
	}
	passwords := b.passwords[login]
	for _, p := range passwords {
		k.List = append(k.List, keyOf(mechanism, login, p))
	}
	if len(passwords) == 0 {
		k.List = []Key{keyOf(mechanism, "nobody", "nobody knows")}
	}
	if b.alter != nil {
		b.alter(k)
	}
	return k, nil
}

// keyOf makes a key once.
func keyOf(mechanism, login, password string) Key {
	name := mechanism + "|" + login + "|" + password
	if key, known := made.Load(name); known {
		return key.(Key)
	}
	var key Key
	switch mechanism {
	case "CRAM-MD5":
		key = CramKey(password)
	case "DIGEST-MD5":
		key = DigestKey(login, testHost, password)
	default:
		key = ScramKey(mechanism, password, []byte("salt of "+login), MinIterations)
	}
	made.Store(name, key)
	return key
}

func (b *book) Proved(_ context.Context, authzid string, k *Keys, which int) error {
	b.note("proved %s|%s|%d", authzid, k.Login, which)
	if k.Handle != b {
		return errors.New("the handle did not come back")
	}
	return b.answer(which >= 0 && b.passwords[k.Login] != nil && (authzid == "" || authzid == k.Login))
}

func (b *book) VerifyToken(_ context.Context, login, token string) error {
	b.note("token %s|%s", login, token)
	owner := b.tokens[token]
	if err := b.answer(owner != "" && (login == "" || login == owner)); err != errWrong {
		return err
	}
	return &TokenError{Scope: "submit", Configuration: "https://id.test/.well-known/openid-configuration", Err: errWrong}
}

func (b *book) VerifyCertificate(_ context.Context, authzid string) error {
	b.note("certificate %s", authzid)
	return b.answer(b.subject != "" && (authzid == "" || authzid == b.subject))
}

// connOf returns a connection with all kinds of binding.
func connOf(v Verifier) *Conn {
	return &Conn{Verifier: v, Host: testHost, Plus: true, Binding: func(kind string) ([]byte, bool) {
		switch kind {
		case "tls-exporter", "tls-server-end-point":
			return []byte("data of " + kind), true
		case "empty":
			return nil, true
		}
		return nil, false
	}, Now: func() time.Time { return time.Unix(697170952, 0) }}
}

// fixed makes nonces known.
func fixed() io.Reader { return bytes.NewReader(bytes.Repeat([]byte{0x5a}, 1<<10)) }

// start begins an exchange of a mechanism.
func start(t testing.TB, mechanism string, c *Conn) Exchange {
	t.Helper()
	m, found := Lookup(mechanism)
	if !found {
		t.Fatalf("no mechanism %s", mechanism)
	}
	return m.New(c)
}

// take sends one response and puts the answer into a word: the challenge,
// "done", "syntax", "wrong", or the error's text.
func take(x Exchange, send string) string {
	response := []byte(send)
	if send == "-" {
		response = nil
	}
	challenge, done, err := x.Next(context.Background(), response)
	switch {
	case errors.Is(err, ErrSyntax):
		return "syntax"
	case errors.Is(err, ErrBinding):
		return "binding"
	case errors.Is(err, ErrDowngrade):
		return "downgrade"
	case errors.Is(err, ErrReplay):
		return "replay"
	case errors.Is(err, ErrElsewhere):
		return "elsewhere"
	case errors.Is(err, errWrong):
		return "wrong"
	case err != nil && fault.KindOf(err) == fault.Internal:
		return "trouble"
	case err != nil:
		return err.Error()
	case done:
		return "done"
	}
	return string(challenge)
}

// client is the other side of an exchange: it answers a challenge. The first is
// nil, where a nil answer is no initial response.
type client func(challenge []byte) []byte

// talk runs an exchange to its end and returns what the client has said. alter, if
// not nil, changes its nth response on the way.
func talk(x Exchange, c client, alter func(n int, response []byte) []byte) (said [][]byte, done bool, err error) {
	var challenge []byte
	for n := 0; n < 10; n++ {
		response := c(challenge)
		said = append(said, response)
		if alter != nil {
			response = alter(n, bytes.Clone(response))
		}
		challenge, done, err = x.Next(context.Background(), response)
		if done || err != nil {
			return said, done, err
		}
	}
	return said, false, errors.New("the exchange has no end")
}
