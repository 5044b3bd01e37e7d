package message

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/unicode/norm"

	"countersign/internal/mail"
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
	text, err := decodeWords(text)
	if err != nil {
		return nil, err
	}
	// Still one after decoding: broken, or encoded twice.
	if strings.Contains(text, "=?") {
		return nil, syntaxError("the display name holds a broken encoded word")
	}
	text, err = visible(text)
	if err != nil {
		return nil, err
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

// visible reduces text to what the eye gets: compatibility forms (full-width
// letters, "\uff20") become plain, invisible format characters go. Control
// characters and overrides of the writing direction are errors.
func visible(text string) (string, error) {
	text = norm.NFKC.String(text)
	bad := false
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case misleads(r):
			bad = true
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		case r == '\u3002': // the ideographic full stop separates labels too (RFC 5895 section 2)
			return '.'
		}
		return r
	}, text)
	if bad {
		return "", syntaxError("the display name holds a control character")
	}
	return text, nil
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

func notInDomain(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '.' && r != '-'
}

// notInLocal reports what cannot belong to a local part in running text.
func notInLocal(r rune) bool {
	return r < utf8.RuneSelf && !isAtomChar(byte(r)) && r != '.'
}

// decodeWords resolves encoded words (RFC 2047) wherever they stand, in quoted
// strings and glued to other text too, as lenient receivers do. An encoded word that cannot be
// decoded, and one in a charset that is not known, is an error.
func decodeWords(s string) (string, error) {
	return resolveWords(s, encodedWord.decode)
}

// resolveWords replaces each encoded word of s by what decode makes of it, and
// drops the white space between two of them.
func resolveWords(s string, decode func(encodedWord) (string, error)) (string, error) {
	var b strings.Builder
	afterWord := false
	// Behind the last "?=" no word ends, and none is looked for.
	ends := strings.LastIndex(s, "?=")
	for size := len(s); ; {
		start := strings.Index(s, "=?")
		if start < 0 || size-len(s)+start > ends {
			b.WriteString(s)
			return b.String(), nil
		}
		between := s[:start]
		w, ok := cutWord(s[start:])
		if !ok {
			b.WriteString(s[:start+2])
			s = s[start+2:]
			afterWord = false
			continue
		}
		// RFC 2047 section 6.2: white space between encoded words is not shown.
		if !afterWord || strings.Trim(between, " \t") != "" {
			b.WriteString(between)
		}
		text, err := decode(w)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		s = s[start+w.size:]
		afterWord = true
	}
}

// encodedWord is "=?charset?encoding?text?=".
type encodedWord struct {
	charset string
	// method is 'b' or 'q'.
	method byte
	text   string
	// size is the octets of the whole word.
	size int
}

// cutWord takes the encoded word at the start of s, which begins with "=?".
func cutWord(s string) (encodedWord, bool) {
	charset, rest, ok := strings.Cut(s[2:], "?")
	if !ok || charset == "" || strings.ContainsAny(charset, " \t") {
		return encodedWord{}, false
	}
	if len(rest) < 2 || rest[1] != '?' {
		return encodedWord{}, false
	}
	method := rest[0] | 0x20
	if method != 'b' && method != 'q' {
		return encodedWord{}, false
	}
	text, tail, ok := strings.Cut(rest[2:], "?=")
	if !ok {
		return encodedWord{}, false
	}
	charset, _, _ = strings.Cut(charset, "*") // a language (RFC 2231 section 5)
	return encodedWord{charset: charset, method: method, text: text, size: len(s) - len(tail)}, true
}

// decode returns the word's text in UTF-8.
func (w encodedWord) decode() (string, error) {
	enc, err := htmlindex.Get(w.charset)
	if err != nil || enc == encoding.Replacement {
		return "", syntaxError("the charset of an encoded word is not known")
	}
	raw, ok := w.octets()
	if !ok {
		return "", syntaxError("an encoded word cannot be decoded")
	}
	text, err := enc.NewDecoder().String(raw)
	if err != nil {
		return "", syntaxError("an encoded word cannot be decoded")
	}
	return text, nil
}

// octets undoes the "B" or "Q" encoding (RFC 2047 section 4).
func (w encodedWord) octets() (string, bool) {
	if w.method == 'b' {
		text := strings.TrimRight(strings.ReplaceAll(w.text, " ", ""), "=")
		raw, err := base64.RawStdEncoding.DecodeString(text)
		return string(raw), err == nil
	}
	var b strings.Builder
	for i := 0; i < len(w.text); i++ {
		switch c := w.text[i]; c {
		case '_':
			b.WriteByte(' ')
		case '=':
			if i+3 > len(w.text) {
				return "", false
			}
			octet, err := hex.DecodeString(w.text[i+1 : i+3])
			if err != nil {
				return "", false
			}
			b.Write(octet)
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}
