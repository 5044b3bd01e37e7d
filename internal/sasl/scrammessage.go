package sasl

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Bounds of SCRAM's messages in octets.
const (
	maxScram      = 4096
	maxScramNonce = 512
	maxBinding    = 64
)

// scramKnown are the attributes that have a place of their own, so that none of
// them is an extension (RFC 5802 section 5.1). m asks for an extension that must be
// understood, of which there is none.
const scramKnown = "anmrcsipve"

// scramFirst is a client's first message (RFC 5802 section 7).
type scramFirst struct {
	// header is the gs2-header with both of its commas.
	header string
	// flag is that of the header: n, y or p; binding is the type behind p, else "".
	flag    byte
	binding string
	authzid string
	// login is prepared, nonce is the client's own.
	login, nonce string
	// bare is the message behind the header.
	bare string
}

// parseScramFirst reads "gs2-header n=user,r=nonce[,extensions]".
func parseScramFirst(text string) (scramFirst, error) {
	var f scramFirst
	flag, rest, found := strings.Cut(text, ",")
	authzid, bare, found2 := strings.Cut(rest, ",")
	if !found || !found2 || !isScram(text) || !f.takeHeader(flag, authzid) {
		return f, ErrSyntax
	}
	f.header, f.bare = text[:len(text)-len(bare)], bare
	attributes := strings.Split(bare, ",")
	if len(attributes) < 2 || !areExtensions(attributes[2:]) {
		return f, ErrSyntax
	}
	name, isName := strings.CutPrefix(attributes[0], "n=") // "m=" among what is refused
	nonce, isNonce := strings.CutPrefix(attributes[1], "r=")
	name, plain := fromSaslname(name)
	if !isName || !isNonce || !plain || !isNonceText(nonce) {
		return f, ErrSyntax
	}
	f.nonce = nonce
	var prepared bool
	if f.login, prepared = prepareLogin(name); !prepared {
		return f, ErrSyntax
	}
	return f, nil
}

// takeHeader reads the two parts of a gs2-header. "F", which marks mechanisms
// that are none of GSS-API's, is not for SCRAM.
func (f *scramFirst) takeHeader(flag, authzid string) bool {
	kind, binds := strings.CutPrefix(flag, "p=")
	switch {
	case binds && isBindingName(kind):
		f.flag, f.binding = 'p', kind
	case flag == "n" || flag == "y":
		f.flag = flag[0]
	default:
		return false
	}
	var ok bool
	f.authzid, ok = parseAuthzid(authzid)
	return ok
}

// parseAuthzid reads "[a=saslname]" of a gs2-header (RFC 5801 section 4).
func parseAuthzid(text string) (authzid string, ok bool) {
	if text == "" {
		return "", true
	}
	name, named := strings.CutPrefix(text, "a=")
	authzid, ok = fromSaslname(name)
	return authzid, named && ok && isIdentity(authzid)
}

// fromSaslname replaces =2C and =3D, the only "=" that may stand in a name, by what
// they stand for (RFC 5802 section 5.1).
func fromSaslname(text string) (name string, ok bool) {
	if strings.IndexByte(text, ',') >= 0 {
		return "", false
	}
	parts := strings.Split(text, "=")
	var b strings.Builder
	b.WriteString(parts[0])
	for _, part := range parts[1:] {
		switch {
		case strings.HasPrefix(part, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(part, "3D"):
			b.WriteByte('=')
		default:
			return "", false
		}
		b.WriteString(part[2:])
	}
	return b.String(), true
}

// scramFinal is a client's final message.
type scramFinal struct {
	binding, nonce string
	proof          []byte
	// withoutProof is the message up to its last comma.
	withoutProof string
}

// parseScramFinal reads "c=binding,r=nonce[,extensions],p=proof" for proofs of
// size octets.
func parseScramFinal(text string, size int) (scramFinal, error) {
	var f scramFinal
	attributes := strings.Split(text, ",")
	if !isScram(text) || len(attributes) < 3 || !areExtensions(attributes[2:len(attributes)-1]) {
		return f, ErrSyntax
	}
	last := attributes[len(attributes)-1]
	binding, isBinding := strings.CutPrefix(attributes[0], "c=")
	nonce, isNonce := strings.CutPrefix(attributes[1], "r=")
	proof, isProof := strings.CutPrefix(last, "p=")
	if !isBinding || !isNonce || !isProof || !isNonceText(nonce) {
		return f, ErrSyntax
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(proof)
	if err != nil || len(raw) != size || len(proof) != base64.StdEncoding.EncodedLen(size) {
		return f, ErrSyntax // the decoder would pass over line ends
	}
	return scramFinal{binding: binding, nonce: nonce, proof: raw, withoutProof: text[:len(text)-len(last)-1]}, nil
}

// isScram reports whether text can be a message of SCRAM at all.
func isScram(text string) bool {
	return len(text) <= maxScram && utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// areExtensions reports whether all are "letter=value" that we need not know
// (RFC 5802 section 5.1: unknown ones are ignored).
func areExtensions(all []string) bool {
	for _, e := range all {
		if len(e) < 3 || !isLetter(e[0]) || e[1] != '=' || strings.IndexByte(scramKnown, e[0]) >= 0 {
			return false
		}
	}
	return true
}

// isNonceText reports whether s is printable ASCII, of which a comma has ended it before.
func isNonceText(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxScramNonce
}

// isBindingName reports whether s is the form of a channel binding's name (RFC
// 5802 section 7: letters, digits, "." and "-").
func isBindingName(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) && !isDigit(s[i]) && s[i] != '.' && s[i] != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxBinding
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
