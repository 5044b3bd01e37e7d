package sasl

import (
	"crypto/md5"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Forms returns how many keys one password may have for a mechanism, as clients make its keys of
// different texts: 2 with SCRAM, 3 with CRAM-MD5 and DIGEST-MD5. It names none with -PLUS.
func Forms(mechanism string) int {
	if strings.HasPrefix(mechanism, "SCRAM-") {
		return 2
	}
	return 3
}

// CramKeys returns the keys for CRAM-MD5 of a password that has been prepared by the caller, the first that of
// CramKey, each once, Forms of them at most. RFC 2195 does not say how the octets of a password come about: curl and
// swaks take what was typed, GNU SASL and with it msmtp what SASLprep makes of that (RFC 4013). What was typed may be
// decomposed.
func CramKeys(password string) []Key {
	return distinct(CramKey(password), CramKey(ScramPassword(password)), CramKey(norm.NFD.String(password)))
}

// DigestKeys is CramKeys for DIGEST-MD5: the first is that of DigestKey. GNU SASL keeps to RFC 2831 section
// 2.1.2.1 and turns what can be written so into ISO 8859-1; curl and swaks leave it in UTF-8.
// None of them prepares it.
func DigestKeys(login, realm, password string) []Key {
	return distinct(DigestKey(login, realm, password), digestKeyUTF8(login, realm, password), digestKeyUTF8(login, realm, norm.NFD.String(password)))
}

// digestKeyUTF8 is DigestKey of texts that stay in UTF-8.
func digestKeyUTF8(login, realm, password string) Key {
	sum := md5.Sum([]byte(login + ":" + realm + ":" + password))
	return Key{Stored: sum[:]}
}

// distinct leaves out the keys that stand before.
func distinct(keys ...Key) (list []Key) {
	for _, k := range keys {
		same := func(o Key) bool { return string(o.Stored) == string(k.Stored) && string(o.Server) == string(k.Server) }
		if !slices.ContainsFunc(list, same) {
			list = append(list, k)
		}
	}
	return list
}
