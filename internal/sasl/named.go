package sasl

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
