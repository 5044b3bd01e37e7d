package sasl

import (
	"strconv"
	"strings"
)

// newOAuthBearer starts OAUTHBEARER (RFC 7628).
func newOAuthBearer(c *Conn) Exchange {
	t := &tokenExchange{conn: c, parse: parseOAuthBearer, document: bearerDocument}
	return t.start()
}

// parseOAuthBearer reads "gs2-header \x01 pairs \x01" (RFC 7628 section 3.1).
// There is no channel binding, so that the flag is n, or y of a client that could bind.
// Pairs that it does not know are ignored.
func parseOAuthBearer(response string) (login, token string, err error) {
	flag, rest, found := strings.Cut(response, ",")
	authzid, text, found2 := strings.Cut(rest, ",\x01")
	if !found || !found2 || flag != "n" && flag != "y" {
		return "", "", ErrSyntax
	}
	login, ok := parseAuthzid(authzid)
	pairs, err := parsePairs(text)
	if !ok || err != nil {
		return "", "", ErrSyntax
	}
	auth, named := pairs["auth"]
	if !named || !isOAuthPlace(pairs) {
		return "", "", ErrSyntax
	}
	token, err = parseBearer(auth)
	return login, token, err
}

// isOAuthPlace judges the form of host and port, which say what the client
// connected to. They are not compared: a balancer or an alias may stand between.
func isOAuthPlace(pairs map[string]string) bool {
	if host, named := pairs["host"]; named && (host == "" || len(host) > maxLogin || strings.ContainsAny(host, " \t\r\n")) {
		return false
	}
	port, named := pairs["port"]
	if !named {
		return true
	}
	_, err := strconv.ParseUint(port, 10, 16)
	return err == nil
}

// bearerDocument is the document of RFC 7628 section 3.2.2.
func bearerDocument(e *TokenError) tokenDocument {
	return tokenDocument{Status: e.status(), Scope: e.Scope, Configuration: e.Configuration}
}

// status is Status with its default.
func (e *TokenError) status() string {
	if e.Status == "" {
		return "invalid_token"
	}
	return e.Status
}
