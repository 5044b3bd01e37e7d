package message

import (
	"bytes"
	"mime"
	"strings"
	"unicode/utf8"

	"countersign/internal/message/encoded"
)

// Raw8Bit says what to do with 8-bit text in the header of a message that is
// not sent with SMTPUTF8.
type Raw8Bit string

// What can be done: RawEncode turns it into encoded words (RFC 2047) where they
// are legal and refuses the message elsewhere; RawRefuse refuses it always.
const (
	RawEncode Raw8Bit = "encode"
	RawRefuse Raw8Bit = "refuse"
)

// EncodeRaw makes the header fit for the path it takes. With smtpUTF8 it only
// insists that all text is UTF-8 (RFC 6532 section 3.1). Without, a header of ASCII passes
// untouched, and any field with 8-bit text is handled as mode says: text that is UTF-8 is taken as such, other
// text as windows-1252. Encoded are unstructured fields, and display names and comments in address fields.
// 8-bit octets in an address, in a parameter of Content-Type, or in any
// other structured place cannot be encoded: reason header-8bit.
func (h *Header) EncodeRaw(mode Raw8Bit, smtpUTF8 bool) error {
	for i, f := range h.fields {
		if !has8Bit(f.raw) {
			continue
		}
		if smtpUTF8 {
			if !utf8.Valid(f.raw) {
				return refuse(ReasonRaw8Bit, "the field %s is not valid UTF-8", f.name())
			}
			continue
		}
		if mode != RawEncode {
			return refuse(ReasonRaw8Bit, "the field %s holds 8-bit text without SMTPUTF8", f.name())
		}
		encoded, ok := encodeField(f)
		if !ok {
			return refuse(ReasonRaw8Bit, "the field %s holds 8-bit text where it cannot be encoded", f.name())
		}
		h.fields[i] = encoded
	}
	return nil
}

// Kinds of field, by where an encoded word may stand in them (RFC 2047 section
// 5).
const (
	unstructured = iota // anywhere
	addressList         // in display names and comments
	structured          // nowhere that we would dare
)

// fieldKind returns the kind of the field called name. A field that is not
// known is unstructured (RFC 5322 section 3.6.8).
func fieldKind(name string) int {
	name = strings.ToLower(name)
	switch name {
	case "from", "sender", "reply-to", "to", "cc", "bcc",
		"resent-from", "resent-sender", "resent-to", "resent-cc", "resent-bcc", "resent-reply-to",
		"disposition-notification-to", "return-receipt-to", "errors-to",
		"mail-followup-to", "mail-reply-to":
		return addressList
	case "date", "message-id", "in-reply-to", "references", "keywords",
		"resent-date", "resent-message-id", "return-path", "received",
		"mime-version", "content-type", "content-disposition", "content-transfer-encoding",
		"content-id", "content-location", "content-language",
		"auto-submitted", "authentication-results", "dkim-signature", "autocrypt":
		return structured
	}
	if strings.HasPrefix(name, "list-") || strings.HasPrefix(name, "arc-") {
		return structured
	}
	return unstructured
}

// encodeField returns f in ASCII; ok is false where that cannot be.
func encodeField(f field) (out field, ok bool) {
	body := []byte(toUTF8(string(f.body())))
	e := encoder{out: append(make([]byte, 0, 2*len(f.raw)), f.raw[:f.colon+1]...)}
	switch fieldKind(f.name()) {
	case unstructured:
		e.text(body, mime.QEncoding)
	case addressList:
		ok = e.addresses(string(body))
		if !ok {
			return field{}, false
		}
	default:
		return field{}, false
	}
	if has8Bit(e.out) { // in something that does not end
		return field{}, false
	}
	for line := range bytes.SplitSeq(e.out, []byte("\r\n")) {
		if len(line) > maxLine {
			return field{}, false
		}
	}
	return field{raw: append(e.out, '\r', '\n'), colon: f.colon}, true
}

// encoder writes the ASCII form of a field body.
type encoder struct {
	out []byte
}

// maxEncodedLine is the length of a line with an encoded word in it (RFC 2047
// section 2).
const maxEncodedLine = 76

// maxLine is the length of any line without its CRLF (RFC 5322 section 2.1.1).
const maxLine = 998

// text copies body, which may hold folds, and encodes each run of words that
// hold 8-bit text. ASCII words and the white space around the runs stay as they are.
func (e *encoder) text(body []byte, method mime.WordEncoder) {
	words := splitWords(body)
	for i := 0; i < len(words); {
		if !has8Bit(words[i].word) {
			e.copy(words[i])
			i++
			continue
		}
		end := i + 1
		for end < len(words) && has8Bit(words[end].word) {
			end++
		}
		e.out = append(e.out, words[i].space...)
		var run strings.Builder
		// The space between two encoded words is not shown (RFC 2047 section
		// 6.2), so next to one that was there already it goes inside ours.
		if i > 0 && isEncodedWord(words[i-1].word) {
			run.WriteByte(' ')
		}
		for j := i; j < end; j++ {
			if j > i {
				run.Write(unfold(words[j].space))
			}
			run.Write(words[j].word)
		}
		if end < len(words) && isEncodedWord(words[end].word) {
			run.WriteByte(' ')
		}
		e.encode(run.String(), method)
		i = end
	}
}

// copy writes a word that needs no encoding, on a line of its own where the
// words encoded before it have made the line too long.
func (e *encoder) copy(w spacedWord) {
	if e.column()+len(w.space)+len(w.word) > maxLine && len(w.space) > 0 && isWSP(w.space[0]) && !e.atLineStart() {
		e.out = append(e.out, "\r\n"...)
	}
	e.out = append(e.out, w.space...)
	e.out = append(e.out, w.word...)
}

// encode writes text, which is not ASCII, as one or more encoded words.
func (e *encoder) encode(text string, method mime.WordEncoder) {
	for i, word := range strings.Split(method.Encode("utf-8", text), " ") {
		switch {
		case i > 0: // this space is between encoded words and not shown
			e.out = append(e.out, "\r\n "...)
		case e.column()+len(word) > maxEncodedLine && !e.atLineStart():
			e.foldBefore()
		}
		e.out = append(e.out, word...)
	}
}

// foldBefore folds at the white space that the line ends in, so that unfolding
// gives the same text; where it ends in none, there is no fold.
func (e *encoder) foldBefore() {
	text := bytes.TrimRight(e.out, " \t")
	space := bytes.Clone(e.out[len(text):])
	if len(space) > 0 {
		e.out = append(append(text, "\r\n"...), space...)
	}
}

// line returns what the current line holds so far.
func (e *encoder) line() []byte { return e.out[bytes.LastIndexByte(e.out, '\n')+1:] }

// column returns the length of the current line in octets.
func (e *encoder) column() int { return len(e.line()) }

// atLineStart reports whether a fold here would leave a line of white space
// only.
func (e *encoder) atLineStart() bool { return onlyWSP(e.line()) }

// spacedWord is a word and the white space before it, folds included.
type spacedWord struct{ space, word []byte }

// splitWords cuts text at white space; nothing is lost but an empty text.
func splitWords(text []byte) []spacedWord {
	var out []spacedWord
	for len(text) > 0 {
		n := bytes.IndexFunc(text, func(r rune) bool { return !isFoldSpace(r) })
		if n < 0 {
			return append(out, spacedWord{space: text})
		}
		end := bytes.IndexFunc(text[n:], isFoldSpace)
		if end < 0 {
			end = len(text) - n
		}
		out = append(out, spacedWord{space: text[:n], word: text[n : n+end]})
		text = text[n+end:]
	}
	return out
}

// isFoldSpace reports whether r is part of folding white space.
func isFoldSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// unfold removes line ends, which leaves the white space after them.
func unfold(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), nil) }

// isEncodedWord reports whether w is an encoded word and nothing else.
func isEncodedWord(w []byte) bool {
	if !bytes.HasPrefix(w, []byte("=?")) {
		return false
	}
	word, ok := encoded.Cut(string(w))
	return ok && word.Size == len(w)
}

// addresses copies an address-list (RFC 5322 section 3.4), which may hold
// folds, and encodes display names, group names and comments. It reads
// liberally, as recipients' names are written by all kinds of programs; ok is
// false when 8-bit text stands in an address.
func (e *encoder) addresses(s string) (ok bool) {
	for len(s) > 0 {
		// A phrase ends in "<" or ":", an address in "," or ";" or at the end.
		n, named := cutPhrase(s)
		if !named && has8Bit(stripComments(s[:n])) {
			return false
		}
		e.phrase(s[:n])
		s = s[n:]
		if strings.HasPrefix(s, "<") {
			end := strings.IndexByte(s, '>')
			if end < 0 || has8Bit(s[:end]) {
				return false
			}
			e.out = append(e.out, s[:end]...)
			s = s[end:]
		}
		if s == "" {
			break
		}
		e.out = append(e.out, s[0]) // the separator itself
		s = s[1:]
		if e.column() > maxEncodedLine && strings.HasPrefix(s, " ") {
			e.out = append(e.out, "\r\n"...)
		}
	}
	return true
}

// cutPhrase returns the length of the text before the next ",", ";", "<", ">" or ":"
// outside quotes and comments, and whether it is a name: whether "<" or ":" comes next.
func cutPhrase(s string) (n int, named bool) {
	for n < len(s) {
		switch s[n] {
		case '"':
			text, _ := cutQuoted(s[n:])
			n += len(text)
		case '(':
			text, _ := cutComment(s[n:])
			n += len(text)
		case '<', ':':
			return n, true
		case ',', ';', '>':
			return n, false
		default:
			n++
		}
	}
	return n, false
}

// stripComments returns s without its comments.
func stripComments(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '(' {
			text, _ := cutComment(s[i:])
			i += len(text)
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// phrase copies words, quoted strings and comments. Each of them that holds 8-bit
// text is encoded; base 64 is used, as "Q" would need a stricter form in both places
// (RFC 2047 section 5 rules 2 and 3).
func (e *encoder) phrase(s string) {
	for len(s) > 0 {
		if s[0] == '(' {
			text, ended := cutComment(s)
			s = s[len(text):]
			if !ended || !has8Bit(text) {
				e.out = append(e.out, text...)
				continue
			}
			e.out = append(e.out, '(')
			e.encode(string(unfold([]byte(unescape(text[1:len(text)-1])))), mime.BEncoding)
			e.out = append(e.out, ')')
			continue
		}
		n := wordsLength(s)
		e.words(s[:n])
		s = s[n:]
	}
}

// wordsLength returns the length of s up to its first comment.
func wordsLength(s string) int {
	n := 0
	for n < len(s) && s[n] != '(' {
		if s[n] == '"' {
			text, _ := cutQuoted(s[n:])
			n += len(text)
			continue
		}
		n++
	}
	return n
}

// words copies atoms and quoted strings. Where a quoted string is among them, all
// are encoded as one text, since an encoded word cannot stand in quotes.
func (e *encoder) words(s string) {
	if !has8Bit(s) {
		e.out = append(e.out, s...)
		return
	}
	if !strings.Contains(s, `"`) {
		e.text([]byte(s), mime.BEncoding)
		return
	}
	text := strings.Trim(s, " \t\r\n")
	start := strings.Index(s, text)
	e.out = append(e.out, s[:start]...)
	e.encode(unquoteAll(string(unfold([]byte(text)))), mime.BEncoding)
	e.out = append(e.out, s[start+len(text):]...)
}

// unquoteAll replaces each quoted string in s by its content.
func unquoteAll(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		if s[0] != '"' {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		text, ended := cutQuoted(s)
		s = s[len(text):]
		if ended {
			text = text[:len(text)-1]
		}
		b.WriteString(unescape(text[1:]))
	}
	return b.String()
}
