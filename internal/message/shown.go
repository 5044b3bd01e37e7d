package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"countersign/internal/mail"
	"countersign/internal/message/encoded"
	"countersign/internal/message/visible"
)

// toUTF8 returns s if it is UTF-8, else s read as windows-1252, which is what
// 8-bit text without a label most often is.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out, err := charmap.Windows1252.NewDecoder().String(s)
	if err != nil {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	return out
}

// shownAddresses returns the addresses that a reader of text sees in it, once
// encoded words are decoded and look-alikes of compatibility are resolved. Only
// what has a dot in its domain looks like an address: "Meet @ five" and
// "me@work" do not. Text that could show one thing here and another there is an
// error.
func shownAddresses(text string) ([]mail.Address, error) {
	if !strings.ContainsAny(text, "@=") && !has8Bit(text) {
		return nil, nil
	}
	text, err := encoded.Decode(text)
	if err != nil {
		return nil, err
	}
	// Still one after decoding: broken, or encoded twice.
	if strings.Contains(text, "=?") {
		return nil, syntaxError("the display name holds a broken encoded word")
	}
	text, ok := visible.Text(text)
	if !ok {
		return nil, syntaxError("the display name holds a control character")
	}
	var out []mail.Address
	for i := strings.IndexByte(text, '@'); i >= 0; {
		a, found, err := addressAround(text, i)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, a)
		}
		next := strings.IndexByte(text[i+1:], '@')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return out, nil
}

// addressAround returns the address around the "@" at index at, if what stands
// there looks like one.
func addressAround(text string, at int) (a mail.Address, found bool, err error) {
	domain := text[at+1:]
	if end := strings.IndexFunc(domain, notInDomain); end >= 0 {
		domain = domain[:end]
	}
	domain = strings.Trim(domain, ".-")
	if !strings.Contains(domain, ".") {
		return a, false, nil
	}
	before := text[:at]
	if strings.HasSuffix(before, `"`) {
		return a, false, syntaxError("the display name holds a quoted address")
	}
	local := before[strings.LastIndexFunc(before, notInLocal)+1:]
	// Marks that people put around an address, though atext has them too.
	local = strings.TrimLeft(local, "'`*|{/=~.")
	if local == "" {
		return a, false, nil
	}
	a, err = mail.ParseAddress(local + "@" + domain)
	if err != nil {
		return a, false, syntaxError("the display name holds something like an address, but broken")
	}
	return a, true, nil
}

// notInDomain reports what cannot belong to a domain in running text. Of what is no letter the
// middle dot of Catalan can (RFC 5892 appendix A.3).
func notInDomain(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(".-\u00b7", r)
}

// notInLocal reports what cannot belong to a local part in running text.
func notInLocal(r rune) bool {
	return r < utf8.RuneSelf && !isAtomChar(byte(r)) && r != '.'
}
