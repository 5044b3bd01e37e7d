package mail

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Address is a mailbox (RFC 5321 section 4.1.2). Local is the local part as
// its owner means it: without quoting, case kept. The zero Address is the null
// reverse-path "<>".
type Address struct {
	Local  string
	Domain Domain
}

// Length limits in octets (RFC 5321 section 4.5.3.1).
const (
	maxLocal   = 64
	maxAddress = 254 // a path of 256 octets less its angle brackets
)

// ErrAddress is what ParseAddress's errors wrap.
var ErrAddress = errors.New("not a mail address")

// ParseAddress reads "local@domain" or "\"quoted local\"@domain", without angle
// brackets, source route or comments. Non-ASCII is accepted (RFC 6531 section
// 3.3); whether it may be used is for the caller, see IsASCII. The whole
// string must be the address. An empty string is an error: the null path is
// not an address.
func ParseAddress(s string) (Address, error) {
	if len(s) > maxAddress {
		return Address{}, fmt.Errorf("%w: %d octets, at most %d allowed", ErrAddress, len(s), maxAddress)
	}
	if !utf8.ValidString(s) {
		return Address{}, fmt.Errorf("%w: not valid UTF-8", ErrAddress)
	}
	local, rest, err := cutLocal(s)
	if err != nil {
		return Address{}, err
	}
	for _, r := range local {
		// Controls, invisible marks and turned writing make one address look
		// like another.
		if r >= utf8.RuneSelf && !unicode.IsPrint(r) {
			return Address{}, fmt.Errorf("%w: the local part holds the invisible character %U", ErrAddress, r)
		}
	}
	if len(rest) < 2 || rest[0] != '@' {
		return Address{}, fmt.Errorf("%w: %q has no domain", ErrAddress, s)
	}
	domain, err := ParseDomain(rest[1:])
	if err != nil {
		return Address{}, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	a := Address{Local: local, Domain: domain}
	// A-labels are longer than the U-labels that came in.
	if n := len(a.String()); n > maxAddress {
		return Address{}, fmt.Errorf("%w: %d octets with its domain in ASCII, at most %d allowed", ErrAddress, n, maxAddress)
	}
	return a, nil
}

// cutLocal takes the local part off the front of s and unquotes it; rest
// begins at the "@".
func cutLocal(s string) (local, rest string, err error) {
	if s == "" {
		return "", "", fmt.Errorf("%w: empty", ErrAddress)
	}
	var end int
	if s[0] == '"' {
		local, end, err = unquoteLocal(s)
		if err != nil {
			return "", "", err
		}
	} else {
		end = strings.IndexByte(s, '@')
		if end < 0 {
			return "", "", fmt.Errorf("%w: %q has no @", ErrAddress, s)
		}
		local = s[:end]
		if !isDotString(local) {
			return "", "", fmt.Errorf("%w: local part %q needs quoting", ErrAddress, local)
		}
	}
	if end > maxLocal {
		return "", "", fmt.Errorf("%w: local part of %d octets, at most %d allowed", ErrAddress, end, maxLocal)
	}
	return local, s[end:], nil
}

// unquoteLocal reads a Quoted-string (RFC 5321 section 4.1.2) at the start of
// s; end is the index just after the closing quote. An empty quoted string is
// refused: no mailbox is named by nothing.
func unquoteLocal(s string) (local string, end int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			if b.Len() == 0 {
				return "", 0, fmt.Errorf("%w: empty local part", ErrAddress)
			}
			return b.String(), i + 1, nil
		case c == '\\':
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return "", 0, fmt.Errorf("%w: bad quoted pair", ErrAddress)
			}
			b.WriteByte(s[i])
		case c < ' ' || c == 0x7f:
			return "", 0, fmt.Errorf("%w: control character in local part", ErrAddress)
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("%w: quoted local part does not end", ErrAddress)
}

// isDotString reports whether s is a Dot-string: atoms joined by single dots
// (RFC 5321 section 4.1.2, with UTF-8 as in RFC 6531 section 3.3).
func isDotString(s string) bool {
	dot := true // so that a leading dot counts as doubled
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if !isAtext(c) {
			return false
		}
		dot = false
	}
	return !dot
}

// isAtext is atext of RFC 5322 section 3.2.3, plus any octet of UTF-8 beyond
// ASCII (RFC 6532 section 3.2).
func isAtext(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// IsNull reports whether a is the null reverse-path.
func (a Address) IsNull() bool { return a == Address{} }

// IsASCII reports whether a can be sent without SMTPUTF8. The domain always
// can, as it is kept in A-labels.
func (a Address) IsASCII() bool {
	for i := 0; i < len(a.Local); i++ {
		if a.Local[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// String returns the address in wire form, quoted where it must be and without
// angle brackets; "" for the null reverse-path.
func (a Address) String() string {
	if a.IsNull() {
		return ""
	}
	if isDotString(a.Local) {
		return a.Local + "@" + string(a.Domain)
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(a.Local); i++ {
		if c := a.Local[i]; c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(a.Local[i])
	}
	b.WriteString(`"@`)
	b.WriteString(string(a.Domain))
	return b.String()
}

// Key returns the form under which addresses are compared for ownership: local
// part with ASCII letters in lower case, domain normal. RFC 5321 section 2.4 leaves the local
// part's case to its host, which for our own domains is us: case-insensitive.
func (a Address) Key() string {
	return strings.Map(lowerASCII, a.Local) + "@" + string(a.Domain)
}

// Same reports whether two addresses have the same Key, without making either.
func (a Address) Same(b Address) bool {
	if a.Domain != b.Domain || len(a.Local) != len(b.Local) {
		return false
	}
	for i := range len(a.Local) {
		if a.Local[i] != b.Local[i] && lowerASCII(rune(a.Local[i])) != lowerASCII(rune(b.Local[i])) {
			return false
		}
	}
	return true
}

// lowerASCII folds the letters of ASCII alone: other scripts have letters that
// fold into ASCII ones, and those are other mailboxes.
func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// KeyOf is the Key of an address as a text; ok is false for what is none.
func KeyOf(text string) (key string, ok bool) {
	a, err := ParseAddress(text)
	if err != nil {
		return "", false
	}
	return a.Key(), true
}

// DomainOf is the domain of an address as a text, "" of what is none.
func DomainOf(text string) Domain {
	a, err := ParseAddress(text)
	if err != nil {
		return ""
	}
	return a.Domain
}
