package sasl

import "strings"

// newXOAuth2 starts XOAUTH2, which no RFC describes. It came before OAUTHBEARER,
// and mail programs of large providers speak nothing else.
func newXOAuth2(c *Conn) Exchange {
	t := &tokenExchange{conn: c, parse: parseXOAuth2, document: xoauth2Document}
	return t.start()
}

// parseXOAuth2 reads "user=NAME\x01auth=Bearer TOKEN\x01\x01".
func parseXOAuth2(response string) (login, token string, err error) {
	user, text, found := strings.Cut(response, "\x01")
	login, named := strings.CutPrefix(user, "user=")
	if !found || !named || !isIdentity(login) {
		return "", "", ErrSyntax
	}
	pairs, err := parsePairs(text)
	if err != nil {
		return "", "", err
	}
	auth, named := pairs["auth"]
	if !named {
		return "", "", ErrSyntax
	}
	token, err = parseBearer(auth)
	return login, token, err
}

// xoauth2Document is what programs that speak XOAUTH2 expect: a status of HTTP
// (RFC 6750 section 3.1 says which), schemes and scope.
func xoauth2Document(e *TokenError) tokenDocument {
	status := "401"
	switch e.status() {
	case "insufficient_scope":
		status = "403"
	case "invalid_request":
		status = "400"
	}
	return tokenDocument{Status: status, Schemes: "bearer", Scope: e.Scope}
}
