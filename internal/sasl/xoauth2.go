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

// xoauth2Document is what programs that speak XOAUTH2 expect: a status of HTTP, schemes
// and scope, as Google's servers give them. It is 400 for a token that is not good, as a
// program that knows it (Thunderbird for Android) fetches another token then, and tries
// once more; at any other status it asks the user. A scope that is missing is 403, as
// another token would not have it either.
func xoauth2Document(e *TokenError) tokenDocument {
	status := "400"
	if e.status() == "insufficient_scope" {
		status = "403"
	}
	return tokenDocument{Status: status, Schemes: "Bearer", Scope: e.Scope}
}
