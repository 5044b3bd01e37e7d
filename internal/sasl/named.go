package sasl

import "strings"

// Named returns the login that a response to a challenge of CRAM-MD5 (RFC 2195 section 2) or
// DIGEST-MD5 (RFC 2831 section 2.1.2) names, for exchanges that somebody else judges; "" for
// a response that is not of the mechanism's form, and for other mechanisms.
func Named(mechanism string, response []byte) string {
	switch mechanism {
	case cramName:
		login, _, _ := parseCram(response)
		return login
	case digestName:
		r, _ := parseDigest(response)
		return r.login
	}
	return ""
}

// ScramNames returns the names in a client's first message of SCRAM as the client spells
// them, with =2C and =3D replaced but not prepared (RFC 5802 section 5.1): the authorization
// identity, "" for none, and the login. ok is false for what is no such message.
func ScramNames(first []byte) (authzid, login string, ok bool) {
	parts := strings.SplitN(string(first), ",", 4)
	if len(parts) < 4 {
		return "", "", false
	}
	authzid, right := parseAuthzid(parts[1])
	name, named := strings.CutPrefix(parts[2], "n=")
	login, plain := fromSaslname(name)
	return authzid, login, right && named && plain
}
