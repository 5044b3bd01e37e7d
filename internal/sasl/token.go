package sasl

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
)

// maxToken bounds a bearer token in octets; a line of AUTH holds no more (RFC
// 4954 section 4).
const maxToken = 12288

// maxTokenPairs bounds the pairs of a response.
const maxTokenPairs = 16

// tokenExchange is what the two mechanisms that bring a bearer token share.
type tokenExchange struct {
	conn *Conn
	// exchange is told of a failure before it ends in it.
	exchange *steps
	// parse reads the one response that matters.
	parse func(response string) (login, token string, err error)
	// document tells the client why its token is refused.
	document func(e *TokenError) tokenDocument
}

// tokenDocument is the error that a client is told: that of RFC 7628 section
// 3.2.2, with the members that XOAUTH2 has in their place.
type tokenDocument struct {
	Status        string `json:"status"`
	Schemes       string `json:"schemes,omitempty"`
	Scope         string `json:"scope,omitempty"`
	Configuration string `json:"openid-configuration,omitempty"`
}

// start begins the exchange.
func (t *tokenExchange) start() Exchange {
	t.exchange = clientFirst(t.take)
	return t.exchange
}

// take judges a token. A refusal goes out as a challenge first, and whatever
// the client says to that, the exchange ends in it (RFC 7628 section 3.2.3).
func (t *tokenExchange) take(ctx context.Context, response []byte) ([]byte, step, error) {
	login, token, err := t.parse(string(response))
	if err != nil {
		return nil, nil, err
	}
	err = t.conn.Verifier.VerifyToken(ctx, login, token)
	if err == nil && token == "" {
		return nil, nil, trouble("no token was brought, and the answer was yes")
	}
	var told *TokenError
	if !errors.As(err, &told) {
		return nil, nil, err
	}
	text, marshalErr := json.Marshal(t.document(told))
	if marshalErr != nil {
		return nil, nil, err
	}
	t.exchange.failure = err
	return text, func(context.Context, []byte) ([]byte, step, error) { return nil, nil, err }, nil
}

// parsePairs reads "key=value" pairs of which each ends in \x01, with one more
// \x01 at the end (RFC 7628 section 3.1). No key may stand twice.
func parsePairs(text string) (map[string]string, error) {
	body, ended := strings.CutSuffix(text, "\x01\x01")
	if !ended {
		return nil, ErrSyntax
	}
	parts := strings.Split(body, "\x01")
	if len(parts) > maxTokenPairs {
		return nil, ErrSyntax
	}
	all := map[string]string{}
	for _, part := range parts {
		key, value, found := strings.Cut(part, "=")
		_, twice := all[key]
		if !found || twice || !isKey(key) || !isPairValue(value) {
			return nil, ErrSyntax
		}
		all[key] = value
	}
	return all, nil
}

// isKey reports whether s is one letter or more.
func isKey(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) {
			return false
		}
	}
	return s != ""
}

// isPairValue reports whether s is of the characters of a value: visible ASCII, space,
// tab and line ends (RFC 7628 section 3.1).
func isPairValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c > '~' || c < ' ' && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// parseBearer reads the value of auth: "Bearer TOKEN" (RFC 6750 section 2.1),
// the scheme in any case, or nothing, which asks what is wanted.
func parseBearer(value string) (token string, err error) {
	if value == "" {
		return "", nil
	}
	scheme, token, _ := strings.Cut(value, " ")
	token = strings.TrimLeft(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken || !isToken68(token) {
		return "", ErrSyntax
	}
	return token, nil
}

// isToken68 reports whether s is empty or a b64token (RFC 6750 section 2.1).
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := 0; i < len(body); i++ {
		if c := body[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("-._~+/", c) < 0 {
			return false
		}
	}
	return body != "" || s == ""
}
