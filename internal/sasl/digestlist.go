package sasl

import (
	"strings"
	"unicode/utf8"
)

// Bounds of a digest-response.
const (
	// maxDigest: less than 4,096 octets (RFC 2831 section 2.1.2).
	maxDigest      = 4095
	maxDirectives  = 32
	maxDigestField = 512
)

// digestForm says how the value of a directive stands there.
type digestForm uint8

const (
	// isQuoted: in quotes, always.
	isQuoted digestForm = iota + 1
	// isToken: without quotes; some programs put them, and are understood.
	isToken
)

// digestForms returns the directives of a digest-response that we know (RFC 2831
// section 2.1.2). maxbuf and cipher are for protections that are not offered.
func digestForms() map[string]digestForm {
	return map[string]digestForm{
		"username": isQuoted, "realm": isQuoted, "nonce": isQuoted, "cnonce": isQuoted, "digest-uri": isQuoted, "authzid": isQuoted,
		"nc": isToken, "qop": isToken, "response": isToken, "charset": isToken, "maxbuf": isToken, "cipher": isToken,
	}
}

// parseDigest reads a digest-response. Directives that it does not know are ignored.
func parseDigest(text []byte) (digestResponse, error) {
	all, err := parseDirectives(text)
	if err != nil {
		return digestResponse{}, err
	}
	r := digestResponse{
		login: all["username"], realm: all["realm"], nonce: all["nonce"], cnonce: all["cnonce"],
		count: all["nc"], uri: all["digest-uri"], response: all["response"], authzid: all["authzid"],
	}
	charset, named := all["charset"]
	if !named { // RFC 2831 section 2.1.2: then it is ISO 8859-1
		r.login = fromLatin1(r.login)
	}
	_, hasRealm := all["realm"]
	_, hasAuthzid := all["authzid"]
	switch {
	case named && !strings.EqualFold(charset, "utf-8"),
		!isIdentity(r.login), !isAuthzid(r.authzid), hasAuthzid && r.authzid == "",
		!hasRealm, r.cnonce == "", r.uri == "",
		!isHex(r.count, 8), !isHex(r.response, 32):
		return digestResponse{}, ErrSyntax
	}
	// qop is "auth" where it is not named.
	if qop, named := all["qop"]; named && qop != "auth" {
		return digestResponse{}, ErrSyntax
	}
	return r, nil
}

// isHex reports whether s is n digits of lower-case hex: the LHEX of RFC 2831 section 2.1.2.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// parseDirectives reads a list of "name=value" (RFC 2831 section 7.1), in which
// empty elements are nothing, and no name may stand twice. Names are in lower case.
func parseDirectives(text []byte) (map[string]string, error) {
	if len(text) > maxDigest {
		return nil, ErrSyntax
	}
	forms, all := digestForms(), map[string]string{}
	for rest := string(text); ; {
		if rest = strings.TrimLeft(rest, " \t,"); rest == "" {
			return all, nil
		}
		name, value, quoted, after, ok := cutDirective(rest)
		_, twice := all[name]
		form := forms[name]
		if !ok || twice || len(all) == maxDirectives || form == isQuoted && !quoted {
			return nil, ErrSyntax
		}
		all[name] = value
		rest = strings.TrimLeft(after, " \t")
		if rest != "" && rest[0] != ',' {
			return nil, ErrSyntax
		}
	}
}

// cutDirective takes one directive off the beginning of text.
func cutDirective(text string) (name, value string, quoted bool, after string, ok bool) {
	end := tokenEnd(text)
	name = strings.ToLower(text[:end])
	if name == "" || end == len(text) || text[end] != '=' {
		return "", "", false, "", false
	}
	text = text[end+1:]
	if strings.HasPrefix(text, `"`) {
		value, after, ok = cutQuoted(text[1:])
		return name, value, true, after, ok && len(value) <= maxDigestField
	}
	end = tokenEnd(text)
	return name, text[:end], false, text[end:], end > 0 && end <= maxDigestField
}

// tokenEnd returns the length of the token that text begins with (RFC 2831
// section 7.1: ASCII without controls and separators).
func tokenEnd(text string) int {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c <= ' ' || c >= utf8.RuneSelf-1 || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return i
		}
	}
	return len(text)
}

// cutQuoted reads a quoted-string behind its first quote (RFC 2831 section
// 7.2): a backslash stands before any ASCII character to be taken as it is.
func cutQuoted(text string) (value, after string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			return b.String(), text[i+1:], true
		}
		if c == '\\' {
			if i++; i == len(text) {
				break
			}
			c = text[i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			break
		}
		b.WriteByte(c)
	}
	return "", "", false
}
