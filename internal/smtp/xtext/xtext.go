// Package xtext decodes what parameters of MAIL and RCPT are encoded in (RFC 3461
// section 4, RFC 6533 section 3). What it returns holds nothing that is not printable. It
// knows no parameter.
package xtext

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Decode decodes xtext (RFC 3461 section 4): printable ASCII but "+" and "=", and
// "+" with two upper-case hexadecimal digits for an octet. What it stands for
// must be printable ASCII or space, as sections 4.2 and 4.4 ask: a line end
// hidden in it would become one in a report.
func Decode(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			if i+2 >= len(s) || !isUpperHex(s[i+1]) || !isUpperHex(s[i+2]) {
				return "", false
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil || v < ' ' || v > '~' {
				return "", false
			}
			b.WriteByte(byte(v))
			i += 2
		case c <= ' ' || c > '~' || c == '=':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// DecodeUTF8 decodes utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533
// section 3): "\x{HEX}" stands for a character, "+" and "=" only in that form,
// and characters beyond ASCII may stand for themselves.
func DecodeUTF8(s string) (string, bool) {
	var b strings.Builder
	for len(s) > 0 {
		if strings.HasPrefix(s, `\x{`) {
			digits, rest, closed := strings.Cut(s[len(`\x{`):], "}")
			c, valid := parseHexPoint(digits)
			if !closed || !valid {
				return "", false
			}
			b.WriteRune(c)
			s = rest
			continue
		}
		c, size := utf8.DecodeRuneInString(s)
		if c == utf8.RuneError && size == 1 || !unicode.IsPrint(c) || strings.ContainsRune(`+=\ `, c) {
			return "", false
		}
		b.WriteRune(c)
		s = s[size:]
	}
	return b.String(), true
}

// parseHexPoint reads HEXPOINT of RFC 6533 section 3; the character must be
// printable or a space.
func parseHexPoint(digits string) (rune, bool) {
	if len(digits) < 2 || len(digits) > 6 {
		return 0, false
	}
	for i := 0; i < len(digits); i++ {
		if !isUpperHex(digits[i]) {
			return 0, false
		}
	}
	v, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || !unicode.IsPrint(rune(v)) {
		return 0, false
	}
	return rune(v), true
}

func isUpperHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }
